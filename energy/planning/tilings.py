"""Tilings priced before their batch is chosen, with a bound that excludes those that cannot be best.

Energy and active time of a batch are lines in its iterations S, and totals of a layer are lines in q, its batches per
loop. With a line below the recharge time, the latency of a tiling is bounded from below over all its batches at once,
so the exact explorer prices only the designs that the bound cannot exclude. Arrays are `(n,)`, one entry per tiling
with its loop order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from energy.costing.published_cycles import cycle_price
from energy.counting.published import Loops, ShapeTable, UnitCounts, published_counts
from energy.events import Counts, FloatArray, IntArray
from energy.hardware.device import Device
from energy.hardware.scenarios import Scenarios
from energy.networks.designs import DesignTable

_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True, kw_only=True)
class BatchLine:
    """Energy [J] or active time [s] of a batch of S iterations: `once + S each`, and what a batch beyond adds."""

    once: FloatArray
    each: FloatArray
    beyond_once: FloatArray
    beyond_each: FloatArray

    @classmethod
    def joined(cls, lines: Sequence[BatchLine]) -> BatchLine:
        """Return the lines of the same tilings in several loop orders, orders running fastest."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: _interleaved([getattr(line, name) for line in lines]) for name in names})

    def first(self, rows: IntArray, batch: IntArray) -> FloatArray:
        """Return the values of batches at the first input-channel tile."""
        return self.once[rows] + batch * self.each[rows]

    def beyond(self, rows: IntArray, batch: IntArray) -> FloatArray:
        """Return the values of batches beyond the first input-channel tile."""
        return self.first(rows, batch) + (self.beyond_once[rows] + batch * self.beyond_each[rows])

    def total(self, loops: Loops) -> tuple[FloatArray, FloatArray]:
        """Return the sum over the batches of a layer as a line in q: slope, the cost of a batch per loop, and rest."""
        n_beyond_loops = loops.n_loops - loops.n_first_loops
        n_beyond = np.where(loops.along_channels, loops.n_loops, n_beyond_loops)
        a_batch = loops.n_loops * self.once + n_beyond * self.beyond_once
        rest = loops.n_inner * (loops.n_loops * self.each + n_beyond_loops * self.beyond_each)
        return a_batch, rest - np.where(loops.along_channels, loops.n_loops * self.beyond_once, 0.0)


