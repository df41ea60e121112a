"""Kernel of a Gaussian process, Matern 5/2 with a length for each feature, and its choice by the marginal likelihood.

After C. Rasmussen, C. Williams, Gaussian Processes for Machine Learning, 2006, ch. 4 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky
from scipy.linalg.lapack import dpotri
from scipy.optimize import minimize

Floats = NDArray[np.float64]

_COARSE_NETWORKS = 250
"""Points, spread evenly, on which the search for the kernel's parameters starts. [1]"""
_COARSE_STEPS, _FINE_STEPS = 60, 12
"""Largest number of steps of that search on part of the points, and on all. [1]"""
_PRIOR_LENGTH, _PRIOR_LENGTH_SD = 1.0, 0.7
"""Log-normal prior of a length: its median, per square root of the number of features and its logarithm's deviation."""
_PRIOR_SIGNAL, _PRIOR_NOISE, _PRIOR_SD = 0.0, -3.0, 2.0
"""Log-normal priors of the variances of signal and noise, in units of the values' variance."""
_ROOT5 = 5**0.5


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """Matern 5/2: k = signal (1 + sqrt(5) r + 5/3 r^2) exp(-sqrt(5) r), r^2 = sum over j of ((x_j - z_j) / l_j)^2.

    Attributes:
        lengths: `(n_features,)`.
        signal, noise: Variances, in units of the variance of the training values.
    """

    lengths: Floats
    signal: float
    noise: float

    @classmethod
    def of(cls, logarithms: Floats) -> Kernel:
        """Return the kernel with logarithms of lengths, signal and noise, `(n_features + 2,)`."""
        values = np.exp(logarithms)
        return cls(lengths=values[:-2], signal=float(values[-2]), noise=float(values[-1]))

    def between(self, a: Floats, b: Floats) -> Floats:
        """Return covariances without noise of `(n, n_features)` and `(m, n_features)`, `(n, m)`."""
        root = _ROOT5 * self.distances(a, b)
        return self.signal * (1 + root + root * root / 3) * np.exp(-root)

    def noisy(self, features: Floats) -> Floats:
        """Return the covariances of measurements, `(n, n)`."""
        covariances = self.between(features, features)
        covariances[np.diag_indices(len(features))] += self.noise
        return covariances

    def distances(self, a: Floats, b: Floats) -> Floats:
        """Return distances r, `(n, m)`."""
        a, b = a / self.lengths, b / self.lengths
        squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * (a @ b.T)
        return np.sqrt(np.maximum(squares, 0))


def fit_kernel(features: Floats, targets: Floats) -> Kernel:
    """Return the kernel of the largest posterior density, optimised on part of the points, then on all.

    Args:
        features: Points, `(n, n_features)`.
        targets: Their values, of mean 0 and variance 1 (or all 0), `(n,)`.
    """
    n, n_features = features.shape
    prior = np.concatenate(
        [np.full(n_features, np.log(_PRIOR_LENGTH * n_features**0.5)), [_PRIOR_SIGNAL, _PRIOR_NOISE]]
    )
    deviation = np.concatenate([np.full(n_features, _PRIOR_LENGTH_SD), [_PRIOR_SD, _PRIOR_SD]])
    bounds = [*((-2.0, 6.0),) * n_features, (-5.0, 5.0), (-9.0, 2.0)]
    part = np.unique(np.linspace(0, n - 1, min(n, _COARSE_NETWORKS)).round().astype(int))
    at = prior
    for rows, steps in ((part, _COARSE_STEPS), (np.arange(n), _FINE_STEPS)):

        def loss(logarithms: Floats, rows: NDArray[np.int64] = rows) -> tuple[float, Floats]:
            value, slope = misfit(logarithms, features[rows], targets[rows])
            off = (logarithms - prior) / deviation
            return value + 0.5 * float(off @ off), slope + off / deviation

        at = minimize(loss, at, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps}).x
    return Kernel.of(at)


def misfit(logarithms: Floats, features: Floats, targets: Floats) -> tuple[float, Floats]:
    """Return the negative log marginal likelihood, up to a constant, and its gradient.

    L = y' K^-1 y / 2 + log det K / 2, dL/dp = sum over a, b of W_ab dK_ab/dp, W = (K^-1 - K^-1 y y' K^-1) / 2.

    Args:
        logarithms: Logarithms of lengths, signal and noise, `(n_features + 2,)`.
        features: `(n, n_features)`.
        targets: y, `(n,)`.
    """
    kernel = Kernel.of(logarithms)
    root = _ROOT5 * kernel.distances(features, features)
    decay = kernel.signal * np.exp(-root)
    covariances = (1 + root + root * root / 3) * decay
    noisy = covariances.copy()
    noisy[np.diag_indices(len(targets))] += kernel.noise
    factor = cholesky(noisy, lower=True, overwrite_a=True)
    weights = cho_solve((factor, True), targets)
    value = 0.5 * float(targets @ weights) + float(np.log(np.diag(factor)).sum())
    lower = np.tril(dpotri(factor, lower=True)[0])
    gain = 0.5 * (lower + np.tril(lower, -1).T - np.outer(weights, weights))
    # With s = x / l: dK_ab/dlog l_j = 5/3 signal (1 + sqrt(5) r) exp(-sqrt(5) r) (s_aj - s_bj)^2
    pull = gain * ((5 / 3) * (1 + root) * decay)
    scaled = features / kernel.lengths
    lengths = 2 * (pull.sum(axis=1) @ (scaled * scaled) - np.einsum("ij,ij->j", scaled, pull @ scaled))
    signal, noise = float((gain * covariances).sum()), kernel.noise * float(np.trace(gain))
    return value, np.concatenate([lengths, [signal, noise]])
