"""Vector modes: how the elements of a vector call are laid out, and which modes a design may have.

`channel` takes the input channels of one pixel, `row` those of a kernel row, `planar` a kernel row of single channels.
The two rules are also compiled, so they take operators and modes as indices into `OPS` and `VECTORS`. The longest
vector is a number of the rule set (`energy.networks.rules`) or of the device.
"""

from __future__ import annotations

from energy.networks.shapes import OPS

VECTORS = ("channel", "row", "planar")
"""Vector modes; published counting has the first alone."""

NO_LIMIT = 2**31
"""Length above that of any vector. [1]"""

CHANNEL, ROW, PLANAR = range(len(VECTORS))
_CONV, _DEPTHWISE = OPS.index("conv"), OPS.index("depthwise_conv")


def has_vector(op: int, vector: int, tile_out: int) -> bool:
    """Return whether an operator has a vector mode under exact counting; a depthwise row holds a single channel.

    Args:
        op: Operator, an index into `OPS`.
        vector: Vector mode, an index into `VECTORS`.
        tile_out: Output channels of a tile. [1]
    """
    if op == _CONV:
        return vector != PLANAR
    if op == _DEPTHWISE:
        return vector != ROW or tile_out == 1
    return vector == CHANNEL


def fits_vector_unit(op: int, vector: int, tile_in: int, kernel_w: int, max_vector: int) -> bool:
    """Return whether the vectors of a convolution are short enough, start at even words, and are of use.

    Rows of an odd number of channels start at odd words; a row of one tap is the mode `channel`. Depthwise rows are
    always short and padded to start at even words.

    Args:
        op: Operator, an index into `OPS`.
        vector: Vector mode, an index into `VECTORS`.
        tile_in: Input channels of a tile, as stored. [1]
        kernel_w: Width of the kernel. [1]
        max_vector: Longest vector that may be chosen. [1]
    """
    if op != _CONV:
        return True
    if vector == ROW:
        return kernel_w > 1 and tile_in % 2 == 0 and kernel_w * tile_in <= max_vector
    return tile_in <= max_vector


VECTORS_OF_OP = {op: tuple(VECTORS[i] for i in range(3) if has_vector(OPS.index(op), i, 1)) for op in OPS}
"""Vector modes that each operator has under exact counting, for some tile."""
