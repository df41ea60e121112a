"""Cuts of a sequence of batches into power cycles: compiled, in whole nanojoules.

A cycle [i, j) draws `boot + cold[i] + warm[i+1] + ... + warm[j-1]` and recharges for t_rc of that. All
functions work on plain arrays; `energy.scheduling.schedule` has the records.
"""

from __future__ import annotations

import numpy as np

from energy.events import FloatArray, IntArray
from energy.jit import compiled
from energy.scheduling.boundaries import alone, fill_best
from energy.scheduling.cycle import CutBatches, Cycle


@compiled
def greedy_starts(warm_nj: IntArray, cold_nj: IntArray, boot_nj: int, cycle_budget_nj: int) -> IntArray:
    """Return the first batch of every cycle when a cycle ends only where the next batch does not fit.

    A batch that does not fit even after a fresh boot runs alone: such a plan is not safe, its cost is a number.

    Args:
        warm_nj: Energy of a batch that follows another in its cycle, `(n,)`. [nJ]
        cold_nj: Energy of a batch that follows a boot, `(n,)`. [nJ]
        boot_nj: Energy of a boot. [nJ]
        cycle_budget_nj: Energy of a cycle at most. [nJ]
    """
    starts = np.empty(len(warm_nj), dtype=np.int64)
    n_cycles, left_nj = 0, -1
    for batch in range(len(warm_nj)):
        if warm_nj[batch] > left_nj or batch == 0:
            starts[n_cycles] = batch
            n_cycles += 1
            left_nj = cycle_budget_nj - boot_nj - cold_nj[batch]
        else:
            left_nj -= warm_nj[batch]
    return starts[:n_cycles].copy()


@compiled
def optimal_starts(batches: CutBatches, cycle: Cycle) -> IntArray:
    """Return the first batch of every cycle for the cuts of least latency, by dynamic programming over boundaries.

    F(j) = min over i of F(i) + boot and reload time of i + t_rc(E[i, j)). Where recharge is concave, shifting energy
    from the smaller of two neighbouring cycles to the larger never costs time. So a cut whose batch reloads no less
    than the batches beside it is needed only where one of the two cycles can take no more; the others are not followed.

    Args:
        batches: Every batch must fit into a cycle after a boot.
        cycle: Costs and budget of a cycle.
    """
    n = len(batches.warm_nj)
    boundaries = alone(n)
    fill_best(batches, cycle, boundaries, n)
    return _path(boundaries.before, n)


@compiled
def _path(before: IntArray, end: int) -> IntArray:
    """Return the starts of the cycles that lead to `end`."""
    starts = np.empty(end, dtype=np.int64)
    n_cycles = 0
    while end > 0:
        end = before[end]
        starts[n_cycles] = end
        n_cycles += 1
    return starts[:n_cycles][::-1].copy()


@compiled
def cycle_totals(
    energies_nj: tuple[IntArray, IntArray],
    seconds: tuple[FloatArray, FloatArray],
    boot: tuple[int, float],
    starts: IntArray,
) -> tuple[IntArray, FloatArray]:
    """Return energy [nJ] and active time [s] of every cycle, `(n_cycles,)`, summed in the order in which batches run.

    Args:
        energies_nj: Energy of a batch that follows another, and of one that follows a boot, `(n,)` each. [nJ]
        seconds: The same of active time. [s]
        boot: Energy [nJ] and active time [s] of a boot.
        starts: First batch of every cycle, `(n_cycles,)`.
    """
    n, n_cycles = len(energies_nj[0]), len(starts)
    energy_nj, active_s = np.empty(n_cycles, dtype=np.int64), np.empty(n_cycles)
    for cycle in range(n_cycles):
        begin = starts[cycle]
        end = starts[cycle + 1] if cycle + 1 < n_cycles else n
        energy, active = boot[0] + energies_nj[1][begin], boot[1] + seconds[1][begin]
        for batch in range(begin + 1, end):
            energy += energies_nj[0][batch]
            active += seconds[0][batch]
        energy_nj[cycle], active_s[cycle] = energy, active
    return energy_nj, active_s
