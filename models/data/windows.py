"""Windows of recordings, and their normalisation by the training recordings.

A recording is `(n_steps, n_channels)`, a window `(n_channels, length)`. Windows of one recording may overlap, so they
share a group. Recordings are assigned to splits before they are cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


def windows(recording: NDArray[Any], length: int, stride: int) -> NDArray[Any]:
    """Return the windows of one recording, in order; steps after the last whole window are left out.

    Args:
        recording: Samples, `(n_steps, n_channels)`.
        length: Steps of a window. [1]
        stride: Steps from one window to the next. [1]

    Returns:
        A view, `(n, n_channels, length)`; `n` is 0 for a recording shorter than a window.
    """
    n_steps, n_channels = recording.shape
    if n_steps < length:
        return np.empty((0, n_channels, length), dtype=recording.dtype)
    return np.lib.stride_tricks.sliding_window_view(recording, length, axis=0)[::stride]


@dataclass(frozen=True, kw_only=True, eq=False)
class Normaliser:
    """Mean and spread of each channel over the training recordings.

    Attributes:
        mean: Mean, `(n_channels,)`.
        spread: Standard deviation, 1 for a constant channel, `(n_channels,)`.
    """

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]

    @classmethod
    def of(cls, recordings: Sequence[NDArray[np.float64]]) -> Normaliser:
        """Return the normaliser of joined recordings, each `(n_steps, n_channels)`."""
        joined = np.concatenate(recordings)
        spread = joined.std(axis=0)
        return cls(mean=joined.mean(axis=0), spread=np.where(spread > 0, spread, 1.0))

    def __call__(self, recording: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return a recording normalised by the mean and spread of training, float32 `(..., n_steps, n_channels)`."""
        return ((recording - self.mean) / self.spread).astype(np.float32)
