"""Harvests of a command line, for one seed or many; numbers are SI.

`constant`, `constant:R=2800,V=5.9`, `constant:P=0.002`, `random:R=1.25,V=0.95,seed=1` (factors of the nominal source),
`solar:lat=25,lon=121.5,date=2025-06-21,area=0.001,efficiency=0.2`, or the path of a CSV file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from energy.hardware.supply import Supply
from energy.simulation.harvest import Harvest, constant_power, constant_source, random_source
from energy.simulation.harvest_csv import read_harvest
from energy.simulation.solar import clear_sky_power
from energy.validation import closest, require_choice, require_int

KEYS: dict[str, tuple[str, ...]] = {
    "constant": ("R", "V", "P"),
    "random": ("R", "V", "seed"),
    "solar": ("lat", "lon", "date", "area", "efficiency", "hour"),
}
"""Keys of each kind of harvest, by its name."""

Values = dict[str, float | str]


def parse_harvest(spec: str, supply: Supply, *, n_seeds: int = 1, seed: int = 0) -> tuple[Harvest, ...]:
    """Return the harvests of a command line.

    A constant harvest is the same for every seed. A random one is drawn for each seed. In a file or a day, the first
    seed starts at the beginning and every other seed at a random row; the trace repeats.

    Args:
        spec: Text of the harvest, in a form that the module docstring lists.
        supply: Supply whose resistance and voltage are used where the spec has none.
        n_seeds: Number of harvests. [1]
        seed: Seed of the random numbers where the spec has none.

    Returns:
        One harvest per seed.

    Raises:
        ValueError: The spec, the file or a value is not valid.
        OSError: The file cannot be read.
    """
    require_int("n_seeds", n_seeds)
    require_int("seed", seed, least=0)
    kind, _, rest = spec.partition(":")
    if kind not in KEYS:
        return _turned(read_harvest(_existing(spec, kind), supply.resistance_ohm), n_seeds, seed)
    try:
        values = _values(kind, rest)
        if kind == "random":
            return _random(values, supply, n_seeds, seed)
        if kind == "solar":
            return _turned(_solar(values), n_seeds, seed)
        return (_constant(values, supply),) * n_seeds
    except ValueError as error:
        raise ValueError(f"harvest {spec!r}: {error}") from None


def _existing(spec: str, kind: str) -> Path:
    path = Path(spec)
    if not path.is_file():
        forms = ", ".join(f"{name}:{'=,'.join(keys)}=" for name, keys in KEYS.items())
        problem = "file not found" if spec.endswith(".csv") else "unknown kind"
        raise ValueError(f"harvest {spec!r}: {problem}; it must be {forms} or a CSV file{closest(kind, KEYS)}")
    return path


def _values(kind: str, rest: str) -> Values:
    """Return keys and values after the colon; values other than those of `date` and `seed` are numbers."""
    values: Values = {}
    for part in rest.split(",") if rest else ():
        key, equals, text = (word.strip() for word in part.partition("="))
        if not equals:
            raise ValueError(f"must be KEY=VALUE, separated by commas, not {part!r}")
        require_choice("key", key, KEYS[kind])
        if key in values:
            raise ValueError(f"{key} must be given once")
        values[key] = text if key in ("date", "seed") else _number(key, text)
    return values


def _number(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{key} must be a number, not {text!r}") from None


def _constant(values: Values, supply: Supply) -> Harvest:
    if "P" in values:
        if len(values) > 1:
            raise ValueError("P must be given without R and V")
        return constant_power(float(values["P"]))
    return constant_source(float(values.get("R", supply.resistance_ohm)), float(values.get("V", supply.v_supply_v)))


def _random(values: Values, supply: Supply, n_seeds: int, seed: int) -> tuple[Harvest, ...]:
    text = str(values.get("seed", seed))
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"seed must be a whole number of at least 0, not {text!r}")
    factors = float(values.get("R", 1.25)), float(values.get("V", 1.0))
    rngs = np.random.default_rng(int(text)).spawn(n_seeds)
    return tuple(random_source(supply, rng, resistance_factor=factors[0], voltage_factor=factors[1]) for rng in rngs)


def _solar(values: Values) -> Harvest:
    for key in KEYS["solar"][:-1]:
        if key not in values:
            raise ValueError(f"{key} is missing")
    numbers = {key: float(value) for key, value in values.items() if key != "date"}
    return clear_sky_power(
        numbers["lat"],
        numbers["lon"],
        str(values["date"]),
        area_m2=numbers["area"],
        efficiency=numbers["efficiency"],
        hour=numbers.get("hour", 9.0),
    )


def _turned(harvest: Harvest, n_seeds: int, seed: int) -> tuple[Harvest, ...]:
    firsts = np.random.default_rng(seed).integers(len(harvest.time_s), size=n_seeds)
    firsts[0] = 0
    return tuple(harvest.from_piece(int(first)) for first in firsts)
