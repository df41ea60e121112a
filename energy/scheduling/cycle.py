"""Records of the compiled code of power cycles: batches, costs of a cycle, recharge; energies in whole nanojoules."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from energy.events import FloatArray, IntArray
from energy.hardware.recharge import RechargeLaw, recharge_law
from energy.jit import compiled

recharge_s = compiled(recharge_law)


class CutBatches(NamedTuple):
    """Batches that are cut into power cycles, arrays `(n,)`.

    Attributes:
        warm_nj: Energy of a batch that follows another in its cycle. [nJ]
        cold_nj: Energy of a batch that follows a boot. [nJ]
        reload_s: Active time that a boot before a batch adds. [s]
    """

    warm_nj: IntArray
    cold_nj: IntArray
    reload_s: FloatArray


class Cycle(NamedTuple):
    """Costs and budget of a power cycle.

    Attributes:
        boot_nj, boot_s: Energy and active time of a boot. [nJ], [s]
        cycle_budget_nj: Cycle energy budget. [nJ]
        law: Constants of the recharge.
        is_concave: Whether recharge is concave within the budget.
    """

    boot_nj: int
    boot_s: float
    cycle_budget_nj: int
    law: RechargeLaw
    is_concave: bool


@compiled
def sums_nj(warm_nj: IntArray) -> IntArray:
    """Return the energy of all batches before each boundary, `(n + 1,)`. [nJ]"""
    sums = np.zeros(len(warm_nj) + 1, dtype=np.int64)
    for batch in range(len(warm_nj)):
        sums[batch + 1] = sums[batch] + warm_nj[batch]
    return sums


@compiled
def recharge_line(cycle: Cycle) -> tuple[float, float]:
    """Return a line below the recharge time of every energy of a cycle: its start [s] and its slope [s/nJ].

    The chord between boot and budget where recharge is concave; else the least slope, that of charging at Vs / 2.
    """
    law = cycle.law
    at_boot_s = recharge_s(cycle.boot_nj * 1e-9, law)
    if cycle.is_concave:
        at_budget_s = recharge_s(cycle.cycle_budget_nj * 1e-9, law)
        slope = (at_budget_s - at_boot_s) / max(cycle.cycle_budget_nj - cycle.boot_nj, 1)
    else:
        slope = 2e-9 * law.scale_s * law.v2_per_j / law.v_supply_v**2
    return at_boot_s - slope * cycle.boot_nj, slope
