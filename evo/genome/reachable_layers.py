"""Layer shapes that the slots of a space can take, without walking every network.

Stage by stage: the layers of a stage depend only on its options and its input map, so each distinct map is followed
once.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from energy.networks.shapes import NETWORK_INPUT, LayerShape
from models.spaces import Graph, Node, Space, Stage, shapes

_Map = tuple[int, int, int]


def reachable_layers(space: Space) -> dict[str, tuple[LayerShape, ...]]:
    """Return the distinct shapes of each slot, in the order in which they were met.

    Args:
        space: The networks.

    Returns:
        Shapes by slot name, every slot of `Space.slots` among them.
    """
    found: dict[str, dict[LayerShape, None]] = {slot.node.slot: {} for slot in space.slots}
    for width in space.widths_percent:
        maps = dict.fromkeys(space.input_shapes)
        for index, stage in enumerate(space.stages):
            settings = list(_settings(stage, ties_kernels=space.padding == "same"))
            maps = dict.fromkeys(
                _note(space.stage_nodes(index, NETWORK_INPUT, in_map[2], chosen, width), in_map, found)
                for in_map in maps
                for chosen in settings
            )
        for in_map in maps:
            _note(space.end_nodes(NETWORK_INPUT, in_map[2]), in_map, found)
    return {name: tuple(layers) for name, layers in found.items()}


def _settings(stage: Stage, *, ties_kernels: bool) -> Iterator[dict[str, Any]]:
    """Yield the settings of a stage that together reach every shape.

    Kernels of padded blocks leave the size of their maps alone, so all blocks may change theirs together.
    """
    free = [gene for gene in stage.genes if not (ties_kernels and gene.name.endswith("kernel"))]
    for options in product(*(gene.options for gene in free)):
        chosen = {gene.name: option for gene, option in zip(free, options, strict=True)}
        for kernel in stage.kernels if len(free) < len(stage.genes) else stage.kernels[:1]:
            tied = {gene.name: kernel for gene in stage.genes if gene not in free}
            yield stage.chosen({**chosen, **tied})


def _note(nodes: list[Node], in_map: _Map, found: dict[str, dict[LayerShape, None]]) -> _Map:
    """Add the layers of a part of a network to `found`, and return its output map."""
    network = shapes("part", Graph(nodes=tuple(nodes), input_shape=in_map))
    for name, layer in zip(network.layer_names, network.layers, strict=True):
        found[name][layer] = None
    last = network.layers[-1]
    return last.out_h, last.out_w, last.out_ch
