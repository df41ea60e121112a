"""Tiles of a layer: how many there are, and the pixels that each and all of them cover. Compiled; see `rows`."""

from __future__ import annotations

import numpy as np

from energy.counting import rows
from energy.events import IntArray
from energy.jit import compiled
from energy.networks.designs import innermost_of_tiles

_innermost = compiled(innermost_of_tiles)


@compiled
def tile_counts(layer: IntArray, design: IntArray) -> tuple[int, int, int, int]:
    """Return the numbers of tiles r, c, m, n. [1]"""
    n = 1
    if layer[rows.OP] == rows.CONV:
        n = -(-layer[rows.IN_WORDS] // design[rows.TILE_IN])
    return (
        -(-layer[rows.TILED_H] // design[rows.TILE_H]),
        -(-layer[rows.TILED_W] // design[rows.TILE_W]),
        -(-layer[rows.OUT_CH] // design[rows.TILE_OUT]),
        n,
    )


@compiled
def inner_count(layer: IntArray, design: IntArray, tiles: tuple[int, int, int]) -> int:
    """Return the iterations of the innermost loop, I, given the numbers of tiles r c, m and n. [1]"""
    rc, m, n = tiles
    return int(_innermost(rc, m, n, layer[rows.OP] == rows.POOL)[design[rows.ORDER]])


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


@compiled
def map_tile(layer: IntArray, design: IntArray, row: int, column: int, tile: IntArray) -> None:
    """Fill what `MAP_WIDTH` names for one tile."""
    stride_h, kernel_h, pad_h = layer[rows.STRIDE_H], layer[rows.KERNEL_H], layer[rows.PAD_H]
    stride_w, kernel_w, pad_w = layer[rows.STRIDE_W], layer[rows.KERNEL_W], layer[rows.PAD_W]
    out_h, box_h, in_h = axis_tile(
        layer[rows.TILED_H], design[rows.TILE_H], stride_h, kernel_h, pad_h, layer[rows.IN_H], row
    )
    out_w, box_w, in_w = axis_tile(
        layer[rows.TILED_W], design[rows.TILE_W], stride_w, kernel_w, pad_w, layer[rows.IN_W], column
    )
    tile[rows.MAP_OUTPUTS] = out_h * out_w
    tile[rows.MAP_ROWS] = out_h
    tile[rows.MAP_BOX] = box_h * box_w
    tile[rows.MAP_INSIDE] = in_h * in_w
    is_whole_width = in_w == box_w and in_w == layer[rows.IN_W]
    tile[rows.MAP_CALLS] = min(in_h, 1) if is_whole_width else (in_h if in_w > 0 else 0)


@compiled
def map_sums(layer: IntArray, design: IntArray) -> IntArray:
    """Return the sums of `map_tile` over the tiles before each, columns fastest, `(r c + 1, MAP_WIDTH)`."""
    r, c, _, _ = tile_counts(layer, design)
    sums = np.zeros((r * c + 1, rows.MAP_WIDTH), dtype=np.int64)
    tile = np.zeros(rows.MAP_WIDTH, dtype=np.int64)
    for index in range(r * c):
        map_tile(layer, design, index // c, index % c, tile)
        for column in range(rows.MAP_WIDTH):
            sums[index + 1, column] = sums[index, column] + tile[column]
    return sums


@compiled
def axis_sums(layer: IntArray, is_width: bool, tiles: IntArray) -> IntArray:
    """Return sums over one axis for each of its tile sizes, `(n_sizes, AXIS_WIDTH)`."""
    sums = np.zeros((len(tiles), rows.AXIS_WIDTH), dtype=np.int64)
    size, length = (layer[rows.TILED_W], layer[rows.IN_W]) if is_width else (layer[rows.TILED_H], layer[rows.IN_H])
    stride = layer[rows.STRIDE_W] if is_width else layer[rows.STRIDE_H]
    kernel = layer[rows.KERNEL_W] if is_width else layer[rows.KERNEL_H]
    pad = layer[rows.PAD_W] if is_width else layer[rows.PAD_H]
    for option in range(len(tiles)):
        n = -(-size // tiles[option])
        sums[option, rows.AXIS_TILES] = n
        for index in range(n):
            _, box, inside = axis_tile(size, tiles[option], stride, kernel, pad, length, index)
            sums[option, rows.AXIS_BOX] += box
            sums[option, rows.AXIS_INSIDE] += inside
            sums[option, rows.AXIS_BOXES] += inside > 0
            sums[option, rows.AXIS_WHOLE] += inside == box and inside == length
            sums[option, rows.AXIS_MOST] = max(sums[option, rows.AXIS_MOST], inside)
    return sums


@compiled
def map_totals(layer: IntArray, height: IntArray, width: IntArray, totals: IntArray) -> None:
    """Fill the sums of `energy.counting.exact.map_tile` over all tiles of a map, given those of its axes."""
    totals[rows.MAP_OUTPUTS] = layer[rows.TILED_H] * layer[rows.TILED_W]
    totals[rows.MAP_ROWS] = layer[rows.TILED_H] * width[rows.AXIS_TILES]
    totals[rows.MAP_BOX] = height[rows.AXIS_BOX] * width[rows.AXIS_BOX]
    totals[rows.MAP_INSIDE] = height[rows.AXIS_INSIDE] * width[rows.AXIS_INSIDE]
    whole, boxes = width[rows.AXIS_WHOLE], width[rows.AXIS_BOXES]
    totals[rows.MAP_CALLS] = height[rows.AXIS_INSIDE] * (boxes - whole) + height[rows.AXIS_BOXES] * whole
