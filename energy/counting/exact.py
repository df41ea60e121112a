"""Exact counting: what our runtime counts, batch by batch, with residency by tags (COST_MODEL section 4).

A layer is an integer row (`layer_row`), a design another (`design_row`); `count_batch` fills the events of one batch,
and `walk` visits the batches in the order in which they run. Letters: input H x W x N, output R x C x M, kernel
Kh x Kw; r, c, m, n count the tiles. Everything here is compiled; `energy.counting.exact_layer` has the sums in closed
form.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from energy.events import EVENTS, ORDERS, RECORD_WORDS, FloatArray, IntArray
from energy.jit import compiled
from energy.networks.designs import VECTORS, LayerDesign
from energy.networks.fuse import normalised
from energy.networks.shapes import LayerShape

INPUT, WEIGHT, OUTPUT = range(len(ORDERS))
CHANNEL, ROW, PLANAR = range(len(VECTORS))
OPS = ("conv", "depthwise_conv", "global_avg_pool", "add", "batch_norm", "relu")
CONV, DEPTHWISE, POOL, ADD, NORM, RELU = range(len(OPS))

# Columns of a layer row. TILED_H x TILED_W is the map that tiles divide: the output, for pooling the input.
(OP, IN_H, IN_W, OUT_CH, TILED_H, TILED_W, KERNEL_H, KERNEL_W, STRIDE_H, STRIDE_W, PAD_H, PAD_W) = range(12)
IN_WORDS, OUT_WORDS, MERGES, SUM_WORDS = range(12, 16)

# Columns of a design row; TILE_IN counts stored words.
TILE_H, TILE_W, TILE_OUT, TILE_IN, ORDER, BATCH, VECTOR = range(7)

(INPUT_CALLS, INPUT_WORDS, WEIGHT_CALLS, WEIGHT_WORDS, PARTIAL_CALLS, PARTIAL_WORDS) = (
    EVENTS.index(f"{operand}_fetch_{unit}") for operand in ("input", "weight", "partial") for unit in ("calls", "words")
)
(SUM_CALLS, SUM_WRITTEN, OUTPUT_CALLS, OUTPUT_WORDS, RECORD_CALLS, RECORD_WRITTEN) = (
    EVENTS.index(f"{what}_write_{unit}") for what in ("partial", "output", "record") for unit in ("calls", "words")
)
MAC_CALLS, MAC_ELEMENTS = EVENTS.index("mac_calls"), EVENTS.index("mac_elements")
ITERATIONS, TAPS, EPILOGUES = (EVENTS.index(name) for name in ("iterations", "depthwise_cpu_taps", "epilogues"))
ZERO_WORDS, PLANAR_WORDS = EVENTS.index("zero_fill_words"), EVENTS.index("deinterleave_words")
NORM_ELEMENTS, RELU_ELEMENTS, ADD_ELEMENTS, POOL_ELEMENTS = (
    EVENTS.index(f"{op}_elements") for op in ("batch_norm", "relu", "add", "pool")
)
N_EVENTS = len(EVENTS)


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What our runtime does to spend less; the default is the runtime, the rest is for ablations.

    Attributes:
        alignment_words: Channels of stored maps are padded to a multiple of this. [words]
        merges_transfers: Whether one call moves every run that is contiguous on both sides.
        sum_words: Words of a partial sum; 2 keeps results independent of the tiling. [words]
    """

    alignment_words: int = 2
    merges_transfers: bool = True
    sum_words: int = 2


RUNTIME = Runtime()
"""The runtime as it is exported."""


