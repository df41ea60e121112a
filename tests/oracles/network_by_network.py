"""Accuracy of networks one after the other: the slow, obvious version of `models.evaluation.shared_weights`.

Each network is run by itself, at its own widths: once over the calibration rows to take statistics with
`torch.var_mean`, then over the rows to evaluate. Nothing is shared and nothing is blocked.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from models.spaces import Archs
from models.supernet.supernet import SuperNet


def scores(supernet: SuperNet, arch: Archs, calibration_inputs: Tensor, inputs: Tensor) -> Tensor:
    """Class scores of one network on `inputs`, `(n, n_classes)`."""
    weights = supernet.state_dict()
    graph = supernet.space.graph(arch)
    maps: dict[int, tuple[Tensor, Tensor]] = {
        -1: tuple(_resized(each, graph.input_shape) for each in (calibration_inputs, inputs))
    }
    for index, node in enumerate(graph):
        calibration, judged = zip(*(maps[source] for source in node.inputs), strict=True)
        if node.op == "add":
            maps[index] = (calibration[0] + calibration[1], judged[0] + judged[1])
        elif node.op == "global_avg_pool":
            maps[index] = tuple(each[0].flatten(2).mean(2) for each in (calibration, judged))
        else:
            own = {name: weights[f"layers.{node.slot.replace('.', '_')}.{name}"] for name in _names(node.is_hidden)}
            run = _hidden if node.is_hidden else _head
            maps[index] = run(node, own, calibration[0], judged[0])
    return maps[len(maps) - 2][1]


def accuracies(
    supernet: SuperNet, archs: Archs, calibration_inputs: Tensor, inputs: Tensor, labels: Tensor
) -> NDArray[np.float64]:
    """Accuracy of each network, `(n,)`."""
    rows = [scores(supernet, arch, calibration_inputs, inputs).argmax(1) == labels for arch in archs]
    return np.array([row.double().mean().item() for row in rows])


def _resized(x, input_shape):
    """Every pixel from its two neighbours an axis, weighted by distance; beyond the border the border counts."""
    for axis, n_new in zip(range(2, x.dim()), input_shape, strict=False):
        n_old = x.shape[axis]
        places = ((torch.arange(n_new) + 0.5) * n_old / n_new - 0.5).clamp(0, n_old - 1)
        low = places.floor().long()
        share = (places - low).view(-1, *(1,) * (x.dim() - axis - 1)).to(x.dtype)
        x = x.index_select(axis, low) * (1 - share) + x.index_select(axis, (low + 1).clamp(max=n_old - 1)) * share
    return x


def _names(is_hidden: bool) -> tuple[str, ...]:
    return ("weight", "scale", "shift") if is_hidden else ("weight", "bias")


def _head(node, own, calibration, judged):
    calibration, judged = calibration.flatten(1), judged.flatten(1)
    weight, bias = own["weight"][:, : judged.shape[1]], own["bias"]
    return calibration @ weight.T + bias, judged @ weight.T + bias


def _hidden(node, own, calibration, judged):
    weight = own["weight"][: node.out_ch]
    first = (weight.shape[2] - node.kernel) // 2
    taps = slice(None) if node.covers_map else slice(first, first + node.kernel)
    groups = judged.shape[1] if node.op == "depthwise_conv" else 1
    weight = weight[:, : judged.shape[1], taps] if weight.dim() == 3 else weight[:, : judged.shape[1], taps, taps]
    conv = F.conv1d if weight.dim() == 3 else F.conv2d
    raws = [conv(each, weight, stride=node.stride, padding=node.pad, groups=groups) for each in (calibration, judged)]
    variance, mean = torch.var_mean(raws[0], dim=[0, *range(2, raws[0].dim())], correction=0, keepdim=True)
    shape = (1, -1, *(1,) * (raws[0].dim() - 2))
    scale, shift = own["scale"][: node.out_ch].view(shape), own["shift"][: node.out_ch].view(shape)
    floor = -torch.inf if node.is_linear else 0
    return tuple(((raw - mean) / torch.sqrt(variance + 1e-5) * scale + shift).clamp(min=floor) for raw in raws)
