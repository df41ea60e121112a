"""Normalisation of raw samples, which a program must apply before it runs a trained network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Normalisation:
    """`(raw - mean) / spread`.

    Attributes:
        mean: Subtracted mean; its axes are those of a sample `(channels, *size)`, each of the same length or 1.
        spread: Divisor, above 0, same shape.
        raw: Description of a raw sample.
    """

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    raw: str

    @classmethod
    def none(cls, n_axes: int) -> Normalisation:
        """Return the identity for samples with `n_axes` axes."""
        return cls(mean=np.zeros((1,) * n_axes), spread=np.ones((1,) * n_axes), raw="as the data set gives it")

    @classmethod
    def by_channel(cls, mean: NDArray[Any], spread: NDArray[Any], *, n_axes: int, raw: str) -> Normalisation:
        """Return a normalisation by channel, mean and spread `(channels,)`, of samples with `n_axes` axes."""
        shape = (-1,) + (1,) * (n_axes - 1)
        return cls(
            mean=mean.astype(np.float64).reshape(shape), spread=spread.astype(np.float64).reshape(shape), raw=raw
        )

    def __call__(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """Return normalised samples of raw ones `(n, channels, *size)`, float32."""
        return ((samples - self.mean) / self.spread).astype(np.float32)
