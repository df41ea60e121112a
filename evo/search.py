"""The search: NSGA-II over joint genomes, one generation per step, resumable bit for bit.

pymoo selects; variation, repair, pricing and the archive are defined here. One random generator, derived from the seed
by name, drives the search. The effort (`evaluations`) changes nothing before its end, so a finished run can be
extended.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.termination import NoTermination

from energy.validation import require_int, require_number
from evo import checkpoint
from evo.fronts.front import Bounds, Front
from evo.genome.layout import Genomes
from evo.methods import ADAPTIVE, EVALUATIONS, METHOD, POPULATION, RefinementRate, method
from evo.objectives import CONSTRAINTS, Constraint
from evo.operators.mating import FRONT_SHARE, FrontMating, RandomMating
from evo.operators.repair import BestDesigns, Explorer
from evo.operators.survival import survival_for
from evo.operators.variation import JointSampling
from evo.problem.evaluations import Archive, Evaluations
from evo.problem.problem import JointProblem, LearningSource

STATE_VERSION = 2
"""Version of the content of `Search.state`."""

EFFORT = ("evaluations", "patience")
"""Settings that end a search and do not change it before."""

STALL = 1e-4
"""Relative growth of the front's hypervolume that counts as stalled. [1]"""

LEARN_EVERY = 5
"""Generations after which the networks of the front are measured, where accuracies are predicted. [1]"""


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """Settings of a search.

    Attributes:
        population: Designs that survive a generation. [1]
        evaluations: Genomes priced at most; only whole generations are run. [1]
        patience: Generations after which the search ends where its front has not grown by more than `STALL`; None to
            spend all evaluations.
        refinement_rate: Share of the bred networks that the explorer plans before they are priced [1], or `ADAPTIVE`;
            the method's own rate takes precedence.
        method: One of `evo.methods.METHODS`.
        seed: Seed of the random generator.

    Raises:
        ValueError: A value is out of range, or `evaluations` is less than the first population.
    """

    population: int = POPULATION
    evaluations: int = EVALUATIONS
    patience: int | None = None
    refinement_rate: RefinementRate = ADAPTIVE
    method: str = METHOD
    seed: int = 0

    def __post_init__(self) -> None:
        require_int("population", self.population, least=2)
        require_int("evaluations", self.evaluations, least=self.population)
        if self.patience is not None:
            require_int("patience", self.patience)
        if self.refinement_rate != ADAPTIVE:
            require_number("refinement_rate", self.refinement_rate, least=0, most=1)
        require_int("seed", self.seed, least=0)
        method(self.method)


@dataclass(frozen=True, kw_only=True)
class GenerationLog:
    """Figures after a generation; counts cover the whole search so far.

    Attributes:
        generation: Counted from 1.
        n_evaluations: Genomes priced.
        n_feasible: Genomes that break no limit.
        n_networks: Distinct architectures among all priced.
        front_size: Members of the front.
        hypervolume: Normalised, nan where no bounds are known. [1]
        best: Least value of each objective on the front, infinite where no design is feasible.
        least_violation: Least sum of violations as shares of their limits, 0 once a design is feasible. [1]
    """

    generation: int
    n_evaluations: int
    n_feasible: int
    n_networks: int
    front_size: int
    hypervolume: float
    best: dict[str, float]
    least_violation: float


