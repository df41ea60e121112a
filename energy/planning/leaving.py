"""Labels through one candidate of a layer: those that enter it, and those that leave it; compiled."""

from __future__ import annotations

import numpy as np

from energy.events import IntArray
from energy.jit import compiled
from energy.planning.labels import Labels
from energy.scheduling.boundaries import ENTERED, Boundaries, fill_best
from energy.scheduling.cycle import CutBatches, Cycle, recharge_line, recharge_s, sums_nj

_ROUNDING = 1e-9
"""Relative rounding of times and bounds."""


@compiled
def leave(
    labels: Labels, order: IntArray, is_first: bool, batches: CutBatches, cycle: Cycle, leaving: Labels, n: int
) -> int:
    """Write the labels that leave a candidate behind the `n` that are there, active time left out; return how many."""
    warm_nj, cold_nj, reload_s = batches
    spent = sums_nj(warm_nj)
    count = len(warm_nj)
    for label in range(len(labels.time_s)):
        energy_nj = labels.energy_nj[label] + spent[count]
        if energy_nj > cycle.cycle_budget_nj:
            break
        leaving.time_s[n], leaving.energy_nj[n], leaving.parent[n] = labels.time_s[label], energy_nj, label
        n += 1
    boundaries = Boundaries(
        np.full(count + 1, np.inf),
        np.zeros(count + 1, np.int64),
        np.empty(count + 1),
        np.empty(count + 1, np.int64),
    )
    entering = np.zeros(count + 1, dtype=np.int64)
    if is_first:
        boundaries.entry_s[0] = 0.0
    else:
        _enter(labels, order, spent, cycle, boundaries, entering)
    fill_best(batches, cycle, boundaries, count - 1)
    for cut in range(1, count):
        begin = boundaries.before[cut]
        if begin != ENTERED:
            entering[cut] = entering[begin]
    for cut in range(count - 1, -1, -1):
        if cycle.boot_nj + spent[count] - spent[cut] > cycle.cycle_budget_nj:
            break
        energy_nj = cycle.boot_nj + cold_nj[cut] + spent[count] - spent[cut + 1]
        if energy_nj <= cycle.cycle_budget_nj:
            leaving.time_s[n] = boundaries.best_s[cut] + cycle.boot_s + reload_s[cut]
            leaving.energy_nj[n], leaving.parent[n] = energy_nj, entering[cut]
            n += 1
    return n


@compiled
def leave_greedily(labels: Labels, is_first: bool, batches: CutBatches, cycle: Cycle, leaving: Labels, n: int) -> int:
    """Write the one label of each that leaves under greedy cuts, as `leave` does."""
    spent, count = sums_nj(batches.warm_nj), len(batches.warm_nj)
    tail_s, tail_nj = np.empty(count), np.empty(count, dtype=np.int64)
    for cut in range(count - 1, -1, -1):
        start_nj = cycle.boot_nj + batches.cold_nj[cut] - spent[cut + 1]
        end = np.searchsorted(spent, cycle.cycle_budget_nj - start_nj, side="right") - 1
        tail_s[cut], tail_nj[cut] = cycle.boot_s + batches.reload_s[cut], start_nj + spent[end]
        if end < count:
            tail_s[cut] += recharge_s(tail_nj[cut] * 1e-9, cycle.law) + tail_s[end]
            tail_nj[cut] = tail_nj[end]
    if is_first:
        leaving.time_s[n], leaving.energy_nj[n], leaving.parent[n] = tail_s[0], tail_nj[0], 0
        return n + 1
    for label in range(len(labels.time_s)):
        time_s, energy_nj = labels.time_s[label], labels.energy_nj[label]
        end = np.searchsorted(spent, cycle.cycle_budget_nj - energy_nj, side="right") - 1
        energy_nj += spent[end]
        if end < count:
            time_s += recharge_s(energy_nj * 1e-9, cycle.law) + tail_s[end]
            energy_nj = tail_nj[end]
        leaving.time_s[n], leaving.energy_nj[n], leaving.parent[n] = time_s, energy_nj, label
        n += 1
    return n


@compiled
def _enter(
    labels: Labels, order: IntArray, spent: IntArray, cycle: Cycle, boundaries: Boundaries, entering: IntArray
) -> None:
    """Fill the least time up to each boundary at which the open cycle of a label can end, and the label.

    Args:
        labels: The labels that enter a layer.
        order: Labels by rising time with their energy on the line of the recharge.
        spent: Energy of all batches before each boundary. [nJ]
        cycle: Costs and budget of a power cycle.
        boundaries: Filled: `entry_s` and `entry_nj`.
        entering: Filled: the label of each boundary.
    """
    line_s, slope = recharge_line(cycle)
    least_nj = labels.energy_nj[0]
    for cut in range(len(spent) - 1):
        if least_nj + spent[cut] > cycle.cycle_budget_nj:
            break
        found_s = np.inf
        for label in order:
            energy_nj = labels.energy_nj[label] + spent[cut]
            if energy_nj > cycle.cycle_budget_nj:
                continue
            if labels.time_s[label] + line_s + slope * energy_nj > found_s * (1 + _ROUNDING):
                break
            total_s = labels.time_s[label] + recharge_s(energy_nj * 1e-9, cycle.law)
            if total_s < found_s:
                found_s = total_s
                boundaries.entry_nj[cut], entering[cut] = energy_nj, label
        boundaries.entry_s[cut] = found_s
