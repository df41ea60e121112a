"""Variation of joint genomes, whole populations at once: sampling, crossover and mutation.

A design belongs to a layer shape: the layer of a child takes the design of the parent with the same layer in that
slot, and a design is translated by value where the layer changed. `evo.operators.repair` follows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.core.crossover import Crossover
from pymoo.core.mutation import Mutation
from pymoo.core.sampling import Sampling

from evo.genome.layout import Genomes, JointGenome
from evo.genome.legal_designs import ABSENT
from evo.operators.design_moves import moved_gene
from evo.operators.repair import BestDesigns
from models.spaces import Archs

DESIGN_SHARE = 0.4
"""Share of the moves that change a design rather than the architecture, where a genome has both to change. [1]"""


def bare(layout: JointGenome, archs: Archs) -> Genomes:
    """Return canonical genomes `(n, n_genes)` of architectures `(n, n_arch_genes)` whose designs are first options."""
    genomes = np.zeros((len(archs), layout.n_genes), dtype=np.int64)
    genomes[:, layout.architecture] = layout.space.canonical(archs)
    return genomes


def with_random_designs(layout: JointGenome, archs: Archs, rng: np.random.Generator) -> Genomes:
    """Return genomes of architectures `(n, n_arch_genes)` with random designs, canonical, `(n, n_genes)`."""
    genomes = bare(layout, archs)
    mask = np.broadcast_to(~layout.is_architecture, genomes.shape)
    return layout.draw_designs(genomes, mask, rng.random(genomes.shape))


def random_genomes(layout: JointGenome, n: int, rng: np.random.Generator) -> Genomes:
    """Return genomes with every gene uniform over its legal options, canonical, `(n, n_genes)`; they may repeat."""
    return with_random_designs(layout, layout.space.sample(rng, n), rng)


def inherit(layout: JointGenome, archs: Archs, parents: Genomes, rng: np.random.Generator) -> Genomes:
    """Give each layer of children the design of a parent.

    A parent with the same layer shape in the slot takes precedence over one with another shape, and that over one
    without the layer; ties are broken at random. A design of another shape is translated by value; a layer that no
    parent has gets a random design.

    Args:
        layout: The genome.
        archs: Architectures of the children, `(n, n_arch_genes)`.
        parents: Canonical genomes, `(n_parents, n, n_genes)`.
        rng: Source of chance.

    Returns:
        Canonical genomes, `(n, n_genes)`.
    """
    children = bare(layout, archs)
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
    """Sampling of random genomes, after the smallest and the largest network.

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
    """Crossover that takes architecture genes uniformly from two parents, and designs with their layers.

    Attributes:
        layout: The genome.
    """

    def __init__(self, layout: JointGenome) -> None:
        super().__init__(n_parents=2, n_offsprings=2, prob=1.0)
        self.layout = layout

    def _do(self, problem: Any, x: Genomes, random_state: np.random.Generator, **_: Any) -> Genomes:
        return self.cross(np.asarray(x, dtype=np.int64), random_state)

    def cross(self, parents: Genomes, rng: np.random.Generator) -> Genomes:
        """Return two children of each pair of parents, `(2, n, n_genes)` both."""
        archs = parents[..., self.layout.architecture]
        swap = rng.random(archs.shape[1:]) < 0.5
        crossed = (np.where(swap, archs[1], archs[0]), np.where(swap, archs[0], archs[1]))
        return np.stack([self._with_designs(child, parents, rng) for child in crossed])

    def _with_designs(self, archs: Archs, parents: Genomes, rng: np.random.Generator) -> Genomes:
        return inherit(self.layout, archs, parents, rng)


class JointMutation(Mutation):  # type: ignore[misc]
    """Mutation that moves one gene: of the architecture, or of a design that the explorer has not settled.

    Attributes:
        best_designs: Designs that the explorer has settled.
    """

    def __init__(self, best_designs: BestDesigns) -> None:
        super().__init__()
        self.best_designs = best_designs

    def _do(self, problem: Any, x: Genomes, random_state: np.random.Generator, **_: Any) -> Genomes:
        return self.mutate(np.asarray(x, dtype=np.int64), random_state)

    def mutate(self, genomes: Genomes, rng: np.random.Generator) -> Genomes:
        """Return mutated canonical genomes of canonical ones, `(n, n_genes)` both."""
        layout = self.best_designs.layout
        sizes = layout.sizes(genomes)
        is_open = (sizes > 1) & ~self._is_settled(genomes)
        kinds = np.stack([is_open & layout.is_architecture, is_open & ~layout.is_architecture])
        n_open = kinds.sum(axis=2)
        is_design = (n_open[1] > 0) & ((n_open[0] == 0) | (rng.random(len(genomes)) < DESIGN_SHARE))
        candidates = np.where(is_design[:, None], kinds[1], kinds[0])
        moved = moved_gene(genomes, sizes, candidates, rng)
        children = inherit(layout, moved[:, layout.architecture], genomes[None], rng)
        return np.where(is_design[:, None], layout.canonical(moved), children)

    def _is_settled(self, genomes: Genomes) -> NDArray[np.bool_]:
        """Return the mask of the genes of settled layers, `(n, n_genes)`."""
        layout = self.best_designs.layout
        mask = np.zeros(genomes.shape, dtype=bool)
        layout.designs(mask)[self.best_designs.is_settled(layout.shape_ids(genomes))] = True
        return mask


class ArchitectureCrossover(JointCrossover):
    """Crossover of architectures alone; designs are first options, for the explorer to replace."""

    def _with_designs(self, archs: Archs, parents: Genomes, rng: np.random.Generator) -> Genomes:
        return bare(self.layout, archs)


class ArchitectureMutation(JointMutation):
    """Mutation of one gene of the architecture; designs are first options, for the explorer to replace."""

    def mutate(self, genomes: Genomes, rng: np.random.Generator) -> Genomes:
        """Return mutated canonical genomes of canonical ones, `(n, n_genes)` both."""
        layout = self.best_designs.layout
        archs = genomes[:, layout.architecture]
        sizes = np.where(layout.space.active(archs), layout.space.n_options, 1)
        return bare(layout, moved_gene(archs, sizes, np.ones(archs.shape[1], dtype=bool), rng))
