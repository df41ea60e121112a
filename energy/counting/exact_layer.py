"""Exact counts of whole layers in closed form: what `energy.counting.exact` sums batch by batch, here in constant time.

Loops are counted, not run: an operand is fetched once for every change of its tag, a batch adds its commit. Compiled;
rows and letters as in `energy.counting.exact`.
"""

from __future__ import annotations

import numpy as np

from energy.counting.exact import (
    CONV,
    DEPTHWISE,
    IN_H,
    IN_W,
    IN_WORDS,
    INPUT,
    ITERATIONS,
    KERNEL_H,
    KERNEL_W,
    MAP_BOX,
    MAP_CALLS,
    MAP_INSIDE,
    MAP_OUTPUTS,
    MAP_ROWS,
    N_EVENTS,
    NORM,
    OP,
    ORDER,
    OUT_CH,
    OUT_WORDS,
    OUTPUT,
    OUTPUT_CALLS,
    OUTPUT_WORDS,
    PAD_H,
    PAD_W,
    PARTIAL_CALLS,
    PARTIAL_WORDS,
    POOL,
    RECORD_CALLS,
    RECORD_WRITTEN,
    STRIDE_H,
    STRIDE_W,
    SUM_CALLS,
    SUM_WORDS,
    SUM_WRITTEN,
    TILED_H,
    TILED_W,
    WEIGHT,
    WEIGHT_CALLS,
    WEIGHT_WORDS,
    add_compute,
    add_input,
    axis_tile,
    output_calls,
    weight_words,
)  # fmt: skip
from energy.events import RECORD_WORDS, IntArray
from energy.jit import compiled

AXIS_TILES, AXIS_BOX, AXIS_INSIDE, AXIS_BOXES, AXIS_WHOLE, AXIS_MOST = range(6)
AXIS_WIDTH = 6
"""Sums over the tiles of an axis: how many, pixels of their boxes, those inside the map, boxes with any inside, and
boxes that are just the whole axis; and the most pixels inside the map of any of them."""


