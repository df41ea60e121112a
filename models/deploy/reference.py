"""Integer inference in NumPy: the specification of every exported program.

All sums stay below 2^30, so matrix products in float64 are exact. Maps are channel-last.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from energy.networks.shapes import NETWORK_INPUT
from models.deploy.integer import HIGH, LOW, IntegerLayer, IntegerNetwork

Map = NDArray[np.int16]
Sums = NDArray[np.float64]

_WINDOW_BUDGET = 32_000_000
"""Elements of unfolded windows at a time."""


def run(network: IntegerNetwork, samples: Map) -> Map:
    """Return the outputs of the last layer.

    Args:
        network: The network.
        samples: int16 `(n, height, width, channels)`.

    Returns:
        int16 `(n, out_h, out_w, out_ch)`.

    Raises:
        ValueError: The samples do not fit the input of the network.
    """
    if samples.dtype != np.int16 or samples.shape[1:] != tuple(network.input_shape):
        expected = ("n", *network.input_shape)
        raise ValueError(f"samples must be int16 {expected}, not {samples.dtype} {samples.shape}")
    most = max(layer.shape.out_h * layer.shape.out_w * _window(layer) for layer in network.layers)
    n_at_once = max(_WINDOW_BUDGET // most, 1)
    pieces = [samples[start : start + n_at_once] for start in range(0, len(samples), n_at_once)]
    last = network.layers[-1].shape
    none = np.zeros((0, last.out_h, last.out_w, last.out_ch), dtype=np.int16)
    return np.concatenate([none, *(maps_of(network, piece)[-1] for piece in pieces)])


def answers_of(outputs: Map) -> NDArray[np.int64]:
    """Return the class of each sample by its outputs `(n, ...)`, the first of equals, `(n,)`."""
    return outputs.reshape(len(outputs), -1).argmax(axis=1)


def _window(layer: IntegerLayer) -> int:
    return layer.shape.kernel_h * layer.shape.kernel_w * layer.shape.in_ch


def maps_of(network: IntegerNetwork, samples: Map) -> list[Map]:
    """Return the output of every layer, int16 `(n, out_h, out_w, out_ch)` each; samples as `run` takes them."""
    maps: list[Map] = []
    for layer in network.layers:
        maps.append(run_layer(layer, [samples if i == NETWORK_INPUT else maps[i] for i in layer.reads]))
    return maps


def run_layer(layer: IntegerLayer, maps: Sequence[Map]) -> Map:
    """Return the output of one layer for the maps it reads, int16 `(n, height, width, channels)`."""
    op = layer.shape.op
    if op == "global_avg_pool":
        pixels = layer.shape.in_h * layer.shape.in_w
        sums = maps[0].astype(np.int64).sum(axis=(1, 2), keepdims=True)
        return ((sums + pixels // 2) // pixels).astype(np.int16)
    if op == "add":
        first, second = (one.astype(np.float64) * 2.0**lift for one, lift in zip(maps, layer.lifts, strict=True))
        return _scaled(first + second, layer)
    assert layer.weight is not None
    assert layer.bias is not None
    return _scaled(_products(layer, maps[0]) + layer.bias, layer)


def _scaled(sums: Sums, layer: IntegerLayer) -> Map:
    """Return sums divided by 2^shift, rounded half up and clipped to a word; exact, since the divisor is 2^shift."""
    rounded = np.floor(sums * 2.0**-layer.shift + 0.5)
    return np.clip(rounded, 0 if layer.has_relu else LOW, HIGH).astype(np.int16)


def _products(layer: IntegerLayer, x: Map) -> Sums:
    """Return the sums of products, `(n, out_h, out_w, out_ch)`."""
    shape, weight = layer.shape, layer.weight
    assert weight is not None
    pads = [(0, 0), *((shape.pad_of(axis),) * 2 for axis in ("h", "w")), (0, 0)]
    padded = np.pad(x.astype(np.float64), pads)
    strides = [shape.stride if size > 1 else 1 for size in (shape.in_h, shape.in_w)]
    kernel = (shape.kernel_h, shape.kernel_w)
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(1, 2))
    windows = windows[:, :: strides[0], :: strides[1]]  # (n, out_h, out_w, channels, kernel_h, kernel_w)
    if shape.op == "depthwise_conv":
        return np.einsum("nyxcij,cij->nyxc", windows, weight.astype(np.float64))
    n = len(x)
    unfolded = windows.transpose(0, 1, 2, 4, 5, 3).reshape(n * shape.out_h * shape.out_w, -1)
    sums = unfolded @ weight.reshape(shape.out_ch, -1).T.astype(np.float64)
    return sums.reshape(n, shape.out_h, shape.out_w, shape.out_ch)
