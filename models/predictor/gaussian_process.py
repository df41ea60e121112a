"""Surrogate from encoded architectures to inherited accuracy: a Gaussian process over gene thresholds.

An architecture becomes 0/1 features, one per gene and option: 1 if the gene is active and its option at least this one.
Options keep their order, steps between them may differ in importance, and silent genes carry no information. The
kernel, with a length for each feature, is that of `models.predictor.matern`. Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from threadpoolctl import threadpool_limits

from models.predictor.matern import Floats, Kernel, fit_kernel
from models.spaces import Archs, Space

LEAST_NETWORKS = 5
"""Least number of networks to fit a predictor. [1]"""

_BLOCK = 2048
"""Networks predicted at a time; bounds the memory. [1]"""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Predictor:
    """Predictor of the accuracies of networks from those of other networks.

    `fit` makes it; the same networks, in any order, give the same predictor.

    Attributes:
        space: The space of the networks.
        archs: Distinct canonical networks it was fitted on, in lexicographic order, `(n, n_genes)`.
        accuracies: Their accuracies, `(n,)`. [1]
        kind: Kind of the accuracies that `evaluate` returns.
        split: Split that the accuracies were measured on.
        noise: Standard deviation of the measurement noise that it fits. [1]
    """

    space: Space
    archs: Archs
    accuracies: Floats
    split: str
    noise: float
    _kernel: Kernel
    _factor: Floats
    _weights: Floats
    kind: str = "predicted"

    @classmethod
    def fit(cls, space: Space, archs: Archs, accuracies: ArrayLike, *, split: str = "val") -> Predictor:
        """Learn from evaluated networks.

        Args:
            space: Their space.
            archs: Networks, canonical or not, `(n, n_genes)`; repeated ones count with their mean.
            accuracies: Measured accuracies, `(n,)`. [1]
            split: Split that they were measured on.

        Raises:
            ValueError: The arrays do not fit the space or each other, an accuracy is outside 0 to 1, or distinct
                networks are fewer than `LEAST_NETWORKS`.
        """
        archs, accuracies = _distinct(space, archs, accuracies)
        features = encode(space, archs)
        centre, scale = float(accuracies.mean()), float(accuracies.std()) or 1.0
        targets = (accuracies - centre) / scale
        with _one_thread():
            kernel = fit_kernel(features, targets)
            factor = cholesky(kernel.noisy(features), lower=True)
            weights = cho_solve((factor, True), targets)
        return cls(
            space=space,
            archs=archs,
            accuracies=accuracies,
            split=split,
            noise=scale * kernel.noise**0.5,
            _kernel=kernel,
            _factor=factor,
            _weights=weights,
        )

    def refitted(self, archs: Archs, accuracies: ArrayLike) -> Predictor:
        """Return the predictor fitted on the known and on further networks together.

        Args:
            archs: Further networks, `(m, n_genes)`.
            accuracies: Their accuracies, `(m,)`. [1]
        """
        further = np.asarray(accuracies, dtype=np.float64)
        return Predictor.fit(
            self.space,
            np.concatenate([self.archs, self.space.canonical(archs)]),
            np.concatenate([self.accuracies, further]),
            split=self.split,
        )

    def evaluate(self, archs: Archs) -> Floats:
        """Return the predicted accuracy of each network `(n, n_genes)`, canonical or not, `(n,)`. [1]"""
        with _one_thread():
            parts = [self._cross(archs[i : i + _BLOCK]) @ self._weights for i in range(0, len(archs), _BLOCK)]
        return self._accuracy(np.concatenate([np.zeros(0), *parts]))

    def predict(self, archs: Archs) -> tuple[Floats, Floats]:
        """Return predicted accuracies and their standard deviations.

        Args:
            archs: Networks, canonical or not, `(n, n_genes)`.

        Returns:
            Result of `evaluate`, and the standard deviation of the noiseless accuracy around it, both `(n,)`. [1]
        """
        means, deviations = [np.zeros(0)], [np.zeros(0)]
        with _one_thread():
            for begin in range(0, len(archs), _BLOCK):
                cross = self._cross(archs[begin : begin + _BLOCK])
                means.append(cross @ self._weights)
                explained = solve_triangular(self._factor, cross.T, lower=True)
                variance = self._kernel.signal - np.einsum("ij,ij->j", explained, explained)
                deviations.append(np.sqrt(np.maximum(variance, 0)))
        return self._accuracy(np.concatenate(means)), self._scale * np.concatenate(deviations)

    @property
    def _scale(self) -> float:
        return float(self.accuracies.std()) or 1.0

    def _cross(self, archs: Archs) -> Floats:
        canonical = self.space.canonical(archs)
        return self._kernel.between(encode(self.space, canonical), encode(self.space, self.archs))

    def _accuracy(self, targets: Floats) -> Floats:
        return np.clip(self.accuracies.mean() + self._scale * targets, 0, 1)


def _one_thread() -> threadpool_limits:
    """Limit linear algebra to one thread inside the block: the number of threads changes the last bits."""
    return threadpool_limits(limits=1, user_api="blas")


def encode(space: Space, archs: Archs) -> Floats:
    """Return the features of canonical networks.

    Args:
        space: Their space.
        archs: Networks, `(n, n_genes)`.

    Returns:
        1 for each gene and option where the gene is active with at least this option, else 0, `(n, n_features)`.
    """
    archs = np.asarray(archs)
    gene = np.repeat(np.arange(len(space.n_options)), space.n_options)
    option = np.concatenate([np.arange(n) for n in space.n_options])
    reached: NDArray[np.bool_] = space.active(archs)[:, gene] & (archs[:, gene] >= option)
    return reached.astype(np.float64)


def _distinct(space: Space, archs: Archs, accuracies: ArrayLike) -> tuple[Archs, Floats]:
    """Return distinct canonical networks in lexicographic order with the mean of their accuracies."""
    archs, values = space.canonical(archs), np.asarray(accuracies, dtype=np.float64)
    if values.shape != (len(archs),):
        raise ValueError(f"accuracies must have shape ({len(archs)},) as archs have rows, not {values.shape}")
    wrong = np.flatnonzero(~((values >= 0) & (values <= 1)))
    if len(wrong):
        raise ValueError(f"accuracies must be from 0 to 1, not {values[wrong[0]]} in row {wrong[0]}")
    distinct, inverse, n_times = np.unique(archs, axis=0, return_inverse=True, return_counts=True)
    if len(distinct) < LEAST_NETWORKS:
        raise ValueError(f"archs must have at least {LEAST_NETWORKS} distinct networks, not {len(distinct)}")
    # Sorted before they are added, so that the order of the rows changes no bit.
    order = np.lexsort((values, inverse.reshape(-1)))
    return distinct, np.bincount(inverse.reshape(-1)[order], weights=values[order]) / n_times
