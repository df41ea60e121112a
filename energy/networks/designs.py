"""Execution designs of layers: tile sizes, loop order, preservation batch and vector mode.

A `LayerDesign` is one design as a person writes it, a `DesignTable` many as arrays. `energy.networks.rules`
says which designs may be chosen; here designs are checked to be well formed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from energy.events import ORDERS, IntArray
from energy.networks.fuse import normalised
from energy.networks.shapes import OPS, LayerShape, NetworkShape
from energy.networks.vectors import VECTORS, VECTORS_OF_OP, has_vector
from energy.validation import require_choice, require_int, require_keys

ORDERS_OF_OP = {
    "conv": ORDERS,
    "depthwise_conv": ORDERS,
    "global_avg_pool": ("output",),
    "add": ("output",),
    "batch_norm": ("weight",),
    "relu": ("output",),
}
"""Loop orders that each operator has."""

TILE_GENES = ("tile_h", "tile_w", "tile_out", "tile_in")

_CODES: Mapping[str, Mapping[str, int]] = {
    "order": {name: index for index, name in enumerate(ORDERS)},
    "vector": {name: index for index, name in enumerate(VECTORS)},
}
"""Codes of names in tables."""


@dataclass(frozen=True, kw_only=True)
class LayerDesign:
    """Execution of one layer.

    Attributes:
        tile_h, tile_w, tile_out: Output tile Tr, Tc, Tm (`global_avg_pool`: tile of the input map). [1]
        tile_in: Input channels of a tile Tn. [1]
        order: Loop order, one of `ORDERS`.
        batch: Innermost iterations S between two commits of progress. [1]
        vector: Vector mode, one of `VECTORS`.

    Raises:
        ValueError: A size is below 1, or an order or vector mode is unknown.
    """

    tile_h: int
    tile_w: int
    tile_out: int
    tile_in: int
    order: str
    batch: int
    vector: str = "channel"

    def __post_init__(self) -> None:
        for name in (*TILE_GENES, "batch"):
            require_int(name, getattr(self, name))
        for name, known in (("order", ORDERS), ("vector", VECTORS)):
            require_choice(name, getattr(self, name), known)

    @classmethod
    def from_dict(cls, data: Any) -> LayerDesign:
        """Read one entry of a DESIGN.json plan.

        Raises:
            ValueError: A key is missing or unknown, or a value is out of range.
        """
        names = [field.name for field in fields(cls)]
        require_keys("design", data, required=names[:-1], optional=names[-1:])
        return cls(**data)

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of a DESIGN.json plan."""
        return asdict(self)


Plan = tuple[LayerDesign, ...]
"""One design per layer, in the order of the network's layers."""


