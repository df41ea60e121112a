"""Slow oracle of integer inference: plain loops over Python integers, one output element at a time.

Written from docs/programs.md, "The same answer under every plan", alone; `models.deploy.reference` must equal it.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from energy.networks.shapes import NETWORK_INPUT
from models.deploy.integer import IntegerLayer, IntegerNetwork

Pixels = dict[tuple[int, int, int], int]
"""Value by row, column and channel; what is not there is zero."""


def outputs(network: IntegerNetwork, sample: np.ndarray) -> np.ndarray:
    """Output of the last layer for one sample `(height, width, channels)`."""
    maps: list[Pixels] = []
    given: Pixels = {index: int(value) for index, value in np.ndenumerate(sample)}
    for layer in network.layers:
        maps.append(_layer(layer, [given if i == NETWORK_INPUT else maps[i] for i in layer.reads]))
    last = network.layers[-1].shape
    found = np.zeros((last.out_h, last.out_w, last.out_ch), dtype=np.int64)
    for index, value in maps[-1].items():
        found[index] = value
    return found


def _layer(layer: IntegerLayer, read: list[Pixels]) -> Pixels:
    shape = layer.shape
    places = product(range(shape.out_h), range(shape.out_w), range(shape.out_ch))
    if shape.op == "global_avg_pool":
        return {place: _mean(layer, read[0], place[2]) for place in places}
    if shape.op == "add":
        lift_a, lift_b = layer.lifts
        return {place: _word(layer, (read[0][place] << lift_a) + (read[1][place] << lift_b)) for place in places}
    return {place: _word(layer, _window_sum(layer, read[0], *place)) for place in places}


def _mean(layer: IntegerLayer, read: Pixels, channel: int) -> int:
    n = layer.shape.in_h * layer.shape.in_w
    total = sum(read[y, x, channel] for y in range(layer.shape.in_h) for x in range(layer.shape.in_w))
    return (total + n // 2) // n


def _window_sum(layer: IntegerLayer, read: Pixels, row: int, col: int, out: int) -> int:
    shape = layer.shape
    stride_h = shape.stride if shape.in_h > 1 else 1
    stride_w = shape.stride if shape.in_w > 1 else 1
    top = row * stride_h - (shape.pad if shape.kernel_h > 1 else 0)
    left = col * stride_w - (shape.pad if shape.kernel_w > 1 else 0)
    total = int(layer.bias[out])
    for ky, kx in product(range(shape.kernel_h), range(shape.kernel_w)):
        for channel in range(shape.in_ch) if shape.op == "conv" else [out]:
            weight = layer.weight[out, ky, kx, channel] if shape.op == "conv" else layer.weight[out, ky, kx]
            total += int(weight) * read.get((top + ky, left + kx, channel), 0)
            assert abs(total) < 2**30
    return total


def _word(layer: IntegerLayer, total: int) -> int:
    """Divided by 2^shift, half a unit rounded up, saturated."""
    rounded = (total + (1 << (layer.shift - 1))) >> layer.shift
    return min(max(rounded, 0 if layer.has_relu else -32768), 32767)
