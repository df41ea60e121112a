"""Accuracy of one network on a split, with a bootstrap interval that respects overlapping windows.

The bootstrap resamples groups (recordings, images), never windows. The caller names the kind of accuracy (inherited,
finetuned, deployed) and the split.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from energy.validation import require_int
from models.data import Split
from models.supernet.subnet import Subnet
from models.threads import threads

LEVEL = 0.95
"""Share of the bootstrap inside the interval. [1]"""

BATCH_SIZE = 1024
"""Samples evaluated at a time. [1]"""

_N_DRAWS_AT_A_TIME = 2_000_000


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """An accuracy and the ends of its 95 % interval.

    Attributes:
        value: Share of correct answers. [1]
        low, high: Ends of the percentile bootstrap interval. [1]

    Raises:
        ValueError: A value is outside 0 to 1, or `low` is above `high`.
    """

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1, not {getattr(self, name)!r}")
        if self.low > self.high:
            raise ValueError(f"low must be at most high {self.high:g}, not {self.low:g}")


def correct(subnet: Subnet, split: Split) -> NDArray[np.bool_]:
    """Return whether a network classifies each sample correctly, with its running statistics, on one thread.

    Args:
        subnet: The network, in evaluation mode.
        split: Samples and labels.

    Returns:
        `(n,)`, in the order of the split.

    Raises:
        ValueError: The network is in training mode.
    """
    if subnet.training:
        raise ValueError("subnet must be in evaluation mode, not in training mode")
    device = next(subnet.parameters()).device
    with threads(1), torch.inference_mode():
        answers = [
            subnet(torch.from_numpy(split.take(slice(start, start + BATCH_SIZE))).to(device))
            .argmax(dim=1)
            .cpu()
            .numpy()
            for start in range(0, len(split), BATCH_SIZE)
        ]
    right: NDArray[np.bool_] = np.concatenate(answers) == split.labels
    return right


def accuracy(
    right: NDArray[np.bool_], groups: NDArray[np.int64], rng: np.random.Generator, *, n_resamples: int = 2000
) -> Accuracy:
    """Return the accuracy with its bootstrap interval over groups.

    Every resample draws as many groups as there are, with replacement, and counts all samples of those drawn; large
    groups weigh more, as in the accuracy itself.

    Args:
        right: Result of `correct`, `(n,)`.
        groups: Group of each sample, `(n,)`.
        rng: Source of the resamples: the same state gives the same interval.
        n_resamples: Number of resamples. [1]

    Raises:
        ValueError: There are no samples, or the arrays differ in length.
    """
    require_int("n_resamples", n_resamples)
    if len(right) == 0 or right.shape != groups.shape:
        raise ValueError(f"right and groups must have the same length, at least 1, not {right.shape}, {groups.shape}")
    names, index = np.unique(groups, return_inverse=True)
    n_samples = np.bincount(index)
    n_right = np.bincount(index, weights=right)
    at_a_time = max(1, _N_DRAWS_AT_A_TIME // len(names))
    values = []
    for start in range(0, n_resamples, at_a_time):
        drawn = rng.integers(0, len(names), size=(min(at_a_time, n_resamples - start), len(names)))
        values.append(n_right[drawn].sum(axis=1) / n_samples[drawn].sum(axis=1))
    low, high = np.quantile(np.concatenate(values), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Accuracy(value=float(right.mean()), low=float(low), high=float(high))
