"""Exact counts of whole layers in closed form: the sums of `energy.counting.exact` over batches, in constant time.

Loops are counted, not run: an operand is fetched once for every change of its tag, a batch adds its commit. Compiled;
rows and letters as in `energy.counting.rows`.
"""

from __future__ import annotations

from energy.counting import rows
from energy.counting.commit_record import RECORD_WORDS
from energy.counting.exact import add_compute, add_input, output_calls, weight_words
from energy.counting.tiles import inner_count
from energy.events import IntArray
from energy.jit import compiled

COMMIT_EVENTS = (rows.RECORD_CALLS, rows.RECORD_WRITTEN, rows.SUM_CALLS, rows.SUM_WRITTEN, rows.OUTPUT_CALLS)
"""Events whose number depends on the number of batches."""


@compiled
def count_layer(
    layer: IntArray, design: IntArray, tiles: tuple[int, int, int], totals: IntArray, events: IntArray
) -> None:
    """Fill the counts that do not depend on the batch size; batches add `count_commits`.

    Args:
        layer: Layer row.
        design: Design row, its batch is not read.
        tiles: Numbers of tiles of the map, of the output and of the input channels, r c, m and n.
        totals: Sums over the tiles of the map, see `map_totals`.
        events: Filled, `(n_events,)`.
    """
    for event in range(rows.N_EVENTS):
        events[event] = 0
    rc, m, n = tiles
    op, order = layer[rows.OP], design[rows.ORDER]
    channels = layer[rows.OUT_CH]
    if op == rows.CONV:
        passes = input_passes(layer, design, tiles)
        add_input(layer, design, totals, passes * n if n > 1 else passes, passes * layer[rows.IN_WORDS], n == 1, events)
    else:
        add_input(layer, design, totals, m, channels, m == 1 and layer[rows.OUT_WORDS] == channels, events)
    if op in (rows.CONV, rows.DEPTHWISE, rows.NORM):
        passes = weight_passes(layer, design, tiles)
        events[rows.WEIGHT_CALLS] += passes * m * n
        events[rows.WEIGHT_WORDS] += passes * weight_words(layer, design, channels, layer[rows.IN_WORDS], True)
    pixels = totals[rows.MAP_OUTPUTS]
    if op == rows.POOL:
        events[rows.OUTPUT_CALLS] += m
        events[rows.OUTPUT_WORDS] += layer[rows.OUT_WORDS]
    else:
        events[rows.OUTPUT_WORDS] += pixels * layer[rows.OUT_WORDS]
        if not _joins_outputs(layer, design, n):
            width = layer[rows.OUT_WORDS] if m == 1 else 0
            events[rows.OUTPUT_CALLS] += m * output_calls(layer, design, totals, rc, width)
    if n > 1 and order != rows.OUTPUT:
        sums = layer[rows.SUM_WORDS] * pixels * channels * (n - 1)
        events[rows.PARTIAL_CALLS] += rc * m * (n - 1)
        events[rows.PARTIAL_WORDS] += sums
        events[rows.SUM_CALLS] += rc * m * (n - 1)
        events[rows.SUM_WRITTEN] += sums
    add_compute(layer, design, pixels * channels, layer[rows.IN_WORDS], n, True, events)
    if op == rows.CONV:
        events[rows.ITERATIONS] += rc * m * n


@compiled
def input_passes(layer: IntArray, design: IntArray, tiles: tuple[int, int, int]) -> int:
    """Return how often a convolution fetches its whole input: once per output-channel tile unless it stays. [1]"""
    rc, m, n = tiles
    order = design[rows.ORDER]
    stays = order == rows.INPUT or (n == 1 and (order == rows.OUTPUT or rc == 1))
    return 1 if stays else m


