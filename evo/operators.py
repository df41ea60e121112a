"""Variation of joint genomes, whole populations at once: sampling, crossover, mutation, and the mating that uses them.

A design belongs to a layer shape. So a child's layer takes the design of the parent that has the same layer there, and
a design whose layer changed is translated by value. `evo.refinement` has the repair that follows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.core.crossover import Crossover
from pymoo.core.mating import Mating
from pymoo.core.mutation import Mutation
from pymoo.core.population import Population
from pymoo.core.sampling import Sampling
from pymoo.operators.selection.tournament import TournamentSelection

from evo.archive import Archive, Evaluations
from evo.front import non_dominated
from evo.genome import Genomes, JointGenome
from evo.legal import ABSENT, Indices
from evo.refinement import NewGenomes, Optima, Refinement
from evo.survival import tournament_for
from models.spaces import Archs

FRONT_SHARE = 0.8
"""Share of the children that are neighbours of the front; the others are crossed, as in NSGA-II. [1]"""

STEP_SHARE = 0.5
"""Share of the moved genes that go one option up or down; the others are drawn anew. [1]"""

DESIGN_SHARE = 0.4
"""Share of the moves that change a design rather than the architecture, where a genome has both to change. [1]"""

ATTEMPTS_A_MOVE = 4
"""Attempts to breed something new before one more gene is moved."""


def with_random_designs(layout: JointGenome, archs: Archs, rng: np.random.Generator) -> Genomes:
    """Genomes of architectures `(n, n_arch_genes)` with designs drawn gene by gene, canonical, `(n, n_genes)`."""
    genomes = np.zeros((len(archs), layout.n_genes), dtype=np.int64)
    genomes[:, layout.architecture] = layout.space.canonical(archs)
    mask = np.broadcast_to(~layout.is_architecture, genomes.shape)
    return layout.draw_designs(genomes, mask, rng.random(genomes.shape))


def random_genomes(layout: JointGenome, n: int, rng: np.random.Generator) -> Genomes:
    """Genomes with every gene drawn uniformly from its legal options, canonical, `(n, n_genes)`; they may repeat."""
    return with_random_designs(layout, layout.space.sample(rng, n), rng)


def inherit(layout: JointGenome, archs: Archs, parents: Genomes, rng: np.random.Generator) -> Genomes:
    """Give each layer of children the design of a parent.

    A parent with the same layer shape in the slot goes before one with another shape, that before one without the
    layer; among equals chance decides. A design of another shape is translated by value, a layer that no parent has
    draws a random one.

    Args:
        layout: The genome.
        archs: Architectures of the children, `(n, n_arch_genes)`.
        parents: Canonical genomes, `(n_parents, n, n_genes)`.
        rng: Source of chance.

    Returns:
        Canonical genomes, `(n, n_genes)`.
    """
    children = np.zeros((len(archs), layout.n_genes), dtype=np.int64)
    children[:, layout.architecture] = layout.space.canonical(archs)
    ids = layout.shape_ids(children)
    parent_ids = np.stack([layout.shape_ids(group) for group in parents])
    closeness = np.where(parent_ids == ids, 2, np.where(parent_ids != ABSENT, 1, 0)) + rng.random(parent_ids.shape)
    chosen = closeness.argmax(axis=0)[None]
    source_ids = np.take_along_axis(parent_ids, chosen, axis=0)[0]
    designs = np.stack([layout.designs(group) for group in parents])
    source = np.take_along_axis(designs, chosen[..., None], axis=0)[0]
    own = layout.designs(children)
    same = source_ids == ids
    own[same] = source[same]
    for row, slot in np.argwhere(~same & (ids != ABSENT) & (source_ids != ABSENT)).tolist():
        genes = tuple(source[row, slot].tolist())
        own[row, slot] = layout.legal.transfer(genes, int(source_ids[row, slot]), int(ids[row, slot]))
    orphans = np.zeros(children.shape, dtype=bool)
    layout.designs(orphans)[(ids != ABSENT) & (source_ids == ABSENT)] = True
    return layout.draw_designs(children, orphans, rng.random(children.shape)) if orphans.any() else children


class JointSampling(Sampling):  # type: ignore[misc]
    """Random genomes; the smallest and the largest network come first.

    Attributes:
        layout: The genome.
    """

    def __init__(self, layout: JointGenome) -> None:
        super().__init__()
        self.layout = layout

    def _do(self, problem: Any, n_samples: int, random_state: np.random.Generator, **_: Any) -> Genomes:
        space = self.layout.space
        corners = np.stack([space.smallest, space.largest])
        archs = np.vstack([corners, space.sample(random_state, n_samples)])[:n_samples]
        return with_random_designs(self.layout, archs, random_state)


class JointCrossover(Crossover):  # type: ignore[misc]
    """Architecture genes uniformly from either of two parents, designs with their layers.

    Attributes:
        layout: The genome.
    """

    def __init__(self, layout: JointGenome) -> None:
        super().__init__(n_parents=2, n_offsprings=2, prob=1.0)
        self.layout = layout

    def _do(self, problem: Any, x: Genomes, random_state: np.random.Generator, **_: Any) -> Genomes:
        return self.cross(np.asarray(x, dtype=np.int64), random_state)

    def cross(self, parents: Genomes, rng: np.random.Generator) -> Genomes:
        """Two children of each pair of parents, `(2, n, n_genes)` both."""
        archs = parents[..., self.layout.architecture]
        swap = rng.random(archs.shape[1:]) < 0.5
        crossed = (np.where(swap, archs[1], archs[0]), np.where(swap, archs[0], archs[1]))
        return np.stack([inherit(self.layout, child, parents, rng) for child in crossed])


class JointMutation(Mutation):  # type: ignore[misc]
    """Moves one gene: of the architecture, or of a design that the explorer has not settled.

    Attributes:
        optima: What the explorer has settled.
    """

    def __init__(self, optima: Optima) -> None:
        super().__init__()
        self.optima = optima

    def _do(self, problem: Any, x: Genomes, random_state: np.random.Generator, **_: Any) -> Genomes:
        return self.mutate(np.asarray(x, dtype=np.int64), random_state)

    def mutate(self, genomes: Genomes, rng: np.random.Generator) -> Genomes:
        """Mutated canonical genomes of canonical ones, `(n, n_genes)` both."""
        layout = self.optima.layout
        sizes = layout.sizes(genomes)
        is_open = (sizes > 1) & ~self._is_settled(genomes)
        kinds = np.stack([is_open & layout.is_architecture, is_open & ~layout.is_architecture])
        n_open = kinds.sum(axis=2)
        is_design = (n_open[1] > 0) & ((n_open[0] == 0) | (rng.random(len(genomes)) < DESIGN_SHARE))
        candidates = np.where(is_design[:, None], kinds[1], kinds[0])
        column = np.where(candidates, rng.random(genomes.shape), -1.0).argmax(axis=1)
        row = np.arange(len(genomes))
        moved = genomes.copy()
        moved[row, column] = _another(genomes[row, column], sizes[row, column], rng)
        children = inherit(layout, moved[:, layout.architecture], genomes[None], rng)
        return np.where(is_design[:, None], layout.canonical(moved), children)

    def _is_settled(self, genomes: Genomes) -> NDArray[np.bool_]:
        """Mask of the genes of settled layers, `(n, n_genes)`."""
        layout = self.optima.layout
        mask = np.zeros(genomes.shape, dtype=bool)
        layout.designs(mask)[self.optima.is_settled(layout.shape_ids(genomes))] = True
        return mask


class FrontMating(Mating):  # type: ignore[misc]
    """Breeds most children next to the front of everything priced, the others by NSGA-II's tournament and crossover.

    Attributes:
        archive: What was priced.
        optima: What the explorer has settled.
        front_share: Share of the children that are neighbours of the front. [1]
    """

    def __init__(
        self,
        archive: Archive,
        optima: Optima,
        refinement_rate: float,
        front_share: float = FRONT_SHARE,
        n_objectives: int = 2,
    ) -> None:
        super().__init__(
            TournamentSelection(func_comp=tournament_for(n_objectives)),
            JointCrossover(optima.layout),
            JointMutation(optima),
            repair=Refinement(optima, refinement_rate),
            eliminate_duplicates=NewGenomes(archive),
            n_max_iterations=40,
        )
        self.archive = archive
        self.optima = optima
        self.front_share = front_share

    def do(self, problem: Any, pop: Any, n_offsprings: int, **kwargs: Any) -> Population:
        """At most `n_offsprings` new genomes; fewer, or none, where nothing new was found.

        Where children turn out to be known already, the next attempts move more genes; they breed twice what is
        missing. Only what is going to be priced is refined, so that the refinement rate is a share of the evaluations.
        """
        offspring = Population.create()
        for attempt in range(self.n_max_iterations):
            n_missing = n_offsprings - len(offspring)
            if not n_missing:
                break
            bred = self._do(problem, pop, min(2 * n_missing, n_offsprings), **kwargs)
            for _ in range(attempt // ATTEMPTS_A_MOVE):
                bred = self.mutation(problem, bred, **kwargs)
            bred.set("X", self.optima.apply(np.array(bred.get("X"))))
            bred = self.eliminate_duplicates.do(bred, offspring)[:n_missing]
            if len(bred):
                bred = self.eliminate_duplicates.do(self.repair(problem, bred, **kwargs), offspring)
            offspring = Population.merge(offspring, bred)
        return offspring

    def _do(self, problem: Any, pop: Any, n_offsprings: int, parents: Any = None, **kwargs: Any) -> Population:
        rng: np.random.Generator = kwargs["random_state"]
        found = self.archive.evaluations
        front = selected_front(problem, found) if self.front_share else np.zeros(0, dtype=np.int64)
        n_near = int(rng.binomial(n_offsprings, self.front_share)) if len(front) else 0
        near = self.mutation.mutate(found.genomes[rng.choice(front, n_near)], rng) if n_near else found.genomes[:0]
        crossed = super()._do(problem, pop, n_offsprings - n_near, **kwargs) if n_near < n_offsprings else []
        children = np.array([*near, *(child.X for child in crossed)][:n_offsprings], dtype=np.int64)
        return Population.new(X=rng.permutation(children))


class RandomMating(FrontMating):
    """Draws children at random: nothing is bred."""

    def _do(self, problem: Any, pop: Any, n_offsprings: int, parents: Any = None, **kwargs: Any) -> Population:
        return Population.new(X=random_genomes(self.optima.layout, n_offsprings, kwargs["random_state"]))


def selected_front(problem: Any, found: Evaluations) -> Indices:
    """Rows that are feasible and not dominated in the eyes of selection, by rising first value, `(n,)`."""
    values, violations = problem.fitness(found)
    rows = np.flatnonzero((violations <= 0).all(axis=1))
    rows = rows[non_dominated(values[rows])]
    return np.asarray(rows[np.lexsort(values[rows].T[::-1])])


def _another(values: Indices, sizes: Indices, rng: np.random.Generator) -> Indices:
    """Another option for each gene of more than one: a neighbour, back from the ends of the list, or any.

    Args:
        values: Indices of the options, `(n,)`.
        sizes: Lengths of the lists, `(n,)`; where 1, the value stays.
        rng: Source of chance.
    """
    up = rng.random(len(values)) < 0.5
    neighbour = np.where((up & (values + 1 < sizes)) | (values == 0), values + 1, values - 1)
    other = (values + 1 + (rng.random(len(values)) * (sizes - 1)).astype(np.int64)) % sizes
    moved: Indices = np.where(rng.random(len(values)) < STEP_SHARE, neighbour, other)
    return np.where(sizes > 1, moved, values)
