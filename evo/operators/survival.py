"""Survival of a generation: crowding for two objectives, reference directions for more.

With three objectives nearly all designs are non-dominated and crowding distances carry little information; survivors
spread along reference directions instead, as in NSGA-III.
"""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga2 import binary_tournament
from pymoo.algorithms.moo.nsga3 import ReferenceDirectionSurvival
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding
from pymoo.util.ref_dirs import get_reference_directions

MOST_FOR_CROWDING = 2
"""Objectives up to which crowding decides. [1]"""


def survival_for(n_objectives: int, population: int) -> Any:
    """Return the survival of pymoo for a number of objectives.

    Args:
        n_objectives: Values that selection minimises. [1]
        population: Survivors, at least as many as reference directions. [1]
    """
    if n_objectives <= MOST_FOR_CROWDING:
        return RankAndCrowding()
    parts = 1
    while comb(parts + n_objectives, n_objectives - 1) <= population:
        parts += 1
    return ReferenceDirectionSurvival(get_reference_directions("das-dennis", n_objectives, n_partitions=parts))


def tournament_for(n_objectives: int) -> Any:
    """Return the comparison of two parents that goes with `survival_for`."""
    return binary_tournament if n_objectives <= MOST_FOR_CROWDING else by_violation_then_chance


def by_violation_then_chance(
    population: Any, pairs: NDArray[np.int64], random_state: np.random.Generator, **_: Any
) -> NDArray[np.int64]:
    """Return the parent of each pair with the smaller violation, either of them at random on ties.

    Args:
        population: pymoo's population.
        pairs: Positions of two candidates each, `(n, 2)`.
        random_state: Source of chance.

    Returns:
        Positions, `(n, 1)`.
    """
    violation = population.get("CV").ravel()[pairs]
    is_tie = violation[:, 0] == violation[:, 1]
    first = np.where(is_tie, random_state.random(len(pairs)) < 0.5, violation[:, 0] < violation[:, 1])
    return np.where(first, pairs[:, 0], pairs[:, 1])[:, None]
