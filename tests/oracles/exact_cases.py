"""Random legal layers with designs for exact counting: as hypothesis strategies and from a seeded numpy generator.

Both draw through one `Choose`, a function that returns a whole number between two bounds, so they cover the same cases:
every operator, order and vector mode, ragged tiles, one-dimensional layers both ways, strides and paddings.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from energy.networks.designs import ORDERS_OF_OP, LayerDesign
from energy.networks.shapes import LayerShape
from tests.oracles import exact_counts as oracle

Choose = Callable[[int, int], int]
Case = tuple[LayerShape, LayerDesign]

MOST_ITERATIONS = 150
"""Most iterations of a small case, so that the oracle walks it in milliseconds."""

MOST_ITERATIONS_OF_LAYER = 20_000
"""Most iterations of a design drawn for a layer that was given."""

LONGEST_AXIS, MOST_CHANNELS = 7, 9


# --- entrances ------------------------------------------------------------------------------------------------------


@st.composite
def layers(draw: Any, ops: Sequence[str] = tuple(ORDERS_OF_OP)) -> LayerShape:
    """Small layers of the given operators."""
    return _layer(_choose_with(draw), draw(st.sampled_from(list(ops))))


@st.composite
def designs_of(draw: Any, layer: LayerShape, limit: int = MOST_ITERATIONS) -> LayerDesign:
    """Legal designs of a layer of at most `limit` iterations."""
    return _design(_choose_with(draw), layer, limit)


@st.composite
def cases(draw: Any, ops: Sequence[str] = tuple(ORDERS_OF_OP)) -> Case:
    """Small layers of the given operators with a legal design."""
    layer = draw(layers(ops))
    return layer, draw(designs_of(layer))


def random_cases(rng: np.random.Generator, n: int) -> list[Case]:
    """`n` small layers with a legal design; convolutions, which have the most ways to run, are half of them."""
    choose = _choose_from(rng)
    ops = (*ORDERS_OF_OP, "conv", "conv", "conv", "conv", "depthwise_conv", "depthwise_conv")
    drawn = []
    for _ in range(n):
        layer = _layer(choose, _one_of(choose, ops))
        drawn.append((layer, _design(choose, layer, MOST_ITERATIONS)))
    return drawn


def cases_of_layers(layers: Sequence[LayerShape], rng: np.random.Generator, n: int) -> list[Case]:
    """`n` random legal designs in all, the layers taking turns; none has more than `MOST_ITERATIONS_OF_LAYER`."""
    choose = _choose_from(rng)
    taken = [layers[index % len(layers)] for index in range(n)]
    return [(layer, _design(choose, layer, MOST_ITERATIONS_OF_LAYER)) for layer in taken]


def coverage(cases: Sequence[Case]) -> Counter[str]:
    """How many cases show what: `op:`, `order:` and `vector:` with each name, and the traits that follow."""
    seen: Counter[str] = Counter()
    for layer, design in cases:
        seen.update(_labels(layer, design))
    return seen


def _labels(layer: LayerShape, design: LayerDesign) -> set[str]:
    job = oracle.normalised(layer, design)
    axes = dict(zip(("h", "w", "out", "in"), oracle.axes_of(job), strict=True))
    is_windowed = layer.op in ("conv", "depthwise_conv")
    traits = {
        **{f"ragged:{name}": len(axis[0]) != len(axis[-1]) for name, axis in axes.items()},
        "one-dimensional": (layer.in_h == 1) != (layer.in_w == 1),
        "rewritten": job.in_ch != layer.in_ch,
        "several_batches": design.batch < len(next(oracle.innermost_loops(job))),
        "strided": is_windowed and max(job.stride_h, job.stride_w) > 1,
        "padded": is_windowed and max(job.pad_h, job.pad_w) > 0,
    }
    names = {f"op:{layer.op}", f"order:{design.order}", f"vector:{design.vector}"}
    return names | {trait for trait, is_shown in traits.items() if is_shown}


# --- choosing -------------------------------------------------------------------------------------------------------


def _choose_from(rng: np.random.Generator) -> Choose:
    return lambda low, high: int(rng.integers(low, high, endpoint=True))


def _choose_with(draw: Any) -> Choose:
    return lambda low, high: int(draw(st.integers(low, high)))


def _one_of(choose: Choose, options: Sequence[Any]) -> Any:
    return options[choose(0, len(options) - 1)]


# --- layers ---------------------------------------------------------------------------------------------------------


def _layer(choose: Choose, op: str) -> LayerShape:
    in_h, in_w = _one_of(choose, ((0, 0), (0, 0), (0, 0), (0, 0), (0, 0), (1, 0), (0, 1), (1, 0), (0, 1), (1, 1)))
    in_h, in_w = (size or choose(2, LONGEST_AXIS) for size in (in_h, in_w))
    in_ch = choose(1, MOST_CHANNELS)
    out_ch = choose(1, MOST_CHANNELS) if op == "conv" else in_ch
    kernel_h, kernel_w, stride, pad = _window(choose, op, in_h, in_w)
    out_h, out_w = in_h, in_w
    if op in ("conv", "depthwise_conv"):
        out_h, out_w = _n_windows(in_h, kernel_h, stride, pad), _n_windows(in_w, kernel_w, stride, pad)
    elif op == "global_avg_pool":
        out_h = out_w = 1
    return LayerShape(
        op=op,
        in_h=in_h,
        in_w=in_w,
        in_ch=in_ch,
        out_h=out_h,
        out_w=out_w,
        out_ch=out_ch,
        kernel_h=kernel_h,
        kernel_w=kernel_w,
        stride=stride,
        pad=pad,
    )


def _window(choose: Choose, op: str, in_h: int, in_w: int) -> tuple[int, int, int, int]:
    """Kernel, stride and padding: none, as much as keeps the size, or more than that."""
    if op == "global_avg_pool":
        return in_h, in_w, 1, 0
    if op not in ("conv", "depthwise_conv"):
        return 1, 1, 1, 0
    stride = _one_of(choose, (1, 1, 1, 2, 3))
    if choose(1, 8) == 1:  # the kernel covers the input, a fully connected layer
        return in_h, in_w, stride, _one_of(choose, (0, 0, 0, 1))
    pad = _one_of(choose, (0, 1, 1, 2, 3))
    kernel_h, kernel_w = (_kernel(choose, size, pad) for size in (in_h, in_w))
    return kernel_h, kernel_w, stride, pad


def _kernel(choose: Choose, size: int, pad: int) -> int:
    """A kernel that the padded axis holds, mostly 3; across a map of one pixel mostly 1."""
    if size == 1 and choose(1, 4) > 1:
        return 1
    longest = min(5, size + 2 * pad)
    return min(longest, int(_one_of(choose, (3, 3, 3, 1, 2, 4, 5))))


def _n_windows(size: int, kernel: int, stride: int, pad: int) -> int:
    n_zeros = 2 * pad if kernel > 1 else 0
    return (size + n_zeros - kernel) // (stride if size > 1 else 1) + 1


# --- designs --------------------------------------------------------------------------------------------------------


def _design(choose: Choose, layer: LayerShape, limit: int) -> LayerDesign:
    height, width = (layer.in_h, layer.in_w) if layer.op == "global_avg_pool" else (layer.out_h, layer.out_w)
    n_channels = _channels(layer)
    sizes = {"tile_h": height, "tile_w": width, "tile_out": layer.out_ch, "tile_in": n_channels}
    vector = _vector(choose, layer.op)
    if vector == "row" and layer.op == "depthwise_conv" and layer.out_ch > limit:
        vector = "planar"  # by rows there is an iteration a channel
    tiles = {name: _tile(choose, size) for name, size in sizes.items()}
    tiles["tile_in"] = _tile_in(choose, n_channels)
    if layer.op != "conv":
        sizes.pop("tile_in")  # one input-channel tile, regardless of the design
    if layer.op == "depthwise_conv" and vector == "row":
        sizes.pop("tile_out")
        tiles["tile_out"] = 1
    while _n_iterations(layer, tiles) > limit:
        widest = max(sizes, key=lambda name: sizes[name] / tiles[name])
        tiles[widest] = min(sizes[widest], 2 * tiles[widest])
    design = LayerDesign(**tiles, order=_one_of(choose, ORDERS_OF_OP[layer.op]), batch=1, vector=vector)
    loop = next(oracle.innermost_loops(oracle.normalised(layer, design)))
    return replace(design, batch=_batch(choose, len(loop)))


def _channels(layer: LayerShape) -> int:
    """Input channels that `tile_in` divides, rounded up to even."""
    job = oracle.normalised(layer, LayerDesign(tile_h=1, tile_w=1, tile_out=1, tile_in=1, order="output", batch=1))
    return oracle.even(job.in_ch)


def _vector(choose: Choose, op: str) -> str:
    if op == "conv":
        return str(_one_of(choose, ("channel", "row")))
    return str(_one_of(choose, ("channel", "row", "planar"))) if op == "depthwise_conv" else "channel"


def _tile(choose: Choose, size: int) -> int:
    """The whole axis, a number of nearly equal parts (few more often than many), any size, or one beyond the axis."""
    way = choose(1, 12)
    if way == 1:
        return size
    if way <= 7:
        most = 2 ** choose(1, math.ceil(math.log2(size + 1)))
        return -(-size // choose(1, min(most, size)))
    return choose(1, size) if way <= 11 else size + choose(0, 2)


def _tile_in(choose: Choose, n_channels: int) -> int:
    """Mostly a multiple of two; now and then one or any other."""
    if choose(1, 6) == 1:
        return choose(1, n_channels)
    return 2 * _tile(choose, n_channels // 2)


def _batch(choose: Choose, n_loop: int) -> int:
    """One, a number of nearly equal parts of the loop, any number, or more than the loop has."""
    way = choose(1, 8)
    if way <= 2:
        return 1
    if way <= 4:
        return -(-n_loop // choose(1, n_loop))
    return choose(1, n_loop) if way <= 7 else n_loop + choose(0, 3)


def _n_iterations(layer: LayerShape, tiles: dict[str, int]) -> int:
    design = LayerDesign(**tiles, order="output", batch=1, vector="channel")
    return math.prod(len(axis) for axis in oracle.axes_of(oracle.normalised(layer, design)))
