"""A Pareto front as arrays: filter, hypervolume, thinning, knee.

Values are objective values in SI units, one row per design, every column minimised. Hypervolume is measured on scaled
axes (log10 latency), with ideal and nadir of a reference front at 0 and 1, and reference point 1.1 on every axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

from energy.validation import require_int
from evo.objectives import DEFAULT_OBJECTIVES, Floats, Objective, scaled

REFERENCE_POINT = 1.1
"""Reference point of the hypervolume on every normalised axis. [1]"""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Ideal and nadir of a reference front on scaled axes, which make hypervolumes comparable.

    An axis on which the reference has no extent (a front of one point) is shifted, not stretched: its unit is kept.

    Attributes:
        ideal: Best value of each objective, `(n_objectives,)`.
        nadir: Worst value of each objective, `(n_objectives,)`.

    Raises:
        ValueError: Values that are not finite, or a nadir better than the ideal.
    """

    ideal: tuple[float, ...]
    nadir: tuple[float, ...]

    def __post_init__(self) -> None:
        pair = np.array([self.ideal, self.nadir])
        if not np.isfinite(pair).all() or (pair[1] < pair[0]).any():
            raise ValueError(f"bounds must be finite, nadir at least ideal, not {self.ideal} and {self.nadir}")

    def normalise(self, scaled_values: Floats) -> Floats:
        """Map the ideal to 0 and the nadir to 1, same shape."""
        ideal, nadir = np.array(self.ideal), np.array(self.nadir)
        extent = np.where(nadir > ideal, nadir - ideal, 1.0)
        normalised: Floats = (scaled_values - ideal) / extent
        return normalised

    def to_dict(self) -> dict[str, Any]:
        """Return ideal, nadir and reference point, to be stored with a hypervolume."""
        return {"ideal": list(self.ideal), "nadir": list(self.nadir), "reference_point": REFERENCE_POINT}


@dataclass(frozen=True, kw_only=True)
class Front:
    """Designs that do not dominate each other, sorted by rising first objective.

    Attributes:
        values: Objective values, `(n, n_objectives)`, in SI units.
        rows: Row of each in the array that was filtered, `(n,)`.
        objectives: Objectives of the columns.
    """

    values: Floats
    rows: NDArray[np.int64]
    objectives: tuple[Objective, ...] = DEFAULT_OBJECTIVES

    @classmethod
    def of(
        cls,
        values: ArrayLike,
        feasible: ArrayLike | None = None,
        objectives: Sequence[Objective] = DEFAULT_OBJECTIVES,
    ) -> Front:
        """Return the non-dominated rows of `values`; of equal rows the first is kept.

        Args:
            values: Objective values, `(n, n_objectives)`; infinite only where infeasible.
            feasible: Mask of the rows that may be chosen, `(n,)`; all where not given.
            objectives: Objectives of the columns.
        """
        values = np.asarray(values, dtype=np.float64).reshape(-1, len(objectives))
        mask = np.ones(len(values), dtype=bool) if feasible is None else np.asarray(feasible, dtype=bool)
        rows = np.flatnonzero(mask)
        rows = rows[non_dominated(values[rows])]
        rows = rows[np.lexsort(values[rows].T[::-1])]
        return cls(values=values[rows], rows=rows, objectives=tuple(objectives))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def bounds(self) -> Bounds:
        """Ideal and nadir of this front.

        Raises:
            ValueError: The front is empty.
        """
        if not len(self):
            raise ValueError("an empty front has no ideal and nadir")
        points = scaled(self.values, self.objectives)
        return Bounds(ideal=tuple(points.min(axis=0).tolist()), nadir=tuple(points.max(axis=0).tolist()))

    def hypervolume(self, bounds: Bounds) -> float:
        """Return the normalised volume that this front dominates under fixed bounds, 0 where it is empty. [1]"""
        return hypervolume(self.values, bounds, self.objectives)

    def hypervolume_ratio(self, reference: Front) -> float:
        """Return the hypervolume as a share of that of `reference`, both under the bounds of `reference`. [1]"""
        return self.hypervolume(reference.bounds) / reference.hypervolume(reference.bounds)

    def take(self, positions: ArrayLike) -> Front:
        """Return the members at these positions, `(k,)`, in this order."""
        chosen = np.asarray(positions, dtype=np.int64)
        return Front(values=self.values[chosen], rows=self.rows[chosen], objectives=self.objectives)

    def thin(self, n: int) -> Front:
        """Return at most `n` members: both ends, the others evenly along the normalised front; for `n` 1 the knee.

        Args:
            n: Members to keep, at least 1.
        """
        require_int("n", n)
        if len(self) <= n:
            return self
        if n == 1:
            return self.take([self.knee()])
        points = self.bounds.normalise(scaled(self.values, self.objectives))
        along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
        chosen = [0]
        for k in range(1, n - 1):
            free = np.arange(chosen[-1] + 1, len(self) - (n - 1 - k))
            chosen.append(int(free[np.argmin(np.abs(along[free] - along[-1] * k / (n - 1)))]))
        return self.take([*chosen, len(self) - 1])

    def knee(self) -> int:
        """Return the position of the member with the least sum of normalised objectives."""
        points = self.bounds.normalise(scaled(self.values, self.objectives))
        return int(np.argmin(points.sum(axis=1)))


def non_dominated(values: Floats) -> NDArray[np.bool_]:
    """Return whether each row is non-dominated; of equal rows only the first is, `(n,)`.

    Args:
        values: Objective values, every column minimised, `(n, n_objectives)`.

    Raises:
        ValueError: A value is not finite: infeasible rows must be left out.
    """
    if not np.isfinite(values).all():
        raise ValueError("objective values of a front must be finite; leave infeasible rows out")
    if not len(values):
        return np.zeros(0, dtype=bool)
    mask: NDArray[np.bool_] = np.asarray(moocore.is_nondominated(values, keep_weakly=False))
    return mask


def hypervolume(values: ArrayLike, bounds: Bounds, objectives: Sequence[Objective] = DEFAULT_OBJECTIVES) -> float:
    """Return the normalised volume that rows dominate up to the reference point. [1]

    Args:
        values: Objective values of feasible designs, dominated ones allowed, `(n, n_objectives)`.
        bounds: Ideal and nadir of the reference front.
        objectives: Objectives of the columns.
    """
    array = np.asarray(values, dtype=np.float64).reshape(-1, len(objectives))
    if not len(array):
        return 0.0
    points = bounds.normalise(scaled(array, objectives))
    if not np.isfinite(points).all():
        raise ValueError("objective values of a front must be finite; leave infeasible rows out")
    return float(moocore.hypervolume(points, ref=np.full(points.shape[1], REFERENCE_POINT)))
