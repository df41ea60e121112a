"""Memetic repair: canonical form, then the explorer's designs; and elimination of duplicates.

The repair sends a share of the networks to the explorer. Its design of a layer shape is stored, and every later genome
with that layer takes it, so that settled layers are not evolved again. Where layers share power cycles, the explorer's
plan of a whole network is stored too and takes precedence.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.repair import Repair

from energy.networks.designs import LayerDesign, Plan
from energy.networks.shapes import LayerShape, NetworkShape
from evo.genome.layout import Genomes, JointGenome
from evo.genome.legal_designs import ABSENT, EXECUTION_GENES, Indices
from evo.problem.evaluations import Archive

_UNSETTLED = -1


class Explorer(Protocol):
    """An explorer of `energy.planning.protocol`, for one supply."""

    @property
    def shares_cycles(self) -> bool:
        """Whether the best plan of a network is more than its best layers."""
        ...

    def best(self, layers: list[LayerShape]) -> Any:
        """Explore layers together, which is faster than one by one."""
        ...

    def designs(self, layer: LayerShape) -> tuple[LayerDesign, ...]:
        """Return the best designs of a layer shape, one per scenario."""
        ...

    def proposals(self, layer: LayerShape) -> tuple[LayerDesign, ...]:
        """Return designs of a layer that may be part of a good plan, at least one."""
        ...

    def plan(self, network: NetworkShape) -> Plan:
        """Return the best plan of a network."""
        ...


class BestDesigns:
    """Best designs of the layer shapes that a search has sent to the explorer.

    Attributes:
        layout: The genome.
        explorer: Source of the designs.
    """

    def __init__(self, layout: JointGenome, explorer: Explorer) -> None:
        self.layout = layout
        self.explorer = explorer
        self._genes: dict[int, tuple[int, ...]] = {}
        self._table = np.zeros((0, len(EXECUTION_GENES)), dtype=np.int64)
        self._plans: dict[bytes, Genomes] = {}

    def __len__(self) -> int:
        """Return the number of settled layer shapes."""
        return len(self._genes)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for a checkpoint: layer shapes instead of ids, which another process numbers differently."""
        genes = {self.layout.layer(shape_id): genes for shape_id, genes in self._genes.items()}
        state = {"layout": self.layout, "explorer": self.explorer}
        return {**state, "genes": genes, "plans": self._plans}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Rebuild from a checkpoint."""
        self.layout, self.explorer = state["layout"], state["explorer"]
        self._plans = state["plans"]
        shape_id = self.layout.legal.shape_id
        self._genes = {shape_id(layer): genes for layer, genes in state["genes"].items()}
        self._tabulate()

    def settle(self, shape_ids: Indices) -> None:
        """Send networks to the explorer.

        Args:
            shape_ids: The layers of each, `(n_networks, n_slots)`.
        """
        new = [shape for shape in np.unique(shape_ids).tolist() if shape != ABSENT and shape not in self._genes]
        layers = [self.layout.layer(shape) for shape in new]
        if layers:
            self.explorer.best(layers)
        for shape, layer in zip(new, layers, strict=True):
            self._genes[shape] = self.layout.legal.genes(shape, self.explorer.designs(layer)[0])
        if layers:
            self._tabulate()

    def _tabulate(self) -> None:
        """Fill the table of the genes of best designs, `(n_shapes, 7)`, -1 where a shape is not settled."""
        self._table = np.full((self.layout.legal.n_shapes, len(EXECUTION_GENES)), _UNSETTLED, dtype=np.int64)
        for shape, genes in self._genes.items():
            self._table[shape] = genes

    def _settled(self, shape_ids: Indices) -> Indices:
        """Return the rows of the table, `(..., 7)`; shapes beyond its end are unsettled."""
        if not len(self._table):
            return np.full((*shape_ids.shape, len(EXECUTION_GENES)), _UNSETTLED, dtype=np.int64)
        known = self._table[np.minimum(shape_ids, len(self._table) - 1)]
        return np.where((shape_ids < len(self._table))[..., None], known, _UNSETTLED)

    def plan(self, genomes: Genomes) -> None:
        """Plan whole networks, canonical genomes `(n, n_genes)`."""
        for genome in genomes:
            arch = genome[self.layout.architecture]
            network = self.layout.decode(genome).network
            self._plans[arch.tobytes()] = self.layout.encode(arch, self.explorer.plan(network))

    def proposals(self, shape_id: int) -> Indices:
        """Return the designs that the explorer proposes for a layer shape, `(n, 7)`, at least one."""
        designs = self.explorer.proposals(self.layout.layer(shape_id))
        return np.array([self.layout.legal.genes(shape_id, design) for design in designs], dtype=np.int64)

    def is_planned(self, genomes: Genomes) -> NDArray[np.bool_]:
        """Return whether the plan of each network is known, or consists of the best designs of its layers, `(n,)`."""
        archs = genomes[:, self.layout.architecture]
        is_free = not self.explorer.shares_cycles
        return np.array([is_free or arch.tobytes() in self._plans for arch in archs], dtype=bool)

    def is_settled(self, shape_ids: Indices) -> NDArray[np.bool_]:
        """Return whether each layer shape is settled, same shape as `shape_ids`."""
        return np.asarray(self._settled(shape_ids)[..., 0] != _UNSETTLED)

    def apply(self, genomes: Genomes) -> Genomes:
        """Return canonical genomes `(n, n_genes)` with the best design in every settled layer, and with known plans."""
        genomes = genomes.copy()
        designs, settled = self.layout.designs(genomes), self._settled(self.layout.shape_ids(genomes))
        designs[...] = np.where(settled != _UNSETTLED, settled, designs)
        for row, genome in enumerate(genomes):
            genomes[row] = self._plans.get(genome[self.layout.architecture].tobytes(), genome)
        return genomes


class Refinement(Repair):  # type: ignore[misc]
    """Repair to canonical form with the best designs in every settled layer.

    Attributes:
        best_designs: Settled designs.
        rate: Share of the networks that is sent to the explorer, which settles all their layers. [1]
    """

    def __init__(self, best_designs: BestDesigns, rate: float) -> None:
        super().__init__()
        self.best_designs = best_designs
        self.rate = rate

    def _do(self, problem: Any, x: Genomes, random_state: np.random.Generator, **_: Any) -> Genomes:
        return self.refine(np.asarray(x, dtype=np.int64), random_state)

    def refine(self, genomes: Genomes, rng: np.random.Generator) -> Genomes:
        """Return refined canonical genomes, the same shape as `genomes`.

        The number of networks sent is binomial by the rate. Networks with an unsettled layer come first, then networks
        without a plan of their own; in the first population the smallest and the largest network come first, so that
        both ends are known exactly.
        """
        layout = self.best_designs.layout
        genomes = layout.canonical(genomes)
        ids = layout.shape_ids(genomes)
        is_open = ((ids != ABSENT) & ~self.best_designs.is_settled(ids)).any(axis=1)
        n_sent = int(rng.binomial(len(genomes), self.rate))
        is_first_population = not len(self.best_designs)
        open_rows = np.flatnonzero(is_open)
        sent = (open_rows if is_first_population else rng.permutation(open_rows))[:n_sent]
        self.best_designs.settle(ids[sent])
        unplanned = np.flatnonzero(~is_open & ~self.best_designs.is_planned(genomes))
        if self.best_designs.explorer.shares_cycles:
            self.best_designs.plan(genomes[np.concatenate([sent, unplanned])[:n_sent]])
        return self.best_designs.apply(genomes)


class NewGenomes(DuplicateElimination):  # type: ignore[misc]
    """Elimination of canonical genomes that were priced before or bred twice.

    Attributes:
        archive: Evaluations so far.
    """

    def __init__(self, archive: Archive) -> None:
        super().__init__()
        self.archive = archive

    def _do(self, pop: Any, other: Any, is_duplicate: NDArray[np.bool_]) -> NDArray[np.bool_]:
        seen = set() if other is None else {genome.tobytes() for genome in other.get("X")}
        for row, genome in enumerate(pop.get("X")):
            key = genome.tobytes()
            is_duplicate[row] |= key in seen or genome in self.archive
            if other is None:
                seen.add(key)
        return is_duplicate
