"""Every layer shape that a slot of a space can take, without walking every network.

Stage by stage: networks that hand the same map to a stage are alike from there on, so one prefix a map is kept and all
options of the stage are tried behind it.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from energy.layers import LayerShape
from models.spaces import Archs, Space


def reachable_layers(space: Space) -> dict[str, tuple[LayerShape, ...]]:
    """Distinct shapes of each slot, in the order in which they were met.

    Args:
        space: The networks.

    Returns:
        Shapes by slot name, every slot of `Space.slots` among them.
    """
    found: dict[str, dict[LayerShape, None]] = {slot.node.slot: {} for slot in space.slots}
    prefixes = [space.smallest]
    for index in range(len(space.stages)):
        columns = [column for column, gene in enumerate(space.genes) if gene.name.startswith(f"s{index}.")]
        by_map: dict[tuple[int, int, int], Archs] = {}
        for prefix in prefixes:
            for options in product(*(range(int(space.n_options[column])) for column in columns)):
                arch = prefix.copy()
                arch[columns] = options
                by_map.setdefault(_enter(space, arch, index, found), arch)
        prefixes = list(by_map.values())
    return {name: tuple(layers) for name, layers in found.items()}


def _enter(space: Space, arch: Archs, stage: int, found: dict[str, dict[LayerShape, None]]) -> tuple[int, int, int]:
    """Note the layers of one network and return the map behind a stage."""
    network = space.network(np.asarray(arch))
    behind = network.input_shape
    for name, layer in zip(network.layer_names, network.layers, strict=True):
        found[name][layer] = None
        if name.startswith(f"s{stage}."):
            behind = (layer.out_h, layer.out_w, layer.out_ch)
    return behind
