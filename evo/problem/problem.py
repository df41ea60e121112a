"""The search problem: a population of genomes in, objectives and violations out, priced in one call.

Latency comes from `energy.costing.population.price_population`, accuracy from an `AccuracySource` that evaluates each
network once. Infeasible designs keep infinite times: NSGA-II ranks them by their violations and ignores their
objectives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pymoo.core.problem import Problem

from energy.costing.population import Cost, price_population
from energy.hardware.device import Device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import Supply
from energy.scheduling.execution import PACKED, Execution
from energy.scheduling.schedule import Pricer
from energy.scheduling.worst_case import NOMINAL, HarvestUncertainty
from energy.validation import require_choice
from evo.genome.layout import Genomes, JointGenome
from evo.objectives import CONSTRAINTS, DEFAULT_OBJECTIVES, FIGURES, Constraint, Floats, Objective, scaled
from evo.problem.evaluations import Evaluations
from models.spaces import Archs


class AccuracySource(Protocol):
    """Source of the accuracies of networks.

    Attributes:
        kind: Kind of the accuracies, such as `inherited`.
        split: Split they are measured on, such as `val`.
    """

    kind: str
    split: str

    def evaluate(self, archs: Archs) -> Floats:
        """Return the accuracy of each canonical architecture `(n, n_arch_genes)`, `(n,)`. [1]"""
        ...


@runtime_checkable
class LearningSource(AccuracySource, Protocol):
    """An accuracy source that predicts, and learns from measurements on request.

    Attributes:
        learnt: Networks measured on request, in that order, `(n, n_arch_genes)`.
        learnt_accuracies: Their accuracies, `(n,)`. [1]
    """

    learnt: Archs
    learnt_accuracies: Floats

    def is_measured(self, archs: Archs) -> NDArray[np.bool_]:
        """Return whether each canonical architecture `(n, n_arch_genes)` was measured, `(n,)`."""
        ...

    def learn(self, archs: Archs) -> None:
        """Measure architectures `(n, n_arch_genes)`; all other predictions may change."""
        ...

    def restore(self, learnt: Archs, accuracies: Floats) -> None:
        """Restore the measurements that were learnt before an interruption."""
        ...


@dataclass(frozen=True, kw_only=True)
class Pricing:
    """Conditions under which an inference is priced.

    Attributes:
        device: Memories and event prices.
        supply: Capacitor and harvester.
        more_supplies: Further supplies on which the same design must be safe.
        over: Aggregate of several latencies (worst cases, energies), a key of `AGGREGATES`.
        execution: Policy, counting and cuts.
        uncertainty: Harvesters of the worst case.
        deadline_s: Largest worst-case latency; None for no deadline. [s]

    Raises:
        ValueError: `over` is unknown.
    """

    device: Device
    supply: Supply
    more_supplies: tuple[Supply, ...] = ()
    over: str = "worst"
    execution: Execution = PACKED
    uncertainty: HarvestUncertainty = NOMINAL
    deadline_s: float | None = None

    def __post_init__(self) -> None:
        require_choice("over", self.over, AGGREGATES)

    @property
    def scenarios(self) -> Scenarios:
        """All supplies, side by side."""
        return Scenarios.of([self.supply, *self.more_supplies])

    def limits(self, constraint: Constraint) -> Floats:
        """Return the limit of a constraint, in its unit, `(n_scenarios,)` or `(1,)`."""
        if constraint.limit == "deadline_s":
            return np.array([self.deadline_s or 1.0])
        scenarios = self.scenarios
        found = getattr(scenarios, constraint.limit, None)
        return np.array([getattr(self.device, constraint.limit)]) if found is None else np.asarray(found)

    def amounts(self, priced: Cost) -> tuple[Floats, Floats]:
        """Return the largest excess over each limit of all supplies: in its unit, and as a share of the limit.

        An unsafe plan never ends and misses no deadline.

        Returns:
            Two arrays `(n, n_constraints)`.
        """
        worst_s = priced.worst_case_latency_s
        late_s = np.zeros_like(worst_s)
        if self.deadline_s is not None:
            late_s = np.maximum(np.where(np.isfinite(worst_s), worst_s, 0.0) - self.deadline_s, 0.0)
        columns = [late_s if row.limit == "deadline_s" else getattr(priced, row.column) for row in CONSTRAINTS]
        shares = [column / self.limits(row) for column, row in zip(columns, CONSTRAINTS, strict=True)]
        over, broken = (np.column_stack([column.max(axis=1) for column in group]) for group in (columns, shares))
        return over.astype(np.float64), broken


def _geometric_mean(values: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.asarray(np.exp(np.log(values).mean(axis=1)))


AGGREGATES: dict[str, Callable[[Floats], Floats]] = {
    "worst": lambda values: np.asarray(values.max(axis=1)),
    "mean": _geometric_mean,
}
"""Aggregates of values under several supplies, `(n, n_scenarios)` to `(n,)`; the mean is geometric."""


class JointProblem(Problem):  # type: ignore[misc]
    """Problem of minimising error and latency (or other `OBJECTIVES`) of joint genomes, under one or several supplies.

    Attributes:
        layout: The genome.
        pricing: Device, supply, policy.
        objectives: Objectives in the order of the columns.
        known_accuracies: Accuracy of each architecture evaluated so far, by its bytes. [1]
    """

    def __init__(
        self,
        layout: JointGenome,
        accuracy: AccuracySource,
        pricing: Pricing,
        objectives: Sequence[Objective] = DEFAULT_OBJECTIVES,
    ) -> None:
        self.layout = layout
        self.accuracy = accuracy
        self.pricing = pricing
        self.objectives = tuple(objectives)
        self._scenarios = pricing.scenarios
        self._pricer = Pricer(pricing.device)
        self.known_accuracies: dict[bytes, float] = {}
        super().__init__(
            n_var=layout.n_genes,
            n_obj=len(self.objectives),
            n_ieq_constr=len(CONSTRAINTS),
            xl=np.zeros(layout.n_genes, dtype=np.int64),
            xu=layout.n_options - 1,
            vtype=int,
        )

    def price(self, genomes: Genomes) -> Evaluations:
        """Evaluate canonical genomes, `(n, n_genes)`, at once."""
        decoded = [self.layout.decode(genome) for genome in genomes]
        networks, plans = [one.network for one in decoded], [one.plan for one in decoded]
        pricing = self.pricing
        priced = price_population(
            networks,
            plans,
            pricing.device,
            self._scenarios,
            pricing.execution,
            uncertainty=pricing.uncertainty,
            pricer=self._pricer,
        )
        error = 1.0 - self._accuracy(genomes[:, self.layout.architecture])
        amounts, violations = pricing.amounts(priced)
        count = AGGREGATES[pricing.over]
        figures = np.column_stack([count(getattr(priced, column).astype(np.float64)) for column in FIGURES])
        columns = [error if row.column == "error" else figures[:, FIGURES.index(row.column)] for row in self.objectives]
        return Evaluations(
            genomes=genomes, values=np.column_stack(columns), figures=figures, amounts=amounts, violations=violations
        )

    def revalued(self, evaluations: Evaluations) -> Evaluations:
        """Return the same evaluations with the current accuracies of the source."""
        self.known_accuracies.clear()
        values = evaluations.values.copy()
        for column, row in enumerate(self.objectives):
            if row.column == "error":
                values[:, column] = 1.0 - self._accuracy(evaluations.genomes[:, self.layout.architecture])
        return replace(evaluations, values=values)

    def _accuracy(self, archs: Archs) -> Floats:
        """Return the accuracy of each architecture; the source evaluates new ones only, each once."""
        keys = [arch.tobytes() for arch in archs]
        new = {key: arch for key, arch in zip(keys, archs, strict=True) if key not in self.known_accuracies}
        if new:
            accuracies = self.accuracy.evaluate(np.array(list(new.values())))
            self.known_accuracies.update(zip(new, np.asarray(accuracies, dtype=np.float64).tolist(), strict=True))
        return np.array([self.known_accuracies[key] for key in keys])

    def fitness(self, evaluations: Evaluations) -> tuple[Floats, Floats]:
        """Return the values of selection: objectives on scaled axes and normalised violations, one row each."""
        return scaled(evaluations.values, self.objectives), evaluations.violations

    def _evaluate(self, x: Genomes, out: dict[str, Any], *_: Any, **__: Any) -> None:
        out["F"], out["G"] = self.fitness(self.price(np.asarray(x, dtype=np.int64)))