def padded(channels: int, runtime: Runtime = RUNTIME) -> int:
    """Return the words that one pixel of a stored map takes. [words]"""
    return -(-channels // runtime.alignment_words) * runtime.alignment_words


@lru_cache(maxsize=65536)
def layer_row(layer: LayerShape, runtime: Runtime = RUNTIME) -> tuple[tuple[int, ...], bool]:
    """Return the rewritten layer as numbers, and whether height and width of its tiles are swapped."""
    layer, is_swapped = normalised(layer)
    is_pool = layer.op == "global_avg_pool"
    has_kernel = layer.op in ("conv", "depthwise_conv")
    row = (
        OPS.index(layer.op),
        layer.in_h,
        layer.in_w,
        layer.out_ch,
        layer.in_h if is_pool else layer.out_h,
        layer.in_w if is_pool else layer.out_w,
        layer.kernel_h if has_kernel else 1,
        layer.kernel_w if has_kernel else 1,
        layer.stride if has_kernel and layer.in_h > 1 else 1,
        layer.stride if has_kernel and layer.in_w > 1 else 1,
        layer.pad_of("h") if has_kernel else 0,
        layer.pad_of("w") if has_kernel else 0,
        padded(layer.in_ch, runtime),
        padded(layer.out_ch, runtime),
        int(runtime.merges_transfers),
        runtime.sum_words,
    )
    return row, is_swapped


def design_row(layer: LayerShape, design: LayerDesign, runtime: Runtime = RUNTIME) -> tuple[int, ...]:
    """Return a design as numbers: tiles cut to their axes, height and width as the rewritten layer has them."""
    row, is_swapped = layer_row(layer, runtime)
    tile_h, tile_w = (design.tile_w, design.tile_h) if is_swapped else (design.tile_h, design.tile_w)
    return (
        min(tile_h, row[TILED_H]),
        min(tile_w, row[TILED_W]),
        min(design.tile_out, row[OUT_CH]),
        min(design.tile_in, row[IN_WORDS]) if row[OP] == CONV else row[IN_WORDS],
        ORDERS.index(design.order),
        design.batch,
        VECTORS.index(design.vector),
    )


@compiled
def tile_counts(layer: IntArray, design: IntArray) -> tuple[int, int, int, int]:
    """Return the numbers of tiles r, c, m, n. [1]"""
    n = 1
    if layer[OP] == CONV:
        n = -(-layer[IN_WORDS] // design[TILE_IN])
    return (
        -(-layer[TILED_H] // design[TILE_H]),
        -(-layer[TILED_W] // design[TILE_W]),
        -(-layer[OUT_CH] // design[TILE_OUT]),
        n,
    )


@compiled
def inner_count(layer: IntArray, design: IntArray) -> int:
    """Return the iterations of the innermost loop, I. [1]"""
    r, c, m, n = tile_counts(layer, design)
    if layer[OP] == POOL or design[ORDER] == WEIGHT:
        return r * c
    return m if design[ORDER] == INPUT else n


@compiled
def axis_tile(
    size: int, tile: int, stride: int, kernel: int, pad: int, length: int, index: int
) -> tuple[int, int, int]:
    """Return one tile of an axis: outputs, pixels of its input box, and those of them inside the map. [1]"""
    outputs = min(tile, size - index * tile)
    box = stride * (outputs - 1) + kernel
    start = index * tile * stride - pad
    inside = min(start + box, length) - max(start, 0)
    return outputs, box, max(inside, 0)


MAP_OUTPUTS, MAP_ROWS, MAP_BOX, MAP_INSIDE, MAP_CALLS = range(5)
MAP_WIDTH = 5
"""Of a tile of the map: outputs, rows of them, pixels of its input box, those inside the map, and the calls that fetch
them where all stored channels are in the tile: one a row, or one for a box as wide as the map."""


@compiled
def map_tile(layer: IntArray, design: IntArray, row: int, column: int, tile: IntArray) -> None:
    """Fill what `MAP_WIDTH` names for one tile."""
    out_h, box_h, in_h = axis_tile(
        layer[TILED_H], design[TILE_H], layer[STRIDE_H], layer[KERNEL_H], layer[PAD_H], layer[IN_H], row
    )
    out_w, box_w, in_w = axis_tile(
        layer[TILED_W], design[TILE_W], layer[STRIDE_W], layer[KERNEL_W], layer[PAD_W], layer[IN_W], column
    )
    tile[MAP_OUTPUTS] = out_h * out_w
    tile[MAP_ROWS] = out_h
    tile[MAP_BOX] = box_h * box_w
    tile[MAP_INSIDE] = in_h * in_w
    is_whole_width = in_w == box_w and in_w == layer[IN_W]
    tile[MAP_CALLS] = min(in_h, 1) if is_whole_width else (in_h if in_w > 0 else 0)


@compiled
def map_sums(layer: IntArray, design: IntArray) -> IntArray:
    """Return the sums of `map_tile` over the tiles before each, columns fastest, `(r c + 1, MAP_WIDTH)`."""
    r, c, _, _ = tile_counts(layer, design)
    sums = np.zeros((r * c + 1, MAP_WIDTH), dtype=np.int64)
    tile = np.zeros(MAP_WIDTH, dtype=np.int64)
    for index in range(r * c):
        map_tile(layer, design, index // c, index % c, tile)
        for column in range(MAP_WIDTH):
            sums[index + 1, column] = sums[index, column] + tile[column]
    return sums


@compiled
def row_length(layer: IntArray) -> int:
    """Return the words of a padded row of single-channel weights, L = 2 floor((Kw + 2) / 2)."""
    return int(2 * ((layer[KERNEL_W] + 2) // 2))


@compiled
def weight_words(layer: IntArray, design: IntArray, t_out: int, t_in: int, has_bias: bool) -> int:
    """Return the words of weight tiles with `t_out` x `t_in` channels, two a bias; of batch norm four a channel."""
    op = layer[OP]
    if op == NORM:
        return 4 * t_out
    if op == CONV:
        return int(layer[KERNEL_H] * layer[KERNEL_W] * t_in * t_out + (2 * t_out if has_bias else 0))
    if design[VECTOR] == CHANNEL:
        return int((layer[KERNEL_H] * layer[KERNEL_W] + 2) * t_out)
    return int((2 * layer[KERNEL_H] * row_length(layer) + 2) * t_out)


@compiled
def output_calls(layer: IntArray, design: IntArray, tiles: IntArray, n_boxes: int, width: int) -> int:
    """Calls that write boxes of `width` words a pixel: one a pixel, a row of whole pixels, or a box of whole rows."""
    if width != layer[OUT_WORDS] or not layer[MERGES]:
        return int(tiles[MAP_OUTPUTS])
    return n_boxes if design[TILE_W] >= layer[TILED_W] else int(tiles[MAP_ROWS])


@compiled
def add_input(
    layer: IntArray, design: IntArray, tiles: IntArray, n_fetches: int, channels: int, has_all: bool, events: IntArray
) -> None:
    """Add the fetches of boxes, `channels` in all of them; a box that merges its calls is fetched once."""
    n_maps = 2 if layer[OP] == ADD else 1
    events[INPUT_CALLS] += n_maps * n_fetches * tiles[MAP_CALLS if has_all and layer[MERGES] else MAP_INSIDE]
    events[INPUT_WORDS] += n_maps * tiles[MAP_INSIDE] * channels
    events[ZERO_WORDS] += n_maps * (tiles[MAP_BOX] - tiles[MAP_INSIDE]) * channels
    if design[VECTOR] == PLANAR:
        events[PLANAR_WORDS] += tiles[MAP_BOX] * channels


@compiled
def add_compute(
    layer: IntArray, design: IntArray, elements: int, t_in: int, n_in_tiles: int, is_last: bool, events: IntArray
) -> None:
    """Add the work on output elements over `t_in` input words in `n_in_tiles` tiles, epilogues where it is the last."""
    op = layer[OP]
    taps = layer[KERNEL_H] * layer[KERNEL_W]
    if op == CONV:
        calls = layer[KERNEL_H] if design[VECTOR] == ROW else taps
        events[MAC_CALLS] += calls * elements * n_in_tiles
        events[MAC_ELEMENTS] += taps * elements * t_in
        if is_last:
            events[EPILOGUES] += elements
    elif op == DEPTHWISE:
        events[EPILOGUES] += elements
        if design[VECTOR] == CHANNEL:
            events[TAPS] += taps * elements
        else:
            events[MAC_CALLS] += layer[KERNEL_H] * elements
            events[MAC_ELEMENTS] += layer[KERNEL_H] * row_length(layer) * elements
    elif op == POOL:
        events[POOL_ELEMENTS] += elements
    elif op == ADD:
        events[ADD_ELEMENTS] += elements
    elif op == NORM:
        events[NORM_ELEMENTS] += elements
    else:
        events[RELU_ELEMENTS] += elements


@compiled
def _add_weights(
    layer: IntArray, design: IntArray, words: int, n_inner: int, place: IntArray, warm: IntArray, reload: IntArray
) -> None:
    """Add the fetch of weight tiles (m, n) where the tag changes, else what a boot makes of it."""
    order, m, n = design[ORDER], place[N_M], place[N_N]
    n_fetches, is_new = 1, place[BEGIN] == 0
    if order == INPUT:
        n_fetches = n_inner if m > 1 else 1
        is_new = m > 1 or n > 1 or place[INDEX] == 0
    elif order == OUTPUT:
        n_fetches = n_inner if n > 1 else 1
        is_new = m > 1 or n > 1 or place[INDEX] == 0
    events = warm if is_new else reload
    events[WEIGHT_CALLS] += n_fetches
    events[WEIGHT_WORDS] += words


# Where a batch is: numbers of tiles, indices of the outer loops, innermost iterations, and its index in the layer.
(N_RC, N_M, N_N, AT_M, AT_N, BEGIN, END, INDEX) = range(8)
PLACE_WIDTH = 8


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
    for event in range(N_EVENTS):
        warm[event] = reload[event] = 0
    op, order = layer[OP], design[ORDER]
    m, n, at_m, at_n, begin, end = place[N_M], place[N_N], place[AT_M], place[AT_N], place[BEGIN], place[END]
    n_inner = end - begin
    tile_out, tile_in = design[TILE_OUT], design[TILE_IN]
    runs_map = op == POOL or order == WEIGHT
    if order == INPUT:
        t_out = min(layer[OUT_CH], end * tile_out) - begin * tile_out
    else:
        t_out = min(tile_out, layer[OUT_CH] - at_m * tile_out)
    t_in, is_last = 0, True
    if op == CONV:
        if order == OUTPUT:
            t_in = min(layer[IN_WORDS], end * tile_in) - begin * tile_in
            is_last = end == n
        else:
            t_in = min(tile_in, layer[IN_WORDS] - at_n * tile_in)
            is_last = at_n == n - 1
    elif op == POOL:
        is_last = end == place[N_RC]
    # Input tiles: (r, c, n) of a convolution, else (r, c, m), which is new at every iteration.
    if op == CONV:
        is_new, n_fetches = True, 1
        if order == INPUT:
            is_new = begin == 0
        elif order == WEIGHT:
            is_new = place[N_RC] > 1 or n > 1 or at_m == 0
        elif n > 1:
            n_fetches = n_inner
        else:
            is_new = at_m == 0
        add_input(layer, design, tiles, n_fetches, t_in, n == 1, warm if is_new else reload)
    else:
        has_all = m == 1 and layer[OUT_WORDS] == layer[OUT_CH]
        add_input(layer, design, tiles, n_inner if order == INPUT else 1, t_out, has_all, warm)
    if op in (CONV, DEPTHWISE, NORM):
        _add_weights(layer, design, weight_words(layer, design, t_out, t_in, is_last), n_inner, place, warm, reload)
    # Partial sums are read where an earlier batch left them, and written where a later one goes on.
    pixels = 1 if op == POOL else tiles[MAP_OUTPUTS]
    sums = layer[SUM_WORDS] * pixels * t_out
    is_resident = op == POOL or order == OUTPUT
    n_sums = 1 if is_resident else n_inner
    if (begin > 0) if is_resident else (at_n > 0):
        events = reload if is_resident else warm
        events[PARTIAL_CALLS] += n_sums
        events[PARTIAL_WORDS] += sums
    if not is_last:
        warm[SUM_CALLS] += n_sums
        warm[SUM_WRITTEN] += sums
    else:
        has_pad = (end if order == INPUT else at_m + 1) == m
        width = t_out + (layer[OUT_WORDS] - layer[OUT_CH] if has_pad else 0)
        warm[OUTPUT_WORDS] += pixels * width
        if op == POOL:
            warm[OUTPUT_CALLS] += 1
        elif order == INPUT and n > 1:
            warm[OUTPUT_CALLS] += n_inner * output_calls(layer, design, tiles, 1, width if m == 1 else 0)
        else:
            warm[OUTPUT_CALLS] += output_calls(layer, design, tiles, n_inner if runs_map else 1, width)
    n_in_tiles = n_inner if order == OUTPUT else 1
    add_compute(layer, design, tiles[MAP_OUTPUTS] * t_out, t_in, n_in_tiles, is_last, warm)
    if op == CONV:
        warm[ITERATIONS] += n_inner
    warm[RECORD_CALLS] += 1
    warm[RECORD_WRITTEN] += RECORD_WORDS


@compiled
def n_batches_of(layer: IntArray, design: IntArray) -> int:
    """Return the batches of a layer. [1]"""
    r, c, m, n = tile_counts(layer, design)
    n_inner = inner_count(layer, design)
    return int(r * c * m * n // n_inner * -(-n_inner // min(design[BATCH], n_inner)))


@compiled
def place_batch(
    layer: IntArray, design: IntArray, index: int, sums: IntArray, place: IntArray, tiles: IntArray
) -> None:
    """Fill where batch `index` of a layer is and the map tiles that it covers, given `map_sums`."""
    r, c, m, n = tile_counts(layer, design)
    order, n_inner = design[ORDER], inner_count(layer, design)
    batch = min(design[BATCH], n_inner)
    n_a_loop = -(-n_inner // batch)
    loop = index // n_a_loop
    begin = (index - loop * n_a_loop) * batch
    end = min(begin + batch, n_inner)
    place[N_RC], place[N_M], place[N_N] = r * c, m, n
    place[AT_M], place[AT_N], place[BEGIN], place[END], place[INDEX] = 0, 0, begin, end, index
    if layer[OP] == POOL:
        place[AT_M] = loop
        low, high = begin, end
    elif order == WEIGHT:
        place[AT_M], place[AT_N] = loop // n, loop % n
        low, high = begin, end
    else:
        n_a_tile = n if order == INPUT else m
        tile = loop // n_a_tile
        if order == INPUT:
            place[AT_N] = loop % n
        else:
            place[AT_M] = loop % m
        low, high = tile, tile + 1
    for column in range(MAP_WIDTH):
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
    price_j, price_s = prices[0][design[ORDER]], prices[1][design[ORDER]]
    sums = map_sums(layer, design)
    place, tiles = np.zeros(PLACE_WIDTH, dtype=np.int64), np.zeros(MAP_WIDTH, dtype=np.int64)
    warm, reload = np.zeros(N_EVENTS, dtype=np.int64), np.zeros(N_EVENTS, dtype=np.int64)
    for index in range(len(nanojoules[0])):
        place_batch(layer, design, index, sums, place, tiles)
        count_batch(layer, design, place, tiles, warm, reload)
        written += warm[RECORD_WRITTEN] + warm[SUM_WRITTEN] + warm[OUTPUT_WORDS]
        energy_j = time_s = reload_j = reload_s = 0.0
        for event in range(N_EVENTS):
            energy_j += warm[event] * price_j[event]
            time_s += warm[event] * price_s[event]
            reload_j += reload[event] * price_j[event]
            reload_s += reload[event] * price_s[event]
        nanojoules[0][index] = whole_nj(energy_j)
        nanojoules[1][index] = whole_nj(energy_j + reload_j)
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
    place, tiles = np.zeros(PLACE_WIDTH, dtype=np.int64), np.zeros(MAP_WIDTH, dtype=np.int64)
    warm, reload = np.zeros(N_EVENTS, dtype=np.int64), np.zeros(N_EVENTS, dtype=np.int64)
    total, reloads = np.zeros(N_EVENTS, dtype=np.int64), np.zeros(N_EVENTS, dtype=np.int64)
    for index in range(len(is_first)):
        place_batch(layer, design, index, sums, place, tiles)
        count_batch(layer, design, place, tiles, warm, reload)
        for event in range(N_EVENTS):
            total[event] += warm[event]
            if is_first[index]:
                reloads[event] += reload[event]
    return total, reloads


@compiled
def whole_nj(energy_j: float) -> int:
    """Return energy rounded up to whole nanojoules; a femtojoule above one is rounding of the sum, not energy. [nJ]"""
    return int(np.ceil(energy_j * 1e9 - 1e-6))
