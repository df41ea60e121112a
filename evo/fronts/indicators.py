"""Quality of a front against a reference front, in three indicators that agree with dominance.

Axes are those of `evo.fronts.front`: scaled objectives (log10 latency), ideal and nadir of the reference at 0 and 1. A
distance of 0.1 is a tenth of the reference's extent on that axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import ArrayLike

from evo.fronts.front import Front, hypervolume
from evo.objectives import Floats, scaled


@dataclass(frozen=True, kw_only=True)
class Indicators:
    """Indicators of a front against a reference front.

    Attributes:
        hypervolume: Normalised volume that it dominates; greater is better, 0 where it is empty. [1]
        hypervolume_ratio: The same as a share of the reference's. [1]
        igd_plus: Mean distance from the members of the reference to the region that the front dominates; less is
            better, 0 where it covers the reference, infinite where it is empty. [1]
        epsilon: Least shift on every axis after which the front covers the reference; less is better, at most 0 where
            it covers the reference as it is, infinite where it is empty. [1]
    """

    hypervolume: float
    hypervolume_ratio: float
    igd_plus: float
    epsilon: float


def indicators(values: ArrayLike, reference: Front) -> Indicators:
    """Return all indicators of a set of designs against a reference front.

    Args:
        values: Objective values of feasible designs, dominated ones allowed, `(n, n_objectives)`.
        reference: Reference front, not empty; its objectives are those of the columns.

    Raises:
        ValueError: The reference is empty, or a value is not finite.
    """
    volume = hypervolume(values, reference.bounds, reference.objectives)
    return Indicators(
        hypervolume=volume,
        hypervolume_ratio=volume / reference.hypervolume(reference.bounds),
        igd_plus=igd_plus(values, reference),
        epsilon=additive_epsilon(values, reference),
    )


def igd_plus(values: ArrayLike, reference: Front) -> float:
    """Return the mean over the reference of the distance to the nearest design, along the axes where that is worse. [1]

    Ishibuchi, Masuda, Tanigaki, Nojima 2015: d+(z, a) = |max(a - z, 0)|, z of the reference, a of the front.

    Args:
        values: Objective values of feasible designs, `(n, n_objectives)`.
        reference: Reference front, not empty.
    """
    points, targets = _normalised(values, reference)
    return float(moocore.igd_plus(points, ref=targets)) if len(points) else math.inf


def additive_epsilon(values: ArrayLike, reference: Front) -> float:
    """Return the least shift after which some design is as good as each member of the reference. [1]

    Zitzler, Thiele, Laumanns, Fonseca, Grunert da Fonseca 2003.

    Args:
        values: Objective values of feasible designs, `(n, n_objectives)`.
        reference: Reference front, not empty.
    """
    points, targets = _normalised(values, reference)
    return float(moocore.epsilon_additive(points, ref=targets)) if len(points) else math.inf


def _normalised(values: ArrayLike, reference: Front) -> tuple[Floats, Floats]:
    """Return designs and reference on normalised axes, `(n, n_objectives)` and `(n_reference, n_objectives)`."""
    bounds, objectives = reference.bounds, reference.objectives
    array = np.asarray(values, dtype=np.float64).reshape(-1, len(objectives))
    points = bounds.normalise(scaled(array, objectives))
    if not np.isfinite(points).all():
        raise ValueError("objective values of a front must be finite; leave infeasible rows out")
    return points, bounds.normalise(scaled(reference.values, objectives))


def hypervolume_so_far(values: ArrayLike, counts: Sequence[int], reference: Front) -> Floats:
    """Return the hypervolume after each number of evaluations, `(n_counts,)`. [1]

    Args:
        values: Objective values in the order in which designs were priced, infinite where they do not count,
            `(n, n_objectives)`.
        counts: Numbers of evaluations, each from 0 to n.
        reference: Front that gives the bounds, not empty.
    """
    array = np.asarray(values, dtype=np.float64).reshape(-1, len(reference.objectives))
    counted = np.asarray(np.isfinite(array).all(axis=1))
    bounds, objectives = reference.bounds, reference.objectives
    volumes = [hypervolume(array[:count][counted[:count]], bounds, objectives) for count in counts]
    return np.array(volumes, dtype=np.float64)
