"""Rows of integers that compiled counting takes: a layer, a design, a tile of the map, the place of a batch.

Compiled code cannot index by an enumeration, so columns are plain constants, used as `rows.NAME`. `layer_row` and
`design_row` write a layer and its design in the form that is counted. Letters: input H x W x N, output R x C x M,
kernel Kh x Kw; r, c, m, n count the tiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from energy.events import EVENTS, ORDERS
from energy.networks.designs import LayerDesign
from energy.networks.fuse import normalised
from energy.networks.shapes import OPS, LayerShape
from energy.networks.vectors import VECTORS

INPUT, WEIGHT, OUTPUT = range(len(ORDERS))
CHANNEL, ROW, PLANAR = range(len(VECTORS))
CONV, DEPTHWISE, POOL, ADD, NORM, RELU = range(len(OPS))

# Columns of a layer row. TILED_H x TILED_W is the map that tiles divide: the output, for pooling the input.
(OP, IN_H, IN_W, OUT_CH, TILED_H, TILED_W, KERNEL_H, KERNEL_W, STRIDE_H, STRIDE_W, PAD_H, PAD_W) = range(12)
IN_WORDS, OUT_WORDS, MERGES, SUM_WORDS = range(12, 16)

# Columns of a design row; TILE_IN counts stored words.
TILE_H, TILE_W, TILE_OUT, TILE_IN, ORDER, BATCH, VECTOR = range(7)
DESIGN_WIDTH = 7

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


MAP_OUTPUTS, MAP_ROWS, MAP_BOX, MAP_INSIDE, MAP_CALLS = range(5)
MAP_WIDTH = 5
"""Of a tile of the map: outputs, rows of them, pixels of its input box, those inside the map, and the calls that fetch
them where all stored channels are in the tile: one a row, or one for a box as wide as the map."""


AXIS_TILES, AXIS_BOX, AXIS_INSIDE, AXIS_BOXES, AXIS_WHOLE, AXIS_MOST = range(6)
AXIS_WIDTH = 6
"""Sums over the tiles of an axis: how many, pixels of their boxes, those inside the map, boxes with any inside, and
boxes that are just the whole axis; and the most pixels inside the map of any of them."""


# Where a batch is: numbers of tiles, indices of the outer loops, innermost iterations, and its index in the layer.
(N_RC, N_M, N_N, AT_M, AT_N, BEGIN, END, INDEX) = range(8)
PLACE_WIDTH = 8


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """Options of our runtime that save energy; the defaults are the exported runtime, other values are for ablations.

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
