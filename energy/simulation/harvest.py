"""Harvest over time: constant in pieces, a source behind a resistance or a charging power.

Traces are made of numbers or drawn at random inside an uncertainty set here; `experiments.designs.harvest_specs` reads
them from files, makes those of a sunny day, and finds those that a command line names. `energy.simulation.simulate`
charges a capacitor from them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from energy.events import FloatArray
from energy.hardware.supply import Supply
from energy.validation import require_int, require_number

LEAST_STEP_S = 1e-6
"""Shortest piece of a trace. [s]"""

EXTREMES = 0.25
"""Share of the pieces of a random trace whose resistance (and as many whose voltage) is the worst there may be."""


@dataclass(frozen=True, kw_only=True)
class Harvest:
    """A harvester over time, constant in pieces; a run longer than the trace starts it again.

    Attributes:
        name: Description for reports.
        time_s: Start of every piece, `(n_pieces,)`, rising from 0. [s]
        duration_s: When the last piece ends and the trace starts again; infinite where it never does. [s]
        voltage_v: Open-circuit voltage of every piece, `(n_pieces,)`; None for powers. [V]
        resistance_ohm: Internal resistance of every piece, `(n_pieces,)`; None for powers. [ohm]
        power_w: Charging power of every piece, `(n_pieces,)`, at any voltage of the capacitor; None for sources. [W]

    Raises:
        ValueError: Neither or both of source and power, times that do not rise, or a value out of range.
    """

    name: str
    time_s: FloatArray
    duration_s: float
    voltage_v: FloatArray | None = None
    resistance_ohm: FloatArray | None = None
    power_w: FloatArray | None = None

    def __post_init__(self) -> None:
        if (self.voltage_v is None) != (self.resistance_ohm is None) or (self.voltage_v is None) == (
            self.power_w is None
        ):
            raise ValueError("a harvest must have either voltage_v with resistance_ohm, or power_w")
        for field in ("time_s", "voltage_v", "resistance_ohm", "power_w"):
            if getattr(self, field) is not None:
                self._check(field, getattr(self, field))
        if not len(self.time_s) or self.time_s[0] != 0:
            raise ValueError("time_s must start at 0")
        steps_s = np.diff(self.time_s, append=self.duration_s)
        # Half of the least step: times far from 0 are rounded.
        if not np.all(steps_s > LEAST_STEP_S / 2):
            at = int(np.argmin(steps_s > LEAST_STEP_S / 2))
            raise ValueError(f"time_s must rise by at least {LEAST_STEP_S:g}, not by {steps_s[at]:g} after piece {at}")

    def _check(self, field: str, values: FloatArray) -> None:
        if values.shape != self.time_s.shape:
            raise ValueError(f"{field} must have one value per piece, {len(self.time_s)}, not shape {values.shape}")
        is_good = np.isfinite(values) & (values > 0 if field == "resistance_ohm" else values >= 0)
        if not is_good.all():
            at = int(np.argmin(is_good))
            rule = "above 0" if field == "resistance_ohm" else "at least 0"
            raise ValueError(f"{field} must be finite and {rule}, not {values[at]:g} in piece {at}")

    @property
    def kind(self) -> str:
        """Either `"voltage"` or `"power"`."""
        return "voltage" if self.power_w is None else "power"

    def from_piece(self, first: int) -> Harvest:
        """Return the same trace, entered at the start of another piece and going round.

        Raises:
            ValueError: The piece does not exist.
        """
        require_int("first", first, least=0)
        if first >= len(self.time_s):
            raise ValueError(f"first must be below the number of pieces, {len(self.time_s)}, not {first}")
        if first == 0:
            return self
        order = np.roll(np.arange(len(self.time_s)), -first)
        later_s = np.where(order < first, self.duration_s, 0.0)
        turned: dict[str, Any] = {"time_s": self.time_s[order] + later_s - self.time_s[first]}
        for name in ("voltage_v", "resistance_ohm", "power_w"):
            column = getattr(self, name)
            turned[name] = None if column is None else column[order]
        return replace(self, **turned)


def constant_source(resistance_ohm: float, voltage_v: float) -> Harvest:
    """Return a source that never changes.

    Args:
        resistance_ohm: Internal resistance. [ohm]
        voltage_v: Open-circuit voltage. [V]

    Raises:
        ValueError: A value is out of range.
    """
    require_number("resistance_ohm", resistance_ohm, above=0)
    require_number("voltage_v", voltage_v, least=0)
    return Harvest(
        name=f"constant {voltage_v:g} V behind {resistance_ohm:g} ohm",
        time_s=np.zeros(1),
        duration_s=np.inf,
        voltage_v=np.array([voltage_v], dtype=np.float64),
        resistance_ohm=np.array([resistance_ohm], dtype=np.float64),
    )


def constant_power(power_w: float) -> Harvest:
    """Return a charging power that never changes.

    Args:
        power_w: Charging power at any voltage of the capacitor. [W]

    Raises:
        ValueError: The power is negative or not finite.
    """
    require_number("power_w", power_w, least=0)
    return Harvest(
        name=f"constant {power_w:g} W",
        time_s=np.zeros(1),
        duration_s=np.inf,
        power_w=np.array([power_w], dtype=np.float64),
    )


def random_source(
    supply: Supply,
    rng: np.random.Generator,
    *,
    resistance_factor: float = 1.25,
    voltage_factor: float = 1.0,
    n_pieces: int = 1000,
) -> Harvest:
    """Return a source that jumps at random within an uncertainty set: R0 <= R <= R_max and Vs_min <= V <= Vs.

    Pieces last from a thousandth of R C to R C, short ones as often as long ones on a log scale, so that sources
    change between power cycles and within them; extremes of the set occur often.

    Args:
        supply: Gives R0, Vs and C.
        rng: Source of randomness.
        resistance_factor: R_max / R0. [1]
        voltage_factor: Vs_min / Vs. [1]
        n_pieces: Number of pieces.

    Raises:
        ValueError: A factor lies on the wrong side of 1, or Vs_min is not above Von.
    """
    require_number("resistance_factor", resistance_factor, least=1)
    require_number("voltage_factor", voltage_factor, above=0)
    least_factor = supply.v_on_v / supply.v_supply_v
    if not least_factor < voltage_factor <= 1:
        rule = f"above {least_factor:.4g}, where the source stands at v_on_v, and at most 1"
        raise ValueError(f"voltage_factor must be {rule}, not {voltage_factor:g}")
    require_int("n_pieces", n_pieces)
    rc_s = supply.resistance_ohm * supply.capacitance_f
    lasts_s = np.maximum(rc_s * 10 ** rng.uniform(-3, 0, n_pieces), LEAST_STEP_S)
    ends_s = np.cumsum(lasts_s)
    worse_r, worse_v = (rng.uniform(0, 1, n_pieces) for _ in range(2))
    worse_r[rng.uniform(0, 1, n_pieces) < EXTREMES] = 1
    worse_v[rng.uniform(0, 1, n_pieces) < EXTREMES] = 1
    return Harvest(
        name=f"random R up to {resistance_factor:g} times, V down to {voltage_factor:g} times nominal",
        time_s=np.concatenate([[0.0], ends_s[:-1]]),
        duration_s=float(ends_s[-1]),
        voltage_v=supply.v_supply_v * (1 - (1 - voltage_factor) * worse_v),
        resistance_ohm=supply.resistance_ohm * (1 + (resistance_factor - 1) * worse_r),
    )
