"""Exact best design of a layer: enumerate every legal one, count, price, mask, take the least latency.

Under one-batch-per-cycle this is the exact optimum of the layer, and of the network, because latency is a sum over
layers. Ties go to the design with less volatile memory, then to the first. Where no design is feasible the least
infeasible one is given: least memory where none fits, else the least costly cycle. Results are remembered by layer
shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from energy.counting.published import ShapeTable, smallest_vm_words
from energy.events import ORDERS, FloatArray, IntArray
from energy.hardware.device import Device
from energy.hardware.scenarios import Scenarios
from energy.networks.designs import TILE_GENES, DesignTable, LayerDesign, Plan
from energy.networks.rules import Options, Rules
from energy.networks.shapes import LayerShape, NetworkShape
from energy.planning.protocol import LayerOptima
from energy.planning.tilings import TilingPrices, first_best

_TILINGS_A_CHUNK = 40_000
"""Tilings enumerated together: enough to make array operations pay, few enough to stay in the cache of a core."""


@dataclass(frozen=True, kw_only=True)
class _Optimum:
    """The memo's entry of one layer: `(n_scenarios,)` each."""

    designs: DesignTable
    n_designs: int
    latency_s: FloatArray
    energy_over_j: FloatArray
    vm_over_bytes: IntArray


class Explorer:
    """Exact explorer of layers for one device, rule set and set of supplies."""

    shares_cycles = False
    n_limited = 0

    def __init__(
        self,
        device: Device,
        scenarios: Scenarios,
        rules: Rules,
        n_threads: int = 1,
    ) -> None:
        """Make an explorer with an empty memo.

        Args:
            device: Gives prices and memories.
            scenarios: The supplies; all are explored together.
            rules: Which designs are legal.
            n_threads: Threads that explore layers side by side; they do not change the result.
        """
        self.device = device
        self.scenarios = scenarios
        self.rules = rules
        self._n_threads = n_threads
        self._memo: dict[LayerShape, _Optimum] = {}

    def best(self, layers: Sequence[LayerShape]) -> LayerOptima:
        """Return the best design of each layer under each scenario.

        Args:
            layers: Layers, repeats allowed, `(n_layers,)`.

        Raises:
            ValueError: The device has no price for what an operator does.
        """
        self._explore(layers)
        found = [self._memo[layer] for layer in layers]
        return LayerOptima(
            latency_s=np.stack([optimum.latency_s for optimum in found]),
            energy_over_j=np.stack([optimum.energy_over_j for optimum in found]),
            vm_over_bytes=np.stack([optimum.vm_over_bytes for optimum in found]),
            n_designs=np.array([optimum.n_designs for optimum in found], dtype=np.int64),
        )

    def designs(self, layer: LayerShape) -> tuple[LayerDesign, ...]:
        """Return the best design of a layer for each scenario."""
        self._explore([layer])
        table = self._memo[layer].designs
        return tuple(table[scenario] for scenario in range(len(table)))

    def proposals(self, layer: LayerShape, scenario: int = 0) -> tuple[LayerDesign, ...]:
        """Return the best design of a layer, which no other can replace: layers share nothing."""
        return (self.designs(layer)[scenario],)

    def plan(self, network: NetworkShape, scenario: int = 0) -> Plan:
        """Return the best plan of a network under one scenario."""
        self._explore(network.layers)
        return tuple(self.designs(layer)[scenario] for layer in network.layers)

    def _explore(self, layers: Sequence[LayerShape]) -> None:
        new = sorted({layer for layer in layers if layer not in self._memo}, key=lambda layer: layer.op)
        if not new:
            return
        chunks = _chunks(new, self.rules)
        if self._n_threads > 1 and len(chunks) > 1:
            with ThreadPoolExecutor(self._n_threads) as pool:
                results = list(pool.map(self._best_of_chunk, chunks))
        else:
            results = [self._best_of_chunk(chunk) for chunk in chunks]
        for chunk, optima in zip(chunks, results, strict=True):
            self._memo.update(zip(chunk, optima, strict=True))

    def _best_of_chunk(self, layers: list[LayerShape]) -> list[_Optimum]:
        """Return the best designs of layers of one operator."""
        vm_words = self.device.vm_bytes // self.device.word_bytes
        tables = [self.rules.tilings(layer) for layer in layers]
        shapes, tilings = ShapeTable.of(layers), DesignTable.concatenate(tables)
        layer_of = np.repeat(np.arange(len(layers)), [len(table) for table in tables])
        needed = smallest_vm_words(shapes.take(layer_of), tilings)
        # Tilings outside VM are left out, but for the smallest of a layer that has none inside.
        is_kept = needed <= vm_words
        is_kept[first_best(needed, needed, np.bincount(layer_of))] = True
        orders = [ORDERS.index(order) for order in self.rules.orders(layers[0])]
        tilings, layer_of = tilings.take(np.flatnonzero(is_kept)), layer_of[is_kept]
        prices = TilingPrices.of(shapes.take(layer_of), tilings, orders, self.device)
        tilings, layer_of = tilings.in_orders(orders), np.repeat(layer_of, len(orders))
        search = _ChunkSearch(
            prices=prices,
            largest_batch=prices.largest_batch(vm_words),
            n_tilings=np.bincount(layer_of, minlength=len(layers)),
            batch_options=lambda n_inner: self.rules.batch_options_of(layers[0].op, n_inner),
        )
        best = [search.best(self.scenarios.take(scenario)) for scenario in range(len(self.scenarios))]
        rows, batch, latency_s = (np.stack(column, axis=1) for column in zip(*best, strict=True))
        vm_over_words = np.maximum(prices.vm_once[rows] + batch * prices.vm_each[rows] - vm_words, 0)
        energy_over_j = np.maximum(prices.energy_max_j(rows, batch) - self.scenarios.cycle_budget_j, 0.0)
        return [
            _Optimum(
                designs=replace(tilings.take(rows[layer]), batch=batch[layer]),
                n_designs=int(n_designs),
                latency_s=np.where(vm_over_words[layer] > 0, np.inf, latency_s[layer]),
                energy_over_j=energy_over_j[layer],
                vm_over_bytes=vm_over_words[layer] * self.device.word_bytes,
            )
            for layer, n_designs in enumerate(search.n_designs())
        ]


