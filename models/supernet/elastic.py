"""Layers whose weights all networks of a space share: a smaller network uses a slice of them.

A slice is the leading output channels, the leading input channels and the centre of the kernel. Maps are
`(n, channels, *size)` with one or two axes in `size`. Layers hold no running statistics: they normalise with given
statistics, or with those of the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from energy.networks.shapes import NETWORK_INPUT
from models.spaces import Graph, Node, Slot

NORM_EPSILON = 1e-5
"""Constant added to every variance before its square root."""

Moments = tuple[Tensor, Tensor]
"""Mean and biased variance of each channel, `(channels,)` each."""

Statistics = Mapping[str, Moments]
"""Moments before normalisation, by the slot of the layer."""


class ElasticConv(nn.Module):
    """A hidden layer at its largest: convolution without bias, batch normalisation, and mostly ReLU.

    Attributes:
        weight: Kernels, `(out_ch, in_ch, *kernel)`; `in_ch` is 1 for `depthwise_conv`.
        scale, shift: Scale and shift of the normalised map, `(out_ch,)`.
    """

    def __init__(self, slot: Slot, n_dims: int, generator: torch.Generator) -> None:
        """Draw the initial weights.

        Args:
            slot: The layer at its largest, op `conv` or `depthwise_conv`.
            n_dims: Axes the kernel slides along, 1 or 2.
            generator: Source of the initial weights (He's normal ones, for the largest layer).
        """
        super().__init__()
        node = slot.node
        n_read = 1 if node.op == "depthwise_conv" else slot.shape.in_ch
        sizes = (slot.shape.in_h, slot.shape.in_w) if node.covers_map else (node.kernel, node.kernel)
        shape = (node.out_ch, n_read, *sizes[:n_dims])
        std = math.sqrt(2 / math.prod(shape[1:]))
        self.weight = nn.Parameter(torch.randn(shape, generator=generator) * std)
        self.scale = nn.Parameter(torch.ones(node.out_ch))
        self.shift = nn.Parameter(torch.zeros(node.out_ch))

    def convolve(self, x: Tensor, node: Node) -> Tensor:
        """Return the map before normalisation, `(n, node.out_ch, *out_size)`.

        Args:
            x: Input map, `(n, in_ch, *size)`; its channels select the input channels of the kernels.
            node: The layer as the network has it, at most as large as the slot.
        """
        return convolve(x, slice_weight(self.weight, node, x.shape[1]), node)

    def normalise(self, raw: Tensor, node: Node, moments: Moments | None) -> Tensor:
        """Return the layer's output from the map before normalisation, same shape.

        Args:
            raw: Result of `convolve`, `(n, node.out_ch, *out_size)`.
            node: The layer as the network has it.
            moments: Moments to normalise with, `(node.out_ch,)` each; those of the batch where None.
        """
        mean, variance = (None, None) if moments is None else moments
        scale, shift = self.scale[: node.out_ch], self.shift[: node.out_ch]
        output = F.batch_norm(raw, mean, variance, scale, shift, training=moments is None, eps=NORM_EPSILON)
        return output if node.is_linear else output.relu()

    def forward(self, x: Tensor, node: Node, moments: Moments | None) -> Tensor:
        """Return the layer's output for an input map `(n, in_ch, *size)`: `normalise` after `convolve`."""
        return self.normalise(self.convolve(x, node), node, moments)


class ElasticHead(nn.Module):
    """The last layer at its largest: a fully connected layer with bias on pooled features.

    Attributes:
        weight: `(out_ch, in_ch)`.
        bias: `(out_ch,)`.
    """

    def __init__(self, slot: Slot, generator: torch.Generator) -> None:
        """Draw the initial weights.

        Args:
            slot: The layer at its largest, a `conv` that is not hidden, kernel 1.
            generator: Source of the initial weights (uniform, for the largest layer; bias 0).
        """
        super().__init__()
        out_ch, in_ch = slot.shape.out_ch, slot.shape.in_ch
        bound = 1 / math.sqrt(in_ch)
        self.weight = nn.Parameter((torch.rand(out_ch, in_ch, generator=generator) * 2 - 1) * bound)
        self.bias = nn.Parameter(torch.zeros(out_ch))

    def forward(self, features: Tensor, node: Node) -> Tensor:
        """Return class scores `(n, node.out_ch)` of features `(n, in_ch)`, with or without further axes of length 1."""
        features = features.flatten(start_dim=1)
        weight = self.weight[: node.out_ch, : features.shape[1]]
        return F.linear(features, weight, self.bias[: node.out_ch])


def slice_weight(weight: Tensor, node: Node, in_ch: int) -> Tensor:
    """Return the part of a layer's kernels that a network uses, a view.

    Args:
        weight: Kernels at their largest, `(out_ch, in_ch, *kernel)`.
        node: The layer as the network has it.
        in_ch: Channels of its input, ignored for `depthwise_conv`. [1]

    Returns:
        `(node.out_ch, in_ch, *kernel)`: leading channels, centre of the kernel (all of one that covers the map).
    """
    n_read = 1 if node.op == "depthwise_conv" else in_ch
    kept = weight[: node.out_ch, :n_read]
    return kept if node.covers_map else centre(kept, (node.kernel,) * (weight.dim() - 2))


def centre(weight: Tensor, kernels: Sequence[int]) -> Tensor:
    """Return the middle taps of kernels `(out_ch, in_ch, *kernel)` along each axis, a view."""
    for axis, kernel in enumerate(kernels, start=2):
        weight = weight.narrow(axis, (weight.shape[axis] - kernel) // 2, kernel)
    return weight


def convolve(x: Tensor, weight: Tensor, node: Node) -> Tensor:
    """Return the convolution of one or two axes, `(n, out_ch, *out_size)`.

    An axis of length 1 is crossed with the middle tap, without stride or padding, as `LayerShape` counts it.

    Args:
        x: Input map, `(n, in_ch, *size)`.
        weight: Exactly the kernels to use, `(out_ch, in_ch, *kernel)`.
        node: The layer: operator, stride and padding.
    """
    sizes = x.shape[2:]
    weight = centre(weight, [weight.shape[axis] if size > 1 else 1 for axis, size in enumerate(sizes, start=2)])
    stride = [node.stride if size > 1 else 1 for size in sizes]
    padding = [node.pad if kernel > 1 else 0 for kernel in weight.shape[2:]]
    groups = x.shape[1] if node.op == "depthwise_conv" else 1
    run = F.conv1d if len(sizes) == 1 else F.conv2d
    return run(x, weight, None, stride, padding, 1, groups)


def moments_of(raw: Tensor) -> Moments:
    """Return mean and biased variance of each channel of a map `(n, channels, *size)`.

    The variance is biased, as in batch normalisation: with the moments of a batch, a network gives the scores on that
    batch that it gives in training.

    Raises:
        ValueError: A channel has a single value.
    """
    mean, variance = raw.new_zeros(raw.shape[1]), raw.new_zeros(raw.shape[1])
    # Eight times as fast as torch.var_mean; momentum 1 leaves the batch's own mean and unbiased variance.
    F.batch_norm(raw, mean, variance, training=True, momentum=1.0)
    n_values = raw.numel() // raw.shape[1]
    return mean, variance * ((n_values - 1) / n_values)


def elastic_layers(slots: Iterable[Slot], n_dims: int, generator: torch.Generator) -> nn.ModuleDict:
    """Return the layers with weights among `slots`, by `key_of` their slot.

    Args:
        slots: Layers at their largest, `(n_layers,)`.
        n_dims: Axes that kernels slide along, 1 or 2.
        generator: Source of the initial weights.
    """
    layers = nn.ModuleDict()
    for slot in slots:
        key = key_of(slot.node.slot)
        if slot.node.is_hidden:
            layers[key] = ElasticConv(slot, n_dims, generator)
        elif slot.node.op == "conv":
            layers[key] = ElasticHead(slot, generator)
    return layers


def key_of(slot: str) -> str:
    """Return the slot's name as a key of torch modules, which must not contain dots."""
    return slot.replace(".", "_")


def run_layer(layers: nn.ModuleDict, node: Node, maps: Sequence[Tensor], moments: Moments | None) -> Tensor:
    """Return the output of any layer.

    Args:
        layers: Layers with weights, made by `elastic_layers`.
        node: The layer as the network has it.
        maps: The maps it reads, `(n, channels, *size)`; features `(n, channels)` for the head.
        moments: Moments of a hidden layer; those of the batch where None.

    Returns:
        `(n, node.out_ch, *out_size)`, for `global_avg_pool` and the head `(n, node.out_ch)`.
    """
    if node.op == "add":
        return maps[0] + maps[1]
    if node.op == "global_avg_pool":
        return maps[0].flatten(start_dim=2).mean(dim=2)
    inputs = (maps[0], node, moments) if node.is_hidden else (maps[0], node)
    output: Tensor = layers[key_of(node.slot)](*inputs)
    return output


def run_graph(graph: Graph, x: Tensor, layer: Callable[[Node, list[Tensor]], Tensor]) -> Tensor:
    """Return the output of the last node.

    Args:
        graph: Nodes in an order in which they can run.
        x: Input of the network, `(n, channels, *size)`, resized where the network reads another size.
        layer: Returns the output of a node from the maps it reads.
    """
    x = resized(x, graph.input_shape)
    outputs: list[Tensor] = []
    for node in graph:
        outputs.append(layer(node, [x if i == NETWORK_INPUT else outputs[i] for i in node.inputs]))
    return outputs[-1]


def resized(x: Tensor, input_shape: tuple[int, int, int]) -> Tensor:
    """Return maps resized to the input of a network, by linear interpolation.

    Args:
        x: `(n, channels, *size)`; one-dimensional data also as `(n, channels, 1, height)`.
        input_shape: Height, width and channels that the network reads; width 1 for one-dimensional data. [1]
    """
    height, width, _ = input_shape
    size = (height,) if x.dim() == 3 else (1, height) if width == 1 else (height, width)
    if tuple(x.shape[2:]) == size:
        return x
    return F.interpolate(x, size=size, mode="linear" if x.dim() == 3 else "bilinear", align_corners=False)
