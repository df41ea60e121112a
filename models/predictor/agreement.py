"""Agreement of predicted with measured accuracies: in rank (Kendall, Spearman), in value, and at the top.

The rank agreement of a constant is 0, never NaN. Imports no torch.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import kendalltau, rankdata

from energy.validation import require_int, require_number

TOP_FRACTION = 0.1
"""Share of the networks that count as the best. [1]"""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Agreement of predictions with measurements.

    Attributes:
        n: Networks compared. [1]
        kendall_tau: Kendall's tau-b, -1 to 1; 0 where either side is constant. [1]
        spearman_rho: Correlation of the mean ranks, -1 to 1; 0 where either side is constant. [1]
        rmse: Root mean square of predicted minus measured accuracy. [1]
        top_precision: Share of the predicted best tenth (at least one network) that is as good as the truly best
            tenth; tied predictions count in equal parts. [1]

    Raises:
        ValueError: A value is outside its range.
    """

    n: int
    kendall_tau: float
    spearman_rho: float
    rmse: float
    top_precision: float

    def __post_init__(self) -> None:
        require_int("n", self.n, least=2)
        for field, low in (("kendall_tau", -1), ("spearman_rho", -1), ("top_precision", 0)):
            value = getattr(self, field)
            if not low <= value <= 1:
                raise ValueError(f"{field} must be from {low} to 1, not {value!r}")
        require_number("rmse", self.rmse, least=0)

    def to_dict(self) -> dict[str, float]:
        """Return the record as JSON types."""
        return asdict(self)


def agreement(predicted: ArrayLike, measured: ArrayLike) -> Agreement:
    """Compare predictions with measurements.

    Args:
        predicted: Predicted accuracies, `(n,)`, n at least 2. [1]
        measured: Measured accuracies of the same networks, `(n,)`. [1]

    Raises:
        ValueError: The arrays differ in length, have fewer than 2 entries, or hold values that are not finite.
    """
    predicted, measured = _column("predicted", predicted), _column("measured", measured)
    if len(predicted) != len(measured):
        raise ValueError(f"predicted must be as many as measured, {len(measured)}, not {len(predicted)}")
    return Agreement(
        n=len(predicted),
        kendall_tau=_kendall_tau(predicted, measured),
        spearman_rho=_correlation(rankdata(predicted), rankdata(measured)),
        rmse=float(np.sqrt(np.mean((predicted - measured) ** 2))),
        top_precision=_top_precision(predicted, measured),
    )


def _column(field: str, values: ArrayLike) -> NDArray[np.float64]:
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1 or len(column) < 2:
        raise ValueError(f"{field} must have shape (n,) with n at least 2, not {column.shape}")
    if not np.isfinite(column).all():
        row = int(np.flatnonzero(~np.isfinite(column))[0])
        raise ValueError(f"{field} must be finite, not {column[row]} in row {row}")
    return column


def _kendall_tau(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return (concordant - discordant pairs) / sqrt(pairs untied in a x pairs untied in b), 0 for a constant."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return min(max(float(kendalltau(a, b).statistic), -1.0), 1.0)


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return Pearson's correlation, 0 for a constant."""
    a, b = a - a.mean(), b - b.mean()
    size = math.sqrt(float(a @ a) * float(b @ b))
    return 0.0 if size == 0 else min(max(float(a @ b) / size, -1.0), 1.0)


def _top_precision(predicted: NDArray[np.float64], measured: NDArray[np.float64]) -> float:
    n_top = max(1, round(TOP_FRACTION * len(predicted)))
    threshold, least = (np.partition(values, -n_top)[-n_top] for values in (predicted, measured))
    above, tied = predicted > threshold, predicted == threshold
    taken = above + tied * ((n_top - above.sum()) / tied.sum())
    return min(float(taken @ (measured >= least)) / n_top, 1.0)
