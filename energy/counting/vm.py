"""Memory of a layer under a design: volatile buffers of its tiles, and what it stores in non-volatile memory.

Compiled; rows and letters as in `energy.counting.rows`. `energy.counting.nvm` places the tensors.
"""

from __future__ import annotations

from energy.counting import rows
from energy.counting.exact import weight_words
from energy.counting.tiles import inner_count, tile_counts
from energy.events import IntArray
from energy.jit import compiled


@compiled
def vm_words(layer: IntArray, design: IntArray) -> int:
    """Return the volatile memory of a design: input, weights and outputs, each for its largest tile. [words]"""
    r, c, m, n = tile_counts(layer, design)
    tiles = (r * c, m, n)
    batch = min(design[rows.BATCH], inner_count(layer, design, tiles))
    return operand_words(layer, design, n) + even(result_words(layer, design, tiles, batch))


@compiled
def operand_words(layer: IntArray, design: IntArray, n: int) -> int:
    """Return the volatile memory of the largest input and weight tiles, `n` tiles of input channels. [words]"""
    return input_buffer_words(layer, design) + weight_buffer_words(layer, design, n)


@compiled
def input_buffer_words(layer: IntArray, design: IntArray) -> int:
    """Return the volatile memory of the largest input tile, the planes of vector mode `planar` behind it. [words]"""
    box_h = layer[rows.STRIDE_H] * (design[rows.TILE_H] - 1) + layer[rows.KERNEL_H]
    row = 2 * ((layer[rows.STRIDE_W] * (design[rows.TILE_W] - 1) + layer[rows.KERNEL_W] + 2) // 2)
    if layer[rows.OP] == rows.DEPTHWISE and design[rows.VECTOR] == rows.ROW:
        return even(box_h * row)
    planes = design[rows.TILE_OUT] * box_h * row if design[rows.VECTOR] == rows.PLANAR else 0
    return box_buffer_words(layer, design) + even(planes)


@compiled
def box_buffer_words(layer: IntArray, design: IntArray) -> int:
    """Return the volatile memory of the largest channel-last input tile as it is fetched, both of an `add`. [words]"""
    op = layer[rows.OP]
    box_h = layer[rows.STRIDE_H] * (design[rows.TILE_H] - 1) + layer[rows.KERNEL_H]
    box_w = layer[rows.STRIDE_W] * (design[rows.TILE_W] - 1) + layer[rows.KERNEL_W]
    channels = design[rows.TILE_IN] if op == rows.CONV else design[rows.TILE_OUT]
    return even(int(box_h * box_w * channels * (2 if op == rows.ADD else 1)))


@compiled
def weight_buffer_words(layer: IntArray, design: IntArray, n: int) -> int:
    """Return the volatile memory of the largest weight tile, `n` tiles of input channels. [words]"""
    op, t_out, t_in = layer[rows.OP], design[rows.TILE_OUT], design[rows.TILE_IN]
    if op == rows.CONV:
        # The last input-channel tile carries the bias, the others may be longer.
        last = layer[rows.IN_WORDS] - (n - 1) * t_in
        plain = weight_words(layer, design, t_out, t_in, False) if n > 1 else 0
        return even(max(plain, weight_words(layer, design, t_out, last, True)))
    if op in (rows.DEPTHWISE, rows.NORM):
        return even(weight_words(layer, design, t_out, 1, True))
    return 0


@compiled
def result_words(layer: IntArray, design: IntArray, tiles: tuple[int, int, int], batch: int) -> int:
    """Return the volatile memory of the results of `batch` iterations, outputs or partial sums. [words]

    Args:
        layer: Layer row.
        design: Design row.
        tiles: Numbers of tiles of the map, of the output and of the input channels, r c, m and n.
        batch: Iterations, at most the innermost loop.
    """
    rc, m, n = tiles
    op, order = layer[rows.OP], design[rows.ORDER]
    if op == rows.POOL:
        sums = layer[rows.SUM_WORDS] * design[rows.TILE_OUT]
        return int(sums) if rc > 1 else output_width(layer, design, m, 1)
    pixels = design[rows.TILE_H] * design[rows.TILE_W]
    if n > 1:
        return int(layer[rows.SUM_WORDS] * pixels * design[rows.TILE_OUT] * (1 if order == rows.OUTPUT else batch))
    if order == rows.INPUT:
        return int(pixels * output_width(layer, design, m, batch))
    return int(pixels * output_width(layer, design, m, 1) * (batch if order == rows.WEIGHT else 1))


@compiled
def output_width(layer: IntArray, design: IntArray, m: int, n_tiles: int) -> int:
    """Return the most words per pixel that `n_tiles` output-channel tiles write side by side, pad included. [words]"""
    full = design[rows.TILE_OUT] * n_tiles
    last_tiles = (m - 1) % n_tiles
    last = layer[rows.OUT_WORDS] - (m - 1 - last_tiles) * design[rows.TILE_OUT]
    return int(last if m <= n_tiles else max(full, last))


@compiled
def stored_weight_words(layer: IntArray, design: IntArray) -> int:
    """Return weights and biases of a layer in non-volatile memory, tile by tile. [words]"""
    if layer[rows.OP] != rows.CONV and layer[rows.OP] != rows.DEPTHWISE and layer[rows.OP] != rows.NORM:
        return 0
    return weight_words(layer, design, layer[rows.OUT_CH], layer[rows.IN_WORDS], True)


@compiled
def stored_sum_words(layer: IntArray, design: IntArray) -> int:
    """Return the partial sums of an innermost loop in non-volatile memory, twice for ping-pong. [words]"""
    r, c, _, n = tile_counts(layer, design)
    order, t_out = design[rows.ORDER], design[rows.TILE_OUT]
    if layer[rows.OP] == rows.POOL:
        return int(2 * layer[rows.SUM_WORDS] * t_out) if r * c > 1 else 0
    if n == 1:
        return 0
    pixels, channels = design[rows.TILE_H] * design[rows.TILE_W], t_out
    if order == rows.INPUT:
        channels = layer[rows.OUT_CH]
    elif order == rows.WEIGHT:
        pixels = layer[rows.TILED_H] * layer[rows.TILED_W]
    return int(2 * layer[rows.SUM_WORDS] * pixels * channels)


@compiled
def even(words: int) -> int:
    """Return a number of words rounded up to even. [words]"""
    return words + words % 2
