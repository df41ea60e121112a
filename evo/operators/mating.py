"""Mating: most children are neighbours of the archive's front, and no genome is priced twice."""

from __future__ import annotations

from typing import Any

import numpy as np
from pymoo.core.mating import Mating
from pymoo.core.population import Population
from pymoo.operators.selection.tournament import TournamentSelection

from evo.fronts.front import non_dominated
from evo.genome.layout import Genomes
from evo.genome.legal_designs import Indices
from evo.methods import ADAPTIVE, RefinementRate
from evo.operators.design_moves import DesignShare, moved_designs
from evo.operators.repair import BestDesigns, NewGenomes, Refinement
from evo.operators.survival import tournament_for
from evo.operators.variation import (
    ArchitectureCrossover,
    ArchitectureMutation,
    JointCrossover,
    JointMutation,
    random_genomes,
)
from evo.problem.evaluations import Archive, Evaluations

FRONT_SHARE = 0.8
"""Share of the children that are neighbours of the front; the others are crossed, as in NSGA-II. [1]"""

ATTEMPTS_PER_MOVE = 4
"""Attempts to breed something new before one more gene is moved."""


class FrontMating(Mating):  # type: ignore[misc]
    """Mating that breeds most children next to the archive's front, the others by NSGA-II's tournament and crossover.

    Attributes:
        archive: Evaluations so far.
        best_designs: Designs that the explorer has settled.
        front_share: Share of the children that are neighbours of the front. [1]
        design_share: Share that changes execution alone; None where no child does.
    """

    def __init__(
        self,
        archive: Archive,
        best_designs: BestDesigns,
        refinement_rate: RefinementRate,
        front_share: float = FRONT_SHARE,
        n_objectives: int = 2,
        *,
        is_exact: bool = False,
    ) -> None:
        """Prepare to breed.

        Args:
            archive: Evaluations so far.
            best_designs: Designs that the explorer has settled.
            refinement_rate: Share of the networks that the explorer plans before they are priced.
            front_share: Share of the children that are neighbours of the front. [1]
            n_objectives: Values that selection compares. [1]
            is_exact: Whether the explorer's plans are best in every objective, so that none is changed.
        """
        rate = 1.0 if refinement_rate == ADAPTIVE else refinement_rate
        super().__init__(
            TournamentSelection(func_comp=tournament_for(n_objectives)),
            ArchitectureCrossover(best_designs.layout) if rate == 1.0 else JointCrossover(best_designs.layout),
            ArchitectureMutation(best_designs) if rate == 1.0 else JointMutation(best_designs),
            repair=Refinement(best_designs, rate),
            eliminate_duplicates=NewGenomes(archive),
            n_max_iterations=40,
        )
        self.archive = archive
        self.best_designs = best_designs
        self.front_share = front_share
        self.design_share = None if refinement_rate != ADAPTIVE or is_exact else DesignShare()

    def do(self, problem: Any, pop: Any, n_offsprings: int, **kwargs: Any) -> Population:
        """Return at most `n_offsprings` new genomes; fewer, or none, where no new ones are found.

        Where children are known already, later attempts move more genes and breed twice the missing number. Only
        genomes that will be priced are refined, so that the refinement rate is a share of the evaluations.
        """
        found, rng = self.archive.evaluations, kwargs["random_state"]
        rows = selected_front(problem, found)
        front = found.genomes[rows]
        if self.design_share is None:
            return self._networks(problem, pop, n_offsprings, front, Population.create(), **kwargs)
        self.design_share.learn(front, found.values[rows], problem.objectives)
        n_moved = int(rng.binomial(n_offsprings, self.design_share.share))
        moved = self._moved(front, n_moved, Population.create(), rng)
        bred = self._networks(problem, pop, n_offsprings - len(moved), front, moved, **kwargs)
        n_missing = n_offsprings - len(moved) - len(bred)
        moved = Population.merge(moved, self._moved(front, n_missing, moved, rng))
        self.design_share.bred(*([child.X.tobytes() for child in group] for group in (bred, moved)))
        return Population.merge(moved, bred)

    def _networks(self, problem: Any, pop: Any, n: int, front: Genomes, known: Population, **kwargs: Any) -> Population:
        """Return at most `n` genomes outside `known`, with bred architectures and refined plans."""
        offspring = Population.create()
        for attempt in range(self.n_max_iterations):
            n_missing = n - len(offspring)
            if not n_missing:
                break
            bred = self._do(problem, pop, min(2 * n_missing, n), front=front, **kwargs)
            for _ in range(attempt // ATTEMPTS_PER_MOVE):
                bred = self.mutation(problem, bred, **kwargs)
            bred.set("X", self.best_designs.apply(np.array(bred.get("X"))))
            bred = self.eliminate_duplicates.do(bred, known, offspring)[:n_missing]
            if len(bred):
                bred = self.eliminate_duplicates.do(self.repair(problem, bred, **kwargs), known, offspring)
            offspring = Population.merge(offspring, bred)
        return offspring

    def _moved(self, front: Genomes, n: int, known: Population, rng: np.random.Generator) -> Population:
        """Return at most `n` genomes outside `known`: members of the front with changed designs."""
        offspring = Population.create()
        for attempt in range(ATTEMPTS_PER_MOVE if len(front) else 0):
            children = front[rng.choice(len(front), n - len(offspring))]
            for _ in range(attempt + 1):
                children = moved_designs(self.best_designs, children, rng)
            bred = self.eliminate_duplicates.do(Population.new(X=children), known, offspring)
            offspring = Population.merge(offspring, bred)
        return offspring

    def _do(
        self, problem: Any, pop: Any, n_offsprings: int, parents: Any = None, *, front: Genomes, **kwargs: Any
    ) -> Population:
        rng: np.random.Generator = kwargs["random_state"]
        n_near = int(rng.binomial(n_offsprings, self.front_share)) if self.front_share and len(front) else 0
        near = self.mutation.mutate(front[rng.choice(len(front), n_near)], rng) if n_near else front[:0]
        crossed = super()._do(problem, pop, n_offsprings - n_near, **kwargs) if n_near < n_offsprings else []
        children = np.array([*near, *(child.X for child in crossed)][:n_offsprings], dtype=np.int64)
        return Population.new(X=rng.permutation(children))


class RandomMating(FrontMating):
    """Mating that draws children at random, without breeding."""

    def _do(
        self, problem: Any, pop: Any, n_offsprings: int, parents: Any = None, *, front: Genomes, **kwargs: Any
    ) -> Population:
        return Population.new(X=random_genomes(self.best_designs.layout, n_offsprings, kwargs["random_state"]))


def selected_front(problem: Any, found: Evaluations) -> Indices:
    """Return the rows that are feasible and non-dominated in the values of selection, by rising first value, `(n,)`."""
    values, violations = problem.fitness(found)
    rows = np.flatnonzero((violations <= 0).all(axis=1))
    rows = rows[non_dominated(values[rows])]
    return np.asarray(rows[np.lexsort(values[rows].T[::-1])])
