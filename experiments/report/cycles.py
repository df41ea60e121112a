"""Power cycles of a design as they are drawn: runs of equal cycles, with the capacitor's voltage over one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from energy.events import FloatArray
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import Supply

_OUTLINE_POINTS = 9
"""Points of the curve along which a capacitor is charged again."""


@dataclass(frozen=True, kw_only=True)
class CycleRun:
    """Equal power cycles in a row, as they are drawn.

    Attributes:
        cycles: Number of cycles. [1]
        first, last: Layer and preservation batch, counted from 1, with which the first begins and the last ends.
        energy_j: Energy of one of them. [J]
        active_s: Active time of one. [s]
        recharge_s: Time to recharge after one. [s]
        times_s: Since the start of a cycle, `(n_points,)`: start, end of activity, then along the recharge. [s]
        voltages_v: Voltages of the capacitor at these times, `(n_points,)`. [V]
    """

    cycles: int
    first: tuple[str, int]
    last: tuple[str, int]
    energy_j: float
    active_s: float
    recharge_s: float
    times_s: tuple[float, ...]
    voltages_v: tuple[float, ...]


def cycle_run(entry: Mapping[str, Any], names: Sequence[str], supply: Supply) -> CycleRun:
    """Return an entry of a priced schedule, with layers by their names."""
    times_s, voltages_v = cycle_outline(entry["energy_j"], entry["active_s"], supply)
    first, last = ((names[layer], batch + 1) for layer, batch in (entry["first"], entry["last"]))
    return CycleRun(
        cycles=entry["cycles"],
        first=first,
        last=last,
        energy_j=entry["energy_j"],
        active_s=entry["active_s"],
        recharge_s=entry["recharge_s"],
        times_s=tuple(times_s.tolist()),
        voltages_v=tuple(voltages_v.tolist()),
    )


def cycle_outline(energy_j: float, active_s: float, supply: Supply) -> tuple[FloatArray, FloatArray]:
    """Return the voltage of the capacitor over one power cycle, the harvester charging while the device sleeps.

    Args:
        energy_j: Energy drawn in the cycle. [J]
        active_s: Its active time. [s]
        supply: The capacitor and its harvester.

    Returns:
        Times since the start of the cycle [s] and voltages [V], `(n_points,)` both: the start, the end of activity,
        then along the recharge up to Von.
    """
    start_v2, v2_per_j, _, v_on_v, _ = Scenarios.of([supply]).law_of(0)
    # Energy still to be charged, from all of it to nothing.
    missing_j = energy_j * np.linspace(1, 0, _OUTLINE_POINTS)
    climb_s = supply.recharge_time_s(missing_j)
    times_s = np.concatenate([[0.0], active_s + climb_s[0] - climb_s])
    voltages_v = np.concatenate([[v_on_v], np.sqrt(start_v2 - missing_j * v2_per_j)])
    if supply.recharge != "energy-balance":
        # The law of 2021 charges from the margin on, and its time ends at Von.
        times_s = np.append(times_s, active_s + climb_s[0])
        voltages_v = np.append(voltages_v, v_on_v)
    return times_s, voltages_v
