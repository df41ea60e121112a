"""Single network of a space with weights of its own and running statistics, to be fine-tuned and deployed.

It starts from slices of a `SuperNet` or from random weights, and is stored as safetensors bytes, which hold tensors and
the name of the network and cannot run code.
"""

from __future__ import annotations

import json
from typing import Self

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from energy.validation import require_number
from models.spaces import Archs, Node, Slot, Space
from models.supernet.elastic import (
    ElasticConv,
    Moments,
    Statistics,
    elastic_layers,
    key_of,
    moments_of,
    run_graph,
    run_layer,
)
from models.supernet.supernet import SuperNet

_HEADER_LENGTH_BYTES = 8


class Subnet(nn.Module):
    """A single network.

    In training mode its hidden layers normalise with the batch and move the running statistics towards it; in
    evaluation mode they normalise with the running statistics.

    Attributes:
        space: The space of the network.
        arch: Its architecture, canonical, `(n_genes,)`.
        graph: Its layers.
        layers: Its layers with weights, by `key_of` their slot.
    """

    def __init__(self, space: Space, arch: Archs, *, seed: int = 0, momentum: float = 0.1) -> None:
        """Draw random weights.

        Args:
            space: The space of the network.
            arch: Its architecture, `(n_genes,)`, canonical or not.
            seed: Seed of the initial weights.
            momentum: Share of the batch in the running statistics after a training step. [1]
        """
        super().__init__()
        require_number("momentum", momentum, least=0)
        self.space = space
        self.arch = space.canonical(np.asarray(arch)[None])[0]
        self.graph = space.graph(self.arch)
        self.momentum = momentum
        shapes = space.network(self.arch).layers
        slots = [Slot(node=node, shape=shape) for node, shape in zip(self.graph, shapes, strict=True)]
        generator = torch.Generator().manual_seed(seed)
        self.layers = elastic_layers(slots, space.n_dims, generator)
        for node in self.graph:
            if node.is_hidden:
                self.register_buffer(f"{key_of(node.slot)}_mean", torch.zeros(node.out_ch))
                self.register_buffer(f"{key_of(node.slot)}_variance", torch.ones(node.out_ch))

    @classmethod
    def inherit(cls, supernet: SuperNet, arch: Archs, statistics: Statistics) -> Self:
        """Return the network with copies of its slices of the shared weights, in evaluation mode.

        Args:
            supernet: The shared weights.
            arch: Architecture of the network, `(n_genes,)`.
            statistics: Its running statistics, such as `SharedEvaluator.statistics(arch)`.
        """
        subnet = cls(supernet.space, arch)
        shared = supernet.state_dict()
        with torch.no_grad():
            for name, own in subnet.layers.state_dict(prefix="layers.").items():
                own.copy_(leading_centre(shared[name], own.shape))
            for node in subnet.graph:
                if node.is_hidden:
                    for own, given in zip(subnet.moments(node.slot), statistics[node.slot], strict=True):
                        own.copy_(given)
        subnet.eval()
        return subnet

    @classmethod
    def from_bytes(cls, space: Space, arch: Archs, data: bytes) -> Self:
        """Return the network that `state_bytes` wrote, in evaluation mode.

        Raises:
            ValueError: The bytes are damaged, or belong to another network.
        """
        subnet = cls(space, arch)
        try:
            state = load(data)
            name = _name_in(data)
        except (SafetensorError, ValueError, KeyError) as error:
            raise ValueError(f"weights of network {subnet.name!r} must be whole safetensors data: {error}") from None
        if name != subnet.name:
            raise ValueError(f"weights must be of network {subnet.name!r}, not of {name!r}")
        own = subnet.state_dict()
        if {key: value.shape for key, value in state.items()} != {key: value.shape for key, value in own.items()}:
            raise ValueError(f"weights of network {subnet.name!r} must have the shapes of its layers, these do not")
        subnet.load_state_dict(state)
        subnet.eval()
        return subnet

    @property
    def name(self) -> str:
        """Space and text form of the architecture."""
        return f"{self.space.name} {self.space.encode(self.arch)}"

    def state_bytes(self) -> bytes:
        """Return weights, running statistics and name as safetensors; the same state gives the same bytes."""
        state = {key: value.detach().cpu().contiguous() for key, value in self.state_dict().items()}
        return save(state, metadata={"network": self.name})

    def moments(self, slot: str) -> Moments:
        """Return running mean and variance of a hidden layer, `(out_ch,)` each, without copying."""
        return self.get_buffer(f"{key_of(slot)}_mean"), self.get_buffer(f"{key_of(slot)}_variance")

    def forward(self, x: Tensor) -> Tensor:
        """Return class scores `(n, n_classes)` of inputs `(n, channels, *size)`."""
        return run_graph(self.graph, x, self.run_node)

    def run_node(self, node: Node, maps: list[Tensor]) -> Tensor:
        """Return the output of one node of the graph for the maps that it reads."""
        if not (node.is_hidden and self.training):
            return run_layer(self.layers, node, maps, self.moments(node.slot) if node.is_hidden else None)
        layer = self.layers[key_of(node.slot)]
        assert isinstance(layer, ElasticConv)
        raw = layer.convolve(maps[0], node)
        for running, batch in zip(self.moments(node.slot), moments_of(raw.detach()), strict=True):
            running.lerp_(batch, self.momentum)
        return layer.normalise(raw, node, None)


def leading_centre(shared: Tensor, shape: torch.Size) -> Tensor:
    """Return the slice of a shared tensor that a smaller one of `shape` inherits: leading channels, kernel's centre."""
    for axis, length in enumerate(shape):
        start = (shared.shape[axis] - length) // 2 if axis > 1 else 0
        shared = shared.narrow(axis, start, length)
    return shared


def _name_in(data: bytes) -> str:
    """Return the name of the network in the header of readable safetensors data."""
    length = int.from_bytes(data[:_HEADER_LENGTH_BYTES], "little")
    header = json.loads(data[_HEADER_LENGTH_BYTES : _HEADER_LENGTH_BYTES + length])
    return str(header.get("__metadata__", {}).get("network", "unknown"))
