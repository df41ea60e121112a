"""Quantisation of a fine-tuned network: folded batch norm, power-of-two scales from weights and training data.

The scale of a layer's weights is the finest at which no sum can overflow; that of a map is the finest at which its
largest magnitude over the training data fits into a word. Larger values saturate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from energy.networks.shapes import NETWORK_INPUT
from models.data import Split
from models.deploy.integer import (
    HIGH,
    LEAST_SHIFT,
    MOST_LIFT,
    MOST_SHIFT,
    IntegerLayer,
    IntegerNetwork,
    channel_load,
)
from models.deploy.samples import Real, rounded
from models.exchange.deployable import Step, steps_of
from models.spaces import Node
from models.supernet.elastic import resized, run_graph
from models.supernet.subnet import Subnet
from models.threads import threads

N_RANGED = 4096
"""Largest number of training samples for ranges of maps. [1]"""

_BATCH = 256
_MOST_APART = MOST_LIFT - LEAST_SHIFT
"""Largest difference between the scales of two added maps, in bits."""

_DEFAULT_BITS = 8
"""Fraction bits of a map that is zero on all training data."""


def quantise(subnet: Subnet, train: Split) -> IntegerNetwork:
    """Return the integer network of a fine-tuned one.

    Args:
        subnet: The network, in evaluation mode.
        train: Training samples for the ranges of maps.

    Raises:
        ValueError: The network has layers that the engine does not run.
    """
    steps, shape = steps_of(subnet), subnet.space.network(subnet.arch)
    wanted = _reconciled([_bits_for(largest) for largest in map_ranges(subnet, train)], steps)
    layers: list[IntegerLayer] = []
    for index, (step, name) in enumerate(zip(steps, shape.layer_names, strict=True)):
        read = [wanted[-1] if i == NETWORK_INPUT else layers[i].fraction_bits for i in step.reads]
        layers.append(_layer(step, name, read, wanted[index]))
    return IntegerNetwork(
        name=subnet.name,
        layers=tuple(layers),
        input_shape=subnet.graph.input_shape,
        input_fraction_bits=wanted[-1],
    )


def map_ranges(subnet: Subnet, train: Split) -> list[float]:
    """Return the largest magnitude of every layer's output on training samples, the last entry that of the input."""
    ranges = [0.0] * (len(subnet.graph) + 1)
    chosen = np.arange(len(train))[train.at_most(N_RANGED)]
    device = next(subnet.parameters()).device

    def layer(node: Node, maps: list[Tensor]) -> Tensor:
        output = subnet.run_node(node, maps)
        index = index_of[node.slot]
        ranges[index] = max(ranges[index], float(output.abs().max()))
        return output

    index_of = {node.slot: index for index, node in enumerate(subnet.graph)}
    with threads(1), torch.inference_mode():
        for start in range(0, len(chosen), _BATCH):
            samples = torch.from_numpy(train.take(chosen[start : start + _BATCH])).to(device)
            x = resized(samples, subnet.graph.input_shape)
            ranges[-1] = max(ranges[-1], float(x.abs().max()))
            run_graph(subnet.graph, x, layer)
    return ranges


def _bits_for(largest: float) -> int:
    """Return the largest number of fraction bits with which a magnitude fits into a word. [1]"""
    return math.floor(math.log2(HIGH / largest)) if largest > 0 else _DEFAULT_BITS


def _reconciled(wanted: Sequence[int], steps: Sequence[Step]) -> list[int]:
    """Return the fraction bits of all maps, lowered for operators: averages keep theirs, operands of sums are near."""
    bits, before = list(wanted), list[int]()
    while bits != before:
        before = list(bits)
        for index, step in enumerate(steps):
            if step.op == "global_avg_pool":
                bits[index] = bits[step.reads[0]] = min(bits[index], bits[step.reads[0]])
            elif step.op == "add":
                least = min(bits[i] for i in step.reads) + _MOST_APART
                for i in (*step.reads, index):
                    bits[i] = min(bits[i], least)
    return bits


def _layer(step: Step, name: str, read: Sequence[int], wanted: int) -> IntegerLayer:
    """Return one layer in integers.

    Args:
        step: The layer.
        name: Name of the layer.
        read: Fraction bits of the maps it reads.
        wanted: Largest number of fraction bits of its output.
    """
    if step.op == "global_avg_pool":
        return IntegerLayer(name=name, shape=step.shape, reads=step.reads, fraction_bits=read[0])
    if step.op == "add":
        bits = min(wanted, *(one + _MOST_APART for one in read))
        common = max(*read, bits + LEAST_SHIFT)
        lifts = (common - read[0], common - read[1])
        return IntegerLayer(
            name=name, shape=step.shape, reads=step.reads, fraction_bits=bits, shift=common - bits, lifts=lifts
        )
    kernels, bias = folded(step)
    weight_bits = _weight_bits(kernels, bias, read[0])
    bits = min(wanted, weight_bits + read[0] - LEAST_SHIFT)
    weight_bits = min(weight_bits, bits + MOST_SHIFT - read[0])
    weight, integer_bias = _integers(kernels, bias, weight_bits, read[0])
    return IntegerLayer(
        name=name,
        shape=step.shape,
        reads=step.reads,
        fraction_bits=bits,
        weight=weight.astype(np.int16),
        bias=integer_bias.astype(np.int32),
        shift=weight_bits + read[0] - bits,
        has_relu=step.has_relu,
    )


def folded(step: Step) -> tuple[Real, Real]:
    """Return kernels with folded batch normalisation, in the layout of `IntegerLayer.weight`, and the bias."""
    assert step.weight is not None
    shape = step.shape
    weight = step.weight.astype(np.float64).reshape(shape.out_ch, -1, shape.kernel_h, shape.kernel_w)
    kernels = weight[:, 0] if step.op == "depthwise_conv" else weight.transpose(0, 2, 3, 1)
    if step.norm is None:
        bias = np.zeros(shape.out_ch) if step.bias is None else step.bias.astype(np.float64)
        return np.ascontiguousarray(kernels), bias
    norm = step.norm
    factor = norm.scale.astype(np.float64) / np.sqrt(norm.variance.astype(np.float64) + norm.epsilon)
    bias = norm.shift - norm.mean * factor
    return kernels * factor.reshape(-1, *(1,) * (kernels.ndim - 1)), bias


def _weight_bits(kernels: Real, bias: Real, input_bits: int) -> int:
    """Return the largest number of fraction bits of weights with which no sum can overflow. [1]"""
    loads = np.abs(kernels).reshape(len(kernels), -1).sum(axis=1) + np.abs(bias) * 2.0**input_bits / 2**15
    bits = _bits_for(float(loads.max())) + 1
    while channel_load(*_integers(kernels, bias, bits, input_bits)).max() > HIGH:
        bits -= 1
    return bits


def _integers(
    kernels: Real, bias: Real, weight_bits: int, input_bits: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    limit = 2**31 - 1
    return rounded(kernels, weight_bits, -limit, limit), rounded(bias, weight_bits + input_bits, -limit, limit)
