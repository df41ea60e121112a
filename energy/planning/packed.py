"""Explorer for our rules: designs of layers that share power cycles, chosen on the network's true schedule.

Every legal design is enumerated and evaluated by its time when it packs its own cycles, Eq. (7). For each layer the
designs are kept that are non-dominated in time, energy and largest batch and that a lower bound cannot exclude; a
network takes the best of all their combinations on its schedule (`label_setting`).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np

from energy.counting import rows
from energy.counting.rows import RUNTIME, Runtime, layer_row
from energy.counting.vm import vm_words
from energy.events import ORDERS, FloatArray, IntArray
from energy.hardware.device import Device
from energy.hardware.scenarios import Scenarios
from energy.networks.designs import TILE_GENES, LayerDesign, Plan
from energy.networks.rules import Rules
from energy.networks.shapes import LayerShape, NetworkShape
from energy.networks.vectors import NO_LIMIT, VECTORS
from energy.planning.candidates import CandidateBatches
from energy.planning.enumeration import (
    BOUND_S,
    FIGURES,
    TIME_S,
    Costs,
    Kept,
    Options,
    enumerate_designs,
)
from energy.planning.label_setting import MOST_LABELS, choose
from energy.planning.protocol import LayerOptima
from energy.planning.selection import MOST_CANDIDATES, select
from energy.scheduling.execution import CUTS
from energy.scheduling.schedule import MOST_REMEMBERED, Pricer, Schedule, cycle_budget_nj, cycle_of, schedule

_CAPACITY = 2048
"""Designs that a layer keeps while it is enumerated."""

_SHARED = 0.95
"""Factor of the least time per joule in cycles of its own: energy that fills up the cycles of others costs less. [1]"""


@dataclass(frozen=True, kw_only=True)
class DesignRows(Sequence[LayerDesign]):
    """Designs that are kept as rows.

    Attributes:
        rows: Design rows, `(n, DESIGN_WIDTH)`.
        is_swapped: Whether height and width of the layer are swapped in them.
    """

    rows: IntArray
    is_swapped: bool

    def __len__(self) -> int:
        """Return the number of designs."""
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> LayerDesign: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[LayerDesign]: ...
    def __getitem__(self, index: int | slice) -> LayerDesign | Sequence[LayerDesign]:
        """Return a design as a record, height and width as the layer has them."""
        if isinstance(index, slice):
            return DesignRows(rows=self.rows[index], is_swapped=self.is_swapped)
        row = self.rows[index].tolist()
        height, width = (rows.TILE_W, rows.TILE_H) if self.is_swapped else (rows.TILE_H, rows.TILE_W)
        return LayerDesign(
            tile_h=row[height],
            tile_w=row[width],
            tile_out=row[rows.TILE_OUT],
            tile_in=row[rows.TILE_IN],
            order=ORDERS[row[rows.ORDER]],
            batch=row[rows.BATCH],
            vector=VECTORS[row[rows.VECTOR]],
        )


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Designs of a layer worth choosing under one supply, the best alone first.

    Attributes:
        designs: The designs, `(n,)`; the least infeasible one where none is feasible.
        time_s: Time of each when it packs its own cycles, Eq. (7); inf where it is infeasible. [s]
        energy_over_j: How far the costliest batch of the first is over the budget. [J]
        vm_over_bytes: How far the first is over the volatile memory. [B]
    """

    designs: Sequence[LayerDesign]
    time_s: FloatArray
    energy_over_j: float
    vm_over_bytes: int


