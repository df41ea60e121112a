"""A stage of a space: a run of blocks with common options.

Letters of the text form: k kernels, e expansion, c channels, s stride, t kind of block, d depth, r residual; a letter
is written where the stage has several options, k and c nearly always. Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energy.validation import require_choice, require_int
from models.spaces.blocks import BLOCKS, Block
from models.spaces.graph import Node

_RISING = ("kernels", "channels", "depths", "residuals", "expansions")


@dataclass(frozen=True, kw_only=True)
class Gene:
    """One position of an architecture: a unique name and the options that its index selects."""

    name: str
    options: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A run of blocks with common options.

    Attributes:
        kernels: Kernel sizes to choose from. [1]
        channels: Output channels to choose from, at width 1. [1]
        depths: Numbers of blocks to choose from. [1]
        residuals: Whether blocks after the first may add their input.
        strides: Steps of the first block on each axis to choose from, falling: the last is the largest network. [1]
        expansions: Hidden channels of inverted bottlenecks as multiples of their input's. [1]
        blocks: Kinds to choose from for the blocks after the first, keys of `BLOCKS`; the first block has the last
            kind.
        one_kernel: Whether all blocks have the same kernel, one gene for the stage.
        is_scaled: Whether the space's width multiplies the channels.

    Raises:
        ValueError: An option list is empty, repeats, or is out of order; a kind is unknown.
    """

    kernels: tuple[int, ...]
    channels: tuple[int, ...]
    depths: tuple[int, ...] = (1,)
    residuals: tuple[bool, ...] = (False,)
    strides: tuple[int, ...] = (1,)
    expansions: tuple[int, ...] = (1,)
    blocks: tuple[str, ...] = ("conv",)
    one_kernel: bool = False
    is_scaled: bool = True

    def __post_init__(self) -> None:
        for field in (*_RISING, "strides"):
            options = getattr(self, field)
            is_falling = field == "strides"
            if not options or list(options) != sorted(set(options), reverse=is_falling):
                raise ValueError(f"{field} must {'fall' if is_falling else 'rise'} and not be empty, not {options!r}")
            for option in options:
                require_int(field, int(option), least=0 if field == "residuals" else 1)
        if not self.blocks or len(set(self.blocks)) < len(self.blocks):
            raise ValueError(f"blocks must not be empty or repeat, not {self.blocks!r}")
        for block in self.blocks:
            require_choice("blocks", block, BLOCKS)

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """Genes of the stage: choices with more than one option, by name within the stage."""
        kernels = ["kernel"] if self.one_kernel else [f"b{block}.kernel" for block in range(self.depths[-1])]
        genes = [
            Gene(name="stride", options=self.strides),
            Gene(name="block", options=tuple(range(len(self.blocks)))),
            Gene(name="depth", options=self.depths),
            Gene(name="expansion", options=self.expansions),
            *(Gene(name=name, options=self.kernels) for name in kernels),
            Gene(name="channels", options=self.channels),
            Gene(name="residual", options=tuple(int(option) for option in self.residuals)),
        ]
        return tuple(gene for gene in genes if len(gene.options) > 1)

    @property
    def is_dense(self) -> bool:
        """Whether it is made of fully connected layers."""
        return self.blocks == ("dense",)

    @cached_property
    def size(self) -> int:
        """Number of distinct stages."""
        chains = sum(
            len(self.kernels) ** (1 if self.one_kernel else depth)
            * (len(self.residuals) * len(self.blocks) if depth > 1 else 1)
            for depth in self.depths
        )
        return chains * len(self.channels) * len(self.strides) * len(self.expansions)

    def active(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether each gene is active, not silenced by the depth.

        Args:
            rows: Option indices of `genes`, `(n, n_genes)`.

        Returns:
            Mask of the same shape.
        """
        columns, depths = self.silencing
        return np.asarray(depths[np.arange(rows.shape[1]), rows[:, columns]] >= self.least_depths)

    @cached_property
    def least_depths(self) -> NDArray[np.int64]:
        """Depth from which each gene is active, `(n_genes,)`."""
        least = {"residual": 2, "block": 2} | {f"b{block}.kernel": block + 1 for block in range(self.depths[-1])}
        return np.array([least.get(gene.name, 1) for gene in self.genes], dtype=np.int64)

    @cached_property
    def silencing(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Column of the gene of the depth for each gene, `(n_genes,)`, and the depths, `(n_genes, n_options)`.

        With a single depth the column is 0, and all depths are that depth.
        """
        names = [gene.name for gene in self.genes]
        n_options = max((len(gene.options) for gene in self.genes), default=1)
        depths = np.full((len(names), n_options), self.depths[-1], dtype=np.int64)
        depths[:, : len(self.depths)] = self.depths
        column = names.index("depth") if "depth" in names else 0
        if "depth" not in names:
            depths[:] = self.depths[0]
        return np.full(len(names), column, dtype=np.int64), depths

    def options(self, row: Sequence[int]) -> dict[str, int]:
        """Return the options that indices of `genes` select, by gene name."""
        return {gene.name: gene.options[index] for gene, index in zip(self.genes, row, strict=True)}

    def chosen(self, options: Mapping[str, int]) -> dict[str, Any]:
        """Return every setting of one stage: chosen options, and the only option elsewhere.

        Args:
            options: Options by gene name within the stage.

        Returns:
            `stride`, `block`, `depth`, `expansion`, `channels`, `residual`, and `kernels` with one size per block.
        """
        lists: dict[str, tuple[int, ...]] = {
            "stride": self.strides,
            "block": tuple(range(len(self.blocks))),
            "depth": self.depths,
            "expansion": self.expansions,
            "channels": self.channels,
            "residual": tuple(int(option) for option in self.residuals),
        }
        found: dict[str, Any] = {name: options.get(name, values[0]) for name, values in lists.items()}
        names = ["kernel"] * found["depth"] if self.one_kernel else [f"b{b}.kernel" for b in range(found["depth"])]
        found["kernels"] = [options.get(name, self.kernels[0]) for name in names]
        return found

    def nodes(self, prefix: str, before: int, in_ch: int, chosen: Mapping[str, Any], *, pads: bool) -> list[Node]:
        """Return the layers of one stage.

        Args:
            prefix: Prefix of its slots, such as `s0`.
            before: Index of the node that it reads; its own follow.
            in_ch: Channels of that node. [1]
            chosen: Result of `chosen`, with scaled channels.
            pads: Whether padding keeps the size of maps, except for strides.
        """
        nodes: list[Node] = []
        channels, other = chosen["channels"], self.blocks[chosen["block"]]
        for index, kernel in enumerate(chosen["kernels"]):
            source = before + len(nodes)
            block = Block(
                name=f"{prefix}.b{index}",
                source=source,
                in_ch=in_ch if index == 0 else channels,
                out_ch=channels,
                kernel=kernel,
                stride=chosen["stride"] if index == 0 else 1,
                pad=kernel // 2 if pads else 0,
                expansion=chosen["expansion"],
            )
            nodes += BLOCKS[self.blocks[-1] if index == 0 else other](block)
            if chosen["residual"] and index > 0:
                pair = (before + len(nodes), source)
                nodes.append(Node(slot=f"{block.name}.add", op="add", inputs=pair, out_ch=channels))
        return nodes

    def text(self, chosen: Mapping[str, Any]) -> str:
        """Return the text form of one stage, such as `k5c16` or `k3.5c8d2r1`; channels before they are scaled."""
        parts = []
        if not self.is_dense:
            kernels = chosen["kernels"][:1] if self.one_kernel else chosen["kernels"]
            parts.append(f"k{'.'.join(str(kernel) for kernel in kernels)}")
        letters = {"e": "expansion", "c": "channels", "s": "stride", "t": "block", "d": "depth", "r": "residual"}
        open_genes = {gene.name for gene in self.genes} | ({"channels"} if len(self.expansions) == 1 else set())
        return "".join([*parts, *(f"{key}{chosen[name]}" for key, name in letters.items() if name in open_genes)])

    def rows(self) -> NDArray[np.int64]:
        """Return the option indices of every distinct stage, `(size, n_genes)`, in lexicographic order."""
        every = list(product(*(range(len(gene.options)) for gene in self.genes)))
        rows = np.array(every, dtype=np.int64).reshape(len(every), len(self.genes))
        distinct: NDArray[np.int64] = np.unique(np.where(self.active(rows), rows, 0), axis=0)
        return distinct


_TEXT = re.compile(
    r"(?:k(?P<kernels>\d+(?:\.\d+)*))?(?:e(?P<expansion>\d+))?(?:c(?P<channels>\d+))?(?:s(?P<stride>\d+))?"
    r"(?:t(?P<block>\d+))?(?:d(?P<depth>\d+))?(?:r(?P<residual>[01]))?"
)


def parse(text: str) -> dict[str, int]:
    """Return the options by gene name within the stage, as far as the text can be read."""
    found = _TEXT.fullmatch(text)
    if found is None:
        return {}
    options = {name: int(value) for name, value in found.groupdict().items() if value and name != "kernels"}
    for block, kernel in enumerate((found["kernels"] or "").split(".")):
        if kernel:
            options |= {f"b{block}.kernel": int(kernel), **({"kernel": int(kernel)} if block == 0 else {})}
    return options
