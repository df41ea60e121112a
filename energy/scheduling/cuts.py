"""Cuts of a sequence of batches into power cycles: compiled, in whole nanojoules.

A cycle [i, j) draws `boot + cold[i] + warm[i+1] + ... + warm[j-1]` and recharges for t_rc of that. All
functions work on plain arrays; `energy.scheduling.schedule` has the records.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from energy.events import FloatArray, IntArray
from energy.hardware.recharge import RechargeLaw, recharge_law
from energy.jit import compiled

_TIE = 1e-13
"""Relative difference below which two latencies are the same."""

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
    best_s, before = np.empty(n + 1), np.zeros(n + 1, dtype=np.int64)
    _fill_best(batches, cycle, best_s, before)
    return _path(before, n)


@compiled
def optimal_s(batches: CutBatches, cycle: Cycle) -> float:
    """Return the time of boots, reloads and recharging under the cuts of `optimal_starts`. [s]"""
    n = len(batches.warm_nj)
    best_s, before = np.empty(n + 1), np.zeros(n + 1, dtype=np.int64)
    _fill_best(batches, cycle, best_s, before)
    return float(best_s[n])


@compiled
def greedy_s(batches: CutBatches, cycle: Cycle) -> float:
    """Return the time of boots, reloads and recharging under the cuts of `greedy_starts`. [s]"""
    warm_nj, cold_nj, reload_s = batches
    total_s, cycle_nj = 0.0, 0
    for batch in range(len(warm_nj)):
        if batch == 0 or cycle_nj + warm_nj[batch] > cycle.cycle_budget_nj:
            if batch > 0:
                total_s += recharge_s(cycle_nj * 1e-9, cycle.law)
            total_s += cycle.boot_s + reload_s[batch]
            cycle_nj = cycle.boot_nj + cold_nj[batch]
        else:
            cycle_nj += warm_nj[batch]
    return float(total_s + recharge_s(cycle_nj * 1e-9, cycle.law))


@compiled
def _fill_best(batches: CutBatches, cycle: Cycle, best_s: FloatArray, before: IntArray) -> None:
    """Fill, for each batch boundary, the least cost of the cycles before it and where the last of them starts."""
    warm_nj, cold_nj, reload_s = batches
    boot_nj, boot_s, cycle_budget_nj, law, is_concave = cycle
    n = len(warm_nj)
    spent = np.zeros(n + 1, dtype=np.int64)
    for batch in range(n):
        spent[batch + 1] = spent[batch] + warm_nj[batch]
    base = boot_nj + cold_nj - spent[1:]
    most_reload = 0
    for batch in range(n):
        most_reload = max(most_reload, cold_nj[batch] - warm_nj[batch])
    # The chord of t_rc within the budget is below it where t_rc is concave.
    at_boot_s, at_budget_s = recharge_s(boot_nj * 1e-9, law), recharge_s(cycle_budget_nj * 1e-9, law)
    slope = (at_budget_s - at_boot_s) / max(cycle_budget_nj - boot_nj, 1) if is_concave else 0.0
    chord_s = at_boot_s - slope * boot_nj if is_concave else 0.0
    best_s[0] = 0.0
    followed = np.empty(n + 1, dtype=np.int64)
    n_followed, head = 0, 0
    low, high = 0, 0
    for end in range(1, n + 1):
        start = end - 1
        if start == 0 or not is_concave or _is_cut(start, before[start], batches, base, spent, cycle_budget_nj):
            followed[n_followed] = start
            n_followed += 1
        # Below `low` no cycle that ends here fits, from `high` on every one does.
        while boot_nj + spent[end] - spent[low] > cycle_budget_nj:
            low += 1
        while boot_nj + spent[end] - spent[high] + most_reload > cycle_budget_nj and high < end - 1:
            high += 1
        while head < n_followed and followed[head] < low:
            head += 1
        found_s, found, is_found_full = np.inf, start, False
        for turn in range(2):
            first, last = (low, high + 1) if turn == 0 else (head, n_followed)
            for position in range(first, last):
                begin = position
                if turn == 0:
                    if begin > 0 and base[begin - 1] + spent[end] <= cycle_budget_nj and begin - 1 >= low:
                        continue
                else:
                    begin = followed[position]
                energy_nj = base[begin] + spent[end]
                if energy_nj > cycle_budget_nj:
                    continue
                sofar_s = best_s[begin] + boot_s + reload_s[begin]
                if sofar_s + chord_s + slope * energy_nj > found_s * (1 + _TIE):
                    continue
                total_s = sofar_s + recharge_s(energy_nj * 1e-9, law)
                is_full = end < n and energy_nj + warm_nj[min(end, n - 1)] > cycle_budget_nj
                is_tie = abs(total_s - found_s) <= _TIE * total_s
                if (is_found_full and not is_full) if is_tie else total_s < found_s:
                    found_s, found, is_found_full = total_s, begin, is_full
        best_s[end], before[end] = found_s, found


@compiled
def _is_cut(cut: int, begin: int, batches: CutBatches, base: IntArray, spent: IntArray, cycle_budget_nj: int) -> bool:
    """Return whether a cut before batch `cut` can be best, its best cycle before it starting at `begin`."""
    warm_nj, cold_nj, reload_s = batches
    if base[begin] + spent[cut] + warm_nj[cut] > cycle_budget_nj:
        return True
    reload_nj = cold_nj[cut] - warm_nj[cut]
    for beside in (cut - 1, cut + 1):
        if beside < len(warm_nj) and (
            reload_nj < cold_nj[beside] - warm_nj[beside] or reload_s[cut] < reload_s[beside]
        ):
            return True
    return False


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
