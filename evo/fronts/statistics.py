"""Statistics over few seeds: medians with intervals, a rank test with its effect size, Holm's correction, attainment.

All results are exact and deterministic: intervals are order statistics, the rank test counts every assignment of the
ranks, ties included. `coverage` and `least_p` state the limits of a small number of seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

from evo.objectives import Floats

CONFIDENCE = 0.95
"""Coverage that intervals aim at. [1]"""


@dataclass(frozen=True, kw_only=True)
class MedianInterval:
    """Median of a sample, and an interval for the median of its distribution.

    Attributes:
        median: Median of the sample.
        low: Lower end, an order statistic of the sample.
        high: Upper end, likewise.
        coverage: Probability that such an interval holds the true median, for any continuous distribution: at least
            `CONFIDENCE` from six values on, less where the whole range is not enough. [1]
    """

    median: float
    low: float
    high: float
    coverage: float


def median_interval(values: ArrayLike, confidence: float = CONFIDENCE) -> MedianInterval:
    """Return the median with the narrowest symmetric interval of order statistics, by the sign test.

    [x_(k), x_(n+1-k)] covers the true median with probability 1 - 2 P(Binomial(n, 1/2) < k).

    Args:
        values: The sample, `(n,)`, at least one.
        confidence: Coverage to reach; where no interval does, the whole range is returned. [1]
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = len(ordered)
    if not n or np.isnan(ordered).any():
        raise ValueError("a median needs at least one value, and none that is not a number")
    # Probability outside on one side where the k-th value is the end, for k = 1, 2, ...
    outside = np.cumsum([math.comb(n, k) / 2.0**n for k in range((n + 1) // 2)])
    k = max(int(np.count_nonzero(1 - 2 * outside >= confidence)), 1)
    return MedianInterval(
        median=float(np.median(ordered)),
        low=float(ordered[k - 1]),
        high=float(ordered[n - k]),
        coverage=float(1 - 2 * outside[k - 1]),
    )


@dataclass(frozen=True, kw_only=True)
class RankTest:
    """Result of a rank test of two samples.

    Attributes:
        p: Two-sided probability of ranks at least as uneven by chance, exact. [1]
        least_p: The smallest p that samples of these sizes can give, where no two values are equal. [1]
        effect: Vargha and Delaney's A: probability that a value of the first exceeds one of the second, half of it for
            ties; 0.5 is no difference. [1]
    """

    p: float
    least_p: float
    effect: float


def mann_whitney(first: ArrayLike, second: ArrayLike) -> RankTest:
    """Return Mann and Whitney's U test of two samples, exact with and without ties.

    Args:
        first: One sample, `(n,)`, at least one value.
        second: The other, `(m,)`, at least one value.

    Raises:
        ValueError: A sample is empty, or a value is not a number.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if not len(a) or not len(b) or np.isnan(a).any() or np.isnan(b).any():
        raise ValueError("a rank test needs two samples of at least one value, and none that is not a number")
    # Twice the midranks are whole numbers, so sums of them can be counted.
    ranks = _doubled_midranks(np.concatenate([a, b]))
    counts = _rank_sums(ranks, len(a))
    centre, observed = len(a) * (len(a) + len(b) + 1), int(ranks[: len(a)].sum())
    sums = np.arange(len(counts))
    as_far = np.abs(sums - centre) >= abs(observed - centre)
    wins = (a[:, None] > b[None, :]).mean() + 0.5 * (a[:, None] == b[None, :]).mean()
    return RankTest(
        p=float(min(counts[as_far].sum() / counts.sum(), 1.0)),
        least_p=min(2.0 / math.comb(len(a) + len(b), len(a)), 1.0),
        effect=float(wins),
    )


def _doubled_midranks(values: Floats) -> NDArray[np.int64]:
    """Return twice the rank of each value, `(n,)`, equal values sharing the mean of theirs."""
    below = (values[None, :] < values[:, None]).sum(axis=1)
    equal = (values[None, :] == values[:, None]).sum(axis=1)
    doubled: NDArray[np.int64] = 2 * below + equal + 1
    return doubled


def _rank_sums(ranks: NDArray[np.int64], n: int) -> Floats:
    """Return the number of subsets of `n` ranks with each sum, `(sum of all ranks + 1,)`."""
    ways = np.zeros((n + 1, int(ranks.sum()) + 1))
    ways[0, 0] = 1.0
    for rank in ranks.tolist():
        # From many to few, so that each rank is taken once.
        for taken in range(n, 0, -1):
            ways[taken, rank:] += ways[taken - 1, : ways.shape[1] - rank]
    return np.asarray(ways[n])


def holm(p_values: ArrayLike) -> Floats:
    """Return p values corrected for multiple tests by Holm's step-down method, `(n,)`. [1]

    Args:
        p_values: Uncorrected, `(n,)`. [1]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(np.minimum(p[order] * np.arange(len(p), 0, -1), 1.0))
    return adjusted


@dataclass(frozen=True, kw_only=True)
class Attainment:
    """Points that some, half, or all of several fronts attain.

    Attributes:
        best: Non-dominated points that at least one front attains, `(n_best, n_objectives)`, sorted.
        median: Points that at least half of the fronts attain.
        worst: Points that every front attains; empty where one of the fronts is.
    """

    best: Floats
    median: Floats
    worst: Floats


def attainment(fronts: Sequence[ArrayLike]) -> Attainment:
    """Return empirical attainment surfaces at 0, 50 and 100 % (Grunert da Fonseca, Fonseca, Hall 2001).

    Args:
        fronts: Objective values of each, `(n_i, n_objectives)`, every column minimised, empty ones counted.

    Raises:
        ValueError: There is no front.
    """
    if not fronts:
        raise ValueError("attainment needs at least one front")
    arrays = [np.asarray(front, dtype=np.float64) for front in fronts]
    n_objectives = max((array.shape[1] for array in arrays if array.ndim == 2), default=2)
    # An empty front attains no finite point.
    nothing = np.full((1, n_objectives), np.inf)
    parts = [array.reshape(-1, n_objectives) if array.size else nothing for array in arrays]
    owner = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    found = moocore.eaf(np.concatenate(parts), owner, percentiles=[0, 50, 100])
    surfaces = []
    for percentile in (0, 50, 100):
        surface = found[found[:, -1] == percentile, :-1]
        surface = surface[np.isfinite(surface).all(axis=1)]
        surfaces.append(surface[np.lexsort(surface.T[::-1])])
    return Attainment(best=surfaces[0], median=surfaces[1], worst=surfaces[2])
