"""Inherited accuracies of many networks at once: which networks, in a pool of processes, and as a table of all.

What an accuracy is, `models.evaluation.shared_weights` says; which stage keeps it, `experiments.pipeline.stages`.
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

_A_PIECE, _A_PIECE_OF_A_LARGE_SPACE = 1024, 20
"""Networks that a worker judges together: many where they share layers. [1]"""


def sampled_networks(space: Space, n: int, rng: np.random.Generator) -> Archs:
    """Distinct networks to learn from: the smallest, the largest, and random ones of all sizes, `(n, n_genes)`."""
    corners = space.canonical(np.stack([space.smallest, space.largest]))
    found = dict.fromkeys(arch.tobytes() for arch in corners)
    while len(found) < n:
        found |= dict.fromkeys(arch.tobytes() for arch in space.sample_all_sizes(rng, n))
    rows = b"".join(list(found)[:n])
    return np.frombuffer(rows, dtype=np.int64).reshape(n, len(space.genes)).copy()


def judge_all(evaluator: SharedEvaluator, archs: Archs, progress: Task, *, n_processes: int) -> NDArray[np.float64]:
    """Return the accuracies of many networks, in pieces that share the beginning of their networks.

    Args:
        evaluator: Gives them.
        archs: The networks, `(n, n_genes)`.
        progress: Who is told; a step a network.
        n_processes: Workers at most. [1]

    Returns:
        Accuracies, `(n,)`. [1]
    """
    size = _A_PIECE if evaluator.space.size <= WIDENS_UP_TO else _A_PIECE_OF_A_LARGE_SPACE
    starts = range(0, len(archs), size)
    tasks = [_Judging(evaluator, archs[start : start + size]) for start in starts]
    found = np.empty(len(archs))
    for position, part in run_tasks(_judge, tasks, n_processes):
        found[starts[position] : starts[position] + len(part)] = part
        progress.advance(f"{len(part)} networks", steps=len(part))
    return found


@dataclass(frozen=True)
class _Judging:
    """Networks for a worker to judge."""

    evaluator: SharedEvaluator
    archs: Archs


def _judge(task: _Judging) -> NDArray[np.float64]:
    """Return the accuracies of a piece of a table; runs in a worker."""
    return task.evaluator.evaluate(task.archs)


class AccuracyTable:
    """Accuracies that are known for every network of a space.

    Attributes:
        kind: How they came about.
        split: Data they were measured on.
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
