"""Tilings priced before their batch is chosen, with a bound that says which of them can be best.

Energy and active time of a batch are lines in its iterations S, and totals of a layer are lines in q, its batches a
loop. With a line below the recharge time, the latency of a tiling is bounded from below over all its batches at once,
so the exact explorer prices only the designs that the bound cannot exclude. Arrays are `(n,)`, one entry a tiling
with its loop order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from energy.counts import UnitCounts
from energy.device import Device
from energy.events import FloatArray, IntArray
from energy.pricing import cycle_price
from energy.supply import Scenarios


@dataclass(frozen=True, kw_only=True)
class BatchLine:
    """Energy [J] or active time [s] of a batch of S iterations: `once + S each`, and what a batch beyond adds."""

    once: FloatArray
    each: FloatArray
    beyond_once: FloatArray
    beyond_each: FloatArray

    def first(self, rows: IntArray, batch: IntArray) -> FloatArray:
        """Of batches at the first input-channel tile."""
        return self.once[rows] + batch * self.each[rows]

    def beyond(self, rows: IntArray, batch: IntArray) -> FloatArray:
        """Of batches beyond the first input-channel tile."""
        return self.first(rows, batch) + (self.beyond_once[rows] + batch * self.beyond_each[rows])

    def total(self, units: UnitCounts) -> tuple[FloatArray, FloatArray]:
        """Sum over the batches of a layer as a line in q: what one more batch a loop costs, and the rest."""
        along = units.runs_along_channels
        n_beyond_loops = units.n_loops - units.n_first_loops
        a_batch = units.n_loops * self.once + np.where(along, units.n_loops, n_beyond_loops) * self.beyond_once
        rest = units.n_inner * (units.n_loops * self.each + n_beyond_loops * self.beyond_each)
        return a_batch, rest - np.where(along, units.n_loops * self.beyond_once, 0.0)


@dataclass(frozen=True, kw_only=True)
class TilingPrices:
    """Tilings of layers, counted and priced.

    Attributes:
        units: What they count.
        energy: Energy of their power cycles, one batch each.
        active: Active time of the same.
        energy_total, active_total: `BatchLine.total` of both.
    """

    units: UnitCounts
    energy: BatchLine
    active: BatchLine
    energy_total: tuple[FloatArray, FloatArray]
    active_total: tuple[FloatArray, FloatArray]

    @classmethod
    def of(cls, units: UnitCounts, device: Device) -> TilingPrices:
        """Price counted tilings on a device."""
        cycle_j, cycle_s = cycle_price(device)
        lines = []
        for price, cycle in ((device.energy_of, cycle_j), (device.time_of, cycle_s)):
            once, each, beyond_once, beyond_each = (
                price(counts, units.order) for counts in (units.once, units.each, units.beyond_once, units.beyond_each)
            )
            line = BatchLine(once=once + cycle, each=each, beyond_once=beyond_once, beyond_each=beyond_each)
            lines.append(line)
        totals = [line.total(units) for line in lines]
        return cls(units=units, energy=lines[0], active=lines[1], energy_total=totals[0], active_total=totals[1])

    def largest_batch(self, vm_words: int) -> IntArray:
        """Most iterations of a batch inside `vm_words` and the innermost loop; 0 where none fits. [1]"""
        units = self.units
        room = vm_words - units.vm_once
        fitting = np.where(units.vm_each > 0, room // np.maximum(units.vm_each, 1), units.n_inner)
        return np.where(room < units.vm_each, 0, np.minimum(fitting, units.n_inner))

    def energy_max_j(self, rows: IntArray, batch: IntArray) -> FloatArray:
        """Energy of the costliest cycle of designs: tilings `rows` with their `batch`. [J]"""
        _, n_beyond = self.units.n_batches(batch, rows)
        return np.where(n_beyond > 0, self.energy.beyond(rows, batch), self.energy.first(rows, batch))

    def latency_s(self, rows: IntArray, batch: IntArray, scenario: Scenarios) -> FloatArray:
        """Latency of designs, inf where a cycle is over budget: tilings `rows` with their `batch`. [s]"""
        n_first, n_beyond = self.units.n_batches(batch, rows)
        total_s = np.zeros(len(rows))
        for kind, n_cycles in (("first", n_first), ("beyond", n_beyond)):
            energy_j = getattr(self.energy, kind)(rows, batch)
            cycle_s = getattr(self.active, kind)(rows, batch) + scenario.recharge_time_s(energy_j)
            cycle_s = np.where(energy_j > scenario.budget_j, np.inf, cycle_s)
            total_s += np.where(n_cycles > 0, n_cycles * np.where(n_cycles > 0, cycle_s, 0.0), 0.0)
        return total_s

    def latency_bound_s(self, largest_batch: IntArray, scenario: Scenarios) -> FloatArray:
        """What no batch of a tiling can be faster than, inf where even S = 1 is over budget. [s]

        Total latency is at least `q (active + t0 + slope energy) + rest`, with recharge at least `t0 + slope E`, and q
        is least for the largest batch that memory and budget allow.
        """
        units = self.units
        start_s, slope = scenario.recharge_floor()
        active_a_batch, active_rest = self.active_total
        energy_a_batch, energy_rest = self.energy_total
        budget_j = scenario.budget_j[0]
        affordable = (budget_j - self.energy.once) / self.energy.each
        batch = np.clip(affordable * (1 + 1e-9), 1.0, np.maximum(largest_batch, 1))
        a_batch = active_a_batch + units.n_loops * start_s[0] + slope[0] * energy_a_batch
        bound_s = units.n_inner / batch * a_batch + active_rest + slope[0] * energy_rest
        is_over = (largest_batch == 0) | (self.energy.once + self.energy.each > budget_j)
        return np.where(is_over, np.inf, bound_s)


def first_best(score: FloatArray | IntArray, tie: IntArray, lengths: IntArray) -> IntArray:
    """Row of the least score in each of many groups that follow one another.

    Args:
        score: What to make least, `(n,)`.
        tie: What to make least among equal scores, `(n,)`; then the first row wins.
        lengths: Rows of each group, `(n_groups,)`, sum n.

    Returns:
        Rows, `(n_groups,)`; -1 for an empty group.
    """
    found = np.full(len(lengths), -1, dtype=np.int64)
    filled = np.flatnonzero(lengths)
    if not len(filled):
        return found
    starts = (np.cumsum(lengths) - lengths)[filled]
    least = np.minimum.reduceat(score, starts)
    equal = np.flatnonzero(score == np.repeat(least, lengths[filled]))
    group = np.searchsorted(starts, equal, side="right") - 1
    ranked = np.lexsort((equal, tie[equal], group))
    _, firsts = np.unique(group[ranked], return_index=True)
    found[filled] = equal[ranked[firsts]]
    return found
