"""Legal execution designs of layer shapes as index lists, memoised by shape.

A layer shape gets a small integer id, which is its row in an integer table of option counts. Id 0 stands for a layer
that a network does not have: every gene has one option. Independent of architectures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energy.networks.designs import TILE_GENES, LayerDesign
from energy.networks.rules import Rules
from energy.networks.shapes import LayerShape

EXECUTION_GENES = (*TILE_GENES, "order", "vector", "batch")
"""Genes of one layer in the order of the genome; the options of the last two depend on those before them."""

N_FREE = EXECUTION_GENES.index("vector")
"""Genes whose options depend on the shape alone."""

ABSENT = 0
"""Shape id of a slot that a network does not use."""

Options = tuple[int, ...] | tuple[str, ...]
"""Options of a gene, which its indices select."""

Indices = NDArray[np.int64]


class LegalDesigns:
    """Option lists of layer shapes under one rule set.

    Attributes:
        rules: The rule set.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._ids: dict[LayerShape, int] = {}
        self._layers: list[LayerShape | None] = [None]
        self._options: list[tuple[Options, ...]] = [((),) * N_FREE]
        self._sizes: Indices = np.ones((1, N_FREE), dtype=np.int64)
        self._dependent: dict[tuple[int, ...], tuple[tuple[str, ...], tuple[int, ...]]] = {}
        self._designs: dict[tuple[int, ...], LayerDesign] = {}
        self._transfers: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._genes: dict[tuple[int, LayerDesign], tuple[int, ...]] = {}

    def shape_id(self, layer: LayerShape) -> int:
        """Return the number of a layer shape, given at the first call."""
        known = self._ids.get(layer)
        if known is not None:
            return known
        tiles = tuple(self.rules.tile_options(layer, gene) for gene in TILE_GENES)
        options: tuple[Options, ...] = (*tiles, self.rules.orders(layer))
        self._layers.append(layer)
        self._options.append(options)
        self._sizes = np.vstack([self._sizes, [len(names) for names in options]])
        self._ids[layer] = len(self._layers) - 1
        return self._ids[layer]

    @property
    def n_shapes(self) -> int:
        """Layer shapes met so far, `ABSENT` among them."""
        return len(self._layers)

    def layer(self, shape_id: int) -> LayerShape:
        """Return the shape behind an id other than `ABSENT`."""
        layer = self._layers[shape_id]
        assert layer is not None
        return layer

    def sizes(self, shape_ids: Indices) -> Indices:
        """Return the options of every free gene.

        Args:
            shape_ids: Ids, `(...)`.

        Returns:
            Lengths of the option lists, `(..., N_FREE)`.
        """
        sizes: Indices = self._sizes[shape_ids]
        return sizes

    def dependent_sizes(self, shape_ids: Indices, genes: Indices) -> Indices:
        """Return the options of the genes that depend on the free ones: the vector mode and the batch.

        Args:
            shape_ids: Ids, `(n,)`.
            genes: Legal indices of the free genes, `(n, N_FREE)`.

        Returns:
            Lengths of the option lists, `(n, 2)`.
        """
        keys = zip(shape_ids.tolist(), genes.tolist(), strict=True)
        rows = [[len(options) for options in self._dependent_options((shape, *row))] for shape, row in keys]
        return np.array(rows, dtype=np.int64).reshape(-1, len(EXECUTION_GENES) - N_FREE)

    def _dependent_options(self, key: tuple[int, ...]) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Return vector modes and batches that are legal for `(shape id, indices of the free genes)`."""
        known = self._dependent.get(key)
        if known is None:
            shape_id, *genes = key
            known = (("channel",), (1,))
            if shape_id != ABSENT:
                layer, design = self.layer(shape_id), self._free_part(shape_id, genes)
                known = (self.rules.vectors(layer, design), self.rules.batch_options(layer, design))
            self._dependent[key] = known
        return known

    def _free_part(self, shape_id: int, genes: Sequence[int]) -> LayerDesign:
        values = [options[gene] for options, gene in zip(self._options[shape_id], genes, strict=True)]
        named: dict[str, Any] = dict(zip(EXECUTION_GENES[:N_FREE], values, strict=True))
        return LayerDesign(**named, batch=1)

    def design(self, shape_id: int, genes: tuple[int, ...]) -> LayerDesign:
        """Return the design that legal indices of `EXECUTION_GENES` encode."""
        key = (shape_id, *genes)
        known = self._designs.get(key)
        if known is None:
            vectors, batches = self._dependent_options(key[: N_FREE + 1])
            vector, batch = genes[N_FREE:]
            known = replace(self._free_part(shape_id, genes[:N_FREE]), vector=vectors[vector], batch=batches[batch])
            self._designs[key] = known
        return known

    def genes(self, shape_id: int, design: LayerDesign) -> tuple[int, ...]:
        """Return the indices of a design.

        Raises:
            ValueError: The rules do not allow the design for this layer.
        """
        known = self._genes.get((shape_id, design))
        if known is None:
            known = self._find(shape_id, design)
            self._genes[shape_id, design] = known
        return known

    def _find(self, shape_id: int, design: LayerDesign) -> tuple[int, ...]:
        found: list[int] = []
        for position, gene in enumerate(EXECUTION_GENES):
            if position < N_FREE:
                options: Options = self._options[shape_id][position]
            else:
                options = self._dependent_options((shape_id, *found[:N_FREE]))[position - N_FREE]
            value = getattr(design, gene)
            if value not in options:
                raise ValueError(f"{gene} must be one of {options} under the rules {self.rules.name}, not {value!r}")
            found.append(options.index(value))
        return tuple(found)

    def transfer(self, genes: tuple[int, ...], from_id: int, to_id: int) -> tuple[int, ...]:
        """Return indices of the design of another shape that is nearest in value: sizes by ratio, the order by name.

        Args:
            genes: Legal indices of the shape `from_id`.
            from_id: Shape of the design, not `ABSENT`.
            to_id: Shape that receives it, not `ABSENT`.
        """
        key = (from_id, to_id, *genes)
        known = self._transfers.get(key)
        if known is None:
            design, found = self.design(from_id, genes), list[int]()
            for options, gene in zip(self._options[to_id], EXECUTION_GENES, strict=False):
                found.append(_nearest(options, getattr(design, gene)))
            vectors, batches = self._dependent_options((to_id, *found))
            known = (*found, _nearest(vectors, design.vector), _nearest(batches, design.batch))
            self._transfers[key] = known
        return known

    def longest(self, layers: Sequence[LayerShape]) -> Indices:
        """Return the length of the longest option list of each gene over several shapes, `(7,)`.

        The innermost loop, and with it the preservation batch, depends on the tile of the map, of the output channels
        or of the input channels alone.
        """
        longest = np.ones(len(EXECUTION_GENES), dtype=np.int64)
        for layer in layers:
            shape_id = self.shape_id(layer)
            sizes = self._sizes[shape_id]
            n_vectors = len(self.rules.vectors(layer, self._free_part(shape_id, [0] * N_FREE)))
            longest = np.maximum(longest, [*sizes.tolist(), n_vectors, self._longest_batch(layer)])
        return longest

    def _longest_batch(self, layer: LayerShape) -> int:
        """Return the length of the longest list of batches of any design.

        Lists of exact rules grow with the innermost loop, which is longest with the smallest tiles; lists of divisors
        do not.
        """
        options = [self.rules.tile_options(layer, gene) for gene in TILE_GENES]
        if self.rules.counting == "exact":
            rows = {tuple(axis[0] for axis in options)}
        else:
            h, w, out, into = options
            rows = {*product(h, w, out[:1], into[:1]), *product(h[:1], w[:1], out, into[:1])}
            rows |= set(product(h[:1], w[:1], out[:1], into))
        designs = (
            LayerDesign(tile_h=h, tile_w=w, tile_out=out, tile_in=into, order=order, batch=1)
            for h, w, out, into in rows
            for order in self.rules.orders(layer)
        )
        return max(len(self.rules.batch_options(layer, design)) for design in designs)


def _nearest(options: Options, value: int | str) -> int:
    """Return the index of the option of that value, or of the size with the nearest ratio to it, or the first."""
    if value in options:
        return options.index(value)
    if isinstance(value, str):
        return 0
    return int(np.argmin(np.abs(np.log(np.array(options, dtype=np.float64) / value))))
