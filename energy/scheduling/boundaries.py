"""Least times up to the boundaries of a sequence of batches under the cuts of least latency: compiled.

A sequence may begin inside a power cycle that is open already, as that of one layer of a network does. A cycle [i, j)
draws `boot + cold[i] + warm[i+1] + ... + warm[j-1]`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from energy.events import FloatArray, IntArray
from energy.jit import compiled
from energy.scheduling.cycle import CutBatches, Cycle, recharge_line, recharge_s, sums_nj

ENTERED = -1
"""Start of the cycle that is open where a sequence begins."""

_TIE = 1e-13
"""Relative difference below which two latencies are the same."""


class Boundaries(NamedTuple):
    """Least times up to the boundaries of a sequence of batches, arrays `(n + 1,)`; boundary j lies before batch j.

    The first four describe the power cycle that is open where the sequence begins, and are given; `fill_best` fills the
    others.

    Attributes:
        entry_s: Least time up to a boundary where the open cycle ends there, inf where it cannot. [s]
        entry_nj: Energy of the open cycle then. [nJ]
        best_s: Least time of all cycles that end at or before a boundary, one of them there. [s]
        before: First batch of the last of these cycles, `ENTERED` where it is the open one.
    """

    entry_s: FloatArray
    entry_nj: IntArray
    best_s: FloatArray
    before: IntArray


@compiled
def alone(n: int) -> Boundaries:
    """Return the boundaries of `n` batches before which nothing runs."""
    entry_s = np.full(n + 1, np.inf)
    entry_s[0] = 0.0
    return Boundaries(entry_s, np.zeros(n + 1, dtype=np.int64), np.empty(n + 1), np.empty(n + 1, dtype=np.int64))


@compiled
def fill_best(batches: CutBatches, cycle: Cycle, boundaries: Boundaries, last: int) -> None:
    """Fill the least times up to the boundaries 0 to `last`, and where their last cycles start."""
    warm_nj, cold_nj, reload_s = batches
    boot_nj, boot_s, cycle_budget_nj, law, is_concave = cycle
    entry_s, entry_nj, best_s, before = boundaries
    n = len(warm_nj)
    spent = sums_nj(warm_nj)
    base = boot_nj + cold_nj - spent[1:]
    most_reload = 0
    for batch in range(n):
        most_reload = max(most_reload, cold_nj[batch] - warm_nj[batch])
    line_s, slope = recharge_line(cycle)
    best_s[0], before[0] = entry_s[0], ENTERED
    followed = np.empty(n + 1, dtype=np.int64)
    n_followed, head = 0, 0
    low, high = 0, 0
    for end in range(1, last + 1):
        start = end - 1
        if start == 0 or not is_concave or _is_cut(start, batches, boundaries, base, spent, cycle_budget_nj):
            followed[n_followed] = start
            n_followed += 1
        # Below `low` no cycle that ends here fits, from `high` on every one does.
        while boot_nj + spent[end] - spent[low] > cycle_budget_nj:
            low += 1
        while boot_nj + spent[end] - spent[high] + most_reload > cycle_budget_nj and high < end - 1:
            high += 1
        while head < n_followed and followed[head] < low:
            head += 1
        found_s, found = entry_s[end], ENTERED
        is_found_full = end < n and entry_nj[end] + warm_nj[min(end, n - 1)] > cycle_budget_nj
        for turn in range(2):
            first, stop = (low, high + 1) if turn == 0 else (head, n_followed)
            for position in range(first, stop):
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
                if sofar_s + line_s + slope * energy_nj > found_s * (1 + _TIE):
                    continue
                total_s = sofar_s + recharge_s(energy_nj * 1e-9, law)
                is_full = end < n and energy_nj + warm_nj[min(end, n - 1)] > cycle_budget_nj
                is_tie = abs(total_s - found_s) <= _TIE * total_s
                if (is_found_full and not is_full) if is_tie else total_s < found_s:
                    found_s, found, is_found_full = total_s, begin, is_full
        best_s[end], before[end] = found_s, found


@compiled
def _is_cut(
    cut: int, batches: CutBatches, boundaries: Boundaries, base: IntArray, spent: IntArray, cycle_budget_nj: int
) -> bool:
    """Return whether a cut before batch `cut` can be best, the cycles before it the best."""
    warm_nj, cold_nj, reload_s = batches
    begin = boundaries.before[cut]
    energy_nj = boundaries.entry_nj[cut] if begin == ENTERED else base[begin] + spent[cut]
    if energy_nj + warm_nj[cut] > cycle_budget_nj:
        return True
    reload_nj = cold_nj[cut] - warm_nj[cut]
    for beside in (cut - 1, cut + 1):
        if beside < len(warm_nj) and (
            reload_nj < cold_nj[beside] - warm_nj[beside] or reload_s[cut] < reload_s[beside]
        ):
            return True
    return False
