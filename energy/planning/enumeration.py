"""Every design of a layer under our rules, counted, priced and bounded in one compiled pass.

A design is evaluated by its time when it packs its own power cycles, Eq. (7). A lower bound, active time plus energy at
its marginal price, excludes designs that cannot be worth their place in shared cycles; the others are kept.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from energy.counting import rows
from energy.counting.exact import add_compute
from energy.counting.exact_layer import COMMIT_EVENTS, count_commits, count_layer, count_reloads
from energy.counting.nanojoules import ROUNDING_J
from energy.counting.tiles import axis_sums, inner_count, map_totals
from energy.counting.vm import operand_words, result_words
from energy.events import FloatArray, IntArray
from energy.hardware.recharge import RechargeLaw
from energy.jit import compiled
from energy.networks.vectors import fits_vector_unit, has_vector
from energy.planning.costliest import batch_bound_j, largest_batch_j, largest_tile, priced
from energy.scheduling.cycle import recharge_s

_has_vector, _fits_vector_unit = compiled(has_vector), compiled(fits_vector_unit)

WORK_EVENTS = (rows.MAC_CALLS, rows.MAC_ELEMENTS, rows.ITERATIONS, rows.TAPS, rows.EPILOGUES)
"""Work of the vector unit and the CPU for a convolution, the same in every loop order."""
TIME_S, ENERGY_J, BOUND_S = range(3)
FIGURES = 3
"""Figures of a design kept: time of Eq. (7), energy, lower bound of its time."""


class Options(NamedTuple):
    """Choices of the explorer.

    Attributes:
        tile_h, tile_w, tile_out, tile_in: Tile sizes of each axis of the rewritten layer, falling. [1]
        orders: Legal loop orders.
        vectors: Vector modes that may be chosen.
        vm_words: Volatile memory. [words]
        max_vector: Longest vector. [1]
        most_per_cycle: Most batches per power cycle. [1]
    """

    tile_h: IntArray
    tile_w: IntArray
    tile_out: IntArray
    tile_in: IntArray
    orders: IntArray
    vectors: IntArray
    vm_words: int
    max_vector: int
    most_per_cycle: int


class Costs(NamedTuple):
    """Prices and supplies.

    Attributes:
        energy_j, time_s: Price of an event by loop order, `(n_orders, n_events)`. [J], [s]
        boot_j, boot_s: Energy and active time of a boot. [J], [s]
        cycle_budget_j: Cycle energy budget of each supply, `(n,)`. [J]
        laws: Constants of `recharge_law` of each supply, `(n, 5)`.
        least_s_per_j: Least time that a joule of batches costs, `(n,)`. [s/J]
    """

    energy_j: FloatArray
    time_s: FloatArray
    boot_j: float
    boot_s: float
    cycle_budget_j: FloatArray
    laws: FloatArray
    least_s_per_j: FloatArray


class Kept(NamedTuple):
    """Designs that can be worth choosing under each supply.

    Attributes:
        designs: Design rows, `(n, capacity, DESIGN_WIDTH)`.
        figures: Their figures, `(n, capacity, FIGURES)`.
        counts: How many there are, `(n,)`. [1]
        best_s: Least time by Eq. (7) so far, `(n,)`. [s]
    """

    designs: IntArray
    figures: FloatArray
    counts: IntArray
    best_s: FloatArray


class Tiling(NamedTuple):
    """A tiling of the layer.

    Attributes:
        tiles: Numbers of tiles of the map, of the output and of the input channels, r c, m and n. [1]
        totals: Sums over the tiles of the map, see `map_totals`.
        largest: A tile that counts at least as much as every tile, see `largest_tile`.
    """

    tiles: tuple[int, int, int]
    totals: IntArray
    largest: IntArray


class Whole(NamedTuple):
    """Sums over all batches of a design: how many, how many per innermost loop, energy [J] and active time [s]."""

    n_batches: int
    n_a_loop: int
    energy_j: float
    active_s: float


@compiled
def enumerate_designs(layer: IntArray, options: Options, costs: Costs, kept: Kept) -> int:
    """Walk all designs of a layer and keep those that can be worth choosing under each supply.

    Large tiles come first, so that good designs found early exclude the others. The loops are long, and in one function
    because each level reuses what the level above has computed.

    Args:
        layer: Layer row.
        options: Sizes and modes.
        costs: Prices and supplies.
        kept: Filled; `best_s` starts at infinity.

    Returns:
        Legal designs inside the volatile memory. [1]
    """
    heights, widths = axis_sums(layer, False, options.tile_h), axis_sums(layer, True, options.tile_w)
    design, totals = np.zeros(rows.DESIGN_WIDTH, dtype=np.int64), np.zeros(rows.MAP_WIDTH, dtype=np.int64)
    largest = np.zeros(rows.MAP_WIDTH, dtype=np.int64)
    events, commits = np.zeros(rows.N_EVENTS, dtype=np.int64), np.zeros(rows.N_EVENTS, dtype=np.int64)
    best_s, vm_words, orders = kept.best_s, options.vm_words, options.orders
    n_sizes = _numbers_of_batch_sizes(layer)
    n_designs = 0
    for at_h in range(len(options.tile_h)):
        for at_w in range(len(options.tile_w)):
            design[rows.TILE_H], design[rows.TILE_W] = options.tile_h[at_h], options.tile_w[at_w]
            map_totals(layer, heights[at_h], widths[at_w], totals)
            largest_tile(layer, design, heights[at_h], widths[at_w], largest)
            rc = heights[at_h, rows.AXIS_TILES] * widths[at_w, rows.AXIS_TILES]
            for tile_out in options.tile_out:
                m = -(-layer[rows.OUT_CH] // tile_out)
                for tile_in in options.tile_in:
                    design[rows.TILE_OUT], design[rows.TILE_IN] = tile_out, tile_in
                    design[rows.VECTOR], design[rows.ORDER], design[rows.BATCH] = rows.CHANNEL, rows.OUTPUT, 1
                    n = -(-layer[rows.IN_WORDS] // tile_in) if layer[rows.OP] == rows.CONV else 1
                    tiles = (rc, m, n)
                    if operand_words(layer, design, n) + result_words(layer, design, tiles, 1) > vm_words:
                        continue
                    for vector in options.vectors:
                        design[rows.VECTOR] = vector
                        if not _is_legal_vector(layer, design, options.max_vector):
                            continue
                        room = vm_words - operand_words(layer, design, n)
                        if room < 2:
                            continue
                        is_out = _is_excluded(layer, design, tiles, costs, best_s, events)
                        for order in orders:
                            design[rows.ORDER] = order
                            n_inner = inner_count(layer, design, tiles)
                            most = _largest_batch(layer, design, tiles, n_inner, room - room % 2)
                            n_designs += n_sizes[n_inner] if most == n_inner else _n_batch_sizes(n_inner, most)
                            if most > 0 and not is_out:
                                tiling = Tiling(tiles, totals, largest)
                                most_per_cycle = options.most_per_cycle
                                _enumerate_batches(
                                    layer, design, tiling, n_inner, most, most_per_cycle, costs, kept, events, commits
                                )
    return n_designs


@compiled
def _numbers_of_batch_sizes(layer: IntArray) -> IntArray:
    """Return the number of batch sizes of every innermost loop that the layer can have, `(longest + 1,)`. [1]"""
    longest = max(layer[rows.TILED_H] * layer[rows.TILED_W], layer[rows.OUT_CH], layer[rows.IN_WORDS])
    found = np.zeros(longest + 1, dtype=np.int64)
    for n_inner in range(1, longest + 1):
        found[n_inner] = _n_batch_sizes(n_inner, n_inner)
    return found


@compiled
def _is_legal_vector(layer: IntArray, design: IntArray, max_vector: int) -> bool:
    """Return whether the design may have its vector mode."""
    op, vector = layer[rows.OP], design[rows.VECTOR]
    return bool(
        _has_vector(op, vector, design[rows.TILE_OUT])
        and _fits_vector_unit(op, vector, design[rows.TILE_IN], layer[rows.KERNEL_W], max_vector)
    )


@compiled
def _enumerate_batches(
    layer: IntArray,
    design: IntArray,
    tiling: Tiling,
    n_inner: int,
    most: int,
    most_per_cycle: int,
    costs: Costs,
    kept: Kept,
    events: IntArray,
    commits: IntArray,
) -> None:
    """Try all batches of one tiling with its order and vector mode, from `most` iterations down.

    The lower bound falls as the batch grows, so once a batch is excluded under all supplies the smaller ones are too.
    `events` and `commits` are scratch space.
    """
    tiles, totals = tiling.tiles, tiling.totals
    best_s, least_s_per_j = kept.best_s, costs.least_s_per_j
    price_j, price_s = costs.energy_j[design[rows.ORDER]], costs.time_s[design[rows.ORDER]]
    count_layer(layer, design, tiles, totals, events)
    fixed_j, fixed_s = priced(events, price_j), priced(events, price_s)
    n_a_loop = -(-n_inner // most)
    while True:
        batch = -(-n_inner // n_a_loop)
        n_a_loop = -(-n_inner // batch)
        n_batches = count_commits(layer, design, tiles, totals, n_a_loop, commits)
        energy_j, active_s = fixed_j, fixed_s
        for event in COMMIT_EVENTS:
            energy_j += commits[event] * price_j[event]
            active_s += commits[event] * price_s[event]
            commits[event] = 0
        is_bound_out = True
        for supply in range(len(best_s)):
            bound_s = active_s + energy_j * least_s_per_j[supply]
            if bound_s > best_s[supply]:
                continue
            is_bound_out = False
            design[rows.BATCH] = batch
            whole = Whole(n_batches, n_a_loop, energy_j, active_s)
            time_s = _own_time_s(layer, design, tiling, whole, most_per_cycle, costs, supply)
            if time_s == np.inf:
                continue
            if time_s < best_s[supply]:
                most_j = costs.cycle_budget_j[supply] - costs.boot_j + ROUNDING_J
                if (
                    batch_bound_j(layer, design, tiles, tiling.largest, costs.energy_j) > most_j
                    and largest_batch_j(layer, design, costs.energy_j) > most_j
                ):
                    continue
                best_s[supply] = time_s
            _keep(design, (time_s, energy_j, bound_s), supply, kept)
        if is_bound_out or batch == 1:
            break
        n_a_loop = -(-n_inner // (batch - 1))


@compiled
def _own_time_s(
    layer: IntArray, design: IntArray, tiling: Tiling, whole: Whole, most_per_cycle: int, costs: Costs, supply: int
) -> float:
    """Return the time of a layer that packs its own power cycles, each with the mean reload, Eq. (7). [s]

    Infinite where no batch fits into a cycle.
    """
    order, n_batches = design[rows.ORDER], whole.n_batches
    reloads = np.zeros(rows.N_EVENTS, dtype=np.int64)
    count_reloads(layer, design, tiling.tiles, tiling.totals, whole.n_a_loop, reloads)
    reload_j = priced(reloads, costs.energy_j[order]) / n_batches
    reload_s = priced(reloads, costs.time_s[order]) / n_batches
    mean_j = whole.energy_j / n_batches
    room_j = costs.cycle_budget_j[supply] - costs.boot_j - reload_j + ROUNDING_J
    n_a_cycle = min(np.floor(room_j / mean_j), float(most_per_cycle))
    if n_a_cycle < 1:
        return np.inf
    constants = costs.laws[supply]
    law = RechargeLaw(constants[0], constants[1], constants[2], constants[3], constants[4])
    cycle_j = costs.boot_j + reload_j + n_a_cycle * mean_j
    cycle_s = costs.boot_s + reload_s + recharge_s(cycle_j, law)
    return float(whole.active_s + n_batches / n_a_cycle * cycle_s)


@compiled
def _largest_batch(layer: IntArray, design: IntArray, tiles: tuple[int, int, int], n_inner: int, room: int) -> int:
    """Return the most iterations of a batch whose results fit into `room` words; 0 where one does not fit. [1]"""
    if result_words(layer, design, tiles, n_inner) <= room:
        return n_inner
    one = result_words(layer, design, tiles, 1)
    if one > room or design[rows.ORDER] == rows.OUTPUT:
        return 0
    # Results grow by a tile per iteration, but for a pad channel.
    batch = min(room // one + 1, n_inner - 1)
    while result_words(layer, design, tiles, batch) > room:
        batch -= 1
    while batch + 1 < n_inner and result_words(layer, design, tiles, batch + 1) <= room:
        batch += 1
    return batch


@compiled
def _is_excluded(
    layer: IntArray, design: IntArray, tiles: tuple[int, int, int], costs: Costs, best_s: FloatArray, events: IntArray
) -> bool:
    """Return whether the work of a tiling, in any loop order and batch, takes longer than the best under each supply.

    `events` is scratch space.
    """
    rc, m, n = tiles
    for event in WORK_EVENTS:
        events[event] = 0
    elements = layer[rows.TILED_H] * layer[rows.TILED_W] * layer[rows.OUT_CH]
    add_compute(layer, design, elements, layer[rows.IN_WORDS], n, True, events)
    if layer[rows.OP] == rows.CONV:
        events[rows.ITERATIONS] = rc * m * n
    price_j, price_s = costs.energy_j, costs.time_s
    energy_j = active_s = 0.0
    for event in WORK_EVENTS:
        energy_j += events[event] * min(price_j[0, event], price_j[1, event], price_j[2, event])
        active_s += events[event] * min(price_s[0, event], price_s[1, event], price_s[2, event])
    is_excluded = True
    for supply in range(len(best_s)):
        is_excluded &= active_s + energy_j * costs.least_s_per_j[supply] > best_s[supply]
    return is_excluded


@compiled
def _n_batch_sizes(n_inner: int, most: int) -> int:
    """Return the number of sizes ceil(I / k) up to `most`: all up to the root of I - 1, then one for each k. [1]"""
    if most == 0:
        return 0
    rest = n_inner - 1
    root = int(np.sqrt(rest))
    if most - 1 <= root:
        return most
    return 1 + root + rest // (root + 1) - rest // most


@compiled
def _keep(design: IntArray, figures: tuple[float, float, float], supply: int, kept: Kept) -> None:
    """Note a design; a full list first loses designs that the best now excludes, then the slowest."""
    designs, values, counts, best_s = kept
    n, capacity = counts[supply], designs.shape[1]
    limit_s, column = best_s[supply], BOUND_S
    while n == capacity:
        n = 0
        for row in range(capacity):
            if values[supply, row, column] <= limit_s:
                for field in range(rows.DESIGN_WIDTH):
                    designs[supply, n, field] = designs[supply, row, field]
                for field in range(FIGURES):
                    values[supply, n, field] = values[supply, row, field]
                n += 1
        limit_s, column = (best_s[supply] + values[supply, n // 2, TIME_S]) / 2, TIME_S
    for field in range(rows.DESIGN_WIDTH):
        designs[supply, n, field] = design[field]
    for field in range(FIGURES):
        values[supply, n, field] = figures[field]
    counts[supply] = n + 1
