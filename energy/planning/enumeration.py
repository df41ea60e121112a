"""Every design of a layer under our rules, counted, priced and bounded in one compiled pass.

A design is judged by its time when it packs its own power cycles, Eq. (7). A lower bound, active time plus energy at
its marginal price, says which designs can be worth their place in cycles that are shared; only those are kept.
"""

from __future__ import annotations

import numpy as np

from energy.counting import rows
from energy.counting.exact import add_compute, count_batch, n_batches_of, place_batch
from energy.counting.exact_layer import count_commits, count_layer, count_reloads
from energy.counting.nanojoules import ROUNDING_J
from energy.counting.tiles import axis_sums, inner_count, map_sums, map_totals, tile_counts
from energy.counting.vm import operand_words, result_words
from energy.events import FloatArray, IntArray
from energy.jit import compiled
from energy.networks.vectors import fits_vector_unit, has_vector
from energy.scheduling.cuts import recharge_s

_has_vector, _fits_vector_unit = compiled(has_vector), compiled(fits_vector_unit)

WORK_EVENTS = (rows.MAC_CALLS, rows.MAC_ELEMENTS, rows.ITERATIONS, rows.TAPS, rows.EPILOGUES)
"""What the vector unit and the CPU do for a convolution, whatever the loop order is."""
TIME_S, ENERGY_J, BOUND_S = range(3)
FIGURES = 3
"""Of a design kept: time of Eq. (7), energy, lower bound of its time."""


