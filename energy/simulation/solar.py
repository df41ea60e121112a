"""The harvest of a small solar panel under a clear sky, by pvlib's models; an extra: `pip install ebbnas[solar]`.

The sun's position by the SPA algorithm, global horizontal irradiance by the Ineichen model at sea level. Clouds,
shadows and the panel's temperature are not part of it.
"""

from __future__ import annotations

import importlib
import re

import numpy as np

from energy.events import FloatArray
from energy.simulation.harvest import Harvest
from energy.validation import require_number

LINKE_TURBIDITY = 3.0
"""Turbidity of a clear sky at middle latitudes. [1]"""

SEA_LEVEL = (0.0, 1013.25, 12.0)
"""Elevation [m], air pressure [mbar] and temperature [deg C] by which light is bent."""

REFRACTION = 0.5667
"""Refraction at sunrise and sunset. [deg]"""

DAY_S = 86400.0
MINUTE_S = 60.0


def clear_sky_power(
    latitude: float, longitude: float, date: str, *, area_m2: float, efficiency: float, hour: float = 9.0
) -> Harvest:
    """Return the charging power of a small horizontal panel through 24 hours of a clear day, one value per minute.

    Global horizontal irradiance by the Ineichen model with a Linke turbidity of 3, at sea level.

    Args:
        latitude: Degrees north.
        longitude: Degrees east.
        date: Day at the place, as `YYYY-MM-DD`.
        area_m2: Area of the panel. [m2]
        efficiency: Share of the light that charges the capacitor. [1]
        hour: Mean solar time at which the trace starts; after midnight it goes on. [h]

    Raises:
        ValueError: A value is out of range, or pvlib is not installed.
    """
    require_number("area_m2", area_m2, above=0)
    require_number("efficiency", efficiency, above=0)
    limits = (("latitude", latitude, -90, 90), ("longitude", longitude, -180, 180), ("hour", hour, 0, 24))
    for name, value, least, most in (*limits, ("efficiency", efficiency, 0, 1)):
        require_number(name, value, least=least)
        if value > most:
            raise ValueError(f"{name} must be at most {most}, not {value:g}")
    midnight_s = _day_s(date) - longitude / 360 * DAY_S
    time_s = np.arange(0.0, DAY_S, MINUTE_S)
    irradiance = _irradiance(midnight_s + hour * 3600 + time_s, latitude, longitude, int(date[:4]), int(date[5:7]))
    return Harvest(
        name=f"clear sky of {date} at {latitude:g}, {longitude:g} from hour {hour:g}",
        time_s=time_s,
        duration_s=DAY_S,
        power_w=area_m2 * efficiency * irradiance,
    )


def _day_s(date: str) -> float:
    """Return the midnight of a day in Greenwich, in seconds since 1970. [s]"""
    try:
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", date):
            raise ValueError
        return float(np.datetime64(date, "s").astype(np.int64))
    except ValueError:
        raise ValueError(f"date must be a day as YYYY-MM-DD, not {date!r}") from None


def _irradiance(unix_s: FloatArray, latitude: float, longitude: float, year: int, month: int) -> FloatArray:
    """Return global horizontal irradiance of a clear sky. [W/m2]"""
    try:
        # Only where it is needed: an extra of few users, which loads pandas.
        names = ("spa", "atmosphere", "clearsky")
        spa, atmosphere, clearsky = (importlib.import_module(f"pvlib.{name}") for name in names)
    except ModuleNotFoundError as error:
        raise ValueError(f"a solar harvest needs pvlib ({error}): pip install ebbnas[solar]") from None
    delta_t = float(spa.calculate_deltat(year, month))
    zenith = spa.solar_position(unix_s, latitude, longitude, *SEA_LEVEL, delta_t, REFRACTION)[0]  # [deg]
    airmass = atmosphere.get_relative_airmass(zenith)
    with np.errstate(divide="ignore", invalid="ignore"):  # by night
        horizontal = clearsky.ineichen(zenith, airmass, LINKE_TURBIDITY)["ghi"]
    return np.maximum(np.nan_to_num(np.asarray(horizontal, dtype=np.float64)), 0.0)