@dataclass(frozen=True, kw_only=True)
class _ChunkSearch:
    """The tilings of a few layers of one operator, those of a layer next to one another.

    Attributes:
        prices: The tilings, priced.
        largest_batch: Most iterations inside VM, 0 where not even one fits.
        n_tilings: Tilings of each layer, at least one, `(n_layers,)`.
        batch_options: Legal batches for an innermost count.
    """

    prices: TilingPrices
    largest_batch: IntArray
    n_tilings: IntArray
    batch_options: Callable[[int], Options]

    def best(self, scenario: Scenarios) -> tuple[IntArray, IntArray, FloatArray]:
        """Return tiling, batch and latency [s] of the best design of each layer under a supply, `(n_layers,)` each."""
        bound_s = self.prices.latency_bound_s(self.largest_batch, scenario)
        promising = first_best(bound_s, self.prices.vm_once, self.n_tilings)
        limit_s, _, _ = self._exact(promising, scenario)
        # The bound of a tiling that is best may differ from its latency by rounding alone.
        open_rows = np.flatnonzero(bound_s <= np.repeat(limit_s, self.n_tilings) * (1 + 1e-9))
        open_rows = np.union1d(open_rows[np.isfinite(bound_s[open_rows])], promising)
        latency_s, rows, batch = self._exact(open_rows, scenario)
        return (*self._least_infeasible(latency_s, rows, batch), latency_s)

    def n_designs(self) -> IntArray:
        """Return legal designs inside VM of each layer, `(n_layers,)`. [1]"""
        lengths, _, _ = self._options(np.arange(len(self.largest_batch)))
        return np.add.reduceat(lengths, np.cumsum(self.n_tilings) - self.n_tilings)

    def _exact(self, tilings: IntArray, scenario: Scenarios) -> tuple[FloatArray, IntArray, IntArray]:
        """Return the least latency of each layer over all batches of the given tilings, with its design.

        Each layer has at least one tiling.
        """
        lengths, flat, starts = self._options(tilings)
        lengths = np.maximum(lengths, 1)
        rows = np.repeat(np.arange(len(tilings)), lengths)
        batch = flat[np.arange(len(rows)) + (starts - (np.cumsum(lengths) - lengths))[rows]]
        rows = tilings[rows]
        latency_s = self.prices.latency_s(rows, batch, scenario)
        vm_words = self.prices.vm_once[rows] + batch * self.prices.vm_each[rows]
        layer_of = np.repeat(np.arange(len(self.n_tilings)), self.n_tilings)[rows]
        best = first_best(latency_s, vm_words, np.bincount(layer_of, minlength=len(self.n_tilings)))
        return latency_s[best], rows[best], batch[best]

    def _options(self, tilings: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Return the legal batches inside VM: their number per tiling, all lists joined, the start of each list."""
        n_inner = self.prices.loops.n_inner[tilings]
        present = np.bincount(n_inner) > 0
        distinct, inverse = np.flatnonzero(present), (np.cumsum(present) - 1)[n_inner]
        options = [self.batch_options(int(count)) for count in distinct]
        flat = np.array([size for sizes in options for size in sizes], dtype=np.int64)
        n_options = np.array([len(sizes) for sizes in options])
        starts = np.cumsum(n_options) - n_options
        # Keys rise through all lists, so one search counts the options of each tiling up to its largest batch.
        span = int(distinct[-1]) + 1
        keys = flat + span * np.repeat(np.arange(len(distinct)), n_options)
        ends = np.searchsorted(keys, span * inverse + self.largest_batch[tilings], side="right")
        return ends - starts[inverse], flat, starts[inverse]

    def _least_infeasible(self, latency_s: FloatArray, rows: IntArray, batch: IntArray) -> tuple[IntArray, IntArray]:
        """Return the best designs, where none is feasible that of S = 1 whose costliest cycle costs least."""
        if np.isfinite(latency_s).all():
            return rows, batch
        every = np.arange(len(self.largest_batch))
        energy_max_j = self.prices.energy_max_j(every, np.ones_like(every))
        cheapest = first_best(energy_max_j, self.prices.vm_once, self.n_tilings)
        stuck = ~np.isfinite(latency_s)
        return np.where(stuck, cheapest, rows), np.where(stuck, 1, batch)


def _chunks(layers: list[LayerShape], rules: Rules) -> list[list[LayerShape]]:
    """Return the layers of one operator each, in groups of about `_TILINGS_A_CHUNK` tilings."""
    chunks: list[list[LayerShape]] = []
    room = 0
    for layer in layers:
        n_tilings = prod(len(rules.tile_options(layer, gene)) for gene in TILE_GENES)
        if not chunks or chunks[-1][0].op != layer.op or n_tilings > room:
            chunks.append([])
            room = _TILINGS_A_CHUNK
        chunks[-1].append(layer)
        room -= n_tilings
    return chunks
