"""Robust fits of the price of a call against its size: price = per_call + per_unit x size, or a constant.

Rows are weighted by how many calls they are the mean of, and by how the scatter is seen to grow with the price, for an
instrument errs by a share of what it reads or by a fixed amount. The line of least absolute residuals through two sizes
starts an iteration with Tukey's biweight, which gives rows that are far off no weight at all (P. J. Huber,
E. Ronchetti, Robust Statistics, 2009, ch. 7). Independent of devices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from energy.events import FloatArray

_CUT = 4.685
"""Biweight constant: rows further than this many scales off have no weight; 95 % efficient for normal errors."""
_SMALLEST_SCALE = 1e-4
"""Relative scatter that counts as none, so that ticks of a timer do not make outliers of their neighbours."""
_GROWTHS = (1.0, 0.5, 0.0)
"""Powers of the price that the scatter may grow with; the one that evens it out best is taken, the first of equals."""
_MOST_SIZES = 60
"""Sizes that the starting line is sought through; more are thinned evenly."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Price of a call, per_call + per_unit x size; negative coefficients are clipped to 0.

    Attributes:
        per_call, per_unit: Coefficients; a constant has no `per_unit` but 0.
        per_call_half, per_unit_half: Half-widths of their 95 % intervals, None where too few rows are left.
        half_fraction: Largest half-width of the 95 % interval of the price itself, from size 1 to the largest measured
            one, as a fraction of the price; None likewise. [1]
        relative_rms: Root mean square of the relative residuals of the rows that count. [1]
        relative_largest: Largest relative residual of all rows. [1]
        n_set_aside: Rows so far off that they have no weight.
        clipped: Name of the coefficient that came out negative, else empty.
    """

    per_call: float
    per_unit: float
    per_call_half: float | None
    per_unit_half: float | None
    half_fraction: float | None
    relative_rms: float
    relative_largest: float
    n_set_aside: int
    clipped: str


@dataclass(frozen=True, kw_only=True)
class Regression:
    """Outcome of `robust_regression`.

    Attributes:
        coefficients: `(n_columns,)`.
        covariance: Of the coefficients, `(n_columns, n_columns)`; None where no row is left to estimate it from.
        trust: Weight that the robust fit left to every row, 0 to 1, `(n_rows,)`. [1]
        freedom: Rows beyond those that the coefficients take up.
    """

    coefficients: FloatArray
    covariance: FloatArray | None
    trust: FloatArray
    freedom: int


def fit_line(sizes: FloatArray, values: FloatArray, repeats: FloatArray) -> Fit:
    """Fit a line to the prices of calls.

    Args:
        sizes: Size of the calls of each row, at least two different ones, `(n_rows,)`. [1]
        values: Mean price of one call, above 0, `(n_rows,)`.
        repeats: Calls that it is the mean of, `(n_rows,)`. [1]
    """
    return _fit(np.stack([np.ones_like(sizes), sizes], axis=1), values, repeats)


def fit_constant(values: FloatArray, repeats: FloatArray) -> Fit:
    """Fit a constant, as `fit_line`."""
    return _fit(np.ones((len(values), 1)), values, repeats)


def _fit(columns: FloatArray, values: FloatArray, repeats: FloatArray) -> Fit:
    unit = float(np.median(values))
    values, shares = values / unit, repeats / np.mean(repeats)
    tried = [_weighted(columns, values, shares, growth) for growth in _GROWTHS]
    found, weights, _ = min(tried, key=lambda one: one[2])
    coefficients, trust, clipped = found.coefficients, found.trust, ""
    if np.any(coefficients < 0.0):
        keep = coefficients >= 0.0
        clipped = ("per_unit", "per_call")[int(keep[-1])]
        again = robust_regression(columns[:, keep], values, weights, smallest_scale=_SMALLEST_SCALE)
        coefficients, trust = np.where(keep, np.max(again.coefficients), 0.0), again.trust
    halves = _half_widths(found)
    residuals = np.abs(values / (columns @ coefficients) - 1.0)
    return Fit(
        per_call=float(coefficients[0]) * unit,
        per_unit=float(coefficients[1]) * unit if len(coefficients) > 1 else 0.0,
        per_call_half=None if halves is None else float(halves[0]) * unit,
        per_unit_half=None if halves is None else float(halves[1]) * unit if len(halves) > 1 else 0.0,
        half_fraction=_half_fraction(columns, coefficients, found),
        relative_rms=float(np.sqrt(np.mean(residuals[trust > 0.0] ** 2))),
        relative_largest=float(np.max(residuals)),
        n_set_aside=int(np.sum(trust == 0.0)),
        clipped=clipped,
    )


def _weighted(
    columns: FloatArray, values: FloatArray, shares: FloatArray, growth: float
) -> tuple[Regression, FloatArray, float]:
    """Fit where the scatter grows with that power of the price: outcome, weights, how far it is from even."""
    price = _positive(columns, _start(columns, values, np.ones_like(values)))
    for _ in range(30):
        weights = shares / price ** (2.0 * growth)
        found = robust_regression(columns, values, weights, smallest_scale=_SMALLEST_SCALE)
        before, price = price, _positive(columns, found.coefficients)
        if growth == 0.0 or np.max(np.abs(price / before - 1.0)) < 1e-9:
            break
    off = np.abs(values - columns @ found.coefficients) * np.sqrt(weights)
    return found, weights, abs(_rank_correlation(off, price))


def _rank_correlation(first: FloatArray, second: FloatArray) -> float:
    """Return Spearman's rank correlation, robust to outliers; 0 where one side does not vary. [1]"""
    ranks = [
        np.searchsorted(np.sort(one), one) + np.searchsorted(np.sort(one), one, "right") for one in (first, second)
    ]
    spreads = [float(np.std(rank)) for rank in ranks]
    if min(spreads) == 0.0:
        return 0.0
    return float(np.mean((ranks[0] - np.mean(ranks[0])) * (ranks[1] - np.mean(ranks[1])))) / (spreads[0] * spreads[1])