@compiled
def enumerate_designs(
    layer: IntArray,
    options: tuple[IntArray, IntArray, IntArray, IntArray],
    limits: tuple[int, int, int],
    modes: tuple[IntArray, IntArray],
    prices: tuple[FloatArray, FloatArray],
    boot: tuple[float, float],
    supplies: tuple[FloatArray, FloatArray, FloatArray],
    kept: tuple[IntArray, FloatArray, IntArray],
) -> int:
    """Walk all designs of a layer and keep those that can be worth choosing under each supply.

    Args:
        layer: Layer row.
        options: Tile sizes of the four axes of the rewritten layer, falling, so that good designs come first.
        limits: Words of volatile memory, the longest vector, and the most batches a power cycle. [words], [1], [1]
        modes: Legal loop orders, and vector modes that may be chosen.
        prices: Energy [J] and time [s] of an event by loop order.
        boot: Energy [J] and active time [s] of a boot.
        supplies: Budget of a cycle `(n,)` [J], constants of `recharge_law` `(n, 5)`, and the least time that a joule
            of batches costs `(n,)` [s/J].
        kept: Filled with designs `(n, capacity, 7)`, their figures `(n, capacity, FIGURES)` and how many `(n,)`.

    Returns:
        Legal designs inside the volatile memory. [1]
    """
    heights, widths = axis_sums(layer, False, options[0]), axis_sums(layer, True, options[1])
    design, totals = np.zeros(rows.DESIGN_WIDTH, dtype=np.int64), np.zeros(rows.MAP_WIDTH, dtype=np.int64)
    best_s, largest = np.full(len(supplies[0]), np.inf), np.zeros(rows.MAP_WIDTH, dtype=np.int64)
    least_s = np.zeros(len(supplies[0]))
    scratch = (np.zeros(rows.N_EVENTS, dtype=np.int64), np.zeros(rows.N_EVENTS, dtype=np.int64))
    longest = max(layer[rows.TILED_H] * layer[rows.TILED_W], layer[rows.OUT_CH], layer[rows.IN_WORDS])
    n_sizes = np.zeros(longest + 1, dtype=np.int64)
    for n_inner in range(1, longest + 1):
        n_sizes[n_inner] = _n_batch_sizes(n_inner, n_inner)
    n_designs = 0
    for at_h in range(len(options[0])):
        for at_w in range(len(options[1])):
            design[rows.TILE_H], design[rows.TILE_W] = options[0][at_h], options[1][at_w]
            map_totals(layer, heights[at_h], widths[at_w], totals)
            largest_tile(layer, design, heights[at_h], widths[at_w], largest)
            rc = heights[at_h, 0] * widths[at_w, 0]
            for tile_out in options[2]:
                m = -(-layer[rows.OUT_CH] // tile_out)
                for tile_in in options[3]:
                    design[rows.TILE_OUT], design[rows.TILE_IN] = tile_out, tile_in
                    design[rows.VECTOR], design[rows.ORDER], design[rows.BATCH] = rows.CHANNEL, rows.OUTPUT, 1
                    n = -(-layer[rows.IN_WORDS] // tile_in) if layer[rows.OP] == rows.CONV else 1
                    tiles = (rc, m, n)
                    if operand_words(layer, design, n) + result_words(layer, design, tiles, 1) > limits[0]:
                        continue
                    for vector in modes[1]:
                        design[rows.VECTOR] = vector
                        if not _is_legal_vector(layer, design, limits[1]):
                            continue
                        room = limits[0] - operand_words(layer, design, n)
                        if room < 2:
                            continue
                        _least_s(layer, design, tiles, prices, supplies[2], scratch[0], least_s)
                        is_out = True
                        for supply in range(len(best_s)):
                            is_out &= least_s[supply] > best_s[supply]
                        for order in modes[0]:
                            design[rows.ORDER] = order
                            n_inner = inner_count(layer, design, tiles)
                            most = _largest_batch(layer, design, tiles, n_inner, room - room % 2)
                            n_designs += n_sizes[n_inner] if most == n_inner else _n_batch_sizes(n_inner, most)
                            if most > 0 and not is_out:
                                _enumerate_batches(
                                    layer, design, (tiles, totals, largest), (n_inner, most, limits[2]), prices, boot,
                                    supplies, kept, best_s, scratch,
                                )  # fmt: skip
    return n_designs


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
    map_: tuple[tuple[int, int, int], IntArray, IntArray],
    loop: tuple[int, int, int],
    prices: tuple[FloatArray, FloatArray],
    boot: tuple[float, float],
    supplies: tuple[FloatArray, FloatArray, FloatArray],
    kept: tuple[IntArray, FloatArray, IntArray],
    best_s: FloatArray,
    scratch: tuple[IntArray, IntArray],
) -> None:
    """All batches of one tiling with its order and vector mode.

    The bound falls with the batch, so the largest batch says whether any is worth a look.
    """
    tiles, totals, largest = map_
    n_inner, most, most_a_cycle = loop
    events, commits = scratch
    price_j, price_s = prices[0][design[rows.ORDER]], prices[1][design[rows.ORDER]]
    count_layer(layer, design, tiles, totals, events)
    fixed_j, fixed_s = _priced(events, price_j), _priced(events, price_s)
    n_a_loop = -(-n_inner // most)
    while True:
        batch = -(-n_inner // n_a_loop)
        n_a_loop = -(-n_inner // batch)
        n_batches = count_commits(layer, design, tiles, totals, n_a_loop, commits)
        energy_j, active_s = fixed_j, fixed_s
        for event in (rows.RECORD_CALLS, rows.RECORD_WRITTEN, rows.SUM_CALLS, rows.SUM_WRITTEN, rows.OUTPUT_CALLS):
            energy_j += commits[event] * price_j[event]
            active_s += commits[event] * price_s[event]
            commits[event] = 0
        is_bound_out = True
        for supply in range(len(best_s)):
            bound_s = active_s + energy_j * supplies[2][supply]
            if bound_s > best_s[supply]:
                continue
            is_bound_out = False
            design[rows.BATCH] = batch
            time_s = _own_time_s(
                layer,
                design,
                (tiles, totals, n_a_loop),
                (n_batches, energy_j, active_s, most_a_cycle),
                prices,
                boot,
                supplies,
                supply,
            )
            if time_s == np.inf:
                continue
            if time_s < best_s[supply]:
                most_j = supplies[0][supply] - boot[0] + ROUNDING_J
                if (
                    batch_bound_j(layer, design, tiles, largest, prices) > most_j
                    and largest_batch_j(layer, design, prices) > most_j
                ):
                    continue
                best_s[supply] = time_s
            _keep(design, (time_s, energy_j, bound_s), supply, kept, best_s)
        if is_bound_out or batch == 1:
            break
        n_a_loop = -(-n_inner // (batch - 1))


@compiled
def _own_time_s(
    layer: IntArray,
    design: IntArray,
    loops: tuple[tuple[int, int, int], IntArray, int],
    figures: tuple[int, float, float, int],
    prices: tuple[FloatArray, FloatArray],
    boot: tuple[float, float],
    supplies: tuple[FloatArray, FloatArray, FloatArray],
    supply: int,
) -> float:
    """Time of a layer that packs its own power cycles, Eq. (7), each with the mean reload; inf where none fits. [s]"""
    tiles, totals, n_a_loop = loops
    n_batches, energy_j, active_s, most_a_cycle = figures
    order = design[rows.ORDER]
    reloads = np.zeros(rows.N_EVENTS, dtype=np.int64)
    count_reloads(layer, design, tiles, totals, n_a_loop, reloads)
    reload_j = _priced(reloads, prices[0][order]) / n_batches
    reload_s = _priced(reloads, prices[1][order]) / n_batches
    mean_j = energy_j / n_batches
    room_j = supplies[0][supply] - boot[0] - reload_j + ROUNDING_J
    n_a_cycle = min(np.floor(room_j / mean_j), float(most_a_cycle))
    if n_a_cycle < 1:
        return np.inf
    law = supplies[1][supply]
    cycle_j = boot[0] + reload_j + n_a_cycle * mean_j
    cycle_s = boot[1] + reload_s + recharge_s(cycle_j, law[0], law[1], law[2], law[3], law[4])
    return float(active_s + n_batches / n_a_cycle * cycle_s)


@compiled
def _largest_batch(layer: IntArray, design: IntArray, tiles: tuple[int, int, int], n_inner: int, room: int) -> int:
    """Most iterations of a batch inside the innermost loop whose results fit into `room` words; 0 where none does."""
    if result_words(layer, design, tiles, n_inner) <= room:
        return n_inner
    one = result_words(layer, design, tiles, 1)
    if one > room or design[rows.ORDER] == rows.OUTPUT:
        return 0
    # Results grow by a tile an iteration, but for a pad channel.
    batch = min(room // one + 1, n_inner - 1)
    while result_words(layer, design, tiles, batch) > room:
        batch -= 1
    while batch + 1 < n_inner and result_words(layer, design, tiles, batch + 1) <= room:
        batch += 1
    return batch


@compiled
def _least_s(
    layer: IntArray,
    design: IntArray,
    tiles: tuple[int, int, int],
    prices: tuple[FloatArray, FloatArray],
    least_s_per_j: FloatArray,
    events: IntArray,
    found_s: FloatArray,
) -> None:
    """Fill the least time that the work of a tiling takes in any loop order and batch, for each supply. [s]"""
    rc, m, n = tiles
    for event in WORK_EVENTS:
        events[event] = 0
    elements = layer[rows.TILED_H] * layer[rows.TILED_W] * layer[rows.OUT_CH]
    add_compute(layer, design, elements, layer[rows.IN_WORDS], n, True, events)
    if layer[rows.OP] == rows.CONV:
        events[rows.ITERATIONS] = rc * m * n
    energy_j = active_s = 0.0
    for event in WORK_EVENTS:
        energy_j += events[event] * min(prices[0][0, event], prices[0][1, event], prices[0][2, event])
        active_s += events[event] * min(prices[1][0, event], prices[1][1, event], prices[1][2, event])
    for supply in range(len(found_s)):
        found_s[supply] = active_s + energy_j * least_s_per_j[supply]


@compiled
def _n_batch_sizes(n_inner: int, most: int) -> int:
    """How many sizes ceil(I / k) are at most `most`: all up to the root of I - 1, then one for each k. [1]"""
    if most == 0:
        return 0
    rest = n_inner - 1
    root = int(np.sqrt(rest))
    if most - 1 <= root:
        return most
    return 1 + root + rest // (root + 1) - rest // most


@compiled
def _priced(events: IntArray, prices: FloatArray) -> float:
    total = 0.0
    for event in range(rows.N_EVENTS):
        total += events[event] * prices[event]
    return total


@compiled
def _keep(
    design: IntArray,
    figures: tuple[float, float, float],
    supply: int,
    kept: tuple[IntArray, FloatArray, IntArray],
    best_s: FloatArray,
) -> None:
    """Note a design; where the list is full, first those go that the best has excluded meanwhile, then the slowest."""
    designs, values, counts = kept
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


@compiled
def largest_batch_j(layer: IntArray, design: IntArray, prices: tuple[FloatArray, FloatArray]) -> float:
    """Return the energy of the costliest batch after a boot. [J]"""
    price_j = prices[0][design[rows.ORDER]]
    sums = map_sums(layer, design)
    place, tiles = np.zeros(rows.PLACE_WIDTH, dtype=np.int64), np.zeros(rows.MAP_WIDTH, dtype=np.int64)
    warm, reload = np.zeros(rows.N_EVENTS, dtype=np.int64), np.zeros(rows.N_EVENTS, dtype=np.int64)
    largest_j = 0.0
    for index in range(n_batches_of(layer, design)):
        place_batch(layer, design, index, sums, place, tiles)
        count_batch(layer, design, place, tiles, warm, reload)
        largest_j = max(largest_j, _priced(warm, price_j) + _priced(reload, price_j))
    return largest_j


@compiled
def largest_tile(layer: IntArray, design: IntArray, height: IntArray, width: IntArray, tile: IntArray) -> None:
    """Fill a tile of the map that counts at least as much as every tile, see `energy.counting.exact.map_tile`."""
    box_h, box_w = (
        layer[rows.STRIDE_H] * (design[rows.TILE_H] - 1) + layer[rows.KERNEL_H],
        layer[rows.STRIDE_W] * (design[rows.TILE_W] - 1) + layer[rows.KERNEL_W],
    )
    tile[rows.MAP_OUTPUTS] = design[rows.TILE_H] * design[rows.TILE_W]
    tile[rows.MAP_ROWS] = design[rows.TILE_H]
    tile[rows.MAP_BOX] = box_h * box_w
    tile[rows.MAP_INSIDE] = height[rows.AXIS_MOST] * width[rows.AXIS_MOST]
    tile[rows.MAP_CALLS] = 1 if width[rows.AXIS_WHOLE] == width[rows.AXIS_TILES] else height[rows.AXIS_MOST]


@compiled
def batch_bound_j(
    layer: IntArray,
    design: IntArray,
    tiles: tuple[int, int, int],
    largest: IntArray,
    prices: tuple[FloatArray, FloatArray],
) -> float:
    """At least the energy of the costliest batch after a boot, and just that where a tile lies clear of borders. [J]

    Batches of the largest tile are tried at the ends of every loop.
    """
    rc, m, n = tiles
    order, price_j = design[rows.ORDER], prices[0][design[rows.ORDER]]
    runs_map = layer[rows.OP] == rows.POOL or order == rows.WEIGHT
    n_inner = inner_count(layer, design, tiles)
    batch = min(design[rows.BATCH], n_inner)
    last = (n_inner - 1) // batch
    place = np.zeros(rows.PLACE_WIDTH, dtype=np.int64)
    warm, reload = np.zeros(rows.N_EVENTS, dtype=np.int64), np.zeros(rows.N_EVENTS, dtype=np.int64)
    place[rows.N_RC], place[rows.N_M], place[rows.N_N] = rc, m, n
    most = np.zeros(rows.MAP_WIDTH, dtype=np.int64)
    for column in range(rows.MAP_WIDTH):
        most[column] = largest[column] * (batch if runs_map else 1)
    found_j = 0.0
    for piece in (0, min(1, last), last):
        place[rows.BEGIN], place[rows.END] = piece * batch, min((piece + 1) * batch, n_inner)
        place[rows.INDEX] = piece
        for at_m in (0, m - 1):
            for at_n in (0, min(1, n - 1), max(n - 2, 0), n - 1):
                if (order == rows.INPUT and at_m > 0 and not runs_map) or (order == rows.OUTPUT and at_n > 0):
                    continue
                place[rows.AT_M], place[rows.AT_N] = at_m, at_n
                count_batch(layer, design, place, most, warm, reload)
                found_j = max(found_j, _priced(warm, price_j) + _priced(reload, price_j))
    return found_j


@compiled
def costliest_j(layer: IntArray, designs: IntArray, prices: tuple[FloatArray, FloatArray], most_j: float) -> FloatArray:
    """Energy of the costliest batch of designs `(n, 7)` after a boot, or a bound that does not exceed `most_j`. [J]"""
    found_j = np.empty(len(designs))
    for row in range(len(designs)):
        found_j[row] = _costliest_j(layer, designs[row], prices, most_j)
    return found_j


@compiled
def _costliest_j(layer: IntArray, design: IntArray, prices: tuple[FloatArray, FloatArray], most_j: float) -> float:
    r, c, m, n = tile_counts(layer, design)
    largest = np.zeros(rows.MAP_WIDTH, dtype=np.int64)
    heights = axis_sums(layer, False, design[rows.TILE_H : rows.TILE_H + 1])
    widths = axis_sums(layer, True, design[rows.TILE_W : rows.TILE_W + 1])
    largest_tile(layer, design, heights[0], widths[0], largest)
    bound_j = batch_bound_j(layer, design, (r * c, m, n), largest, prices)
    return bound_j if bound_j <= most_j else largest_batch_j(layer, design, prices)