@dataclass(frozen=True, kw_only=True)
class NearMiss:
    """A design that breaks a limit as little as any found.

    Attributes:
        genome: Canonical genome, `(n_genes,)`.
        constraint: Limit with the largest violation, as a share of that limit.
        amount: Violation of that limit, in the unit of the constraint.
        violation: Sum of all violations as shares of their limits. [1]
    """

    genome: Genomes
    constraint: Constraint
    amount: float
    violation: float


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the generator that belongs to a seed and a name."""
    return np.random.default_rng([seed, *name.encode()])


class Search:
    """A search, run generation by generation.

    Attributes:
        problem: Problem to solve.
        settings: Settings of the search.
        archive: Evaluations so far.
        bounds: Bounds of the logged hypervolume, which selection never reads.
    """

    def __init__(
        self, problem: JointProblem, explorer: Explorer, settings: SearchSettings, bounds: Bounds | None = None
    ) -> None:
        self.problem = problem
        self.explorer = explorer
        self.settings = settings
        self.bounds = bounds
        self.archive = Archive()
        self._is_exhausted = False
        self._algorithm = self._start()

    def _start(self) -> NSGA2:
        settings, best_designs = self.settings, BestDesigns(self.problem.layout, self.explorer)
        chosen = method(settings.method)
        rate = settings.refinement_rate if chosen.refinement_rate is None else chosen.refinement_rate
        share = FRONT_SHARE if chosen.front_share is None else chosen.front_share
        breeding = RandomMating if chosen.is_random else FrontMating
        names = {objective.name for objective in self.problem.objectives}
        is_exact = not self.explorer.shares_cycles and names <= {"error", "latency"}
        mating = breeding(self.archive, best_designs, rate, share, self.problem.n_obj, is_exact=is_exact)
        survival = survival_for(self.problem.n_obj, settings.population)
        algorithm = NSGA2(
            pop_size=settings.population,
            sampling=JointSampling(self.problem.layout),
            survival=survival,
            mating=mating,
            repair=mating.repair,
            eliminate_duplicates=mating.eliminate_duplicates,
            output=None,
        )
        algorithm.termination = NoTermination()
        algorithm.setup(self.problem, seed=stream(settings.seed, "search"))
        return algorithm

    @property
    def generation(self) -> int:
        """Generations finished."""
        return int(self.archive.generations.max(initial=0))

    @property
    def done(self) -> bool:
        """Whether the next generation would exceed the evaluations or the patience, or no new genome can be bred."""
        is_spent = len(self.archive) + self.settings.population > self.settings.evaluations
        return self._is_exhausted or is_spent or self.has_stalled

    @property
    def has_stalled(self) -> bool:
        """Whether the front has not grown for as many generations as patience allows."""
        patience, generations = self.settings.patience, self.archive.generations
        if patience is None or self.generation <= patience:
            return False
        found, is_old = self.archive.evaluations, generations <= self.generation - patience
        before = Front.of(found.values, found.feasible & is_old, self.problem.objectives)
        return len(before) > 0 and before.hypervolume_ratio(self.front) > 1 - STALL

    def step(self) -> GenerationLog:
        """Breed, price and select one generation."""
        offspring = self._algorithm.ask()
        if offspring is None or not len(offspring):
            self._is_exhausted = True
            return self.log()
        evaluations = self.problem.price(np.asarray(offspring.get("X"), dtype=np.int64))
        values, violations = self.problem.fitness(evaluations)
        offspring.set("F", values, "G", violations)
        self._algorithm.tell(infills=offspring)
        self.archive.add(evaluations)
        if self.generation % LEARN_EVERY == 0:
            self.learn()
        return self.log()

    def learn(self) -> int:
        """Measure the networks of the front that are only predicted, and update all objective values.

        Returns:
            Number of networks measured; 0 where every accuracy is measured already.
        """
        source = self.problem.accuracy
        if not isinstance(source, LearningSource) or not len(self.front):
            return 0
        found = self.archive.evaluations
        archs = np.unique(found.genomes[self.front.rows][:, self.problem.layout.architecture], axis=0)
        new = archs[~source.is_measured(archs)]
        if len(new):
            source.learn(new)
            self._revalue()
        return len(new)

    def measure_front(self) -> None:
        """Learn until every network of the front is measured."""
        while self.learn():
            pass

    def _revalue(self) -> None:
        """Update archive and population with the current accuracies of the source, and select again."""
        found = self.problem.revalued(self.archive.evaluations)
        self.archive.revalue(found.values)
        row_of = {genome.tobytes(): row for row, genome in enumerate(found.genomes)}
        population = self._algorithm.pop
        rows = np.array([row_of[genome.tobytes()] for genome in population.get("X")])
        values, _ = self.problem.fitness(found.take(rows))
        population.set("F", values)
        self._algorithm.pop = self._algorithm.survival.do(
            self.problem, population, n_survive=len(population), random_state=self._algorithm.random_state
        )

    @property
    def front(self) -> Front:
        """Non-dominated feasible designs of the archive; `rows` are rows of the archive."""
        found = self.archive.evaluations
        return Front.of(found.values, found.feasible, self.problem.objectives)

    def log(self) -> GenerationLog:
        """Return the figures of the current generation."""
        found, front = self.archive.evaluations, self.front
        best = front.values.min(axis=0) if len(front) else np.full(len(self.problem.objectives), math.inf)
        names = [objective.name for objective in self.problem.objectives]
        archs = found.genomes[:, self.problem.layout.architecture]
        return GenerationLog(
            generation=self.generation,
            n_evaluations=len(found),
            n_feasible=int(found.feasible.sum()),
            n_networks=len(np.unique(archs, axis=0)),
            front_size=len(front),
            hypervolume=front.hypervolume(self.bounds) if self.bounds is not None else math.nan,
            best=dict(zip(names, best.tolist(), strict=True)),
            least_violation=float(found.violations.sum(axis=1).min()),
        )

    def state(self) -> bytes:
        """Return all that the next step depends on, except problem and explorer, which `restore` supplies."""
        source = self.problem.accuracy
        learnt = None
        if isinstance(source, LearningSource):
            # The values themselves: the last bit of a prediction depends on what is predicted together.
            learnt = (source.learnt, source.learnt_accuracies, self.problem.known_accuracies)
        state = (self._identity, self._algorithm, self.archive, self._is_exhausted, learnt)
        return checkpoint.dumps(state, self._outside)

    def restore(self, state: bytes) -> None:
        """Continue, bit for bit, where `state` was taken; `evaluations` may differ.

        Raises:
            ValueError: The bytes are not the state of a search, or settings, space or rules differ.
        """
        identity, algorithm, archive, is_exhausted, learnt = checkpoint.loads(state, self._outside)
        if identity != self._identity:
            raise ValueError(f"state of a search must be that of {self._identity}, not of {identity}")
        self._algorithm, self.archive, self._is_exhausted = algorithm, archive, is_exhausted
        if isinstance(self.problem.accuracy, LearningSource) and learnt is not None:
            *measured, self.problem.known_accuracies = learnt
            self.problem.accuracy.restore(*measured)

    @property
    def _outside(self) -> dict[str, Any]:
        """Objects that a state names instead of holding them."""
        return {"problem": self.problem, "layout": self.problem.layout, "explorer": self.explorer}

    @property
    def _identity(self) -> dict[str, Any]:
        """Properties that must be equal for a state to be restored."""
        layout = self.problem.layout
        settings = {key: value for key, value in asdict(self.settings).items() if key not in EFFORT}
        names = [objective.name for objective in self.problem.objectives]
        settings["state"] = STATE_VERSION
        return {**settings, "space": layout.space.name, "rules": layout.rules.name, "objectives": names}

    def least_infeasible(self, n: int = 1) -> list[NearMiss]:
        """Return the `n` designs that break their limits least, each with its most violated limit."""
        found = self.archive.evaluations
        total = found.violations.sum(axis=1)
        return [_near_miss(found, row) for row in np.argsort(total, kind="stable")[:n].tolist()]


def _near_miss(found: Evaluations, row: int) -> NearMiss:
    column = int(found.violations[row].argmax())
    return NearMiss(
        genome=found.genomes[row],
        constraint=CONSTRAINTS[column],
        amount=float(found.amounts[row, column]),
        violation=float(found.violations[row].sum()),
    )
