"""Inherited accuracies of many networks: samples of networks, evaluation in a pool of processes, a table of all.

`models.evaluation.shared_weights` defines inherited accuracy; stages of `experiments.pipeline.stages` keep it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.parallel.pool import run_tasks
from experiments.parallel.progress import Task
from models.evaluation.shared_weights import WIDENS_UP_TO, SharedEvaluator
from models.spaces import Archs, Space

LARGEST_TABLE = WIDENS_UP_TO
"""Spaces of at most this many networks are evaluated completely before the search. [1]"""

_PIECE, _PIECE_OF_LARGE_SPACE = 1024, 20
"""Networks that a worker evaluates together, many where they share layers. [1]"""


def sampled_networks(space: Space, n: int, rng: np.random.Generator) -> Archs:
    """Return distinct networks `(n, n_genes)`: the smallest, the largest, and random ones of all sizes."""
    corners = space.canonical(np.stack([space.smallest, space.largest]))
    found = dict.fromkeys(arch.tobytes() for arch in corners)
    while len(found) < n:
        found |= dict.fromkeys(arch.tobytes() for arch in space.sample_all_sizes(rng, n))
    rows = b"".join(list(found)[:n])
    return np.frombuffer(rows, dtype=np.int64).reshape(n, len(space.genes)).copy()


def evaluate_all(evaluator: SharedEvaluator, archs: Archs, progress: Task, *, n_processes: int) -> NDArray[np.float64]:
    """Return the accuracies of many networks, evaluated in pieces that share the first layers of their networks.

    Args:
        evaluator: The evaluator.
        archs: The networks, `(n, n_genes)`.
        progress: Advances by one step per network.
        n_processes: Most worker processes. [1]

    Returns:
        Accuracies, `(n,)`. [1]
    """
    size = _PIECE if evaluator.space.size <= WIDENS_UP_TO else _PIECE_OF_LARGE_SPACE
    starts = range(0, len(archs), size)
    tasks = [_Piece(evaluator, archs[start : start + size]) for start in starts]
    found = np.empty(len(archs))
    for position, part in run_tasks(_evaluate, tasks, n_processes):
        found[starts[position] : starts[position] + len(part)] = part
        progress.advance(f"{len(part)} networks", steps=len(part))
    return found


@dataclass(frozen=True)
class _Piece:
    """Networks for a worker to evaluate."""

    evaluator: SharedEvaluator
    archs: Archs


def _evaluate(task: _Piece) -> NDArray[np.float64]:
    """Return the accuracies of a piece; runs in a worker."""
    return task.evaluator.evaluate(task.archs)


class AccuracyTable:
    """Accuracies that are known for every network of a space.

    Attributes:
        kind: Kind of accuracy.
        split: Split on which they were measured.
    """

    kind = "inherited"
    split = "val"

    def __init__(self, *, space: Space, archs: Archs, accuracies: NDArray[np.float64]) -> None:
        """Take the accuracies `(n,)` of all canonical networks `(n, n_genes)`."""
        if accuracies.shape != (len(archs),):
            raise ValueError(f"accuracies must have shape ({len(archs)},), not {accuracies.shape}")
        self.space = space
        self.archs = archs
        self.accuracies = accuracies
        self._of = dict(zip((arch.tobytes() for arch in archs), accuracies.tolist(), strict=True))

    def evaluate(self, archs: Archs) -> NDArray[np.float64]:
        """Return the accuracy of each architecture `(n, n_genes)`, `(n,)`. [1]"""
        return np.array([self._of[arch.tobytes()] for arch in self.space.canonical(archs)])
