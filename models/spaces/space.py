"""Search spaces as data: stages of blocks with option lists, and everything that follows from them.

An architecture is a row of option indices, one a gene; a population is an int64 array `(n, n_genes)`. Genes that the
others silence (kernels of blocks beyond the depth, residuals where there is nothing to add) are 0 in canonical form, so
one network has one spelling. Sampling, counting, neighbours and the text form are generic. Torch-free.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energy.checks import require_int
from energy.layers import NETWORK_INPUT, NetworkShape
from models.spaces.graph import Graph, Node, shapes

Archs = NDArray[np.int64]
"""Architectures as option indices, `(n, n_genes)`; a single one is `(n_genes,)`."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A run of like blocks, each a convolution with batch normalisation and ReLU.

    Attributes:
        kernels: Kernel sizes to choose from, a gene a block. [1]
        channels: Output channels to choose from, a gene a stage. [1]
        depths: Numbers of blocks to choose from, a gene where there are several. [1]
        residuals: Whether blocks after the first may add their input, a gene where both are allowed.
        stride: Step of the first block on each axis. [1]

    Raises:
        ValueError: An option list is empty, repeats, or does not rise.
    """

    kernels: tuple[int, ...]
    channels: tuple[int, ...]
    depths: tuple[int, ...] = (1,)
    residuals: tuple[bool, ...] = (False,)
    stride: int = 1

    def __post_init__(self) -> None:
        require_int("stride", self.stride)
        for field in ("kernels", "channels", "depths", "residuals"):
            options = getattr(self, field)
            if not options or list(options) != sorted(set(options)):
                raise ValueError(f"{field} must rise and not be empty, not {options!r}")
            for option in options:
                require_int(field, int(option), least=0 if field == "residuals" else 1)


@dataclass(frozen=True, kw_only=True)
class Gene:
    """One position of an architecture: a unique name and the options its index points into."""

    name: str
    options: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A layer of the largest network, whose weights smaller networks slice.

    Attributes:
        node: The layer at its largest.
        in_ch: Input channels at its largest. [1]
    """

    node: Node
    in_ch: int


