"""Event counts of designs under published counting, by the formulas of the 2021 and 2025 planners.

Under published counting every tile counts at its full size, and a batch of S iterations counts `once + S each`.
Batches of a convolution that start beyond the first input-channel tile fetch partial sums too. Letters as in
`energy.networks.shapes`; tiles Tr x Tc x Tm of the output and Tn input channels (energy/README sections 3, 4, 8, 10).
Another way of counting ends in the same `BatchCounts`: kinds of batches with their events and how often each kind
occurs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from energy.events import ORDERS, Counts, IntArray, total_events
from energy.networks.designs import DesignTable, innermost_counts
from energy.networks.shapes import LayerShape

INPUT, WEIGHT, OUTPUT = range(len(ORDERS))
ONE = np.ones((), dtype=np.int64)
_FETCHES = tuple(f"{operand}_fetch_{unit}" for operand in ("input", "weight", "partial") for unit in ("calls", "words"))


@dataclass(frozen=True, kw_only=True)
class ShapeTable:
    """Sizes of many layers of one operator as arrays `(n,)`; names as in `LayerShape`."""

    op: str
    in_h: IntArray
    in_w: IntArray
    in_ch: IntArray
    out_h: IntArray
    out_w: IntArray
    out_ch: IntArray
    kernel_h: IntArray
    kernel_w: IntArray
    stride: IntArray

    @classmethod
    def of(cls, layers: Sequence[LayerShape]) -> ShapeTable:
        """Return the table of the given layers, which share their operator."""
        names = [field.name for field in fields(cls) if field.name != "op"]
        columns = np.array([[getattr(layer, name) for name in names] for layer in layers], dtype=np.int64).T
        return cls(op=layers[0].op, **dict(zip(names, columns, strict=True)))

    def take(self, rows: IntArray) -> ShapeTable:
        """Return the table of the chosen rows."""
        columns = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name != "op"}
        return ShapeTable(op=self.op, **columns)


_VmOf = Callable[[ShapeTable, DesignTable], tuple[IntArray, IntArray]]
"""Volatile memory of a tiling: operands, and one output tile. [words]"""


@dataclass(frozen=True, kw_only=True)
class BatchCounts:
    """Batches of designs as a few kinds, each with its events and the number of times it occurs.

    Attributes:
        order: Loop order of each design, `(n_designs,)`.
        events: For each kind the events of one batch, arrays `(n_designs,)`.
        n_batches: For each kind the number of batches, `(n_designs,)`. [1]
        reloads: Fetches of the whole layer that would not happen under continuous power, part of the events.
        vm_words: Volatile memory that the design needs, `(n_designs,)`. [words]
    """

    order: IntArray
    events: tuple[Counts, ...]
    n_batches: tuple[IntArray, ...]
    reloads: Counts
    vm_words: IntArray


@dataclass(frozen=True, kw_only=True)
class Loops:
    """The innermost loops of tilings, which batches cut into pieces; arrays are `(n,)`.

    Attributes:
        n_inner: Iterations of one innermost loop, I. [1]
        n_loops: Innermost loops of the layer. [1]
        n_first_loops: Those of them at the first input-channel tile. [1]
        along_channels: Whether the innermost loop is that of several input-channel tiles.
    """

    n_inner: IntArray
    n_loops: IntArray
    n_first_loops: IntArray
    along_channels: NDArray[np.bool_]

    def n_batches(self, batch: IntArray, rows: IntArray | slice = slice(None)) -> tuple[IntArray, IntArray]:
        """Return batches at the first input-channel tile, and beyond it.

        Args:
            batch: Iterations S of a batch, at most the innermost loop, `(n_designs,)`. [1]
            rows: The tiling of each design; all in their order where not given.
        """
        n_a_loop = -(-self.n_inner[rows] // batch)
        n_loops = self.n_loops[rows]
        n_first = np.where(self.along_channels[rows], n_loops, self.n_first_loops[rows] * n_a_loop)
        return n_first, n_loops * n_a_loop - n_first


@dataclass(frozen=True, kw_only=True)
class UnitCounts:
    """Published counts before the batch size is chosen; arrays are `(n,)`, one entry per tiling with its loop order.

    Attributes:
        order: Loop order as an index into `ORDERS`, `(n,)` or one for all.
        once: Events of every batch, regardless of its size.
        each: Events of every iteration.
        beyond_once, beyond_each: Events that batches beyond the first input-channel tile count on top.
        loops: The innermost loops.
        vm_once, vm_each: Volatile memory of a batch, and what each iteration adds. [words]
    """

    order: IntArray
    once: Counts
    each: Counts
    loops: Loops
    vm_once: IntArray
    vm_each: IntArray
    beyond_once: Counts = field(default_factory=dict)
    beyond_each: Counts = field(default_factory=dict)

    def batches(self, batch: IntArray) -> BatchCounts:
        """Return the counts of batches of S = `batch` iterations, `(n,)`; the last of a loop may be shorter. [1]"""
        loops = self.loops
        batch = np.minimum(batch, loops.n_inner)
        n_first, n_beyond = loops.n_batches(batch)
        rest = loops.n_inner % batch
        n_short_first = np.where((rest == 0) | loops.along_channels, 0, loops.n_first_loops)
        n_short_beyond = np.where(rest == 0, 0, loops.n_loops) - n_short_first
        resident = {event: count for event, count in self.once.items() if event in _FETCHES}
        beyond_full, beyond_short = self._beyond(batch), self._beyond(rest)
        n_repeated = np.where(self.order == OUTPUT, n_beyond - n_short_beyond, 0)
        return BatchCounts(
            order=self.order,
            events=tuple(
                total_events((self.once, ONE), (self.each, size), (beyond, ONE))
                for size, beyond in ((batch, {}), (batch, beyond_full), (rest, {}), (rest, beyond_short))
            ),
            n_batches=(n_first - n_short_first, n_beyond - n_short_beyond, n_short_first, n_short_beyond),
            reloads=total_events(
                (resident, n_first + n_beyond - loops.n_loops),
                (beyond_full, n_repeated),
                (beyond_short, np.where(self.order == OUTPUT, n_short_beyond, 0)),
            ),
            vm_words=self.vm_once + batch * self.vm_each,
        )

    def _beyond(self, size: IntArray) -> dict[str, IntArray]:
        return total_events((self.beyond_once, ONE), (self.beyond_each, size))


def published_counts(shapes: ShapeTable, designs: DesignTable) -> UnitCounts:
    """Return the counts of designs of layers of one operator; the batch column is not read.

    Args:
        shapes: The layer of each design, `(n,)`.
        designs: The designs, `(n,)`; `order` may be one for all, an array without axes.
    """
    return _COUNTS_OF_OP[shapes.op](shapes, designs)


def smallest_vm_words(shapes: ShapeTable, designs: DesignTable) -> IntArray:
    """Return the volatile memory of tilings with a batch of one iteration; the loop order does not matter. [words]"""
    parts = _VM_OF_OP[shapes.op](shapes, designs)
    return parts[0] + parts[1]


def _input_tile(shapes: ShapeTable, designs: DesignTable) -> IntArray:
    """Return the pixels of an input tile, Tri Tci with Tri = s Tr + Kh - s."""
    tile_h = shapes.stride * designs.tile_h + shapes.kernel_h - shapes.stride
    tile_w = shapes.stride * designs.tile_w + shapes.kernel_w - shapes.stride
    return tile_h * tile_w


def _transfers(operand: str, calls: IntArray, words_a_call: IntArray | int) -> dict[str, IntArray]:
    return {f"{operand}_calls": calls, f"{operand}_words": calls * words_a_call}


def _split(events: Counts, is_once: NDArray[np.bool_]) -> tuple[Counts, Counts]:
    """Return events as (once per batch, with every iteration): the first where `is_once`, `(n,)` or one for all."""
    if is_once.ndim == 0:
        return (events, {}) if is_once else ({}, events)
    once = {event: np.where(is_once, count, 0) for event, count in events.items()}
    return once, {event: count - once[event] for event, count in events.items()}


def _output_writes(designs: DesignTable) -> tuple[Counts, Counts]:
    """Return the output writes of a batch: tile by tile where weights stay, else one box.

    Input-stationary batches write their S tiles side by side, output-stationary ones a single tile.
    """
    pixels = designs.tile_h * designs.tile_w
    calls_once, calls_each = _split({"output_write_calls": pixels}, designs.order != WEIGHT)
    words_once, words_each = _split({"output_write_words": pixels * designs.tile_out}, designs.order == OUTPUT)
    return {**calls_once, **words_once}, {**calls_each, **words_each}


def _conv_vm(shapes: ShapeTable, designs: DesignTable) -> tuple[IntArray, IntArray]:
    """Return the words of the operands, B_in + B_w, and of one output tile."""
    taps = shapes.kernel_h * shapes.kernel_w
    operands = (_input_tile(shapes, designs) + taps * designs.tile_out) * designs.tile_in
    return operands, designs.tile_h * designs.tile_w * designs.tile_out


def _conv(shapes: ShapeTable, designs: DesignTable) -> UnitCounts:
    order, t_out, t_in = designs.order, designs.tile_out, designs.tile_in
    is_output = order == OUTPUT
    taps = shapes.kernel_h * shapes.kernel_w
    operands, out_words = _conv_vm(shapes, designs)
    input_once, input_each = _split(_transfers("input_fetch", _input_tile(shapes, designs), t_in), order == INPUT)
    weight_once, weight_each = _split(_transfers("weight_fetch", taps * t_out, t_in), order == WEIGHT)
    partial = _transfers("partial_fetch", designs.tile_h * designs.tile_w, t_out)
    beyond_once, beyond_each = _split(partial, is_output)
    write_once, write_each = _output_writes(designs)
    m, r_c, n = innermost_counts(shapes, designs)
    return UnitCounts(
        order=order,
        once={**input_once, **weight_once, **write_once},
        each={
            **input_each,
            **weight_each,
            **write_each,
            "mac_calls": taps * out_words,
            "mac_elements": taps * out_words * t_in,
            "iterations": np.ones_like(t_out),
        },
        beyond_once=beyond_once,
        beyond_each=beyond_each,
        loops=Loops(
            n_inner=np.choose(order, [m, r_c, n]),
            n_loops=np.choose(order, [r_c * n, m * n, r_c * m]),
            n_first_loops=np.choose(order, [r_c, m, r_c * m]),
            along_channels=np.broadcast_to(is_output, t_out.shape),
        ),
        vm_once=operands + np.where(is_output, out_words, 0),
        vm_each=np.where(is_output, 0, out_words),
    )


def _plain_loops(n_inner: IntArray, n_loops: IntArray) -> Loops:
    """Return the loops of operators that have one input-channel tile."""
    along_channels = np.zeros(n_loops.shape, dtype=bool)
    return Loops(n_inner=n_inner, n_loops=n_loops, n_first_loops=n_loops, along_channels=along_channels)


def _depthwise_vm(shapes: ShapeTable, designs: DesignTable) -> tuple[IntArray, IntArray]:
    taps = shapes.kernel_h * shapes.kernel_w
    operands = (_input_tile(shapes, designs) + taps) * designs.tile_out
    return operands, designs.tile_h * designs.tile_w * designs.tile_out


def _depthwise(shapes: ShapeTable, designs: DesignTable) -> UnitCounts:
    order, t_out = designs.order, designs.tile_out
    taps = shapes.kernel_h * shapes.kernel_w
    operands, out_words = _depthwise_vm(shapes, designs)
    weight_once, weight_each = _split(_transfers("weight_fetch", taps * t_out, 1), order != INPUT)
    write_once, write_each = _output_writes(designs)
    m, r_c, n = innermost_counts(shapes, designs)
    one_tile = np.full_like(m, n)
    return UnitCounts(
        order=order,
        once={**weight_once, **write_once},
        each={
            **_transfers("input_fetch", _input_tile(shapes, designs), t_out),
            **weight_each,
            **write_each,
            "depthwise_cpu_taps": taps * out_words,
        },
        loops=_plain_loops(np.choose(order, [m, r_c, one_tile]), np.choose(order, [r_c, m, r_c * m])),
        vm_once=operands,
        vm_each=out_words,
    )


def _element_wise(
    element: str, vm: _VmOf, n_fetched: int, n_weights: int = 0
) -> Callable[[ShapeTable, DesignTable], UnitCounts]:
    """Return the counting of layers that read `n_fetched` maps pixel by pixel, with `n_weights` words per channel."""

    def count(shapes: ShapeTable, designs: DesignTable) -> UnitCounts:
        pixels, t_out = designs.tile_h * designs.tile_w, designs.tile_out
        words = pixels * t_out
        m = -(-shapes.out_ch // t_out)
        operands, out_words = vm(shapes, designs)
        each = {**_transfers("input_fetch", n_fetched * pixels, t_out), element: words}
        if n_weights:
            each |= _transfers("weight_fetch", np.full_like(t_out, n_weights), t_out)
        return UnitCounts(
            order=designs.order,
            once=_transfers("output_write", pixels, t_out),
            each=each,
            loops=_plain_loops(innermost_counts(shapes, designs)[OUTPUT], m),
            vm_once=operands,
            vm_each=out_words,
        )

    return count


def _batch_norm_vm(shapes: ShapeTable, designs: DesignTable) -> tuple[IntArray, IntArray]:
    return 4 * designs.tile_out, designs.tile_h * designs.tile_w * designs.tile_out


def _relu_vm(shapes: ShapeTable, designs: DesignTable) -> tuple[IntArray, IntArray]:
    words = designs.tile_h * designs.tile_w * designs.tile_out
    return np.zeros_like(words), words


def _add_vm(shapes: ShapeTable, designs: DesignTable) -> tuple[IntArray, IntArray]:
    words = designs.tile_h * designs.tile_w * designs.tile_out
    return 2 * words, words


def _pool_vm(shapes: ShapeTable, designs: DesignTable) -> tuple[IntArray, IntArray]:
    return designs.tile_h * designs.tile_w * designs.tile_out, designs.tile_out


def _global_avg_pool(shapes: ShapeTable, designs: DesignTable) -> UnitCounts:
    """Return the counts of pooling: tiles of the input map; every batch reads and writes the sums of its channels."""
    pixels, t_out = designs.tile_h * designs.tile_w, designs.tile_out
    operands, out_words = _pool_vm(shapes, designs)
    one = np.ones_like(pixels)
    m = -(-shapes.out_ch // t_out)
    return UnitCounts(
        order=designs.order,
        once={**_transfers("partial_fetch", one, t_out), **_transfers("output_write", one, t_out)},
        each={**_transfers("input_fetch", pixels, t_out), "pool_elements": pixels * t_out},
        loops=_plain_loops(innermost_counts(shapes, designs)[OUTPUT], m),
        vm_once=operands,
        vm_each=out_words,
    )


_VM_OF_OP: dict[str, _VmOf] = {
    "conv": _conv_vm,
    "depthwise_conv": _depthwise_vm,
    "global_avg_pool": _pool_vm,
    "batch_norm": _batch_norm_vm,
    "relu": _relu_vm,
    "add": _add_vm,
}

_COUNTS_OF_OP: dict[str, Callable[[ShapeTable, DesignTable], UnitCounts]] = {
    "conv": _conv,
    "depthwise_conv": _depthwise,
    "global_avg_pool": _global_avg_pool,
    "batch_norm": _element_wise("batch_norm_elements", _batch_norm_vm, 1, n_weights=4),
    "relu": _element_wise("relu_elements", _relu_vm, 1),
    "add": _element_wise("add_elements", _add_vm, 2),
}
