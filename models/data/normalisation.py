"""How raw samples become what networks read: what a program that feeds a trained network has to do first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Normalisation:
    """`(raw - mean) / spread`.

    Attributes:
        mean: What is subtracted, with as many axes as a sample `(channels, *size)` and as long as it or 1 on each.
        spread: What is then divided by, above 0, same shape.
        raw: What a raw sample is, for people.
    """

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    raw: str

    @classmethod
    def none(cls, n_axes: int) -> Normalisation:
        """That of samples with `n_axes` axes that stay as they are."""
        return cls(mean=np.zeros((1,) * n_axes), spread=np.ones((1,) * n_axes), raw="as the data set gives it")

    @classmethod
    def by_channel(cls, mean: NDArray[Any], spread: NDArray[Any], *, n_axes: int, raw: str) -> Normalisation:
        """Return one mean and spread a channel, `(channels,)` each, of samples with `n_axes` axes."""
        shape = (-1,) + (1,) * (n_axes - 1)
        return cls(
            mean=mean.astype(np.float64).reshape(shape), spread=spread.astype(np.float64).reshape(shape), raw=raw
        )

    def __call__(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """Raw samples `(n, channels, *size)` as networks read them, float32."""
        return ((samples - self.mean) / self.spread).astype(np.float32)
