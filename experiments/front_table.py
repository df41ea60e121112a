"""Fronts of several finished runs against each other: their hypervolumes, by space and budget.

Hypervolume is INTERFACE's, scaled by ideal and nadir of the front of all runs together at a budget, once of fine-tuned
and once of inherited accuracy, both on validation. A run without the budget has none; one whose budget has no feasible
design has 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from evo.front import Front
from evo.objectives import Floats
from experiments.tables import table

KINDS: Mapping[str, str] = {"finetuned": "fine-tuned", "inherited": "inherited"}
"""Kinds of accuracy that fronts are of, with how a person calls them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RunFronts:
    """What one run found.

    Attributes:
        name: What a person calls it, its folder.
        space: Name of its space.
        seed: Its seed.
        wall_s: Wall time of its stages. [s]
        fronts: For each of `KINDS`, for each of its budgets: error on validation and latency of designs, `(n, 2)`, in
            1 and s.

    Raises:
        ValueError: A kind is missing, or the kinds differ in their budgets.
    """

    name: str
    space: str
    seed: int
    wall_s: float
    fronts: Mapping[str, Mapping[str, ArrayLike]]

    def __post_init__(self) -> None:
        if set(self.fronts) != set(KINDS):
            raise ValueError(f"fronts must be of {', '.join(KINDS)}, not of {', '.join(self.fronts)}")
        if len({frozenset(by_budget) for by_budget in self.fronts.values()}) > 1:
            raise ValueError(f"fronts must be of the same budgets in all kinds, those of {self.name} are not")


@dataclass(frozen=True, kw_only=True, eq=False)
class Volumes:
    """Hypervolumes of one space at one budget.

    Attributes:
        budget: The budget.
        space: The space.
        of: For each of `KINDS` the hypervolume of each seed that has the budget. [1]
    """

    budget: str
    space: str
    of: Mapping[str, Mapping[int, float]]

    def median(self, kind: str) -> float | None:
        """Median over the seeds, None where no run has the budget. [1]"""
        values = list(self.of[kind].values())
        return float(np.median(values)) if values else None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Whether one space exceeds another at a budget.

    Attributes:
        budget: The budget.
        kind: Of `KINDS`.
        first, second: The spaces.
        n_wins: Seeds in which the hypervolume of the first is greater. [1]
        n_seeds: Seeds that both have. [1]
        in_median: Whether its median is greater, None where one has none.
    """

    budget: str
    kind: str
    first: str
    second: str
    n_wins: int
    n_seeds: int
    in_median: bool | None

    @property
    def in_every_seed(self) -> bool | None:
        """Whether it is greater in every seed that both have, None where they share none."""
        return self.n_wins == self.n_seeds if self.n_seeds else None


def hypervolumes(runs: Sequence[RunFronts]) -> list[Volumes]:
    """Hypervolumes of all runs, budgets and spaces in the order in which they first come.

    Raises:
        ValueError: Two runs are of the same space and seed.
    """
    seen: dict[tuple[str, int], RunFronts] = {}
    for run in runs:
        other = seen.setdefault((run.space, run.seed), run)
        if other is not run:
            rule = "must differ in space or seed"
            raise ValueError(f"runs {rule}: {other.name} and {run.name} are both of {run.space} with seed {run.seed}")
    spaces = list(dict.fromkeys(run.space for run in runs))
    found = []
    for budget in dict.fromkeys(budget for run in runs for budget in run.fronts["finetuned"]):
        own = {kind: _at_budget(runs, kind, budget) for kind in KINDS}
        for space in spaces:
            of = {kind: {seed: v for (name, seed), v in own[kind].items() if name == space} for kind in KINDS}
            found.append(Volumes(budget=budget, space=space, of=of))
    return found


def _at_budget(runs: Sequence[RunFronts], kind: str, budget: str) -> dict[tuple[str, int], float]:
    """Hypervolume by space and seed of the runs that have the budget, scaled by the front of all of them."""
    values: dict[tuple[str, int], Floats] = {
        (run.space, run.seed): np.asarray(run.fronts[kind][budget], dtype=np.float64).reshape(-1, 2)
        for run in runs
        if budget in run.fronts[kind]
    }
    union = Front.of(np.concatenate(list(values.values())))
    if not len(union):
        return dict.fromkeys(values, 0.0)
    return {key: Front.of(own).hypervolume(union.bounds) for key, own in values.items()}


def comparisons(volumes: Sequence[Volumes]) -> list[Comparison]:
    """Each pair of spaces at each budget and kind; the first is the one that comes first."""
    found = []
    for one, other in combinations(volumes, 2):
        if one.budget != other.budget:
            continue
        for kind in KINDS:
            a, b = one.of[kind], other.of[kind]
            shared = a.keys() & b.keys()
            first, second = one.median(kind), other.median(kind)
            found.append(
                Comparison(
                    budget=one.budget,
                    kind=kind,
                    first=one.space,
                    second=other.space,
                    n_wins=sum(a[seed] > b[seed] for seed in shared),
                    n_seeds=len(shared),
                    in_median=None if first is None or second is None else first > second,
                )
            )
    return found


def to_dict(runs: Sequence[RunFronts]) -> dict[str, Any]:
    """Everything as JSON types."""
    volumes = hypervolumes(runs)
    return {
        "runs": [{name: getattr(run, name) for name in ("name", "space", "seed", "wall_s")} for run in runs],
        "hypervolumes": [
            {"budget": one.budget, "space": one.space}
            | {kind: {"median": one.median(kind), "seeds": dict(one.of[kind])} for kind in KINDS}
            for one in volumes
        ],
        "comparisons": [vars(one) | {"in_every_seed": one.in_every_seed} for one in comparisons(volumes)],
    }


def text(runs: Sequence[RunFronts]) -> str:
    """The tables for a person."""
    volumes = hypervolumes(runs)
    seeds = sorted({run.seed for run in runs})
    wall = [(run.space, str(run.seed), f"{run.wall_s:.0f} s", run.name) for run in runs]
    parts = [
        table(("space", "seed", "wall time", "run"), wall, text=(0, 3)),
        "hypervolume on validation, scaled by the front of all runs at the budget",
        table(
            ("budget", "space", "accuracy", "median", *(f"seed {seed}" for seed in seeds)),
            [
                (
                    one.budget,
                    one.space,
                    title,
                    _number(one.median(kind)),
                    *(_number(one.of[kind].get(s)) for s in seeds),
                )
                for one in volumes
                for kind, title in KINDS.items()
            ],
            text=(0, 1, 2),
        ),
    ]
    if pairs := comparisons(volumes):
        head = ("budget", "accuracy", "first exceeds second", "in every seed", "in the median")
        rows = [
            (one.budget, KINDS[one.kind], f"{one.first} > {one.second}", _seeds(one), _answer(one.in_median))
            for one in pairs
        ]
        parts.append(table(head, rows, text=(0, 1, 2, 3, 4)))
    return "\n\n".join(parts)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _answer(value: bool | None) -> str:
    return "-" if value is None else "yes" if value else "no"


def _seeds(one: Comparison) -> str:
    counted = f" ({one.n_wins} of {one.n_seeds})" if one.n_seeds else ""
    return f"{_answer(one.in_every_seed)}{counted}"
