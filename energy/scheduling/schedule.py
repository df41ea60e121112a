"""Packed power cycles: a network as one sequence of batches, cut into cycles that respect the energy budget.

Accounting is in whole nanojoules and is that of the exported program: batches are rounded up, the budget down. Cuts
are `greedy`, which stops only when the next batch does not fit, or `optimal`, the cuts of least latency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from energy.counting.commit_record import BOOT_EVENTS, RECORD_SLOTS_WORDS
from energy.counting.exact import n_batches_of, walk
from energy.counting.nanojoules import rounded_down_nj, rounded_up_nj
from energy.counting.nvm import map_words, placed_nvm_words
from energy.counting.rows import RUNTIME, Runtime, design_row, layer_row
from energy.counting.vm import stored_sum_words, stored_weight_words, vm_words
from energy.events import FloatArray, IntArray
from energy.hardware.device import Device
from energy.hardware.scenarios import Scenarios
from energy.networks.designs import LayerDesign, Plan
from energy.networks.shapes import LayerShape, NetworkShape
from energy.scheduling.cuts import cycle_totals, greedy_starts, optimal_starts
from energy.scheduling.cycle import CutBatches, Cycle
from energy.scheduling.execution import CUTS
from energy.validation import require_choice

_MOST_CYCLE_BUDGET_NJ = 2**32 - 1
"""The program keeps energies in 32 bits; a larger budget is planned as this one, which is safe. [nJ]"""

MOST_BATCHES = 20_000_000
"""Batches of a layer that are scheduled at most; more would run for days on the device."""

MOST_REMEMBERED = 5_000_000
"""Batches that a pricer remembers at most; 32 bytes each."""


@dataclass(frozen=True, kw_only=True)
class BatchSequence:
    """Batches of a plan in the order in which they run, priced; arrays `(n_batches,)`.

    Attributes:
        warm_nj: Energy of a batch that follows another in its power cycle, its commit included, rounded up. [nJ]
        cold_nj: Energy of a batch that follows a boot: what would be resident is fetched again. [nJ]
        warm_s, cold_s: Active time of the same. [s]
        layer: Index of the layer. [1]
        boot_nj: Energy of a boot with its record read, rounded up. [nJ]
        boot_s: Active time of a boot with its record read. [s]
    """

    warm_nj: IntArray
    cold_nj: IntArray
    warm_s: FloatArray
    cold_s: FloatArray
    layer: IntArray
    boot_nj: int
    boot_s: float

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.warm_nj)

    @property
    def energies_nj(self) -> tuple[IntArray, IntArray]:
        """Energy of a batch that follows another, and of one that follows a boot. [nJ]"""
        return self.warm_nj, self.cold_nj

    @property
    def seconds(self) -> tuple[FloatArray, FloatArray]:
        """Active time of a batch that follows another, and of one that follows a boot. [s]"""
        return self.warm_s, self.cold_s

    @property
    def to_cut(self) -> CutBatches:
        """Batches as they are cut into power cycles."""
        return CutBatches(self.warm_nj, self.cold_nj, self.cold_s - self.warm_s)

    @property
    def boot(self) -> tuple[int, float]:
        """Energy [nJ] and active time [s] of a boot."""
        return self.boot_nj, self.boot_s

    def over_nj(self, cycle_budget_nj: int) -> int:
        """Return the energy of the costliest batch with its boot above a budget, 0 where it fits. [nJ]"""
        return max(int(self.cold_nj.max()) + self.boot_nj - cycle_budget_nj, 0)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Power cycles of a sequence of batches; arrays `(n_cycles,)`.

    Attributes:
        starts: First batch of each cycle. [1]
        energy_nj: Energy of each cycle. [nJ]
        active_s: Active time of each. [s]
        recharge_s: Time to recharge after each, Eq. (4). [s]
        over_nj: How far the costliest cycle is over the budget, 0 where the plan is safe. [nJ]
    """

    starts: IntArray
    energy_nj: IntArray
    active_s: FloatArray
    recharge_s: FloatArray
    over_nj: int

    def __len__(self) -> int:
        """Return the number of power cycles."""
        return len(self.starts)

    @property
    def latency_s(self) -> float:
        """Sustained latency, Eq. (5); inf where the plan is not safe. [s]"""
        return np.inf if self.over_nj else float((self.active_s + self.recharge_s).sum())

    @property
    def energy_j(self) -> float:
        """Energy of one inference. [J]"""
        return float(self.energy_nj.sum()) * 1e-9


