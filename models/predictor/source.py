"""Accuracies for a search in a large space: measured where known, predicted elsewhere, with learning on request.

The search requests measurements of the networks on its front, and the predictor learns from them.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.predictor.gaussian_process import Predictor
from models.spaces import Archs


class Measuring(Protocol):
    """Source of measured accuracies, such as `models.evaluation.shared_weights.SharedEvaluator`."""

    kind: str
    split: str

    def evaluate(self, archs: Archs) -> NDArray[np.float64]:
        """Return the accuracy of each architecture `(n, n_genes)`, `(n,)`. [1]"""
        ...


class Remembering:
    """Cache of a source, which measures every network once.

    Attributes:
        kind, split: Kind and split of the source.
    """

    def __init__(self, source: Measuring) -> None:
        self.kind, self.split = source.kind, source.split
        self._source = source
        self._known: dict[bytes, float] = {}

    def evaluate(self, archs: Archs) -> NDArray[np.float64]:
        """Return the accuracy of each canonical architecture `(n, n_genes)`, `(n,)`. [1]"""
        new = {arch.tobytes(): arch for arch in archs if arch.tobytes() not in self._known}
        if new:
            self._known.update(zip(new, self._source.evaluate(np.array(list(new.values()))).tolist(), strict=True))
        return np.array([self._known[arch.tobytes()] for arch in archs], dtype=np.float64)


class PredictedAccuracies:
    """A predictor and the measurements that it learnt.

    Attributes:
        kind: Kind of accuracies that are not measured.
        split: Split of the measured accuracies.
        predictor: Current surrogate.
        learnt: Networks measured on request, in that order, `(n, n_genes)`.
        learnt_accuracies: Their accuracies, `(n,)`. [1]
    """

    kind = "predicted"

    def __init__(self, predictor: Predictor, measuring: Measuring) -> None:
        """Begin with the networks that the predictor was fitted on."""
        self.split = measuring.split
        self.predictor = self._start = predictor
        self.learnt: Archs = predictor.archs[:0]
        self.learnt_accuracies: NDArray[np.float64] = np.zeros(0)
        self._measuring = measuring
        self._known: dict[bytes, float] = {}
        self._remember(predictor.archs, predictor.accuracies)

    def anew(self) -> PredictedAccuracies:
        """Return a new source from the same predictor, without later measurements."""
        return PredictedAccuracies(self._start, self._measuring)

    def evaluate(self, archs: Archs) -> NDArray[np.float64]:
        """Return the accuracy of each network `(n, n_genes)`, measured where it is known, `(n,)`. [1]"""
        canonical = self.predictor.space.canonical(archs)
        known = [self._known.get(arch.tobytes()) for arch in canonical]
        if None not in known:
            return np.array(known, dtype=np.float64)
        predicted = self.predictor.evaluate(canonical)
        return np.array([guess if one is None else one for one, guess in zip(known, predicted, strict=True)])

    def is_measured(self, archs: Archs) -> NDArray[np.bool_]:
        """Return whether each network `(n, n_genes)` was measured, `(n,)`."""
        return np.array([arch.tobytes() in self._known for arch in self.predictor.space.canonical(archs)], dtype=bool)

    def learn(self, archs: Archs) -> None:
        """Measure networks `(n, n_genes)` that are not known, and refit the predictor."""
        new = np.unique(self.predictor.space.canonical(archs), axis=0)
        new = new[~self.is_measured(new)]
        if len(new):
            self.restore(
                np.concatenate([self.learnt, new]),
                np.concatenate([self.learnt_accuracies, self._measuring.evaluate(new)]),
            )

    def restore(self, learnt: Archs, accuracies: NDArray[np.float64]) -> None:
        """Learn the measurements of another source that began with the same predictor.

        Args:
            learnt: Its `learnt`, which begins with the own, `(n, n_genes)`.
            accuracies: Its `learnt_accuracies`, `(n,)`. [1]
        """
        new = slice(len(self.learnt), None)
        if len(learnt) > len(self.learnt):
            self.predictor = self.predictor.refitted(learnt[new], accuracies[new])
        self._remember(learnt[new], accuracies[new])
        self.learnt, self.learnt_accuracies = learnt, accuracies

    def _remember(self, archs: Archs, accuracies: NDArray[np.float64]) -> None:
        self._known.update(zip((arch.tobytes() for arch in archs), accuracies.tolist(), strict=True))
