"""Rule sets: which designs of a layer a planner may choose.

A rule set is a row of option functions in `RULES`. Option lists rise, so the last option is the largest; the order in
which `Rules.table` enumerates is what "the first design" means where designs tie.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import Final

import numpy as np

from energy.events import ORDERS
from energy.networks.designs import (
    ORDERS_OF_OP,
    TILE_GENES,
    DesignTable,
    LayerDesign,
    innermost_counts,
    tiled_map,
)
from energy.networks.fuse import normalised
from energy.networks.shapes import OPS, LayerShape
from energy.networks.vectors import NO_LIMIT, VECTORS, fits_vector_unit, has_vector
from energy.validation import require_choice, require_int

Options = tuple[int, ...]


@lru_cache(maxsize=4096)
def divisors(size: int) -> Options:
    """Return all divisors, rising."""
    return tuple(divisor for divisor in range(1, size + 1) if size % divisor == 0)


@lru_cache(maxsize=4096)
def even_divisors(size: int) -> Options:
    """Return 1 and the even divisors, rising."""
    return tuple(divisor for divisor in divisors(size) if divisor == 1 or divisor % 2 == 0)


@lru_cache(maxsize=4096)
def even_sizes(size: int) -> Options:
    """Return 1 and the even sizes up to `size` rounded up to even, rising; only 1 on an axis of length 1."""
    return (1, *range(2, size + size % 2 + 1, 2)) if size > 1 else (1,)


def _one(size: int) -> Options:
    return (1,)


@lru_cache(maxsize=4096)
def ceil_parts(size: int) -> Options:
    """Return the sizes ceil(size / k) for k = 1 ... size, rising; about 2 sqrt(size) values."""
    found, part = [], size
    while part > 1:
        found.append(part)
        # The fewest parts that are smaller than this one.
        part = -(-size // -(-size // (part - 1)))
    return (1, *found[::-1])


@lru_cache(maxsize=4096)
def aligned_parts(size: int) -> Options:
    """Return the same in pairs of words, the alignment of the vector unit, of `size` rounded up to even."""
    return tuple(2 * pairs for pairs in ceil_parts(-(-size // 2)))


@dataclass(frozen=True, kw_only=True)
class Rules:
    """A rule set.

    Attributes:
        name: Name in configs.
        source: Source of the rules.
        map_options, out_options, in_options: Tile sizes of an axis of the map, of the output channels and of the
            input channels, as functions of the size.
        pool_map_options, pool_out_options: Tile sizes of an axis of the map and of the channels of pooling.
        batch_sizes: Batches of `conv`, `depthwise_conv` and pooling, as a function of the innermost count.
        counting: `published`, or `exact`, under which layers are rewritten first and vectors may be rows.
        max_vector: Longest vector of exact counting that may be chosen; None for any. [1]
        vector_modes: Vector modes that may be chosen where a layer has them, some of `VECTORS` in their order.
    """

    name: str
    source: str
    map_options: Callable[[int], Options]
    out_options: Callable[[int], Options]
    in_options: Callable[[int], Options]
    pool_map_options: Callable[[int], Options]
    pool_out_options: Callable[[int], Options]
    batch_sizes: Callable[[int], Options]
    counting: str = "published"
    max_vector: int | None = None
    vector_modes: tuple[str, ...] = VECTORS

    def under(self, counting: str) -> Rules:
        """Return the same sizes under another counting: published counting rewrites nothing and has no vector rows."""
        return self if counting == self.counting else replace(self, counting=counting)

    def tile_options(self, layer: LayerShape, gene: str) -> Options:
        """Return the legal sizes of one tile axis, rising.

        Args:
            layer: The layer.
            gene: `tile_h`, `tile_w`, `tile_out` or `tile_in`.
        """
        is_pool = layer.op == "global_avg_pool"
        if gene == "tile_in":
            return self._in_options(layer) if layer.op == "conv" else (1,)
        if gene == "tile_out":
            return (self.pool_out_options if is_pool else self.out_options)(layer.out_ch)
        size = tiled_map(layer)[("tile_h", "tile_w").index(gene)]
        return (self.pool_map_options if is_pool else self.map_options)(size)

    def _in_options(self, layer: LayerShape) -> Options:
        """Return the tiles of the input channels; our rules see the rewritten layer and vectors that were measured."""
        if self.counting == "published":
            return self.in_options(layer.in_ch)
        options = self.in_options(normalised(layer)[0].in_ch)
        return tuple(size for size in options if self.max_vector is None or size <= self.max_vector) or options[:1]

    def orders(self, layer: LayerShape) -> tuple[str, ...]:
        """Return legal loop orders, in the order of `ORDERS`."""
        return ORDERS_OF_OP[layer.op]

    def vectors(self, layer: LayerShape, design: LayerDesign) -> tuple[str, ...]:
        """Return legal vector modes of a design whose own is not read, in the order of `VECTORS`."""
        if self.counting == "published":
            return VECTORS[:1]
        op, kernel_w = OPS.index(layer.op), normalised(layer)[0].kernel_w
        longest = NO_LIMIT if self.max_vector is None else self.max_vector
        return tuple(
            vector
            for index, vector in enumerate(VECTORS)
            if vector in self.vector_modes
            and has_vector(op, index, design.tile_out)
            and fits_vector_unit(op, index, design.tile_in, kernel_w, longest)
        )

    def batch_options_of(self, op: str, n_inner: int) -> Options:
        """Return legal batches for an innermost loop of `n_inner` iterations, rising; 1 for element-wise layers."""
        return self.batch_sizes(n_inner) if op in ("conv", "depthwise_conv", "global_avg_pool") else (1,)

    def batch_options(self, layer: LayerShape, design: LayerDesign) -> Options:
        """Return the legal batches of a design whose own batch is not read, rising."""
        index = ORDERS.index(design.order)
        if self.counting == "published":
            return self.batch_options_of(layer.op, innermost_counts(layer, design)[index])
        layer, is_turned = normalised(layer)
        if is_turned:
            design = replace(design, tile_h=design.tile_w, tile_w=design.tile_h)
        return self.batch_sizes(innermost_counts(layer, design, "exact")[index])

    def tilings(self, layer: LayerShape) -> DesignTable:
        """Return every legal tiling, in the first legal loop order and with batch 1."""
        return _tilings(*(self.tile_options(layer, gene) for gene in TILE_GENES), ORDERS.index(self.orders(layer)[0]))

    def table(self, layer: LayerShape) -> DesignTable:
        """Return every legal design of a layer, inside VM or not; loop orders inside tilings, batches innermost."""
        tilings = self.tilings(layer).in_orders([ORDERS.index(order) for order in self.orders(layer)])
        n_inner = np.choose(tilings.order, innermost_counts(layer, tilings))
        batches = [self.batch_options_of(layer.op, int(count)) for count in n_inner]
        rows = np.repeat(np.arange(len(tilings)), [len(options) for options in batches])
        batch = np.array([size for options in batches for size in options], dtype=np.int64)
        return replace(tilings.take(rows), batch=batch)


@lru_cache(maxsize=1024)
def _tilings(tile_h: Options, tile_w: Options, tile_out: Options, tile_in: Options, order: int) -> DesignTable:
    """Return all combinations of tile sizes, the last axis fastest; layers that differ in their kernel share them."""
    options = (tile_h, tile_w, tile_out, tile_in)
    lengths = [len(axis) for axis in options]
    columns = [
        np.tile(np.repeat(np.array(axis, dtype=np.int64), prod(lengths[i + 1 :])), prod(lengths[:i]))
        for i, axis in enumerate(options)
    ]
    orders = np.full(prod(lengths), order)
    return DesignTable(
        **dict(zip(TILE_GENES, columns, strict=True)),
        order=orders,
        batch=np.ones_like(orders),
        vector=np.zeros_like(orders),
    )


DEFAULT_RULES: Final = "ebbnas"
"""Rule set where none is named."""

RULES: dict[str, Rules] = {
    rules.name: rules
    for rules in (
        Rules(
            name="inas2021",
            source="Mendis, Kang, Hsiu, ACM TECS 20(5s), 2021, doi 10.1145/3476995",
            map_options=divisors,
            out_options=divisors,
            in_options=even_divisors,
            pool_map_options=even_divisors,
            pool_out_options=even_divisors,
            batch_sizes=even_divisors,
        ),
        Rules(
            name="tinas2025",
            source="Mendis, Yen, Kang, Hsiu, IEEE TCAD 2025, doi 10.1109/TCAD.2025.3555963",
            map_options=even_sizes,
            out_options=even_divisors,
            in_options=even_divisors,
            pool_map_options=even_sizes,
            pool_out_options=even_divisors,
            batch_sizes=_one,
        ),
        Rules(
            name=DEFAULT_RULES,
            source="EbbNAS: equal parts of every axis, whole rows as vectors, exact counting",
            map_options=ceil_parts,
            out_options=ceil_parts,
            in_options=aligned_parts,
            pool_map_options=ceil_parts,
            pool_out_options=ceil_parts,
            batch_sizes=ceil_parts,
            counting="exact",
            max_vector=64,
        ),
    )
}


def rules(name: str, max_vector: int | None = None) -> Rules:
    """Return the rule set of that name; `max_vector` is the longest vector that ours may choose, 64 where None. [1]

    Raises:
        ValueError: The name is not known, or a vector is shorter than the alignment of the vector unit.
    """
    require_choice("rules", name, RULES)
    if max_vector is not None:
        require_int("max_vector", max_vector, least=2)
    found = RULES[name]
    return found if max_vector is None or found.counting == "published" else replace(found, max_vector=max_vector)
