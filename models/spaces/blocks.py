"""Kinds of blocks: each turns the options of one block into its layers.

* `conv`: a convolution.
* `linear`: a convolution without ReLU, the stem of the space of 2025.
* `dense`: a fully connected layer, a convolution that covers its map.
* `bottleneck`: 1x1 to half the channels, convolution, 1x1 without ReLU (He et al., arXiv 1512.03385).
* `inverted`: 1x1 to a multiple of the channels, depthwise convolution, 1x1 without ReLU (Sandler et al.,
  arXiv 1801.04381).

Batch normalisation follows every layer except `add`. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from models.spaces.graph import Node


@dataclass(frozen=True, kw_only=True)
class Block:
    """Options and position of one block.

    Attributes:
        name: Prefix of its slots, such as `s0.b1`.
        source: Index of the node before it, which it reads; its own nodes follow.
        in_ch, out_ch: Channels of its input and output. [1]
        kernel, stride, pad: Kernel, stride and padding of its spatial layer. [1]
        expansion: Hidden channels of an inverted bottleneck as a multiple of `in_ch`. [1]
    """

    name: str
    source: int
    in_ch: int
    out_ch: int
    kernel: int
    stride: int
    pad: int
    expansion: int


def _conv(block: Block, *, is_linear: bool = False) -> tuple[Node, ...]:
    return (_spatial(block, 0, "conv", "conv", block.out_ch, is_linear=is_linear),)


def _dense(block: Block) -> tuple[Node, ...]:
    source = (block.source,)
    slot = f"{block.name}.dense"
    return (Node(slot=slot, op="conv", inputs=source, out_ch=block.out_ch, is_hidden=True, covers_map=True),)


def _bottleneck(block: Block) -> tuple[Node, ...]:
    hidden = bottleneck_channels(block.out_ch)
    return (
        _pointwise(block, 0, "reduce", hidden),
        _spatial(block, 1, "conv", "middle", hidden),
        _pointwise(block, 2, "restore", block.out_ch, is_linear=True),
    )


def _inverted(block: Block) -> tuple[Node, ...]:
    hidden = block.expansion * block.in_ch
    return (
        _pointwise(block, 0, "expand", hidden),
        _spatial(block, 1, "depthwise_conv", "depthwise", hidden),
        _pointwise(block, 2, "project", block.out_ch, is_linear=True),
    )


def bottleneck_channels(out_ch: int) -> int:
    """Return the hidden channels of a bottleneck: half, even, at least 2. [1]"""
    return max(2, out_ch // 4 * 2)


def _pointwise(block: Block, index: int, part: str, out_ch: int, *, is_linear: bool = False) -> Node:
    return Node(
        slot=f"{block.name}.{part}",
        op="conv",
        inputs=(block.source + index,),
        out_ch=out_ch,
        is_hidden=True,
        is_linear=is_linear,
    )


def _spatial(block: Block, index: int, op: str, part: str, out_ch: int, *, is_linear: bool = False) -> Node:
    return Node(
        slot=f"{block.name}.{part}",
        op=op,
        inputs=(block.source + index,),
        out_ch=out_ch,
        kernel=block.kernel,
        stride=block.stride,
        pad=block.pad,
        is_hidden=True,
        is_linear=is_linear,
    )


BLOCKS: dict[str, Callable[[Block], tuple[Node, ...]]] = {
    "conv": _conv,
    "linear": partial(_conv, is_linear=True),
    "dense": _dense,
    "bottleneck": _bottleneck,
    "inverted": _inverted,
}
"""Layers of each kind of block."""