@dataclass(frozen=True, kw_only=True)
class DesignTable:
    """Designs as arrays, each `(n_designs,)`; `order` holds indices into `ORDERS`, `vector` into `VECTORS`."""

    tile_h: IntArray
    tile_w: IntArray
    tile_out: IntArray
    tile_in: IntArray
    order: IntArray
    batch: IntArray
    vector: IntArray

    def __len__(self) -> int:
        """Return the number of designs."""
        return len(self.batch)

    def __getitem__(self, index: int) -> LayerDesign:
        """Return one design as a record."""
        return LayerDesign(
            tile_h=int(self.tile_h[index]),
            tile_w=int(self.tile_w[index]),
            tile_out=int(self.tile_out[index]),
            tile_in=int(self.tile_in[index]),
            order=ORDERS[int(self.order[index])],
            batch=int(self.batch[index]),
            vector=VECTORS[int(self.vector[index])],
        )

    @classmethod
    def of(cls, designs: Sequence[LayerDesign]) -> DesignTable:
        """Return the table of the given designs, in their order."""
        names = [field.name for field in fields(cls)]
        rows = [[_CODES.get(name, {}).get(value := getattr(d, name), value) for name in names] for d in designs]
        columns = np.array(rows, dtype=np.int64).reshape(-1, len(names)).T
        return cls(**{field.name: column for field, column in zip(fields(cls), columns, strict=True)})

    @classmethod
    def concatenate(cls, tables: Sequence[DesignTable]) -> DesignTable:
        """Return one table after the other."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: np.concatenate([getattr(table, name) for table in tables]) for name in names})

    def in_orders(self, orders: Sequence[int]) -> DesignTable:
        """Return every design in each of the loop orders, orders running fastest."""
        table = self.take(np.repeat(np.arange(len(self)), len(orders)))
        return replace(table, order=np.tile(np.array(orders, dtype=np.int64), len(self)))

    def take(self, rows: IntArray) -> DesignTable:
        """Return the table of the chosen rows."""
        return DesignTable(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def tiled_map(layer: Any) -> tuple[Any, Any]:
    """Return height and width that `tile_h` and `tile_w` divide: the output, for `global_avg_pool` the input. [1]"""
    return (layer.in_h, layer.in_w) if layer.op == "global_avg_pool" else (layer.out_h, layer.out_w)


def innermost_of_tiles(rc: Any, m: Any, n: Any, runs_map: bool) -> tuple[Any, Any, Any]:
    """Return the iterations of the innermost loop for each of `ORDERS`; of numbers, of arrays, and compiled.

    Args:
        rc: Tiles of the map. [1]
        m: Tiles of the output channels. [1]
        n: Tiles of the input channels, 1 for operators other than a convolution. [1]
        runs_map: Whether the innermost loop runs over the map in every loop order.
    """
    return (rc, rc, rc) if runs_map else (m, rc, n)


def innermost_counts(layer: Any, design: Any, counting: str = "published") -> tuple[Any, Any, Any]:
    """Return the iterations of the innermost loop for each of `ORDERS`.

    Pooling runs over the tiles of its map, and so do element-wise layers under published counting; under exact counting
    an element-wise layer has one iteration.

    Args:
        layer: A `LayerShape`, or sizes of many layers as arrays.
        design: A `LayerDesign`, or designs as arrays; order and batch are not read.
        counting: `published` or `exact`.

    Returns:
        Integers, or arrays, as the arguments are. [1]
    """
    height, width = tiled_map(layer)
    rc = -(-height // design.tile_h) * -(-width // design.tile_w)
    m = -(-layer.out_ch // design.tile_out)
    n = -(-layer.in_ch // design.tile_in) if layer.op == "conv" else 1
    is_pool = layer.op == "global_avg_pool"
    is_convolution = layer.op in ("conv", "depthwise_conv")
    return innermost_of_tiles(rc, m, n, is_pool or (counting == "published" and not is_convolution))


def check_plan(network: NetworkShape, plan: Plan, *, counting: str, rounds_up: bool = True) -> None:
    """Demand that a plan is well formed for a network, regardless of rules.

    Args:
        network: The network.
        plan: One design per layer.
        counting: `published`, which knows one vector mode, or `exact`, which rewrites layers first.
        rounds_up: Whether tiles may reach the map rounded up to even, as the 2025 designs do under published counting.

    Raises:
        ValueError: A length, order, vector mode or size does not fit; layer, field, rule and value are named.
    """
    if len(plan) != len(network.layers):
        raise ValueError(f"plan must have one design for each of the {len(network.layers)} layers, not {len(plan)}")
    for name, layer, design in zip(network.layer_names, network.layers, plan, strict=True):
        try:
            _check_design(layer, design, counting, rounds_up and counting == "published")
        except ValueError as error:
            raise ValueError(f"plan of layer {name!r}: {error}") from None


def _check_design(layer: LayerShape, design: LayerDesign, counting: str, rounds_up: bool) -> None:
    height, width = tiled_map(layer)
    in_ch = normalised(layer)[0].in_ch if counting == "exact" else layer.in_ch
    sizes = {"tile_h": height, "tile_w": width, "tile_out": layer.out_ch, "tile_in": in_ch}
    for field, size in sizes.items():
        is_map = field in ("tile_h", "tile_w")
        may_round = rounds_up or not is_map
        limit = size + size % 2 if may_round else size
        if getattr(design, field) > limit:
            raise ValueError(f"{field} must be at most {limit}, not {getattr(design, field)}")
    if design.order not in ORDERS_OF_OP[layer.op]:
        known = ", ".join(ORDERS_OF_OP[layer.op])
        raise ValueError(f"order of a {layer.op} must be {known}, not {design.order!r}")
    vectors = VECTORS_OF_OP[layer.op] if counting == "exact" else VECTORS[:1]
    if design.vector not in vectors:
        raise ValueError(
            f"vector of a {layer.op} under {counting} counting must be {', '.join(vectors)}, not {design.vector!r}"
        )
    if not has_vector(OPS.index(layer.op), VECTORS.index(design.vector), design.tile_out):
        raise ValueError(f"tile_out must be 1 where a {layer.op} has vector {design.vector!r}, not {design.tile_out}")