@dataclass(frozen=True, kw_only=True)
class LayerBatches:
    """Batches of one layer under one design, priced, and the memory that they need.

    Attributes:
        nanojoules: Energy of a batch that follows another, and of one that follows a boot, `(n_batches,)` each. [nJ]
        seconds: Active time of the same. [s]
        vm_words: Volatile memory. [words]
        weight_words: Weights and biases as they are stored. [words]
        sum_words: Partial sums in non-volatile memory, both of each pair. [words]
        written_words: Written to non-volatile memory in one inference. [words]
    """

    nanojoules: tuple[IntArray, IntArray]
    seconds: tuple[FloatArray, FloatArray]
    vm_words: int
    weight_words: int
    sum_words: int
    written_words: int

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.nanojoules[0])

    @cached_property
    def reload_s(self) -> FloatArray:
        """Active time that a boot before a batch adds, `(n_batches,)`. [s]"""
        return self.seconds[1] - self.seconds[0]

    @cached_property
    def warm_total_s(self) -> float:
        """Active time of all batches where no boot stands between them. [s]"""
        return float(self.seconds[0].sum())


class Pricer:
    """Prices the batches of layers on one device and remembers them.

    Attributes:
        device: Gives prices and memories.
        runtime: Options of the exported runtime.
        boot_nj: Energy of a boot with its record read, rounded up. [nJ]
        boot_s: Active time of a boot with its record read. [s]
    """

    def __init__(self, device: Device, runtime: Runtime = RUNTIME) -> None:
        self.device = device
        self.runtime = runtime
        self.tables = device.exact.tables
        order = np.zeros((), dtype=np.int64)
        events = {event: np.array(count) for event, count in BOOT_EVENTS.items()}
        self.boot_nj = int(rounded_up_nj(float(device.exact.energy_of(events, order))))
        self.boot_s = float(device.exact.time_of(events, order))
        self._known: dict[tuple[LayerShape, LayerDesign], LayerBatches] = {}
        self._n_known = 0

    def rows(self, layer: LayerShape, design: LayerDesign) -> tuple[IntArray, IntArray]:
        """Return layer and design as the rows that compiled functions take."""
        row = layer_row(layer, self.runtime)[0]
        return np.array(row, dtype=np.int64), np.array(design_row(layer, design, self.runtime), dtype=np.int64)

    def batches(self, layer: LayerShape, design: LayerDesign) -> LayerBatches:
        """Return every batch of a layer under a design.

        Raises:
            ValueError: There are more than `MOST_BATCHES`.
        """
        key = (layer, design)
        known = self._known.get(key)
        if known is None:
            rows = self.rows(layer, design)
            n = n_batches_of(*rows)
            if n > MOST_BATCHES:
                raise ValueError(f"a layer must run in at most {MOST_BATCHES:,} batches to be scheduled, not {n:,}")
            nanojoules = (np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64))
            seconds = (np.empty(n), np.empty(n))
            written_words = walk(*rows, self.tables, nanojoules, seconds)
            known = LayerBatches(
                nanojoules=nanojoules,
                seconds=seconds,
                vm_words=int(vm_words(*rows)),
                weight_words=int(stored_weight_words(*rows)),
                sum_words=int(stored_sum_words(*rows)),
                written_words=int(written_words),
            )
            self._remember(key, known, n)
        return known

    def _remember(self, key: tuple[LayerShape, LayerDesign], batches: LayerBatches, n: int) -> None:
        if self._n_known + n > MOST_REMEMBERED:
            self._known.clear()
            self._n_known = 0
        self._known[key] = batches
        self._n_known += n

    def vm_bytes(self, layer: LayerShape, design: LayerDesign) -> int:
        """Return the volatile memory of a layer under a design. [B]"""
        return self.batches(layer, design).vm_words * self.device.word_bytes

    def nvm_bytes(self, network: NetworkShape, plan: Plan) -> int:
        """Return the non-volatile memory of a network under a plan, placed as the exporter does. [B]"""
        layers = [self.batches(layer, design) for layer, design in zip(network.layers, plan, strict=True)]
        weights, sums = [layer.weight_words for layer in layers], [layer.sum_words for layer in layers]
        return placed_nvm_words(network, weights, sums) * self.device.word_bytes

    def nvm_over_bytes(self, network: NetworkShape, plan: Plan) -> int:
        """Return the bytes of a network above the non-volatile memory; places tensors only where needed. [B]"""
        layers = [self.batches(layer, design) for layer, design in zip(network.layers, plan, strict=True)]
        side_by_side = sum(layer.weight_words + layer.sum_words for layer in layers) + sum(map_words(network))
        if (side_by_side + RECORD_SLOTS_WORDS) * self.device.word_bytes <= self.device.nvm_bytes:
            return 0
        return max(self.nvm_bytes(network, plan) - self.device.nvm_bytes, 0)

    def sequence(self, network: NetworkShape, plan: Plan) -> BatchSequence:
        """Return the batches of a network under a plan."""
        return self.joined([self.batches(layer, design) for layer, design in zip(network.layers, plan, strict=True)])

    def joined(self, layers: Sequence[LayerBatches]) -> BatchSequence:
        """Return the batches of layers, one layer after the other."""
        return BatchSequence(
            warm_nj=np.concatenate([layer.nanojoules[0] for layer in layers]),
            cold_nj=np.concatenate([layer.nanojoules[1] for layer in layers]),
            warm_s=np.concatenate([layer.seconds[0] for layer in layers]),
            cold_s=np.concatenate([layer.seconds[1] for layer in layers]),
            layer=np.repeat(np.arange(len(layers)), [len(layer) for layer in layers]),
            boot_nj=self.boot_nj,
            boot_s=self.boot_s,
        )


