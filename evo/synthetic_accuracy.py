"""Synthetic accuracies, to compare search methods without training.

Accuracy saturates with multiply-accumulates and parameters, both on log axes between the smallest and the largest
network of the space. Every pair of genes adds a term of its own, drawn once from a fixed seed, so that genes cannot be
chosen one by one.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from evo.objectives import Floats
from models.spaces import Archs, Space

LEAST, GAIN = 0.35, 0.5
"""Accuracy of the smallest network without its pair terms, and the gain of the largest. [1]"""

SATURATION = 2.5
"""Exponent of the saturation of accuracy with size. [1]"""

PAIR_SHARE = 0.02
"""Standard deviation of the sum of the pair terms. [1]"""


class SyntheticAccuracy:
    """An accuracy source without data.

    Attributes:
        space: The networks.
    """

    kind = "stated"
    split = "none"

    def __init__(self, space: Space) -> None:
        self.space = space
        rng = np.random.default_rng(2021)
        pairs = list(combinations(range(len(space.genes)), 2))
        scale = PAIR_SHARE / np.sqrt(max(1, len(pairs)))
        self._terms = {
            (one, two): scale * rng.standard_normal((space.n_options[one], space.n_options[two])) for one, two in pairs
        }
        ends = [space.network(arch) for arch in (space.smallest, space.largest)]
        self._macs, self._parameters = [
            [np.log10(getattr(network, name)) for network in ends] for name in ("n_macs", "n_parameters")
        ]

    def evaluate(self, archs: Archs) -> Floats:
        """Return the accuracy of each canonical architecture `(n, n_arch_genes)`, `(n,)`. [1]"""
        networks = [self.space.network(arch) for arch in archs]
        n_macs, n_parameters = (
            np.array([getattr(network, name) for network in networks]) for name in ("n_macs", "n_parameters")
        )
        return self.of(archs, n_macs, n_parameters)

    def of(self, archs: Archs, n_macs: NDArray[np.int64], n_parameters: NDArray[np.int64]) -> Floats:
        """Return the accuracy of each architecture from known sizes, `(n,)`. [1]

        Args:
            archs: Canonical architectures, `(n, n_arch_genes)`.
            n_macs: Their multiply-accumulates, `(n,)`. [1]
            n_parameters: Their weights and biases, `(n,)`. [1]
        """
        size = (_between(n_macs, self._macs) + _between(n_parameters, self._parameters)) / 2
        accuracy: Floats = LEAST + GAIN * (1 - np.exp(-SATURATION * size)) / (1 - np.exp(-SATURATION))
        for (one, two), terms in self._terms.items():
            accuracy = accuracy + terms[archs[:, one], archs[:, two]]
        return np.asarray(np.clip(accuracy, 0.0, 1.0))


def _between(values: NDArray[np.int64], ends: list[float]) -> Floats:
    """Return the position of values between two ends on a log axis, 0 to 1. [1]"""
    return np.asarray((np.log10(values) - ends[0]) / (ends[1] - ends[0]))
