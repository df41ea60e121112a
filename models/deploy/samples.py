"""Input samples of a program: normalised, resized, in integers. Torch is imported only to resize."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.deploy.integer import HIGH, LOW, IntegerNetwork

Real = NDArray[np.float64]


def quantise_input(network: IntegerNetwork, samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return normalised samples `(n, channels, *size)` as integer input, int16 `(n, height, width, channels)`."""
    height, width, channels = network.input_shape
    x = _resized(samples, network.input_shape)
    maps = x.reshape(len(x), channels, height, width).transpose(0, 2, 3, 1)
    return rounded(maps.astype(np.float64), network.input_fraction_bits, LOW, HIGH).astype(np.int16)


def _resized(samples: NDArray[np.float32], input_shape: tuple[int, int, int]) -> NDArray[np.float32]:
    height, width, _ = input_shape
    if samples.shape[2:] == ((height,) if samples.ndim == 3 else (height, width)):
        return samples
    import torch

    from models.supernet.elastic import resized
    from models.threads import threads

    with threads(1), torch.inference_mode():
        answer: NDArray[np.float32] = resized(torch.from_numpy(np.ascontiguousarray(samples)), input_shape).numpy()
    return answer


def rounded(values: Real, bits: int, low: int, high: int) -> NDArray[np.int64]:
    """Return real values in units of 2^-bits, rounded half up and clipped to a range."""
    return np.clip(np.floor(values * 2.0**bits + 0.5), low, high).astype(np.int64)
