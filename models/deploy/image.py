"""Image of the weights and biases of a network in non-volatile memory: tile by tile, in words of 16 bits.

A weight tile is contiguous, so that one call fetches it: output channel after output channel, each with its kernel rows
and the input channels of the tile fastest, and after those of the last input-channel tile the biases, two words each,
low word first. Rows of single channels are stored twice, the second version shifted by one column. The counts of
energy/README section 4 assume this layout; rows and letters are those of `energy.counting.exact`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from energy.counting import rows
from energy.counting.exact import row_length
from energy.events import IntArray
from models.deploy.integer import IntegerLayer

Words = NDArray[np.int16]


def weight_image(layer: IntegerLayer, layer_row: IntArray, design_row: IntArray) -> Words:
    """Return the weights and biases of one layer, `(n_words,)`; none where it has none.

    Args:
        layer: Weights and biases.
        layer_row: Row of the counted layer, `energy.counting.rows.layer_row`.
        design_row: Row of its design.
    """
    if layer.weight is None or layer.bias is None:
        return np.zeros(0, dtype=np.int16)
    tile_out = int(design_row[rows.TILE_OUT])
    tiles = [slice(start, start + tile_out) for start in range(0, int(layer_row[rows.OUT_CH]), tile_out)]
    if layer_row[rows.OP] == rows.CONV:
        kernels = _rewritten(layer.weight, layer_row)
        pieces = [_conv_tile(kernels[tile], layer.bias[tile], int(design_row[rows.TILE_IN])) for tile in tiles]
    else:
        # Turned with its layer: the kernel's two axes are swapped where those of the counted layer are.
        kernel_h, kernel_w = int(layer_row[rows.KERNEL_H]), int(layer_row[rows.KERNEL_W])
        kernels = layer.weight.reshape(layer.weight.shape[0], kernel_h, kernel_w)
        if design_row[rows.VECTOR] != rows.CHANNEL:
            kernels = _both_versions(kernels, int(row_length(layer_row)))
        pieces = [np.concatenate([kernels[tile].ravel(), bias_words(layer.bias[tile])]) for tile in tiles]
    return np.concatenate(pieces)


def _rewritten(weight: Words, layer_row: IntArray) -> Words:
    """Return the kernels of the counted layer, `(out_ch, kernel_h, kernel_w, in_words)`.

    Turning swaps two axes of which one has length 1, and covering the map joins three: the order of words stays. Pad
    channels are zero.
    """
    kernels = weight.reshape(weight.shape[0], int(layer_row[rows.KERNEL_H]), int(layer_row[rows.KERNEL_W]), -1)
    pad = int(layer_row[rows.IN_WORDS]) - kernels.shape[-1]
    return np.pad(kernels, ((0, 0), (0, 0), (0, 0), (0, pad)))


def _conv_tile(kernels: Words, bias: NDArray[np.int32], tile_in: int) -> Words:
    """Return all input-channel tiles of some output channels, the last with their biases."""
    starts = range(0, kernels.shape[-1], tile_in)
    return np.concatenate([*(kernels[..., start : start + tile_in].ravel() for start in starts), bias_words(bias)])


def _both_versions(kernels: Words, length: int) -> Words:
    """Return the rows of `length` words as they are and shifted by one column, `(out_ch, 2, kernel_h, length)`."""
    channels, height, width = kernels.shape
    versions = np.zeros((channels, 2, height, length), dtype=np.int16)
    versions[:, 0, :, :width] = kernels
    versions[:, 1, :, 1 : width + 1] = kernels
    return versions


def bias_words(bias: NDArray[np.int32]) -> Words:
    """Return the words of biases, two per bias, the low one first."""
    return np.asarray(bias).astype("<i4").view("<i2").astype(np.int16)
