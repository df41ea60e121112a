"""Layers and weights of a trained network, for writers; its input is raw samples.

Batch normalisation stays apart from the convolution before it, so that the exported network can be trained further or
merged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from energy.networks.shapes import LayerShape
from models.data import DataSet, Normalisation
from models.spaces import Node
from models.supernet.elastic import NORM_EPSILON, ElasticConv, ElasticHead, centre, key_of
from models.supernet.subnet import Subnet

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Norm:
    """Batch normalisation at inference.

    Attributes:
        scale, shift, mean, variance: One number per channel, `(out_ch,)` each.
        epsilon: Constant added to the variance.
    """

    scale: Array
    shift: Array
    mean: Array
    variance: Array
    epsilon: float = NORM_EPSILON


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One layer.

    Attributes:
        name: A Python name, unique.
        op: Operator of `energy.networks.shapes`, or `linear` for the fully connected layer at the end.
        reads: Indices of the steps that it reads; `NETWORK_INPUT` for the network's input.
        shape: Its maps, kernel, stride and padding.
        weight: `(out_ch, in_ch, *kernel)`, for `linear` `(out_ch, in_ch)`; None where it has none.
        bias: `(out_ch,)`; None where it has none.
        norm: Batch normalisation after it; None without.
        has_relu: Whether a ReLU ends it.
    """

    name: str
    op: str
    reads: tuple[int, ...]
    shape: LayerShape
    weight: Array | None = None
    bias: Array | None = None
    norm: Norm | None = None
    has_relu: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Deployable:
    """A trained network.

    Attributes:
        title: Description, one line.
        steps: Its layers, in an order in which they can run.
        sample_shape: Shape of one raw sample, `(channels, *size)`. [1]
        map_size: Size that the first layer reads, `(*size,)`; raw samples of another size are resized. [1]
        normalisation: Normalisation of raw samples.
        class_names: One name per class.
    """

    title: str
    steps: tuple[Step, ...]
    sample_shape: tuple[int, ...]
    map_size: tuple[int, ...]
    normalisation: Normalisation
    class_names: tuple[str, ...]

    @property
    def n_axes(self) -> int:
        """Axes that convolutions slide along: 1 or 2."""
        return len(self.map_size)

    @property
    def is_resized(self) -> bool:
        """Whether the size of raw samples differs from that of the first layer's input."""
        return self.map_size != self.sample_shape[1:]

    def window(self, step: Step) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Return kernel, stride and padding of a convolution per axis; stride 1 and padding 0 on axes of length 1."""
        shape, axes = step.shape, ("h", "w")[: self.n_axes]
        kernel = tuple(getattr(shape, f"kernel_{axis}") for axis in axes)
        stride = tuple(shape.stride if getattr(shape, f"in_{axis}") > 1 else 1 for axis in axes)
        return kernel, stride, tuple(shape.pad_of(axis) for axis in axes)


def deployable(subnet: Subnet, data: DataSet, title: str) -> Deployable:
    """Return the layers and weights of a fine-tuned network.

    Args:
        subnet: The network, with its running statistics.
        data: The data set that it was trained on.
        title: Description, one line.
    """
    height, width, channels = data.input_shape
    n_axes = subnet.space.n_dims
    return Deployable(
        title=title,
        steps=steps_of(subnet),
        sample_shape=(channels, *(height, width)[:n_axes]),
        map_size=subnet.graph.input_shape[:n_axes],
        normalisation=data.normalisation,
        class_names=data.class_names,
    )


def steps_of(subnet: Subnet) -> tuple[Step, ...]:
    """Return the layers of a network with their weights and running statistics."""
    shapes = subnet.space.network(subnet.arch).layers
    pairs = zip(subnet.graph, shapes, strict=True)
    return tuple(_step(subnet, node, shape, subnet.space.n_dims) for node, shape in pairs)


def _step(subnet: Subnet, node: Node, shape: LayerShape, n_axes: int) -> Step:
    key = key_of(node.slot)
    if key not in subnet.layers:
        return Step(name=key, op=node.op, reads=node.inputs, shape=shape)
    layer = subnet.layers[key]
    if isinstance(layer, ElasticHead):
        weight, bias = _array(layer.weight), _array(layer.bias)
        return Step(name=key, op="linear", reads=node.inputs, shape=shape, weight=weight, bias=bias)
    assert isinstance(layer, ElasticConv)
    mean, variance = subnet.moments(node.slot)
    return Step(
        name=key,
        op=node.op,
        reads=node.inputs,
        shape=shape,
        weight=_array(centre(layer.weight, (shape.kernel_h, shape.kernel_w)[:n_axes])),
        norm=Norm(scale=_array(layer.scale), shift=_array(layer.shift), mean=_array(mean), variance=_array(variance)),
        has_relu=not node.is_linear,
    )


def _array(tensor: Tensor) -> Array:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=np.float32)