def _positive(columns: FloatArray, coefficients: FloatArray) -> FloatArray:
    """Return the prices with negative coefficients clipped, 1 (the median) where nothing is left, `(n_rows,)`."""
    price: FloatArray = columns @ np.maximum(coefficients, 0.0)
    return price if np.all(price > 0.0) else np.ones(len(columns))


def robust_regression(
    columns: FloatArray, values: FloatArray, weights: FloatArray, *, smallest_scale: float = 0.0
) -> Regression:
    """Return the linear regression that rows far off do not move.

    Adding a multiple of a column to the values adds it to the coefficient, scaling the values scales them all.

    Args:
        columns: Ones, or ones and sizes, or sizes, `(n_rows, n_columns)`.
        values: What is fitted, `(n_rows,)`.
        weights: Inverse variance of every value up to a common factor, `(n_rows,)`.
        smallest_scale: Least standard deviation of a value of weight 1 that counts as scatter.
    """
    n_rows, n_columns = columns.shape
    roots = np.sqrt(weights)
    scaled, target = columns * roots[:, None], values * roots
    coefficients, trust = _start(columns, values, weights), np.ones(n_rows)
    if n_rows <= n_columns:
        return Regression(coefficients=coefficients, covariance=None, trust=trust, freedom=0)
    off = np.sort(np.abs(target - scaled @ coefficients))
    rounding = 1e-14 * float(np.max(np.abs(target)))
    scale = max(1.4826 * float(np.median(off[n_columns:])), smallest_scale, rounding, np.finfo(float).tiny)
    for _ in range(200):
        distance = (target - scaled @ coefficients) / scale
        trust = np.clip(1.0 - (distance / _CUT) ** 2, 0.0, None) ** 2
        before, coefficients = coefficients, _least_squares(scaled, target, trust)
        if np.allclose(scaled @ coefficients, scaled @ before, rtol=0.0, atol=1e-9 * scale):
            break
    covariance = _covariance(scaled, (target - scaled @ coefficients) / scale, scale)
    freedom = n_rows - n_columns
    return Regression(coefficients=coefficients, covariance=covariance, trust=trust, freedom=freedom)


