"""Energy of the costliest batch of a design: bounded from one largest tile, exact where the bound is too high.

A plan is safe where its costliest batch fits into a power cycle after a boot. Compiled; rows as in
`energy.counting.rows`.
"""

from __future__ import annotations

import numpy as np

from energy.counting import rows
from energy.counting.exact import count_batch, n_batches_of, place_batch
from energy.counting.tiles import inner_count, map_sums
from energy.events import FloatArray, IntArray
from energy.jit import compiled


@compiled
def priced(events: IntArray, prices: FloatArray) -> float:
    """Return the energy [J] or time [s] of counted events, given the price of each."""
    total = 0.0
    for event in range(rows.N_EVENTS):
        total += events[event] * prices[event]
    return total


@compiled
def largest_batch_j(layer: IntArray, design: IntArray, prices_j: FloatArray) -> float:
    """Return the energy of the costliest batch after a boot, given the price of an event by loop order. [J]"""
    price_j = prices_j[design[rows.ORDER]]
    sums = map_sums(layer, design)
    place, tiles = np.zeros(rows.PLACE_WIDTH, dtype=np.int64), np.zeros(rows.MAP_WIDTH, dtype=np.int64)
    warm, reload = np.zeros(rows.N_EVENTS, dtype=np.int64), np.zeros(rows.N_EVENTS, dtype=np.int64)
    largest_j = 0.0
    for index in range(n_batches_of(layer, design)):
        place_batch(layer, design, index, sums, place, tiles)
        count_batch(layer, design, place, tiles, warm, reload)
        largest_j = max(largest_j, priced(warm, price_j) + priced(reload, price_j))
    return largest_j


@compiled
def largest_tile(layer: IntArray, design: IntArray, height: IntArray, width: IntArray, tile: IntArray) -> None:
    """Fill a tile of the map that counts at least as much as every tile, see `energy.counting.tiles.map_tile`."""
    box_h = layer[rows.STRIDE_H] * (design[rows.TILE_H] - 1) + layer[rows.KERNEL_H]
    box_w = layer[rows.STRIDE_W] * (design[rows.TILE_W] - 1) + layer[rows.KERNEL_W]
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
    prices_j: FloatArray,
) -> float:
    """Return an upper bound of the energy of the costliest batch after a boot. [J]

    Batches of the largest tile are tried at the ends of every loop; where a tile lies clear of all borders, the bound
    is the energy itself.
    """
    rc, m, n = tiles
    order, price_j = design[rows.ORDER], prices_j[design[rows.ORDER]]
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
                found_j = max(found_j, priced(warm, price_j) + priced(reload, price_j))
    return found_j
