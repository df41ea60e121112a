"""Comparison of methods at every budget: indicators of every run, medians with intervals, rank tests.

Fronts have two objectives, error on validation and latency. At a budget all runs share the bounds and the reference,
which is the front of all runs; where no run has a feasible design every hypervolume is 0, without other indicators.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from energy.validation import require_choice
from evo.fronts.front import Front
from evo.fronts.indicators import Indicators, indicators
from evo.fronts.statistics import MedianInterval, RankTest, holm, mann_whitney, median_interval
from evo.objectives import Floats
from experiments.runs.finished import KINDS

INDICATORS = ("hypervolume", "igd_plus", "epsilon")
"""Indicators that are summarised, the first of which is tested."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MethodFronts:
    """Fronts of the runs of one method.

    Attributes:
        label: Name of the method.
        fronts: For each seed, for each budget: error on validation and latency of designs, `(n, 2)`. [1], [s]

    Raises:
        ValueError: No seed is given.
    """

    label: str
    fronts: Mapping[int, Mapping[str, Floats]]

    def __post_init__(self) -> None:
        if not self.fronts:
            raise ValueError(f"method {self.label} must have at least one run")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One method at one budget.

    Attributes:
        budget: The budget.
        method: Label of the method.
        of: Indicators of each seed.
        medians: Median and interval over the seeds, for each of `INDICATORS`.
    """

    budget: str
    method: str
    of: Mapping[int, Indicators]
    medians: Mapping[str, MedianInterval]

    def values(self, indicator: str) -> list[float]:
        """Return an indicator of every seed."""
        return [float(getattr(one, indicator)) for one in self.of.values()]


@dataclass(frozen=True, kw_only=True)
class PairwiseTest:
    """Two methods at one budget, by hypervolume.

    Attributes:
        budget: The budget.
        first, second: Labels of the methods.
        test: The rank test; None where one of them has a single seed.
        p_holm: Its p, corrected for all pairs of the comparison. [1]
        n_wins: Seeds in which the first exceeds the second. [1]
        n_shared: Seeds that both have. [1]
    """

    budget: str
    first: str
    second: str
    test: RankTest | None
    p_holm: float | None
    n_wins: int
    n_shared: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """All methods at all budgets.

    Attributes:
        kind: Kind of the fronts' accuracy, a key of `KINDS`.
        methods: The methods.
        references: For each budget the front of all runs, with its bounds; empty where nothing is feasible.
        summaries: Budget by budget, method by method.
        pairwise_tests: Every pair of methods at every budget.
    """

    kind: str
    methods: tuple[MethodFronts, ...]
    references: Mapping[str, Front]
    summaries: tuple[Summary, ...] = field(init=False)
    pairwise_tests: tuple[PairwiseTest, ...] = field(init=False)

    def __post_init__(self) -> None:
        summaries = [
            _summary(method, budget, reference)
            for budget, reference in self.references.items()
            for method in self.methods
        ]
        object.__setattr__(self, "summaries", tuple(summaries))
        object.__setattr__(self, "pairwise_tests", _pairwise_tests(summaries))

    @classmethod
    def of(cls, methods: Sequence[MethodFronts], kind: str) -> Comparison:
        """Compare methods whose runs all have the same budgets.

        Raises:
            ValueError: The kind is unknown, or budgets or labels differ from what they must be.
        """
        require_choice("kind", kind, KINDS)
        runs = [fronts for method in methods for fronts in method.fronts.values()]
        if any(set(fronts) != set(runs[0]) for fronts in runs):
            raise ValueError("methods must have the same budgets in all runs")
        if len({method.label for method in methods}) < len(methods):
            raise ValueError("methods must have different labels")
        references = {budget: Front.of(np.concatenate([fronts[budget] for fronts in runs])) for budget in runs[0]}
        return cls(kind=kind, methods=tuple(methods), references=references)

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON types; infinite values, as of an empty front, are null."""
        return {
            "on": f"accuracy_{self.kind}_val",
            "bounds": {b: front.bounds.to_dict() if len(front) else None for b, front in self.references.items()},
            "summaries": [
                {
                    "budget": one.budget,
                    "method": one.method,
                    "seeds": {str(seed): _finite(asdict(found)) for seed, found in one.of.items()},
                    **{name: _finite(asdict(found)) for name, found in one.medians.items()},
                }
                for one in self.summaries
            ],
            "contests": [
                {
                    "budget": one.budget,
                    "first": one.first,
                    "second": one.second,
                    **(dict.fromkeys(("p", "least_p", "effect")) if one.test is None else asdict(one.test)),
                    "p_holm": one.p_holm,
                    "n_wins": one.n_wins,
                    "n_shared_seeds": one.n_shared,
                }
                for one in self.pairwise_tests
            ],
        }


def _finite(values: dict[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _summary(method: MethodFronts, budget: str, reference: Front) -> Summary:
    nothing = Indicators(hypervolume=0.0, hypervolume_ratio=0.0, igd_plus=math.inf, epsilon=math.inf)
    of = {
        seed: indicators(fronts[budget], reference) if len(reference) else nothing
        for seed, fronts in method.fronts.items()
    }
    medians = {name: median_interval([getattr(one, name) for one in of.values()]) for name in INDICATORS}
    return Summary(budget=budget, method=method.label, of=of, medians=medians)


def _pairwise_tests(summaries: Sequence[Summary]) -> tuple[PairwiseTest, ...]:
    """Return every pair at every budget, with p corrected over all of them."""
    pairs = [(a, b) for a, b in combinations(summaries, 2) if a.budget == b.budget]
    tested = [min(len(a.of), len(b.of)) > 1 for a, b in pairs]
    tests = [
        mann_whitney(a.values(INDICATORS[0]), b.values(INDICATORS[0])) if has_seeds else None
        for (a, b), has_seeds in zip(pairs, tested, strict=True)
    ]
    corrected = iter(holm([test.p for test in tests if test is not None]).tolist())
    found = []
    for (a, b), test in zip(pairs, tests, strict=True):
        shared = a.of.keys() & b.of.keys()
        found.append(
            PairwiseTest(
                budget=a.budget,
                first=a.method,
                second=b.method,
                test=test,
                p_holm=None if test is None else next(corrected),
                n_wins=sum(a.of[seed].hypervolume > b.of[seed].hypervolume for seed in shared),
                n_shared=len(shared),
            )
        )
    return tuple(found)