def _least_squares(columns: FloatArray, values: FloatArray, weights: FloatArray) -> FloatArray:
    roots = np.sqrt(weights)
    lengths = np.linalg.norm(columns, axis=0)
    solution = np.linalg.lstsq(columns * roots[:, None] / lengths, values * roots, rcond=None)[0]
    return np.asarray(solution / lengths, dtype=np.float64)


def _start(columns: FloatArray, values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the line through the medians of two sizes with the least absolute residuals, `(n_columns,)`."""
    sizes, group = np.unique(columns[:, -1], return_inverse=True)
    medians = np.array([np.median(values[group == index]) for index in range(len(sizes))])
    roots = np.bincount(group, weights=np.sqrt(weights))
    some = np.unique(np.linspace(0, len(sizes) - 1, min(len(sizes), _MOST_SIZES)).round().astype(np.int64))
    sizes, medians, roots = sizes[some], medians[some], roots[some]
    if columns.shape[1] == 1:
        lines = (medians / sizes)[:, None]
        points = sizes[:, None]
    else:
        first, second = np.triu_indices(len(sizes), 1)
        slopes = (medians[second] - medians[first]) / (sizes[second] - sizes[first])
        lines = np.stack([medians[first] - slopes * sizes[first], slopes], axis=1)
        points = np.stack([np.ones_like(sizes), sizes], axis=1)
    costs = np.abs(medians - lines @ points.T) @ roots
    return np.asarray(lines[np.argmin(costs)], dtype=np.float64)


def _covariance(scaled: FloatArray, distance: FloatArray, scale: float) -> FloatArray:
    """Return the sandwich covariance, valid for any scatter; rows of much leverage count as in HC3."""
    square = (distance / _CUT) ** 2
    inside = square < 1.0
    pull = np.where(inside, distance * (1.0 - square) ** 2, 0.0)
    slope = np.where(inside, (1.0 - square) * (1.0 - 5.0 * square), 0.0)
    lengths = np.linalg.norm(scaled, axis=0)
    unit = scaled / lengths
    bread = np.linalg.inv(unit.T @ unit * max(float(np.mean(slope)), 0.1))
    trust = np.where(inside, (1.0 - square) ** 2, 0.0)
    leverage = trust * np.einsum("ni,ij,nj->n", unit, np.linalg.pinv((unit.T * trust) @ unit), unit)
    pull = scale * pull / np.maximum(1.0 - leverage, 0.1)
    covariance = bread @ ((unit.T * pull**2) @ unit) @ bread
    return np.asarray(covariance / np.outer(lengths, lengths), dtype=np.float64)


def _half_widths(found: Regression) -> FloatArray | None:
    if found.covariance is None:
        return None
    return student_quantile(found.freedom, 0.975) * np.sqrt(np.diag(found.covariance))


def _half_fraction(columns: FloatArray, coefficients: FloatArray, found: Regression) -> float | None:
    """Return largest relative half-width from size 1 to the largest, for all sizes at once.

    It lies at an end, being convex over linear in the size; where both ends hold, so does everything between.
    """
    if found.covariance is None:
        return None
    points = np.unique(np.stack([np.ones(columns.shape[1]), np.max(columns, axis=0)]), axis=0)
    spread = np.sqrt(np.einsum("ni,ij,nj->n", points, found.covariance, points))
    quantile = student_quantile(found.freedom, 1.0 - 0.025 / len(points))
    return float(quantile * np.max(spread / (points @ coefficients)))


def student_quantile(freedom: int, probability: float) -> float:
    """Return a quantile above the median of Student's t: exact for 1 and 2 degrees of freedom, else within 1 %.

    Args:
        freedom: Degrees of freedom.
        probability: Of lying below it, up to 0.99. [1]
    """
    if freedom == 1:
        return math.tan((probability - 0.5) * math.pi)
    if freedom == 2:
        return (2.0 * probability - 1.0) / math.sqrt(2.0 * probability * (1.0 - probability))
    z = NormalDist().inv_cdf(probability)
    terms = (
        (z**3 + z) / 4.0,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96.0,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384.0,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160.0,
    )
    series: float = sum(term / freedom**power for power, term in enumerate(terms, start=1))
    return z + series