@dataclass(frozen=True, kw_only=True)
class Space:
    """All networks of a family: stages, then global average pooling and a linear layer.

    Attributes:
        name: What a config calls it.
        input_shape: Height, width and channels of the input; width 1 for one-dimensional data. [1]
        n_classes: Outputs of the last layer. [1]
        stages: The stages in order.
        padding: `"same"` or `"valid"`.
        source: Where the space comes from.

    Raises:
        ValueError: `padding` is neither, residuals under valid padding, or the largest kernels do not fit.
    """

    name: str
    input_shape: tuple[int, int, int]
    n_classes: int
    stages: tuple[Stage, ...]
    padding: str = "same"
    source: str = ""

    def __post_init__(self) -> None:
        if self.padding not in ("same", "valid"):
            raise ValueError(f"padding must be 'same' or 'valid', not {self.padding!r}")
        if self.padding == "valid" and any(True in stage.residuals for stage in self.stages):
            raise ValueError("residuals need padding 'same', not 'valid': the maps to add differ in size")
        if self.padding == "same" and any(kernel % 2 == 0 for stage in self.stages for kernel in stage.kernels):
            raise ValueError("kernels must be odd under padding 'same'")
        self.network(self.largest)

    @property
    def n_dims(self) -> int:
        """Axes that convolutions slide along: 1 or 2."""
        return 1 if self.input_shape[1] == 1 else 2

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """The positions of an architecture, stage by stage: depth, a kernel a block, channels, residual."""
        return tuple(gene for index, stage in enumerate(self.stages) for gene in _stage_genes(index, stage))

    @cached_property
    def n_options(self) -> NDArray[np.int64]:
        """Options of each gene, `(n_genes,)`."""
        return np.array([len(gene.options) for gene in self.genes], dtype=np.int64)

    @cached_property
    def size(self) -> int:
        """Number of distinct networks."""
        size = 1
        for stage in self.stages:
            chains = sum(
                len(stage.kernels) ** depth * (len(stage.residuals) if depth > 1 else 1) for depth in stage.depths
            )
            size *= chains * len(stage.channels)
        return size

    @property
    def largest(self) -> Archs:
        """The architecture with the last option everywhere, `(n_genes,)`: every slot is in it."""
        return self.n_options - 1

    @property
    def smallest(self) -> Archs:
        """The architecture with the first option everywhere, `(n_genes,)`."""
        return np.zeros(len(self.genes), dtype=np.int64)

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """The layers of the largest network, in order: what weights and execution genes are attached to."""
        graph = self.graph(self.largest)
        layers = self.network(self.largest).layers
        return tuple(Slot(node=node, in_ch=layer.in_ch) for node, layer in zip(graph, layers, strict=True))

    def slot_indices(self, arch: Archs) -> tuple[int, ...]:
        """For each layer of a network the index of its slot in `slots`."""
        index_of = {slot.node.slot: index for index, slot in enumerate(self.slots)}
        return tuple(index_of[node.slot] for node in self.graph(arch))

    def active(self, archs: Archs) -> NDArray[np.bool_]:
        """Which genes are not silenced by others.

        Args:
            archs: Architectures, `(n, n_genes)`.

        Returns:
            Mask of the same shape.
        """
        mask = np.ones(archs.shape, dtype=bool)
        column_of = {gene.name: column for column, gene in enumerate(self.genes)}
        for index, stage in enumerate(self.stages):
            depth_column = column_of.get(f"s{index}.depth")
            if depth_column is None:
                depth = np.full(len(archs), stage.depths[0])
            else:
                depth = np.array(stage.depths)[archs[:, depth_column]]
            for block in range(stage.depths[-1]):
                if (column := column_of.get(f"s{index}.b{block}.kernel")) is not None:
                    mask[:, column] = block < depth
            if (column := column_of.get(f"s{index}.residual")) is not None:
                mask[:, column] = depth > 1
        return mask

    def canonical(self, archs: Archs) -> Archs:
        """The one spelling of each architecture: silent genes 0.

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
        """The chosen option of each gene, by name."""
        return {gene.name: gene.options[int(index)] for gene, index in zip(self.genes, arch, strict=True)}

    def graph(self, arch: Archs) -> Graph:
        """The layers of one network.

        Args:
            arch: Architecture, `(n_genes,)`, canonical or not.
        """
        chosen = self.options(arch)
        nodes: list[Node] = []
        for index, stage in enumerate(self.stages):
            depth = chosen.get(f"s{index}.depth", stage.depths[0])
            channels = chosen.get(f"s{index}.channels", stage.channels[0])
            has_residual = bool(chosen.get(f"s{index}.residual", stage.residuals[0]))
            for block in range(depth):
                before = len(nodes) - 1 if nodes else NETWORK_INPUT
                kernel = chosen.get(f"s{index}.b{block}.kernel", stage.kernels[0])
                nodes.append(
                    Node(
                        slot=f"s{index}.b{block}.conv",
                        op="conv",
                        inputs=(before,),
                        out_ch=channels,
                        kernel=kernel,
                        stride=stage.stride if block == 0 else 1,
                        pad=kernel // 2 if self.padding == "same" else 0,
                        is_hidden=True,
                    )
                )
                if has_residual and block > 0:
                    pair = (len(nodes) - 1, before)
                    nodes.append(Node(slot=f"s{index}.b{block}.add", op="add", inputs=pair, out_ch=channels))
        last = len(nodes) - 1
        nodes.append(Node(slot="pool", op="global_avg_pool", inputs=(last,), out_ch=nodes[-1].out_ch))
        nodes.append(Node(slot="head", op="conv", inputs=(last + 1,), out_ch=self.n_classes))
        return tuple(nodes)

    def network(self, arch: Archs) -> NetworkShape:
        """One network as the cost model sees it, named after its text form."""
        return shapes(self.encode(arch), self.graph(arch), self.input_shape)

    def encode(self, arch: Archs) -> str:
        """Text form of one architecture, such as `k5c16-k3c24-k1c8`; with depths `k3.5c8d2r1`."""
        canonical = self.canonical(np.asarray(arch)[None])[0]
        chosen = self.options(canonical)
        return "-".join(_stage_text(index, stage, chosen) for index, stage in enumerate(self.stages))

    def decode(self, text: str) -> Archs:
        """The architecture that `encode` wrote, `(n_genes,)`.

        Raises:
            ValueError: The text is not of this space.
        """
        chosen = _parse(text)
        arch = self.smallest
        for column, gene in enumerate(self.genes):
            if chosen.get(gene.name) in gene.options:
                arch[column] = gene.options.index(chosen[gene.name])
        if self.encode(arch) != text:
            example = self.encode(self.largest)
            raise ValueError(f"architecture must be of space {self.name}, such as {example!r}, not {text!r}")
        return arch

    def enumerate(self) -> Archs:
        """Every distinct network in canonical form, `(size, n_genes)`, in lexicographic order."""
        blocks = [_stage_rows(index, stage, self) for index, stage in enumerate(self.stages)]
        rows = blocks[0]
        for block in blocks[1:]:
            rows = np.hstack([np.repeat(rows, len(block), axis=0), np.tile(block, (len(rows), 1))])
        return rows

    def sample(self, rng: np.random.Generator, n: int) -> Archs:
        """Random architectures in canonical form, every gene uniform, `(n, n_genes)`; they may repeat."""
        return self.canonical(rng.integers(0, self.n_options, size=(n, len(self.genes))))

    def neighbours(self, arch: Archs) -> Archs:
        """Every other network that one active gene away, canonical and distinct, `(n, n_genes)`."""
        arch = self.canonical(np.asarray(arch)[None])[0]
        rows = []
        for column in np.flatnonzero(self.active(arch[None])[0]):
            for option in range(self.n_options[column]):
                row = arch.copy()
                row[column] = option
                rows.append(row)
        found = np.unique(self.canonical(np.array(rows)), axis=0)
        is_other = (found != arch).any(axis=1)
        return np.asarray(found[is_other])


def _stage_genes(index: int, stage: Stage) -> Iterator[Gene]:
    genes = [Gene(name=f"s{index}.depth", options=stage.depths)]
    genes += [Gene(name=f"s{index}.b{block}.kernel", options=stage.kernels) for block in range(stage.depths[-1])]
    genes += [Gene(name=f"s{index}.channels", options=stage.channels)]
    genes += [Gene(name=f"s{index}.residual", options=tuple(int(option) for option in stage.residuals))]
    return (gene for gene in genes if len(gene.options) > 1)


def _stage_text(index: int, stage: Stage, chosen: dict[str, int]) -> str:
    depth = chosen.get(f"s{index}.depth", stage.depths[0])
    kernels = [chosen.get(f"s{index}.b{block}.kernel", stage.kernels[0]) for block in range(depth)]
    text = f"k{'.'.join(str(kernel) for kernel in kernels)}c{chosen.get(f's{index}.channels', stage.channels[0])}"
    if len(stage.depths) > 1:
        text += f"d{depth}"
    if len(stage.residuals) > 1:
        text += f"r{chosen[f's{index}.residual']}"
    return text


_STAGE_TEXT = re.compile(r"k(?P<kernels>\d+(?:\.\d+)*)c(?P<channels>\d+)(?:d(?P<depth>\d+))?(?:r(?P<residual>[01]))?")


def _parse(text: str) -> dict[str, int]:
    """Options by gene name as far as the text can be read."""
    chosen: dict[str, int] = {}
    for index, part in enumerate(text.split("-")):
        if found := _STAGE_TEXT.fullmatch(part):
            for block, kernel in enumerate(found["kernels"].split(".")):
                chosen[f"s{index}.b{block}.kernel"] = int(kernel)
            for name in ("channels", "depth", "residual"):
                chosen[f"s{index}.{name}"] = int(found[name] or 0)
    return chosen


def _stage_rows(index: int, stage: Stage, space: Space) -> Archs:
    """Distinct canonical gene rows of one stage, lexicographic."""
    genes = list(_stage_genes(index, stage))
    rows: Sequence[Any] = list(product(*(range(len(gene.options)) for gene in genes)))
    offset = [gene.name for gene in space.genes].index(genes[0].name) if genes else 0
    full = np.zeros((len(rows), len(space.genes)), dtype=np.int64)
    full[:, offset : offset + len(genes)] = np.array(rows, dtype=np.int64).reshape(len(rows), len(genes))
    distinct: Archs = np.unique(space.canonical(full)[:, offset : offset + len(genes)], axis=0)
    return distinct
