"""Exact counting: events of our runtime, batch by batch, with residency by tags (energy/README section 4).

Layers and designs are rows of integers with the letters of `energy.counting.rows`; `count_batch` fills the events of
one batch, and `walk` visits the batches in the order in which they run. All compiled; `energy.counting.exact_layer`
has the sums in closed form.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from energy.counting import rows
from energy.counting.commit_record import RECORD_WORDS
from energy.counting.nanojoules import rounded_up_nj
from energy.counting.tiles import inner_count, map_sums, tile_counts
from energy.events import FloatArray, IntArray
from energy.jit import compiled


@compiled
def row_length(layer: IntArray) -> int:
    """Return the words of a padded row of single-channel weights, L = 2 floor((Kw + 2) / 2)."""
    return int(2 * ((layer[rows.KERNEL_W] + 2) // 2))


@compiled
def weight_words(layer: IntArray, design: IntArray, t_out: int, t_in: int, has_bias: bool) -> int:
    """Return the words of weight tiles with `t_out` x `t_in` channels, two per bias; batch norm: four per channel."""
    op = layer[rows.OP]
    if op == rows.NORM:
        return 4 * t_out
    if op == rows.CONV:
        return int(layer[rows.KERNEL_H] * layer[rows.KERNEL_W] * t_in * t_out + (2 * t_out if has_bias else 0))
    if design[rows.VECTOR] == rows.CHANNEL:
        return int((layer[rows.KERNEL_H] * layer[rows.KERNEL_W] + 2) * t_out)
    return int((2 * layer[rows.KERNEL_H] * row_length(layer) + 2) * t_out)


@compiled
def output_calls(layer: IntArray, design: IntArray, tiles: IntArray, n_boxes: int, width: int) -> int:
    """Return the calls that write boxes of `width` words per pixel: one per pixel, per whole row, or per whole box."""
    if width != layer[rows.OUT_WORDS] or not layer[rows.MERGES]:
        return int(tiles[rows.MAP_OUTPUTS])
    return n_boxes if design[rows.TILE_W] >= layer[rows.TILED_W] else int(tiles[rows.MAP_ROWS])


@compiled
def add_input(
    layer: IntArray, design: IntArray, tiles: IntArray, n_fetches: int, channels: int, has_all: bool, events: IntArray
) -> None:
    """Add the fetches of boxes, `channels` in all of them; a box that merges its calls is fetched once."""
    n_maps = 2 if layer[rows.OP] == rows.ADD else 1
    calls = tiles[rows.MAP_CALLS if has_all and layer[rows.MERGES] else rows.MAP_INSIDE]
    events[rows.INPUT_CALLS] += n_maps * n_fetches * calls
    events[rows.INPUT_WORDS] += n_maps * tiles[rows.MAP_INSIDE] * channels
    events[rows.ZERO_WORDS] += n_maps * (tiles[rows.MAP_BOX] - tiles[rows.MAP_INSIDE]) * channels
    if design[rows.VECTOR] == rows.PLANAR:
        events[rows.PLANAR_WORDS] += tiles[rows.MAP_BOX] * channels


@compiled
def add_compute(
    layer: IntArray, design: IntArray, elements: int, t_in: int, n_in_tiles: int, is_last: bool, events: IntArray
) -> None:
    """Add the work on output elements over `t_in` input words in `n_in_tiles` tiles, epilogues where it is the last."""
    op = layer[rows.OP]
    taps = layer[rows.KERNEL_H] * layer[rows.KERNEL_W]
    if op == rows.CONV:
        calls = layer[rows.KERNEL_H] if design[rows.VECTOR] == rows.ROW else taps
        events[rows.MAC_CALLS] += calls * elements * n_in_tiles
        events[rows.MAC_ELEMENTS] += taps * elements * t_in
        if is_last:
            events[rows.EPILOGUES] += elements
    elif op == rows.DEPTHWISE:
        events[rows.EPILOGUES] += elements
        if design[rows.VECTOR] == rows.CHANNEL:
            events[rows.TAPS] += taps * elements
        else:
            events[rows.MAC_CALLS] += layer[rows.KERNEL_H] * elements
            events[rows.MAC_ELEMENTS] += layer[rows.KERNEL_H] * row_length(layer) * elements
    elif op == rows.POOL:
        events[rows.POOL_ELEMENTS] += elements
    elif op == rows.ADD:
        events[rows.ADD_ELEMENTS] += elements
    elif op == rows.NORM:
        events[rows.NORM_ELEMENTS] += elements
    else:
        events[rows.RELU_ELEMENTS] += elements


@compiled
def _add_weights(
    layer: IntArray, design: IntArray, words: int, n_inner: int, place: IntArray, warm: IntArray, reload: IntArray
) -> None:
    """Add the fetch of weight tiles (m, n): to the batch where the tag changes, else to the reload after a boot."""
    order, m, n = design[rows.ORDER], place[rows.N_M], place[rows.N_N]
    n_fetches, is_new = 1, place[rows.BEGIN] == 0
    if order == rows.INPUT:
        n_fetches = n_inner if m > 1 else 1
        is_new = m > 1 or n > 1 or place[rows.INDEX] == 0
    elif order == rows.OUTPUT:
        n_fetches = n_inner if n > 1 else 1
        is_new = m > 1 or n > 1 or place[rows.INDEX] == 0
    events = warm if is_new else reload
    events[rows.WEIGHT_CALLS] += n_fetches
    events[rows.WEIGHT_WORDS] += words


@compiled
def count_batch(
    layer: IntArray, design: IntArray, place: IntArray, tiles: IntArray, warm: IntArray, reload: IntArray
) -> None:
    """Fill the events of one batch.

    Args:
        layer: Layer row.
        design: Design row.
        place: Where the batch is, `(PLACE_WIDTH,)`.
        tiles: Sums of `map_tile` over the map tiles of the batch, `(MAP_WIDTH,)`.
        warm: Filled with its events where the batch before ran in the same power cycle, `(n_events,)`.
        reload: Filled with what is fetched on top where a boot stands before it, `(n_events,)`.
    """
    for event in range(rows.N_EVENTS):
        warm[event] = reload[event] = 0
    op, order = layer[rows.OP], design[rows.ORDER]
    m, n, begin, end = place[rows.N_M], place[rows.N_N], place[rows.BEGIN], place[rows.END]
    at_m, at_n = place[rows.AT_M], place[rows.AT_N]
    n_inner = end - begin
    tile_out, tile_in = design[rows.TILE_OUT], design[rows.TILE_IN]
    runs_map = op == rows.POOL or order == rows.WEIGHT
    if order == rows.INPUT:
        t_out = min(layer[rows.OUT_CH], end * tile_out) - begin * tile_out
    else:
        t_out = min(tile_out, layer[rows.OUT_CH] - at_m * tile_out)
    t_in, is_last = 0, True
    if op == rows.CONV:
        if order == rows.OUTPUT:
            t_in = min(layer[rows.IN_WORDS], end * tile_in) - begin * tile_in
            is_last = end == n
        else:
            t_in = min(tile_in, layer[rows.IN_WORDS] - at_n * tile_in)
            is_last = at_n == n - 1
    elif op == rows.POOL:
        is_last = end == place[rows.N_RC]
    # Input tiles: (r, c, n) of a convolution, else (r, c, m), which is new at every iteration.
    if op == rows.CONV:
        is_new, n_fetches = True, 1
        if order == rows.INPUT:
            is_new = begin == 0
        elif order == rows.WEIGHT:
            is_new = place[rows.N_RC] > 1 or n > 1 or at_m == 0
        elif n > 1:
            n_fetches = n_inner
        else:
            is_new = at_m == 0
        add_input(layer, design, tiles, n_fetches, t_in, n == 1, warm if is_new else reload)
    else:
        has_all = m == 1 and layer[rows.OUT_WORDS] == layer[rows.OUT_CH]
        add_input(layer, design, tiles, n_inner if order == rows.INPUT else 1, t_out, has_all, warm)
    if op in (rows.CONV, rows.DEPTHWISE, rows.NORM):
        _add_weights(layer, design, weight_words(layer, design, t_out, t_in, is_last), n_inner, place, warm, reload)
    # Partial sums are read where an earlier batch left them, and written where a later one goes on.
    pixels = 1 if op == rows.POOL else tiles[rows.MAP_OUTPUTS]
    sums = layer[rows.SUM_WORDS] * pixels * t_out
    is_resident = op == rows.POOL or order == rows.OUTPUT
    n_sums = 1 if is_resident else n_inner
    if (begin > 0) if is_resident else (at_n > 0):
        events = reload if is_resident else warm
        events[rows.PARTIAL_CALLS] += n_sums
        events[rows.PARTIAL_WORDS] += sums
    if not is_last:
        warm[rows.SUM_CALLS] += n_sums
        warm[rows.SUM_WRITTEN] += sums
    else:
        has_pad = (end if order == rows.INPUT else at_m + 1) == m
        width = t_out + (layer[rows.OUT_WORDS] - layer[rows.OUT_CH] if has_pad else 0)
        warm[rows.OUTPUT_WORDS] += pixels * width
        if op == rows.POOL:
            warm[rows.OUTPUT_CALLS] += 1
        elif order == rows.INPUT and n > 1:
            warm[rows.OUTPUT_CALLS] += n_inner * output_calls(layer, design, tiles, 1, width if m == 1 else 0)
        else:
            warm[rows.OUTPUT_CALLS] += output_calls(layer, design, tiles, n_inner if runs_map else 1, width)
    n_in_tiles = n_inner if order == rows.OUTPUT else 1
    add_compute(layer, design, tiles[rows.MAP_OUTPUTS] * t_out, t_in, n_in_tiles, is_last, warm)
    if op == rows.CONV:
        warm[rows.ITERATIONS] += n_inner
    warm[rows.RECORD_CALLS] += 1
    warm[rows.RECORD_WRITTEN] += RECORD_WORDS


@compiled
def n_batches_of(layer: IntArray, design: IntArray) -> int:
    """Return the batches of a layer. [1]"""
    r, c, m, n = tile_counts(layer, design)
    n_inner = inner_count(layer, design, (r * c, m, n))
    return int(r * c * m * n // n_inner * -(-n_inner // min(design[rows.BATCH], n_inner)))


@compiled
def place_batch(
    layer: IntArray, design: IntArray, index: int, sums: IntArray, place: IntArray, tiles: IntArray
) -> None:
    """Fill where batch `index` of a layer is and the map tiles that it covers, given `map_sums`."""
    r, c, m, n = tile_counts(layer, design)
    order, n_inner = design[rows.ORDER], inner_count(layer, design, (r * c, m, n))
    batch = min(design[rows.BATCH], n_inner)
    n_a_loop = -(-n_inner // batch)
    loop = index // n_a_loop
    begin = (index - loop * n_a_loop) * batch
    end = min(begin + batch, n_inner)
    place[rows.N_RC], place[rows.N_M], place[rows.N_N] = r * c, m, n
    place[rows.AT_M], place[rows.AT_N], place[rows.BEGIN], place[rows.END], place[rows.INDEX] = 0, 0, begin, end, index
    if layer[rows.OP] == rows.POOL:
        place[rows.AT_M] = loop
        low, high = begin, end
    elif order == rows.WEIGHT:
        place[rows.AT_M], place[rows.AT_N] = loop // n, loop % n
        low, high = begin, end
    else:
        n_a_tile = n if order == rows.INPUT else m
        tile = loop // n_a_tile
        if order == rows.INPUT:
            place[rows.AT_N] = loop % n
        else:
            place[rows.AT_M] = loop % m
        low, high = tile, tile + 1
    for column in range(rows.MAP_WIDTH):
        tiles[column] = sums[high, column] - sums[low, column]


@compiled
def walk(
    layer: IntArray,
    design: IntArray,
    prices: tuple[FloatArray, FloatArray],
    nanojoules: tuple[IntArray, IntArray],
    seconds: tuple[FloatArray, FloatArray],
) -> int:
    """Price every batch of a layer in the order in which they run.

    Args:
        layer: Layer row.
        design: Design row.
        prices: Energy [J] and time [s] of an event by loop order, `(n_orders, n_events)` each.
        nanojoules: Filled with the energy of a batch as it is and after a boot, rounded up, `(n_batches,)`. [nJ]
        seconds: Filled with its active time as it is and after a boot, `(n_batches,)`. [s]

    Returns:
        Words that all batches write to non-volatile memory. [1]
    """
    written = 0
    price_j, price_s = prices[0][design[rows.ORDER]], prices[1][design[rows.ORDER]]
    sums = map_sums(layer, design)
    place, tiles = np.zeros(rows.PLACE_WIDTH, dtype=np.int64), np.zeros(rows.MAP_WIDTH, dtype=np.int64)
    warm, reload = np.zeros(rows.N_EVENTS, dtype=np.int64), np.zeros(rows.N_EVENTS, dtype=np.int64)
    for index in range(len(nanojoules[0])):
        place_batch(layer, design, index, sums, place, tiles)
        count_batch(layer, design, place, tiles, warm, reload)
        written += warm[rows.RECORD_WRITTEN] + warm[rows.SUM_WRITTEN] + warm[rows.OUTPUT_WORDS]
        energy_j = time_s = reload_j = reload_s = 0.0
        for event in range(rows.N_EVENTS):
            energy_j += warm[event] * price_j[event]
            time_s += warm[event] * price_s[event]
            reload_j += reload[event] * price_j[event]
            reload_s += reload[event] * price_s[event]
        nanojoules[0][index] = rounded_up_nj(energy_j)
        nanojoules[1][index] = rounded_up_nj(energy_j + reload_j)
        seconds[0][index] = time_s
        seconds[1][index] = time_s + reload_s
    return written


@compiled
def count_all(layer: IntArray, design: IntArray, is_first: NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
    """Return the events of all batches of a layer without a boot, and the extra fetches of batches after a boot.

    Args:
        layer: Layer row.
        design: Design row.
        is_first: Whether a batch is the first of its power cycle, `(n_batches,)`.
    """
    sums = map_sums(layer, design)
    place, tiles = np.zeros(rows.PLACE_WIDTH, dtype=np.int64), np.zeros(rows.MAP_WIDTH, dtype=np.int64)
    warm, reload = np.zeros(rows.N_EVENTS, dtype=np.int64), np.zeros(rows.N_EVENTS, dtype=np.int64)
    total, reloads = np.zeros(rows.N_EVENTS, dtype=np.int64), np.zeros(rows.N_EVENTS, dtype=np.int64)
    for index in range(len(is_first)):
        place_batch(layer, design, index, sums, place, tiles)
        count_batch(layer, design, place, tiles, warm, reload)
        for event in range(rows.N_EVENTS):
            total[event] += warm[event]
            if is_first[index]:
                reloads[event] += reload[event]
    return total, reloads