@compiled
def axis_sums(layer: IntArray, is_width: bool, tiles: IntArray) -> IntArray:
    """Return sums over one axis for each of its tile sizes, `(n_sizes, AXIS_WIDTH)`."""
    sums = np.zeros((len(tiles), AXIS_WIDTH), dtype=np.int64)
    size, length = (layer[TILED_W], layer[IN_W]) if is_width else (layer[TILED_H], layer[IN_H])
    stride, kernel = (layer[STRIDE_W], layer[KERNEL_W]) if is_width else (layer[STRIDE_H], layer[KERNEL_H])
    pad = layer[PAD_W] if is_width else layer[PAD_H]
    for option in range(len(tiles)):
        n = -(-size // tiles[option])
        sums[option, AXIS_TILES] = n
        for index in range(n):
            _, box, inside = axis_tile(size, tiles[option], stride, kernel, pad, length, index)
            sums[option, AXIS_BOX] += box
            sums[option, AXIS_INSIDE] += inside
            sums[option, AXIS_BOXES] += inside > 0
            sums[option, AXIS_WHOLE] += inside == box and inside == length
            sums[option, AXIS_MOST] = max(sums[option, AXIS_MOST], inside)
    return sums


@compiled
def map_totals(layer: IntArray, height: IntArray, width: IntArray, totals: IntArray) -> None:
    """Fill the sums of `energy.counting.exact.map_tile` over all tiles of a map, given those of its axes."""
    totals[MAP_OUTPUTS] = layer[TILED_H] * layer[TILED_W]
    totals[MAP_ROWS] = layer[TILED_H] * width[AXIS_TILES]
    totals[MAP_BOX] = height[AXIS_BOX] * width[AXIS_BOX]
    totals[MAP_INSIDE] = height[AXIS_INSIDE] * width[AXIS_INSIDE]
    whole = width[AXIS_WHOLE]
    totals[MAP_CALLS] = height[AXIS_INSIDE] * (width[AXIS_BOXES] - whole) + height[AXIS_BOXES] * whole


@compiled
def count_layer(
    layer: IntArray, design: IntArray, tiles: tuple[int, int, int], totals: IntArray, events: IntArray
) -> None:
    """Fill everything that the batch size does not change; batches add `count_commits`.

    Args:
        layer: Layer row.
        design: Design row, its batch is not read.
        tiles: Numbers of tiles of the map, of the output and of the input channels, r c, m and n.
        totals: Sums over the tiles of the map, see `map_totals`.
        events: Filled, `(n_events,)`.
    """
    for event in range(N_EVENTS):
        events[event] = 0
    rc, m, n = tiles
    op, order = layer[OP], design[ORDER]
    channels = layer[OUT_CH]
    if op == CONV:
        passes = input_passes(layer, design, tiles)
        add_input(layer, design, totals, passes * n if n > 1 else passes, passes * layer[IN_WORDS], n == 1, events)
    else:
        add_input(layer, design, totals, m, channels, m == 1 and layer[OUT_WORDS] == channels, events)
    if op in (CONV, DEPTHWISE, NORM):
        passes = weight_passes(layer, design, tiles)
        events[WEIGHT_CALLS] += passes * m * n
        events[WEIGHT_WORDS] += passes * weight_words(layer, design, channels, layer[IN_WORDS], True)
    pixels = totals[MAP_OUTPUTS]
    if op == POOL:
        events[OUTPUT_CALLS] += m
        events[OUTPUT_WORDS] += layer[OUT_WORDS]
    else:
        events[OUTPUT_WORDS] += pixels * layer[OUT_WORDS]
        if not _joins_outputs(layer, design, n):
            width = layer[OUT_WORDS] if m == 1 else 0
            events[OUTPUT_CALLS] += m * output_calls(layer, design, totals, rc, width)
    if n > 1 and order != OUTPUT:
        sums = layer[SUM_WORDS] * pixels * channels * (n - 1)
        events[PARTIAL_CALLS] += rc * m * (n - 1)
        events[PARTIAL_WORDS] += sums
        events[SUM_CALLS] += rc * m * (n - 1)
        events[SUM_WRITTEN] += sums
    add_compute(layer, design, pixels * channels, layer[IN_WORDS], n, True, events)
    if op == CONV:
        events[ITERATIONS] += rc * m * n


@compiled
def input_passes(layer: IntArray, design: IntArray, tiles: tuple[int, int, int]) -> int:
    """How often a convolution fetches its whole input: once for every output-channel tile unless it stays. [1]"""
    rc, m, n = tiles
    order = design[ORDER]
    stays = order == INPUT or (n == 1 and (order == OUTPUT or rc == 1))
    return 1 if stays else m


@compiled
def weight_passes(layer: IntArray, design: IntArray, tiles: tuple[int, int, int]) -> int:
    """How often a layer fetches all its weights: once for every tile of the map unless they stay. [1]"""
    rc, m, n = tiles
    return 1 if design[ORDER] == WEIGHT or (m == 1 and n == 1) else rc


@compiled
def _joins_outputs(layer: IntArray, design: IntArray, n: int) -> bool:
    """Return whether the tiles of a batch are written side by side as one box, so that calls depend on the batch."""
    return layer[OP] != POOL and design[ORDER] == INPUT and n == 1


@compiled
def count_commits(
    layer: IntArray, design: IntArray, tiles: tuple[int, int, int], totals: IntArray, n_a_loop: int, events: IntArray
) -> int:
    """Set the events that depend on the number of batches a loop, and return the batches of the layer.

    Only records, partial sums of loops along channels, and joined outputs do; see `COMMIT_EVENTS`.
    """
    rc, m, n = tiles
    op, order = layer[OP], design[ORDER]
    n_batches = rc * m * n // inner_of(layer, design, tiles) * n_a_loop
    events[RECORD_CALLS] = n_batches
    events[RECORD_WRITTEN] = RECORD_WORDS * n_batches
    if op == POOL:
        events[SUM_CALLS] = m * (n_a_loop - 1)
        events[SUM_WRITTEN] = layer[SUM_WORDS] * layer[OUT_CH] * (n_a_loop - 1)
    elif order == OUTPUT:
        events[SUM_CALLS] = rc * m * (n_a_loop - 1)
        events[SUM_WRITTEN] = layer[SUM_WORDS] * totals[MAP_OUTPUTS] * layer[OUT_CH] * (n_a_loop - 1)
    if _joins_outputs(layer, design, n):
        width = layer[OUT_WORDS] if n_a_loop == 1 else 0
        events[OUTPUT_CALLS] = n_a_loop * output_calls(layer, design, totals, rc, width)
    return n_batches


@compiled
def inner_of(layer: IntArray, design: IntArray, tiles: tuple[int, int, int]) -> int:
    """Return the iterations of the innermost loop, given the numbers of tiles. [1]"""
    rc, m, n = tiles
    if layer[OP] == POOL or design[ORDER] == WEIGHT:
        return rc
    return m if design[ORDER] == INPUT else n


@compiled
def count_reloads(
    layer: IntArray, design: IntArray, tiles: tuple[int, int, int], totals: IntArray, n_a_loop: int, events: IntArray
) -> None:
    """Fill what would be fetched on top if a boot stood before every batch of the layer."""
    for event in range(N_EVENTS):
        events[event] = 0
    rc, m, n = tiles
    op, order = layer[OP], design[ORDER]
    beyond = n_a_loop - 1
    if op == CONV:
        repeats = 0
        if order == INPUT:
            repeats = beyond
        elif n == 1 and (order == OUTPUT or rc == 1):
            repeats = m - 1
        if repeats:
            fetches = repeats * n if n > 1 else repeats
            add_input(layer, design, totals, fetches, repeats * layer[IN_WORDS], n == 1, events)
    if op in (CONV, DEPTHWISE, NORM):
        repeats = 0
        if order == WEIGHT:
            repeats = beyond
        elif m == 1 and n == 1:
            repeats = rc * (n_a_loop if order == INPUT else 1) - 1
        events[WEIGHT_CALLS] += repeats * m * n
        events[WEIGHT_WORDS] += repeats * weight_words(layer, design, layer[OUT_CH], layer[IN_WORDS], True)
    if op == POOL:
        events[PARTIAL_CALLS] += m * beyond
        events[PARTIAL_WORDS] += layer[SUM_WORDS] * layer[OUT_CH] * beyond
    elif order == OUTPUT:
        events[PARTIAL_CALLS] += rc * m * beyond
        events[PARTIAL_WORDS] += layer[SUM_WORDS] * totals[MAP_OUTPUTS] * layer[OUT_CH] * beyond