def cycle_budget_nj(scenarios: Scenarios, index: int = 0) -> int:
    """Return the energy that a power cycle may plan for, rounded down to whole nanojoules of 32 bits. [nJ]"""
    return min(rounded_down_nj(scenarios.cycle_budget_j[index]), _MOST_CYCLE_BUDGET_NJ)


def cycle_of(boot: tuple[int, float], scenarios: Scenarios, index: int = 0) -> Cycle:
    """Return costs and budget of a power cycle in one scenario, given energy [nJ] and active time [s] of a boot."""
    boot_nj, boot_s = boot
    is_concave = bool(scenarios.is_concave[index])
    return Cycle(boot_nj, boot_s, cycle_budget_nj(scenarios, index), scenarios.law_of(index), is_concave)


def schedule(sequence: BatchSequence, scenarios: Scenarios, index: int = 0, cuts: str = CUTS[0]) -> Schedule:
    """Cut a sequence of batches into power cycles.

    Args:
        sequence: The batches.
        scenarios: Supplies.
        index: The one that is meant.
        cuts: One of `CUTS`, or `each` for one batch per cycle. Where a batch does not fit even alone, cuts are greedy
            and such batches run alone.

    Raises:
        ValueError: Cuts are unknown.
    """
    require_choice("cuts", cuts, (*CUTS, "each"))
    if cuts == "each":
        return with_starts(sequence, np.arange(len(sequence)), scenarios, index)
    budget = cycle_budget_nj(scenarios, index)
    starts = greedy_starts(*sequence.energies_nj, sequence.boot_nj, budget)
    greedy = with_starts(sequence, starts, scenarios, index)
    if cuts == "greedy" or greedy.over_nj:
        return greedy
    starts = optimal_starts(sequence.to_cut, cycle_of(sequence.boot, scenarios, index))
    optimal = with_starts(sequence, starts, scenarios, index)
    return optimal if optimal.latency_s < greedy.latency_s else greedy


def with_starts(sequence: BatchSequence, starts: IntArray, scenarios: Scenarios, index: int = 0) -> Schedule:
    """Return the schedule whose cycles start at given batches, `(n_cycles,)`, the first of them 0."""
    energy_nj, active_s = cycle_totals(sequence.energies_nj, sequence.seconds, sequence.boot, starts)
    return Schedule(
        starts=starts,
        energy_nj=energy_nj,
        active_s=active_s,
        recharge_s=scenarios.take(index).recharge_time_s(energy_nj.astype(np.float64) * 1e-9),
        over_nj=sequence.over_nj(cycle_budget_nj(scenarios, index)),
    )