@compiled
def weight_passes(layer: IntArray, design: IntArray, tiles: tuple[int, int, int]) -> int:
    """Return how often a layer fetches all its weights: once per tile of the map unless they stay. [1]"""
    rc, m, n = tiles
    return 1 if design[rows.ORDER] == rows.WEIGHT or (m == 1 and n == 1) else rc


@compiled
def _joins_outputs(layer: IntArray, design: IntArray, n: int) -> bool:
    """Return whether the tiles of a batch are written side by side as one box, so that calls depend on the batch."""
    return layer[rows.OP] != rows.POOL and design[rows.ORDER] == rows.INPUT and n == 1


@compiled
def count_commits(
    layer: IntArray, design: IntArray, tiles: tuple[int, int, int], totals: IntArray, n_a_loop: int, events: IntArray
) -> int:
    """Set the events that depend on the number of batches per loop, and return the batches of the layer.

    Only records, partial sums of loops along channels, and joined outputs do: `COMMIT_EVENTS`.
    """
    rc, m, n = tiles
    op, order = layer[rows.OP], design[rows.ORDER]
    n_batches = rc * m * n // inner_count(layer, design, tiles) * n_a_loop
    events[rows.RECORD_CALLS] = n_batches
    events[rows.RECORD_WRITTEN] = RECORD_WORDS * n_batches
    if op == rows.POOL:
        events[rows.SUM_CALLS] = m * (n_a_loop - 1)
        events[rows.SUM_WRITTEN] = layer[rows.SUM_WORDS] * layer[rows.OUT_CH] * (n_a_loop - 1)
    elif order == rows.OUTPUT:
        events[rows.SUM_CALLS] = rc * m * (n_a_loop - 1)
        sums = layer[rows.SUM_WORDS] * totals[rows.MAP_OUTPUTS] * layer[rows.OUT_CH]
        events[rows.SUM_WRITTEN] = sums * (n_a_loop - 1)
    if _joins_outputs(layer, design, n):
        width = layer[rows.OUT_WORDS] if n_a_loop == 1 else 0
        events[rows.OUTPUT_CALLS] = n_a_loop * output_calls(layer, design, totals, rc, width)
    return n_batches


@compiled
def count_reloads(
    layer: IntArray, design: IntArray, tiles: tuple[int, int, int], totals: IntArray, n_a_loop: int, events: IntArray
) -> None:
    """Fill the additional fetches of the layer if every batch followed a boot."""
    for event in range(rows.N_EVENTS):
        events[event] = 0
    rc, m, n = tiles
    op, order = layer[rows.OP], design[rows.ORDER]
    beyond = n_a_loop - 1
    if op == rows.CONV:
        repeats = 0
        if order == rows.INPUT:
            repeats = beyond
        elif n == 1 and (order == rows.OUTPUT or rc == 1):
            repeats = m - 1
        if repeats:
            fetches = repeats * n if n > 1 else repeats
            add_input(layer, design, totals, fetches, repeats * layer[rows.IN_WORDS], n == 1, events)
    if op in (rows.CONV, rows.DEPTHWISE, rows.NORM):
        repeats = 0
        if order == rows.WEIGHT:
            repeats = beyond
        elif m == 1 and n == 1:
            repeats = rc * (n_a_loop if order == rows.INPUT else 1) - 1
        words = weight_words(layer, design, layer[rows.OUT_CH], layer[rows.IN_WORDS], True)
        events[rows.WEIGHT_CALLS] += repeats * m * n
        events[rows.WEIGHT_WORDS] += repeats * words
    if op == rows.POOL:
        events[rows.PARTIAL_CALLS] += m * beyond
        events[rows.PARTIAL_WORDS] += layer[rows.SUM_WORDS] * layer[rows.OUT_CH] * beyond
    elif order == rows.OUTPUT:
        events[rows.PARTIAL_CALLS] += rc * m * beyond
        events[rows.PARTIAL_WORDS] += layer[rows.SUM_WORDS] * totals[rows.MAP_OUTPUTS] * layer[rows.OUT_CH] * beyond
