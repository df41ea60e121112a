"""Moves of execution alone, for networks whose best plan the explorer does not find, and the share of such children.

Where layers share power cycles, or one design must hold on several supplies, the explorer's plan of a network is the
best of its candidates, or good, but not the best of all. Some children are then members of the front with the design of
one layer changed, or of two that follow each other: to save a power cycle both must change at once. The share of such
children adapts: each kind of child gets its share of the hypervolume gained per evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from evo.fronts.front import Front
from evo.genome.layout import Genomes
from evo.genome.legal_designs import ABSENT, Indices
from evo.objectives import Floats, Objective
from evo.operators.repair import BestDesigns

LEAST_SHARE, MOST_SHARE = 0.05, 0.8
"""Bounds of the share of the children that change execution alone, so that neither kind dies out. [1]"""

MEMORY = 0.8
"""Weight of earlier gains once a generation's gains are added. [1]"""

STEP_SHARE = 0.5
"""Share of the moved genes that go one option up or down; the others are drawn anew. [1]"""

PROPOSED_SHARE = 0.5
"""Share of the moves that take a design that the explorer proposes; the others change one gene. [1]"""

PAIR_SHARE = 0.5
"""Share of the moves to proposed designs that change the layer beside, too. [1]"""


class DesignShare:
    """Share of the children that change execution alone, adapted to their past gains.

    Attributes:
        share: Current share. [1]
    """

    def __init__(self) -> None:
        self.share = LEAST_SHARE
        self._gains = np.array([1.0 - LEAST_SHARE, LEAST_SHARE])
        self._has_learnt = False
        self._bred: tuple[frozenset[bytes], frozenset[bytes]] = (frozenset(), frozenset())

    def bred(self, others: Iterable[bytes], designs: Iterable[bytes]) -> None:
        """Remember a generation by the bytes of its genomes: those that change execution alone, and the others."""
        self._bred = (frozenset(others), frozenset(designs))

    def learn(self, genomes: Genomes, values: Floats, objectives: tuple[Objective, ...]) -> None:
        """Adapt the share to the members of the front that the remembered generation bred.

        Args:
            genomes: Members of the front, `(n, n_genes)`.
            values: Their objective values, `(n, n_objectives)`, in SI units.
            objectives: Objectives of the columns.
        """
        if not all(self._bred) or len(genomes) < 2:
            return
        front = Front.of(values, objectives=objectives)
        keys = [genome.tobytes() for genome in genomes]
        gains = [self._gain(front, keys, values, own) for own in self._bred]
        kept = MEMORY if self._has_learnt else 0.0
        self._gains = kept * self._gains + (1 - kept) * np.array(gains)
        self._has_learnt = True
        if self._gains.sum() > 0:
            self.share = float(np.clip(self._gains[1] / self._gains.sum(), LEAST_SHARE, MOST_SHARE))

    @staticmethod
    def _gain(front: Front, keys: list[bytes], values: Floats, own: frozenset[bytes]) -> float:
        """Return the hypervolume that is lost without the members of one kind, per child of that kind. [1]"""
        others = [row for row, key in enumerate(keys) if key not in own]
        left = Front.of(values[others], objectives=front.objectives)
        return (1.0 - left.hypervolume_ratio(front)) / len(own)


def moved_designs(best_designs: BestDesigns, parents: Genomes, rng: np.random.Generator) -> Genomes:
    """Return genomes with the design of one layer changed, or of two neighbours, canonical, `(n, n_genes)` both.

    The layers take designs that the explorer proposes, or one gene of a layer moves to another option.

    Args:
        best_designs: The explorer's designs.
        parents: Canonical genomes.
        rng: Source of chance.
    """
    layout = best_designs.layout
    moved = parents.copy()
    is_proposed = rng.random(len(moved)) < PROPOSED_SHARE
    moved[~is_proposed] = moved_gene(
        moved[~is_proposed], layout.sizes(moved[~is_proposed]), ~layout.is_architecture, rng
    )
    ids, designs = layout.shape_ids(moved), layout.designs(moved)
    slots = np.where(ids != ABSENT, rng.random(ids.shape), -1.0).argmax(axis=1)
    is_pair = rng.random(len(moved)) < PAIR_SHARE
    for row in np.flatnonzero(is_proposed).tolist():
        slot = int(slots[row])
        for own in (slot, _neighbour(ids[row], slot)) if is_pair[row] else (slot,):
            proposals = best_designs.proposals(int(ids[row, own]))
            designs[row, own] = proposals[rng.integers(len(proposals))]
    return layout.canonical(moved)


def _neighbour(shape_ids: Indices, slot: int) -> int:
    """Return the slot of the next layer of a network; of the one before for the last, and its own for an only one.

    Args:
        shape_ids: The layers of the network, `(n_slots,)`.
        slot: The slot of a layer that is there.
    """
    present = np.flatnonzero(shape_ids != ABSENT)
    position = int(np.searchsorted(present, slot))
    last = len(present) - 1
    return int(present[min(position + 1, last) if position < last else max(position - 1, 0)])


def moved_gene(genomes: Genomes, sizes: Indices, is_meant: NDArray[np.bool_], rng: np.random.Generator) -> Genomes:
    """Return genomes with one gene moved to another option: a neighbour (reflected at the ends of the list), or any.

    Args:
        genomes: Canonical genomes, `(n, n_genes)`.
        sizes: Options of each gene, `(n, n_genes)`.
        is_meant: Genes that may move, `(n_genes,)` or `(n, n_genes)`; where none has two options, nothing moves.
        rng: Source of chance.

    Returns:
        Genomes that need not be canonical, `(n, n_genes)`.
    """
    is_open = is_meant & (sizes > 1)
    column = np.where(is_open, rng.random(genomes.shape), -1.0).argmax(axis=1)
    row = np.arange(len(genomes))
    moved = genomes.copy()
    value = _another(genomes[row, column], sizes[row, column], rng)
    moved[row, column] = np.where(is_open[row, column], value, genomes[row, column])
    return moved


def _another(values: Indices, sizes: Indices, rng: np.random.Generator) -> Indices:
    """Return another option for each gene of more than one.

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
