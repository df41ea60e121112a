"""Search spaces as data: stages of blocks with option lists, and their networks, text forms and samples.

An architecture is a row of option indices, one per gene; a population is an int64 array `(n, n_genes)`. Genes that
others silence (kernels of blocks beyond the depth, residuals with nothing to add) are 0 in canonical form, so each
network has one canonical form. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise, product
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from energy.networks.shapes import NETWORK_INPUT, LayerShape, NetworkShape
from energy.validation import require_int
from models.spaces.graph import Graph, Node, shapes
from models.spaces.stage import Gene, Stage, parse

Archs = NDArray[np.int64]
"""Architectures as option indices, `(n, n_genes)`; a single one is `(n_genes,)`."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A layer at its largest; smaller networks slice its weights.

    Attributes:
        node: The layer at its largest.
        shape: Shape of the layer, with its maps.
    """

    node: Node
    shape: LayerShape


@dataclass(frozen=True, kw_only=True)
class Space:
    """A family of networks: stages, then global average pooling (except after dense stages) and a linear layer.

    Attributes:
        name: Name in a config.
        input_shape: Height, width and channels of the data; width 1 for one-dimensional data. [1]
        n_classes: Outputs of the last layer. [1]
        stages: The stages in order.
        padding: `"same"` or `"valid"`.
        widths_percent: Factors of the channels of scaled stages; the product is 2 round(w c / 2) with halves to even.
            [%]
        heights: Heights that data may be resized to before the first layer, the width in proportion, rising; empty to
            keep their size. [1]
        source: Origin of the space.

    Raises:
        ValueError: The fields do not fit together, or the largest kernels do not fit on their maps.
    """

    name: str
    input_shape: tuple[int, int, int]
    n_classes: int
    stages: tuple[Stage, ...]
    padding: str = "same"
    widths_percent: tuple[int, ...] = (100,)
    heights: tuple[int, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        if self.padding not in ("same", "valid"):
            raise ValueError(f"padding must be 'same' or 'valid', not {self.padding!r}")
        if self.padding == "valid" and any(True in stage.residuals for stage in self.stages):
            raise ValueError("residuals need padding 'same', not 'valid': the maps to add differ in size")
        if self.padding == "same" and any(kernel % 2 == 0 for stage in self.stages for kernel in stage.kernels):
            raise ValueError("kernels must be odd under padding 'same'")
        for field in ("widths_percent", "heights"):
            options = getattr(self, field)
            if list(options) != sorted(set(options)):
                raise ValueError(f"{field} must rise, not {options!r}")
            for option in options:
                require_int(field, option)
        if not self.widths_percent:
            raise ValueError("widths_percent must not be empty")
        kinds = [stage.is_dense for stage in self.stages]
        if any("dense" in stage.blocks and not stage.is_dense for stage in self.stages) or kinds != sorted(kinds):
            raise ValueError("dense blocks must stand alone in their stages, behind all others")
        if any(kinds) and len(self.heights) > 1:
            raise ValueError(f"heights must be one where blocks are dense, not {self.heights!r}")
        self.network(self.largest)

    def for_data(self, input_shape: tuple[int, int, int], n_classes: int) -> Self:
        """Return the same space for other data; heights keep their proportion to the data's.

        Args:
            input_shape: Height, width and channels of the data. [1]
            n_classes: Classes of the data. [1]
        """
        factor = input_shape[0] / self.input_shape[0]
        heights = tuple(sorted({round(height * factor) for height in self.heights}))
        return replace(self, input_shape=input_shape, n_classes=n_classes, heights=heights)

    @property
    def n_dims(self) -> int:
        """Axes that convolutions slide along: 1 or 2."""
        return 1 if self.input_shape[1] == 1 else 2

    @cached_property
    def _common_genes(self) -> tuple[Gene, ...]:
        genes = (Gene(name="width", options=self.widths_percent), Gene(name="height", options=self.heights))
        return tuple(gene for gene in genes if len(gene.options) > 1)

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """The positions of an architecture: width and height, then stage by stage."""
        own = (
            replace(gene, name=f"s{index}.{gene.name}")
            for index, stage in enumerate(self.stages)
            for gene in stage.genes
        )
        return (*self._common_genes, *own)

    @cached_property
    def _columns(self) -> tuple[slice, ...]:
        """Positions of the genes of each stage."""
        ends = np.cumsum([len(self._common_genes), *(len(stage.genes) for stage in self.stages)]).tolist()
        return tuple(slice(start, end) for start, end in pairwise(ends))

    @cached_property
    def n_options(self) -> NDArray[np.int64]:
        """Options of each gene, `(n_genes,)`."""
        return np.array([len(gene.options) for gene in self.genes], dtype=np.int64)

    @cached_property
    def size(self) -> int:
        """Number of distinct networks (widths that round to the same channels count apart)."""
        size = len(self.widths_percent) * max(1, len(self.heights))
        for stage in self.stages:
            size *= stage.size
        return size

    @property
    def largest(self) -> Archs:
        """The architecture with the last option everywhere, `(n_genes,)`."""
        return self.n_options - 1

    @property
    def smallest(self) -> Archs:
        """The architecture with the first option everywhere, `(n_genes,)`."""
        return np.zeros(len(self.genes), dtype=np.int64)

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """Every layer at its largest, to which weights and execution genes are attached.

        The layers of the largest network in order, and after each block the layers of its other kinds.
        """
        found: dict[str, Slot] = {}
        for kind in reversed(range(max(len(stage.blocks) for stage in self.stages))):
            arch = self.largest
            for column, gene in enumerate(self.genes):
                if gene.name.endswith(".block"):
                    arch[column] = min(kind, len(gene.options) - 1)
            graph = self.graph(arch)
            for node, shape in zip(graph, shapes("largest", graph).layers, strict=True):
                found.setdefault(node.slot, Slot(node=node, shape=shape))
        return tuple(found.values())

    def active(self, archs: Archs) -> NDArray[np.bool_]:
        """Return whether each gene is active, not silenced by others.

        Args:
            archs: Architectures, `(n, n_genes)`.

        Returns:
            Mask of the same shape.
        """
        columns, depths, least = self._silencing
        return np.asarray(depths[np.arange(archs.shape[1]), archs[:, columns]] >= least)

    @cached_property
    def _silencing(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """`Stage.silencing` and `Stage.least_depths` of all genes; width and height are never silent."""
        n_common, n_options = len(self._common_genes), int(self.n_options.max(initial=1))
        columns = [np.zeros(n_common, dtype=np.int64)]
        depths = [np.ones((n_common, n_options), dtype=np.int64)]
        least = [np.ones(n_common, dtype=np.int64)]
        for stage, own in zip(self.stages, self._columns, strict=True):
            column, of_option = stage.silencing
            columns.append(own.start + column)
            depths.append(np.pad(of_option, ((0, 0), (0, n_options - of_option.shape[1])), mode="edge"))
            least.append(stage.least_depths)
        return np.concatenate(columns), np.vstack(depths), np.concatenate(least)

    def canonical(self, archs: Archs) -> Archs:
        """Return the canonical form of each architecture: silent genes 0.

        Args:
            archs: Architectures, `(n, n_genes)`.

        Raises:
            ValueError: An index is outside its option list.
        """
        archs = np.asarray(archs, dtype=np.int64)
        if archs.ndim != 2 or archs.shape[1] != len(self.genes):
            raise ValueError(f"archs must have shape (n, {len(self.genes)}), not {archs.shape}")
        outside = (archs < 0) | (archs >= self.n_options)
        if outside.any():
            row, column = (int(i) for i in np.argwhere(outside)[0])
            gene = self.genes[column]
            raise ValueError(f"gene {gene.name} must be from 0 to {len(gene.options) - 1}, not {archs[row, column]}")
        return np.where(self.active(archs), archs, 0)

    def options(self, arch: Archs) -> dict[str, int]:
        """Return the chosen option of each gene, by name."""
        return {gene.name: gene.options[int(index)] for gene, index in zip(self.genes, arch, strict=True)}

    def _common(self, arch: Archs) -> dict[str, int]:
        """Return width and height of one architecture, where the space has options."""
        pairs = zip(self._common_genes, arch[: len(self._common_genes)].tolist(), strict=True)
        return {gene.name: gene.options[index] for gene, index in pairs}

    def _chosen(self, arch: Archs) -> list[Mapping[str, Any]]:
        """Return the settings of each stage, as `Stage.chosen`."""
        found = []
        for stage, columns, known in zip(self.stages, self._columns, self._known_settings, strict=True):
            row = tuple(arch[columns].tolist())
            if row not in known:
                known[row] = stage.chosen(stage.options(row))
            found.append(known[row])
        return found

    @cached_property
    def _known_settings(self) -> tuple[dict[tuple[int, ...], Mapping[str, Any]], ...]:
        """Results of `Stage.chosen` so far, by the genes of each stage: few stages make many networks."""
        return tuple({} for _ in self.stages)

    def graph(self, arch: Archs) -> Graph:
        """Return the layers of one network.

        Args:
            arch: Architecture, `(n_genes,)`, canonical or not.
        """
        common = self._common(arch)
        width = common.get("width", self.widths_percent[0])
        input_shape = self._resized(common.get("height", self.heights[0] if self.heights else self.input_shape[0]))
        nodes: list[Node] = []
        in_ch = self.input_shape[2]
        for index, chosen in enumerate(self._chosen(arch)):
            nodes += self.stage_nodes(index, len(nodes) + NETWORK_INPUT, in_ch, chosen, width)
            in_ch = nodes[-1].out_ch
        nodes += self.end_nodes(len(nodes) + NETWORK_INPUT, in_ch)
        return Graph(nodes=tuple(nodes), input_shape=input_shape)

    def stage_nodes(
        self, index: int, before: int, in_ch: int, chosen: Mapping[str, Any], width_percent: int
    ) -> list[Node]:
        """Return the layers of one stage.

        Args:
            index: Index of the stage.
            before: Index of the node that it reads.
            in_ch: Channels of that node. [1]
            chosen: Its settings, from `Stage.chosen`.
            width_percent: Factor of its channels, where the stage is scaled. [%]
        """
        stage = self.stages[index]
        channels = scaled_channels(chosen["channels"], width_percent) if stage.is_scaled else chosen["channels"]
        settings = {**chosen, "channels": channels}
        return stage.nodes(f"s{index}", before, in_ch, settings, pads=self.padding == "same")

    def end_nodes(self, before: int, in_ch: int) -> list[Node]:
        """Return the layers after the stages, which read node `before` of `in_ch` channels."""
        nodes = []
        if not self.stages[-1].is_dense:
            nodes.append(Node(slot="pool", op="global_avg_pool", inputs=(before,), out_ch=in_ch))
        head = Node(slot="head", op="conv", inputs=(before + len(nodes),), out_ch=self.n_classes)
        return [*nodes, head]

    @property
    def input_shapes(self) -> tuple[tuple[int, int, int], ...]:
        """Possible inputs of a network: height, width and channels. [1]"""
        return tuple(self._resized(height) for height in self.heights or self.input_shape[:1])

    def _resized(self, height: int) -> tuple[int, int, int]:
        full, width, channels = self.input_shape
        return height, max(1, round(width * height / full)), channels

    def network(self, arch: Archs) -> NetworkShape:
        """Return the shapes of one network for the cost model, named by its text form."""
        return shapes(self.encode(arch), self.graph(arch))

    def encode(self, arch: Archs) -> str:
        """Return the text form of one architecture, such as `k5c16-k3c24-k1c8` or `w50h64-k3e4d2r1-...`."""
        canonical = self.canonical(np.asarray(arch)[None])[0]
        common = self._common(canonical)
        head = "".join(f"{gene[0]}{value}" for gene, value in common.items())
        parts = [stage.text(chosen) for stage, chosen in zip(self.stages, self._chosen(canonical), strict=True)]
        return "-".join([head, *parts] if head else parts)

    def decode(self, text: str) -> Archs:
        """Return the architecture that `encode` wrote, `(n_genes,)`.

        Raises:
            ValueError: The text is not an architecture of this space.
        """
        chosen = self._parse(text)
        arch = self.smallest
        for column, gene in enumerate(self.genes):
            if chosen.get(gene.name) in gene.options:
                arch[column] = gene.options.index(chosen[gene.name])
        if self.encode(arch) != text:
            example = self.encode(self.largest)
            raise ValueError(f"architecture must be of space {self.name}, such as {example!r}, not {text!r}")
        return arch

    def _parse(self, text: str) -> Mapping[str, int]:
        """Return the options by gene name as far as the text can be read."""
        parts = text.split("-")
        chosen: dict[str, int] = {}
        if self._common_genes:
            head = parts.pop(0)
            for gene in self._common_genes:
                matching = [option for option in gene.options if f"{gene.name[0]}{option}" in head]
                chosen[gene.name] = max(matching, default=-1)
        for index, part in enumerate(parts):
            chosen |= {f"s{index}.{name}": value for name, value in parse(part).items()}
        return chosen

    def enumerate(self) -> Archs:
        """Return every distinct network in canonical form, `(size, n_genes)`, in lexicographic order."""
        common = list(product(*(range(len(gene.options)) for gene in self._common_genes)))
        rows = np.array(common, dtype=np.int64).reshape(len(common), len(self._common_genes))
        for stage in self.stages:
            block = stage.rows()
            rows = np.hstack([np.repeat(rows, len(block), axis=0), np.tile(block, (len(rows), 1))])
        return rows

    def encode_every(self) -> list[str]:
        """Return the text forms of all networks in the order of `enumerate`."""
        common = product(*(gene.options for gene in self._common_genes))
        letters = [gene.name[0] for gene in self._common_genes]
        heads = ["".join(f"{a}{b}" for a, b in zip(letters, values, strict=True)) for values in common]
        parts = [
            [stage.text(stage.chosen(stage.options(row))) for row in stage.rows().tolist()] for stage in self.stages
        ]
        return ["-".join(names) for names in product(*([heads] if letters else []), *parts)]

    def sample(self, rng: np.random.Generator, n: int) -> Archs:
        """Return random architectures in canonical form, every gene uniform, `(n, n_genes)`; they may repeat."""
        return self.canonical(rng.integers(0, self.n_options, size=(n, len(self.genes))))

    def sample_all_sizes(self, rng: np.random.Generator, n: int) -> Archs:
        """Return random architectures in canonical form, as many small and large as medium ones, `(n, n_genes)`.

        Each has a uniform level from 0 to 1, and its genes are binomial about that level: every single gene is still
        uniform, but genes rise together. With independent genes nearly all networks would have a medium size.
        """
        levels = rng.random((n, 1))
        return self.canonical(rng.binomial(np.maximum(self.n_options - 1, 0), levels))


def scaled_channels(channels: int, width_percent: int) -> int:
    """Return the channels of a scaled stage: 2 round(w c / 2), halves to even, at least 2; unscaled ones stay. [1]"""
    return channels if width_percent == 100 else max(2, 2 * round(width_percent * channels / 200))
