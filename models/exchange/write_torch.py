"""Writer of a trained network as a readable torch module without EbbNAS, and a file of its weights."""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from energy.networks.shapes import NETWORK_INPUT
from models.exchange.deployable import Deployable, Step

MODULE_FILE, WEIGHTS_FILE = "model.py", "weights.safetensors"
"""Names of the two files."""

_TEMPLATE = '''"""{title}.

Written by EbbNAS. `load()` returns the trained network in evaluation mode; its input is raw samples:
{raw}.
Needs torch and safetensors.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

CLASSES = (
{classes}
)


class Network(nn.Module):
    """Scores (n, {n_classes}) of the classes for raw samples (n, {sample_shape})."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("raw_mean", torch.zeros({mean_shape}))
        self.register_buffer("raw_spread", torch.ones({spread_shape}))
{layers}

    def forward(self, samples: Tensor) -> Tensor:
        x = (samples.float() - self.raw_mean) / self.raw_spread
{steps}


def load(folder: Path = Path(__file__).resolve().parent) -> Network:
    """Return the trained network, in evaluation mode."""
    network = Network()
    network.load_state_dict(load_file(folder / "{weights_file}"))
    return network.eval()
'''


_UNSAFE = str.maketrans({'"': "'", "\\": "/", "\n": " "})
"""Characters of a space's name that would end the docstring of the module, and their replacements."""


def module_text(network: Deployable) -> str:
    """Return the source of the module."""
    normalisation = network.normalisation
    return _TEMPLATE.format(
        title=network.title.translate(_UNSAFE),
        raw=normalisation.raw,
        classes="\n".join(f"    {json.dumps(name, ensure_ascii=False)}," for name in network.class_names),
        n_classes=len(network.class_names),
        sample_shape=_listed(network.sample_shape),
        mean_shape=_listed(normalisation.mean.shape),
        spread_shape=_listed(normalisation.spread.shape),
        layers="\n".join(f"        {line}" for step in network.steps for line in _declared(network, step)),
        steps="\n".join(f"        {line}" for line in (*_resized(network), *_forward(network))),
        weights_file=WEIGHTS_FILE,
    )


def weights_bytes(network: Deployable) -> bytes:
    """Return the state of the module as safetensors; the same network gives the same bytes."""
    state: dict[str, NDArray[np.generic]] = {
        "raw_mean": network.normalisation.mean.astype(np.float32),
        "raw_spread": network.normalisation.spread.astype(np.float32),
    }
    for step in network.steps:
        for key in ("weight", "bias"):
            if (values := getattr(step, key)) is not None:
                state[f"{step.name}.{key}"] = values
        if step.norm is not None:
            norm = f"{step.name}_norm"
            state[f"{norm}.weight"], state[f"{norm}.bias"] = step.norm.scale, step.norm.shift
            state[f"{norm}.running_mean"], state[f"{norm}.running_var"] = step.norm.mean, step.norm.variance
            state[f"{norm}.num_batches_tracked"] = np.array(0, dtype=np.int64)
    data: bytes = save(state, metadata={"network": network.title})
    return data


def _declared(network: Deployable, step: Step) -> list[str]:
    """Return the lines that make the modules of one layer."""
    shape = step.shape
    if step.op == "linear":
        return [f"self.{step.name} = nn.Linear({shape.in_ch}, {shape.out_ch})"]
    if step.weight is None:
        return []
    kernel, stride, pad = network.window(step)
    settings = [f"{shape.in_ch}, {shape.out_ch}, {_one_or_all(kernel)}"]
    if set(stride) != {1}:
        settings.append(f"stride={_one_or_all(stride)}")
    if any(pad):
        settings.append(f"padding={_one_or_all(pad)}")
    if step.op == "depthwise_conv":
        settings.append(f"groups={shape.in_ch}")
    lines = [f"self.{step.name} = nn.Conv{network.n_axes}d({', '.join(settings)}, bias=False)"]
    if step.norm is not None:
        epsilon = f"eps={step.norm.epsilon:g}"
        lines.append(f"self.{step.name}_norm = nn.BatchNorm{network.n_axes}d({shape.out_ch}, {epsilon})")
    return lines


def _resized(network: Deployable) -> list[str]:
    if not network.is_resized:
        return []
    mode = "linear" if network.n_axes == 1 else "bilinear"
    return [f'x = F.interpolate(x, size=({_listed(network.map_size)},), mode="{mode}", align_corners=False)']


def _forward(network: Deployable) -> list[str]:
    """Return the lines that run the layers; results that later layers read get names of their own."""
    steps = list(enumerate(network.steps))
    kept = {source: f"kept_{source + 1}" for index, step in steps for source in step.reads if source != index - 1}
    lines = [f"{kept[NETWORK_INPUT]} = x"] if NETWORK_INPUT in kept else []
    for index, step in steps:
        reads = ["x" if source == index - 1 else kept[source] for source in step.reads]
        lines.append(f"x = {_expression(step, reads)}")
        if index in kept:
            lines.append(f"{kept[index]} = x")
    return [*lines, "return x"]


def _expression(step: Step, reads: list[str]) -> str:
    if step.op == "add":
        return f"{reads[0]} + {reads[1]}"
    if step.op == "global_avg_pool":
        return f"{reads[0]}.flatten(2).mean(2)"
    if step.op == "linear":
        return f"self.{step.name}({reads[0]}.flatten(1))"
    text = f"self.{step.name}({reads[0]})"
    if step.norm is not None:
        text = f"self.{step.name}_norm({text})"
    return f"F.relu({text})" if step.has_relu else text


def _listed(sizes: tuple[int, ...]) -> str:
    return ", ".join(str(size) for size in sizes)


def _one_or_all(sizes: tuple[int, ...]) -> str:
    return str(sizes[0]) if len(set(sizes)) == 1 else f"({_listed(sizes)})"
