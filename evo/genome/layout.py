"""The joint genome: architecture genes, then the execution genes of every layer slot.

Execution genes are indices into the option lists that `energy.networks.rules` allows for the layer's actual shape.
The canonical form spells one network with one design in one way: silent architecture genes, genes of absent slots and
genes of one option are 0, an index beyond its list is the last option. Populations are int64 arrays `(n, n_genes)`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from energy.networks.designs import LayerDesign, Plan
from energy.networks.rules import Rules
from energy.networks.shapes import LayerShape, NetworkShape
from evo.genome.legal_designs import ABSENT, EXECUTION_GENES, N_FREE, Indices, LegalDesigns
from evo.genome.reachable_layers import reachable_layers
from models.spaces import Archs, Space

Genomes = NDArray[np.int64]
"""Joint genomes, `(n, n_genes)`; a single one is `(n_genes,)`."""

Scalar = TypeVar("Scalar", bound=np.generic)

_WIDTH = len(EXECUTION_GENES)


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """Meaning of a genome: its architecture `(n_arch_genes,)`, its network, and one design per layer."""

    arch: Archs
    network: NetworkShape
    plan: Plan


class _Mapped(NamedTuple):
    """A canonical architecture mapped to layers.

    Attributes:
        network: Its network.
        slots: Slot of each layer, `(n_layers,)`.
        ids: Shape id of each slot, `(n_slots,)`.
    """

    network: NetworkShape
    slots: tuple[int, ...]
    ids: Indices


class JointGenome:
    """Layout of the joint genome of one space under one rule set.

    Attributes:
        space: The networks.
        rules: The legal designs.
        legal: Option lists by layer shape, memoised.
    """

    def __init__(self, space: Space, rules: Rules) -> None:
        self.space = space
        self.rules = rules
        self.legal = LegalDesigns(rules)
        self._slot_of = {slot.node.slot: index for index, slot in enumerate(space.slots)}
        self._known: dict[bytes, _Mapped] = {}

    @property
    def n_arch(self) -> int:
        """Architecture genes."""
        return len(self.space.genes)

    @property
    def n_slots(self) -> int:
        """Layer slots, each with one run of execution genes."""
        return len(self.space.slots)

    @property
    def n_genes(self) -> int:
        """Genes of a genome."""
        return self.n_arch + self.n_slots * _WIDTH

    @property
    def architecture(self) -> slice:
        """Positions of the architecture genes."""
        return slice(0, self.n_arch)

    def execution(self, slot: int) -> slice:
        """Return the positions of the execution genes of one slot, an index of `Space.slots`."""
        start = self.n_arch + slot * _WIDTH
        return slice(start, start + _WIDTH)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Name of every gene, such as `s0.b0.kernel` and `s0.b0.conv.tile_h`."""
        execution = (f"{slot.node.slot}.{gene}" for slot in self.space.slots for gene in EXECUTION_GENES)
        return (*(gene.name for gene in self.space.genes), *execution)

    @cached_property
    def is_architecture(self) -> NDArray[np.bool_]:
        """Mask of the architecture genes, `(n_genes,)`."""
        return np.arange(self.n_genes) < self.n_arch

    @cached_property
    def n_options(self) -> Indices:
        """Upper bound of the options of each gene: the longest list over all shapes of its slot, `(n_genes,)`."""
        layers = reachable_layers(self.space)
        execution = [self.legal.longest(layers[slot.node.slot]) for slot in self.space.slots]
        return np.concatenate([self.space.n_options, *execution])

    def designs(self, genomes: NDArray[Scalar]) -> NDArray[Scalar]:
        """Return execution genes (or values per gene) by slot, a view `(n, n_slots, 7)` of `(n, n_genes)`."""
        return genomes[:, self.n_arch :].reshape(len(genomes), self.n_slots, _WIDTH)

    def shape_ids(self, genomes: Genomes) -> Indices:
        """Return the shape id of every slot, `ABSENT` where the network has no such layer.

        Args:
            genomes: Genomes with legal architecture genes, silent ones 0, `(n, n_genes)`.

        Returns:
            Ids of `legal`, `(n, n_slots)`.
        """
        ids = [self._mapped(arch).ids for arch in genomes[:, self.architecture]]
        return np.array(ids, dtype=np.int64).reshape(-1, self.n_slots)

    def layer(self, shape_id: int) -> LayerShape:
        """Return the layer shape behind an id of `shape_ids` other than `ABSENT`."""
        return self.legal.layer(shape_id)

    def _mapped(self, arch: Archs) -> _Mapped:
        """Return network, slots and shape ids of a canonical architecture."""
        key = arch.tobytes()
        known = self._known.get(key)
        if known is None:
            network = self.space.network(arch)
            slots = tuple(self._slot_of[name] for name in network.layer_names)
            ids = np.full(self.n_slots, ABSENT, dtype=np.int64)
            ids[list(slots)] = [self.legal.shape_id(layer) for layer in network.layers]
            known = self._known[key] = _Mapped(network=network, slots=slots, ids=ids)
        return known

    def canonical(self, genomes: Genomes) -> Genomes:
        """Return the canonical form of each genome.

        Args:
            genomes: Genomes, `(n, n_genes)`; execution genes at least 0.

        Raises:
            ValueError: The shape is wrong, an architecture gene is outside its options, or a gene is negative.
        """
        genomes = self._checked(genomes)
        genomes[:, self.architecture] = self.space.canonical(genomes[:, self.architecture])
        ids = self.shape_ids(genomes)
        designs = self.designs(genomes)
        free, dependent = designs[..., :N_FREE], designs[..., N_FREE:]
        np.minimum(free, self.legal.sizes(ids) - 1, out=free)
        np.minimum(dependent, self._dependent_sizes(ids, free) - 1, out=dependent)
        return genomes

    def _checked(self, genomes: Genomes) -> Genomes:
        """Return a contiguous copy of well-formed genomes."""
        genomes = np.array(genomes, dtype=np.int64, order="C")
        if genomes.ndim != 2 or genomes.shape[1] != self.n_genes:
            raise ValueError(f"genomes must have shape (n, {self.n_genes}), not {genomes.shape}")
        if (genomes < 0).any():
            column = int(np.argwhere(genomes < 0)[0, 1])
            raise ValueError(f"gene {self.names[column]} must be at least 0, not {int(genomes[:, column].min())}")
        return genomes

    def _dependent_sizes(self, ids: Indices, free: Indices) -> Indices:
        return self.legal.dependent_sizes(ids.ravel(), free.reshape(-1, N_FREE)).reshape(*ids.shape, _WIDTH - N_FREE)

    def sizes(self, genomes: Genomes) -> Indices:
        """Return the options that each gene has in its genome, 1 where it is silent.

        Args:
            genomes: Canonical genomes, `(n, n_genes)`.

        Returns:
            The same shape.
        """
        archs = genomes[:, self.architecture]
        ids, designs = self.shape_ids(genomes), self.designs(genomes)
        execution = [self.legal.sizes(ids), self._dependent_sizes(ids, designs[..., :N_FREE])]
        architecture = np.where(self.space.active(archs), self.space.n_options, 1)
        return np.hstack(
            [architecture, np.concatenate(execution, axis=-1).reshape(len(genomes), self.n_genes - self.n_arch)]
        )

    def draw_designs(self, genomes: Genomes, mask: NDArray[np.bool_], uniform: NDArray[np.float64]) -> Genomes:
        """Return execution genes drawn uniformly from their legal lists, vector and batch after the others.

        Args:
            genomes: Genomes with canonical architectures, `(n, n_genes)`.
            mask: The execution genes to draw, `(n, n_genes)`; architecture genes are left alone.
            uniform: Random numbers in [0, 1), `(n, n_genes)`.

        Returns:
            Canonical genomes, the same shape.
        """
        drawn = np.array(genomes, dtype=np.int64, order="C")
        ids, designs = self.shape_ids(drawn), self.designs(drawn)
        chosen, share = self.designs(mask), self.designs(uniform)
        free, dependent = designs[..., :N_FREE], designs[..., N_FREE:]
        sizes = self.legal.sizes(ids)
        free[...] = np.where(chosen[..., :N_FREE], (share[..., :N_FREE] * sizes).astype(np.int64), free)
        np.minimum(free, sizes - 1, out=free)
        sizes = self._dependent_sizes(ids, free)
        dependent[...] = np.where(chosen[..., N_FREE:], (share[..., N_FREE:] * sizes).astype(np.int64), dependent)
        return self.canonical(drawn)

    def decode(self, genome: Genomes) -> Decoded:
        """Return architecture, network and plan of one canonical genome, `(n_genes,)`."""
        arch = genome[self.architecture]
        network, slots, ids = self._mapped(arch)
        rows = self.designs(genome[None])[0].tolist()
        plan = tuple(self.legal.design(int(ids[slot]), tuple(rows[slot])) for slot in slots)
        return Decoded(arch=arch, network=network, plan=plan)

    def encode(self, arch: Archs, plan: Sequence[LayerDesign]) -> Genomes:
        """Return the canonical genome of an architecture with one legal design per layer, `(n_genes,)`.

        Raises:
            ValueError: The plan has another length, or a design is not legal for its layer.
        """
        genome = np.zeros(self.n_genes, dtype=np.int64)
        genome[self.architecture] = self.space.canonical(np.asarray(arch)[None])[0]
        network, slots, ids = self._mapped(genome[self.architecture])
        if len(plan) != len(slots):
            raise ValueError(f"plan must have one design for each of the {len(slots)} layers, not {len(plan)}")
        for name, slot, design in zip(network.layer_names, slots, plan, strict=True):
            try:
                genome[self.execution(slot)] = self.legal.genes(int(ids[slot]), design)
            except ValueError as error:
                raise ValueError(f"plan of layer {name!r}: {error}") from None
        return genome

    def to_json(self, genome: Genomes) -> str:
        """Return one genome as text free of indices: architecture and designs by slot name."""
        decoded = self.decode(self.canonical(genome[None])[0])
        rows = zip(decoded.network.layer_names, decoded.plan, strict=True)
        designs = {name: {gene: getattr(design, gene) for gene in EXECUTION_GENES} for name, design in rows}
        return json.dumps({"architecture": self.space.encode(decoded.arch), "designs": designs})