@dataclass(frozen=True, kw_only=True)
class TilingPrices:
    """Tilings of layers in every loop order, counted and priced; orders of a tiling stand next to one another.

    Attributes:
        loops: Their innermost loops.
        vm_once, vm_each: Volatile memory of a batch, and what each iteration adds. [words]
        energy: Energy of their power cycles, one batch each.
        active: Active time of the same.
        energy_total, active_total: `BatchLine.total` of both.
    """

    loops: Loops
    vm_once: IntArray
    vm_each: IntArray
    energy: BatchLine
    active: BatchLine
    energy_total: tuple[FloatArray, FloatArray]
    active_total: tuple[FloatArray, FloatArray]

    @classmethod
    def of(cls, shapes: ShapeTable, tilings: DesignTable, orders: Sequence[int], device: Device) -> TilingPrices:
        """Price tilings on a device.

        Args:
            shapes: The layer of each tiling, `(n,)`.
            tilings: The tilings, `(n,)`; order and batch are not read.
            orders: Loop orders as indices into `ORDERS`.
            device: Gives the prices.

        Returns:
            `n` times the number of orders, orders running fastest.
        """
        units = [published_counts(shapes, replace(tilings, order=np.array(order))) for order in orders]
        cycle_j, cycle_s = cycle_price(device)
        energy = BatchLine.joined([_line(one, device.published.energy_of, cycle_j) for one in units])
        active = BatchLine.joined([_line(one, device.published.time_of, cycle_s) for one in units])
        names = [field.name for field in fields(Loops)]
        loops = Loops(**{name: _interleaved([getattr(one.loops, name) for one in units]) for name in names})
        return cls(
            loops=loops,
            vm_once=_interleaved([one.vm_once for one in units]),
            vm_each=_interleaved([one.vm_each for one in units]),
            energy=energy,
            active=active,
            energy_total=energy.total(loops),
            active_total=active.total(loops),
        )

    def largest_batch(self, vm_words: int) -> IntArray:
        """Return most iterations of a batch inside `vm_words` and the innermost loop; 0 where none fits. [1]"""
        room, n_inner = vm_words - self.vm_once, self.loops.n_inner
        fitting = np.where(self.vm_each > 0, room // np.maximum(self.vm_each, 1), n_inner)
        return np.where(room < self.vm_each, 0, np.minimum(fitting, n_inner))

    def energy_max_j(self, rows: IntArray, batch: IntArray) -> FloatArray:
        """Return the energy of the costliest cycle of designs: tilings `rows` with their `batch`. [J]"""
        _, n_beyond = self.loops.n_batches(batch, rows)
        return np.where(n_beyond > 0, self.energy.beyond(rows, batch), self.energy.first(rows, batch))

    def latency_s(self, rows: IntArray, batch: IntArray, scenario: Scenarios) -> FloatArray:
        """Return the latency of designs, inf where a cycle is over budget: tilings `rows` with their `batch`. [s]"""
        n_first, n_beyond = self.loops.n_batches(batch, rows)
        total_s = np.zeros(len(rows))
        for kind, n_cycles in (("first", n_first), ("beyond", n_beyond)):
            energy_j = getattr(self.energy, kind)(rows, batch)
            cycle_s = getattr(self.active, kind)(rows, batch) + scenario.recharge_time_s(energy_j)
            cycle_s = np.where(energy_j > scenario.cycle_budget_j, np.inf, cycle_s)
            total_s += n_cycles * np.where(n_cycles > 0, cycle_s, 0.0)
        return total_s

    def latency_bound_s(self, largest_batch: IntArray, scenario: Scenarios) -> FloatArray:
        """Return a lower bound of the latency of a tiling over its batches, inf where even S = 1 is over budget. [s]

        Total latency is at least `q (active + t0 + slope energy) + rest`, with recharge at least `t0 + slope E`, and q
        is least for the largest batch that memory and budget allow.
        """
        loops = self.loops
        start_s, slope = scenario.recharge_floor()
        active_a_batch, active_rest = self.active_total
        energy_a_batch, energy_rest = self.energy_total
        cycle_budget_j = scenario.cycle_budget_j[0]
        affordable = (cycle_budget_j - self.energy.once) / self.energy.each
        batch = np.clip(affordable * (1 + 1e-9), 1.0, np.maximum(largest_batch, 1))
        a_batch = active_a_batch + loops.n_loops * start_s[0] + slope[0] * energy_a_batch
        bound_s = loops.n_inner / batch * a_batch + active_rest + slope[0] * energy_rest
        is_over = (largest_batch == 0) | (self.energy.once + self.energy.each > cycle_budget_j)
        return np.where(is_over, np.inf, bound_s)


def _line(units: UnitCounts, price: Callable[[Counts, IntArray], FloatArray], cycle: float) -> BatchLine:
    """Price counted tilings of one loop order; `cycle` is what every power cycle adds."""
    events = (units.once, units.each, units.beyond_once, units.beyond_each)
    once, each, beyond_once, beyond_each = (price(counts, units.order) for counts in events)
    shape = units.vm_once.shape
    return BatchLine(
        once=np.broadcast_to(once + cycle, shape),
        each=np.broadcast_to(each, shape),
        beyond_once=np.broadcast_to(beyond_once, shape),
        beyond_each=np.broadcast_to(beyond_each, shape),
    )


def _interleaved(columns: Sequence[NDArray[_Number]]) -> NDArray[_Number]:
    """Return arrays `(n,)` as one of `(n * n_arrays,)` in which the arrays run fastest."""
    return np.stack(columns, axis=1).ravel()


def first_best(score: FloatArray | IntArray, tie: IntArray, lengths: IntArray) -> IntArray:
    """Return the row of the least score in each of many groups that follow one another.

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
