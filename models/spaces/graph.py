"""Graph of one network of a space: the slices of shared layers that it runs, in order.

A `Node` names the slot whose shared weights it slices. The shared network runs the nodes, and the cost model reads the
shapes that `shapes` derives from the same nodes, so the two agree. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from energy.networks.shapes import NETWORK_INPUT, LayerShape, NetworkShape


@dataclass(frozen=True, kw_only=True)
class Node:
    """One layer of a network.

    Attributes:
        slot: Name of the shared layer it slices, unique in its graph.
        op: Operator of `energy.networks.shapes`: `conv`, `depthwise_conv`, `global_avg_pool` or `add`.
        inputs: Indices of the nodes it reads, all smaller than its own; `NETWORK_INPUT` for the network's input.
        out_ch: Output channels kept. [1]
        kernel: Kernel size on each axis longer than 1; ignored where the layer covers its map. [1]
        stride: Step on each axis longer than 1. [1]
        pad: Zeros on both sides of each axis whose kernel is longer than 1. [1]
        is_hidden: Whether batch normalisation follows, which is part of the deployed layer.
        is_linear: Whether a hidden layer has no ReLU.
        covers_map: Whether its kernel is the whole input map: a fully connected layer.
    """

    slot: str
    op: str
    inputs: tuple[int, ...]
    out_ch: int
    kernel: int = 1
    stride: int = 1
    pad: int = 0
    is_hidden: bool = False
    is_linear: bool = False
    covers_map: bool = False


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The layers of one network, in an order in which they can run.

    Attributes:
        nodes: The layers.
        input_shape: Height, width and channels that the first layer reads; data of another size is resized. [1]
    """

    nodes: tuple[Node, ...]
    input_shape: tuple[int, int, int]

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __getitem__(self, index: int) -> Node:
        return self.nodes[index]


def shapes(name: str, graph: Graph) -> NetworkShape:
    """Return the shapes of the layers of a graph.

    Args:
        name: Name of the network.
        graph: The network.

    Returns:
        The network for the cost model, layers named by their slots.

    Raises:
        ValueError: A kernel does not fit on its map.
    """
    maps: dict[int, tuple[int, int, int]] = {NETWORK_INPUT: graph.input_shape}
    layers = []
    for index, node in enumerate(graph):
        layers.append(_layer(node, maps[node.inputs[0]]))
        maps[index] = (layers[-1].out_h, layers[-1].out_w, layers[-1].out_ch)
    return NetworkShape(
        name=name,
        layers=tuple(layers),
        layer_names=tuple(node.slot for node in graph),
        inputs=tuple(node.inputs for node in graph),
    )


@lru_cache(maxsize=65_536)
def _layer(node: Node, in_map: tuple[int, int, int]) -> LayerShape:
    in_h, in_w, in_ch = in_map
    kernels = [node.kernel if size > 1 else 1 for size in (in_h, in_w)]
    sizes = [in_h, in_w]
    if node.op == "global_avg_pool" or node.covers_map:
        kernels, outs = sizes, [1, 1]
    elif node.op in ("conv", "depthwise_conv"):
        outs = [_out_size(size, kernel, node) for size, kernel in zip(sizes, kernels, strict=True)]
    else:
        kernels, outs = [1, 1], sizes
    return LayerShape(
        op=node.op,
        in_h=in_h,
        in_w=in_w,
        in_ch=in_ch,
        out_h=outs[0],
        out_w=outs[1],
        out_ch=node.out_ch,
        kernel_h=kernels[0],
        kernel_w=kernels[1],
        stride=node.stride,
        pad=node.pad,
    )


def _out_size(size: int, kernel: int, node: Node) -> int:
    pad = node.pad if kernel > 1 else 0
    stride = node.stride if size > 1 else 1
    return (size + 2 * pad - kernel) // stride + 1