class PackedExplorer:
    """Explorer of layers and networks for one device, our rules and a set of supplies, under the packed policy.

    Attributes:
        device: Gives prices and memories.
        scenarios: The supplies; all are explored together.
        rules: Which designs are legal.
        cuts: How power cycles are cut.
        pricer: Prices of batches, remembered.
        n_limited: Plans that may not be the best combination of candidates, since labels were limited. [1]
    """

    def __init__(
        self,
        device: Device,
        scenarios: Scenarios,
        rules: Rules,
        *,
        cuts: str = CUTS[0],
        n_threads: int = 1,
        runtime: Runtime = RUNTIME,
    ) -> None:
        """Make an explorer with an empty memo.

        Args:
            device: Gives prices and memories.
            scenarios: The supplies.
            rules: Which designs are legal; a rule set of exact counting.
            cuts: One of `energy.scheduling.execution.CUTS`, or `each` for one batch per cycle.
            n_threads: Threads that explore layers side by side; they do not change the result.
            runtime: How the program runs.

        Raises:
            ValueError: The rules are those of published counting.
        """
        if rules.counting != "exact":
            raise ValueError(f"rules must be of exact counting, such as ebbnas, not {rules.name!r}")
        self.device = device
        self.scenarios = scenarios
        self.rules = rules
        self.cuts = cuts
        self.pricer = Pricer(device, runtime)
        self.n_limited = 0
        self._n_threads = n_threads
        boot = (self.pricer.boot_nj, self.pricer.boot_s)
        self._cycles = [cycle_of(boot, scenarios, index) for index in range(len(scenarios))]
        self._budget_j = np.array([cycle.cycle_budget_nj * 1e-9 for cycle in self._cycles])
        self._costs = Costs(
            *self.pricer.tables,
            boot_j=self.pricer.boot_nj * 1e-9,
            boot_s=self.pricer.boot_s,
            cycle_budget_j=self._budget_j,
            laws=np.array([cycle.law for cycle in self._cycles]),
            least_s_per_j=_SHARED * self._least_s_per_j(),
        )
        self._memo: dict[LayerShape, tuple[int, tuple[Candidates, ...]]] = {}
        self._known_batches: dict[tuple[LayerShape, int], CandidateBatches] = {}
        self._n_known_batches = 0

    @property
    def shares_cycles(self) -> bool:
        """Whether layers share power cycles."""
        return self.cuts != "each"

    def best(self, layers: Sequence[LayerShape]) -> LayerOptima:
        """Return the best design of each layer alone under each scenario, with its time by Eq. (7).

        Args:
            layers: Layers, repeats allowed, `(n_layers,)`.
        """
        self._explore(layers)
        found = [self._memo[layer] for layer in layers]
        return LayerOptima(
            latency_s=np.array([[one.time_s[0] for one in candidates] for _, candidates in found]),
            energy_over_j=np.array([[one.energy_over_j for one in candidates] for _, candidates in found]),
            vm_over_bytes=np.array([[one.vm_over_bytes for one in candidates] for _, candidates in found]),
            n_designs=np.array([n_designs for n_designs, _ in found], dtype=np.int64),
        )

    def designs(self, layer: LayerShape) -> tuple[LayerDesign, ...]:
        """Return the best design of a layer alone for each scenario."""
        return tuple(self.candidates(layer, index).designs[0] for index in range(len(self.scenarios)))

    def candidates(self, layer: LayerShape, scenario: int = 0) -> Candidates:
        """Return the designs of a layer worth choosing under one scenario."""
        self._explore([layer])
        return self._memo[layer][1][scenario]

    def proposals(self, layer: LayerShape, scenario: int = 0) -> tuple[LayerDesign, ...]:
        """Return the designs of a layer that may be part of a good plan under one scenario: all its candidates."""
        return tuple(self.candidates(layer, scenario).designs)

    def plan(self, network: NetworkShape, scenario: int = 0) -> Plan:
        """Return the plan of least latency of a network under one scenario, of all combinations of candidates.

        Where a layer has no feasible design, its least infeasible one stays, and the others are the best alone. Where
        every batch is a cycle of its own, layers are independent, and the best alone are the best together.
        """
        self._explore(network.layers)
        candidates = [self.candidates(layer, scenario) for layer in network.layers]
        chosen = [0] * len(candidates)
        if all(np.isfinite(found.time_s[0]) for found in candidates) and self.cuts != "each":
            batches = CandidateBatches.joined([self._batches(layer, scenario) for layer in network.layers])
            choice = choose(batches, self._cycles[scenario], self.cuts == "optimal", MOST_LABELS)
            self.n_limited += choice.is_limited
            chosen = choice.chosen.tolist()
        return tuple(found.designs[index] for found, index in zip(candidates, chosen, strict=True))

    def _batches(self, layer: LayerShape, scenario: int) -> CandidateBatches:
        """Return the batches of the candidates of a layer under one scenario, all feasible."""
        known = self._known_batches.get((layer, scenario))
        if known is None:
            row = np.array(layer_row(layer, self.pricer.runtime)[0], dtype=np.int64)
            designs = self.candidates(layer, scenario).designs
            assert isinstance(designs, DesignRows)
            _, known = self._select(row, designs.rows, scenario)
            self._remember(layer, scenario, known)
        return known

    def _select(self, row: IntArray, designs: IntArray, scenario: int) -> tuple[IntArray, CandidateBatches]:
        """Return the indices of the candidates among the designs of a layer row, and their batches."""
        most_nj = self._cycles[scenario].cycle_budget_nj - self.pricer.boot_nj
        return select(row, designs, self.pricer.tables, most_nj, MOST_CANDIDATES)

    def _remember(self, layer: LayerShape, scenario: int, batches: CandidateBatches) -> None:
        if self._n_known_batches + len(batches.warm_nj) > MOST_REMEMBERED:
            self._known_batches.clear()
            self._n_known_batches = 0
        self._known_batches[layer, scenario] = batches
        self._n_known_batches += len(batches.warm_nj)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without batches, which are found again faster than they are read."""
        return {**self.__dict__, "_known_batches": {}, "_n_known_batches": 0}

    def schedule(self, network: NetworkShape, plan: Plan, scenario: int = 0) -> Schedule:
        """Return the power cycles of a network under a plan and one scenario."""
        return schedule(self.pricer.sequence(network, plan), self.scenarios, scenario, self.cuts)

    def _explore(self, layers: Sequence[LayerShape]) -> None:
        new = list(dict.fromkeys(layer for layer in layers if layer not in self._memo))
        if self._n_threads > 1 and len(new) > 1:
            with ThreadPoolExecutor(self._n_threads) as pool:
                found = list(pool.map(self._explore_layer, new))
        else:
            found = [self._explore_layer(layer) for layer in new]
        self._memo.update(zip(new, found, strict=True))

    def _explore_layer(self, layer: LayerShape) -> tuple[int, tuple[Candidates, ...]]:
        """Return designs inside the volatile memory, and the candidates for each scenario."""
        runtime, n = self.pricer.runtime, len(self.scenarios)
        numbers, is_swapped = layer_row(layer, runtime)
        row = np.array(numbers, dtype=np.int64)
        axes = {gene: self.rules.tile_options(layer, gene) for gene in TILE_GENES}
        if is_swapped:
            axes["tile_h"], axes["tile_w"] = axes["tile_w"], axes["tile_h"]
        # Large tiles come first: good designs found early exclude the others.
        height, width, out, into = (np.array(axes[gene][::-1], dtype=np.int64) for gene in TILE_GENES)
        kept = Kept(
            designs=np.empty((n, _CAPACITY, rows.DESIGN_WIDTH), dtype=np.int64),
            figures=np.empty((n, _CAPACITY, FIGURES)),
            counts=np.zeros(n, dtype=np.int64),
            best_s=np.full(n, np.inf),
        )
        options = Options(
            tile_h=height,
            tile_w=width,
            tile_out=out,
            tile_in=into,
            orders=np.array([ORDERS.index(order) for order in self.rules.orders(layer)], dtype=np.int64),
            vectors=np.array([VECTORS.index(vector) for vector in self.rules.vector_modes], dtype=np.int64),
            vm_words=self.device.vm_bytes // self.device.word_bytes,
            max_vector=self.rules.max_vector or NO_LIMIT,
            most_per_cycle=1 if self.cuts == "each" else NO_LIMIT,
        )
        n_designs = enumerate_designs(row, options, self._costs, kept)
        choices = (self._chosen(layer, np.array(row, dtype=np.int64), is_swapped, kept, i) for i in range(n))
        return int(n_designs), tuple(choices)

    def _least_s_per_j(self) -> FloatArray:
        """Return the least time that a joule of batches costs in any cycle, `(n_scenarios,)`. [s/J]"""
        start_s, slope = self.scenarios.recharge_floor()
        boot_j, room_j = self.pricer.boot_nj * 1e-9, self._budget_j - self.pricer.boot_nj * 1e-9
        with np.errstate(divide="ignore"):
            share = (start_s + slope * boot_j + self.pricer.boot_s) / np.maximum(room_j, 0)
        return np.asarray(slope + share)

    def _chosen(self, layer: LayerShape, row: IntArray, is_swapped: bool, kept: Kept, scenario: int) -> Candidates:
        """Return the designs whose bound does not exceed the best time and that no other replaces, the best first."""
        n = kept.counts[scenario]
        designs, figures = kept.designs[scenario, :n], kept.figures[scenario, :n]
        if not np.isfinite(kept.best_s[scenario]):
            return self._least_infeasible(layer, scenario)
        # By rising bound, no design replaces one before it. The best alone comes first in any case.
        best = figures[:, TIME_S].tolist().index(kept.best_s[scenario])
        order = np.argsort(figures[:, BOUND_S], kind="stable")
        order = order[(figures[order, BOUND_S] <= kept.best_s[scenario]) & (order != best)]
        order = np.concatenate([[best], order])
        chosen, batches = self._select(row, designs[order], scenario)
        self._remember(layer, scenario, batches)
        chosen = order[chosen]
        return Candidates(
            designs=DesignRows(rows=designs[chosen], is_swapped=is_swapped),
            time_s=figures[chosen, TIME_S],
            energy_over_j=0.0,
            vm_over_bytes=0,
        )

    def _least_infeasible(self, layer: LayerShape, scenario: int) -> Candidates:
        """Return the smallest design: with the least volatile memory where none fits, else with the least batch."""
        tile_h, tile_w, tile_out, tile_in = (self.rules.tile_options(layer, gene)[0] for gene in TILE_GENES)
        smallest = LayerDesign(
            tile_h=tile_h, tile_w=tile_w, tile_out=tile_out, tile_in=tile_in, order=ORDERS[rows.OUTPUT], batch=1
        )
        designs = [
            replace(smallest, order=order, vector=vector)
            for order in self.rules.orders(layer)
            for vector in self.rules.vectors(layer, smallest)
        ]
        limit_words = self.device.vm_bytes // self.device.word_bytes
        over_words = [max(vm_words(*self.pricer.rows(layer, design)) - limit_words, 0) for design in designs]
        largest_nj = [int(self.pricer.batches(layer, design).nanojoules[1].max()) for design in designs]
        first = min(range(len(designs)), key=lambda i: (over_words[i], largest_nj[i]))
        over_nj = largest_nj[first] + self.pricer.boot_nj - cycle_budget_nj(self.scenarios, scenario)
        return Candidates(
            designs=(designs[first],),
            time_s=np.array([np.inf]),
            energy_over_j=max(over_nj, 0) * 1e-9,
            vm_over_bytes=int(over_words[first]) * self.device.word_bytes,
        )
