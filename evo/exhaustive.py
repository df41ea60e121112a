"""Best plans of all networks of an enumerable space, a million in seconds: sums over layers, stage by stage.

With one batch per power cycle, the latency of a network is the sum over its layers, and the best designs of the layers
are the best plan. The cost of a stage depends only on its input map and its own options, so each such pair is explored
once; networks are sums of table entries, in the order of `Space.enumerate`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from energy.costing.population import nvm_bytes_of
from energy.networks.shapes import NETWORK_INPUT
from energy.planning.published import Explorer
from evo.fronts.front import Front
from evo.objectives import DEFAULT_OBJECTIVES, Floats
from models.spaces import Graph, Node, Space, Stage, shapes

Integers = NDArray[np.int64]

_Map = tuple[int, int, int]

NodesOf = Callable[[int, int], list[Node]]
"""The layers of a stage under one option, from the index and the channels of the node that they read."""


@dataclass(frozen=True, kw_only=True)
class EveryNetwork:
    """Costs of all networks of a space, rows in the order of `Space.enumerate()`.

    Attributes:
        latency_s: Least latency, infinite where nothing is feasible, `(n, n_scenarios)`. [s]
        n_macs: Multiply-accumulates, `(n,)`. [1]
        n_parameters: Weights and biases, `(n,)`. [1]
    """

    latency_s: Floats
    n_macs: Integers
    n_parameters: Integers


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """Counts of beginnings of networks, or of single stages.

    Attributes:
        latency_s: Latency of the layers, `(n, n_scenarios)`. [s]
        n_macs: Multiply-accumulates, `(n,)`. [1]
        n_parameters: Weights and biases, `(n,)`. [1]
        largest_map: Words of the largest map, `(n,)`. [1]
        adds: Whether maps are added, `(n,)`.
        map_id: Index of the output map in a list of maps, `(n,)`.
    """

    latency_s: Floats
    n_macs: Integers
    n_parameters: Integers
    largest_map: Integers
    adds: NDArray[np.bool_]
    map_id: Integers

    @classmethod
    def nothing(cls, n_scenarios: int) -> Self:
        """Return a single beginning without layers, whose output map is the first."""
        zero = np.zeros(1, dtype=np.int64)
        return cls(
            latency_s=np.zeros((1, n_scenarios)),
            n_macs=zero,
            n_parameters=zero,
            largest_map=zero,
            adds=zero > 0,
            map_id=zero,
        )

    def followed_by(self, stages: Self, n_options: int) -> Self:
        """Return each beginning followed by each option of the next stage.

        Args:
            stages: Counts of each option on each map, `(n_maps * n_options,)`, the options of one map in a row.
            n_options: Options of the stage. [1]
        """
        before = np.repeat(np.arange(len(self.map_id)), n_options)
        own = np.add.outer(self.map_id * n_options, np.arange(n_options)).ravel()
        return type(self)(
            latency_s=self.latency_s[before] + stages.latency_s[own],
            n_macs=self.n_macs[before] + stages.n_macs[own],
            n_parameters=self.n_parameters[before] + stages.n_parameters[own],
            largest_map=np.maximum(self.largest_map[before], stages.largest_map[own]),
            adds=self.adds[before] | stages.adds[own],
            map_id=stages.map_id[own],
        )


def every_network(space: Space, explorer: Explorer) -> EveryNetwork:
    """Price every network of a space with one batch per power cycle and published counting.

    Args:
        space: The networks.
        explorer: Finds the best designs of layers, for any number of supplies.
    """
    found = []
    for width in space.widths_percent:
        for in_map in space.input_shapes:
            parts, maps = _Parts.nothing(len(explorer.scenarios)), [in_map]
            for index, stage in enumerate(space.stages):
                options = _options(space, index, stage, width)
                table, maps = _table(maps, options, explorer)
                parts = parts.followed_by(table, len(options))
            table, _ = _table(maps, [space.end_nodes], explorer)
            found.append(parts.followed_by(table, 1))
    whole = _joined(found)
    nvm_bytes = nvm_bytes_of(whole.n_parameters, whole.largest_map, whole.adds, explorer.device)
    fits = nvm_bytes <= explorer.device.nvm_bytes
    return EveryNetwork(
        latency_s=np.where(fits[:, None], whole.latency_s, np.inf),
        n_macs=whole.n_macs,
        n_parameters=whole.n_parameters,
    )


def _options(space: Space, index: int, stage: Stage, width_percent: int) -> list[NodesOf]:
    """Return every option of a stage, in the order of `Space.enumerate`."""

    def nodes_of(row: list[int]) -> NodesOf:
        chosen = stage.chosen(stage.options(row))
        return lambda before, in_ch: space.stage_nodes(index, before, in_ch, chosen, width_percent)

    return [nodes_of(row) for row in stage.rows().tolist()]


def _table(maps: list[_Map], options: list[NodesOf], explorer: Explorer) -> tuple[_Parts, list[_Map]]:
    """Return the counts of each option on each map, and the distinct output maps."""
    networks = [
        shapes("part", Graph(nodes=tuple(nodes_of(NETWORK_INPUT, in_map[2])), input_shape=in_map))
        for in_map in maps
        for nodes_of in options
    ]
    behind = [(last.out_h, last.out_w, last.out_ch) for last in (network.layers[-1] for network in networks)]
    index_of = {out_map: index for index, out_map in enumerate(dict.fromkeys(behind))}
    latency_s = explorer.best([layer for network in networks for layer in network.layers]).latency_s
    starts = np.cumsum([0, *(len(network.layers) for network in networks)])[:-1]
    parts = _Parts(
        latency_s=np.add.reduceat(latency_s, starts, axis=0),
        n_macs=np.array([network.n_macs for network in networks]),
        n_parameters=np.array([network.n_parameters for network in networks]),
        largest_map=np.array([network.largest_map for network in networks]),
        adds=np.array([network.adds for network in networks]),
        map_id=np.array([index_of[out_map] for out_map in behind]),
    )
    return parts, list(index_of)


def _joined(parts: list[_Parts]) -> _Parts:
    """Return the networks of several widths and input maps, one after the other."""
    names = [field.name for field in fields(_Parts)]
    return _Parts(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def exact_front(accuracies: ArrayLike, latencies_s: ArrayLike) -> Front:
    """Return the front of a space whose networks are all known.

    Args:
        accuracies: Accuracy of each network, `(n,)`. [1]
        latencies_s: Its least latency, infinite where it cannot run, `(n,)`. [s]

    Returns:
        The front; its `rows` are positions in the two arrays.
    """
    values: Floats = np.column_stack([1.0 - np.asarray(accuracies, dtype=np.float64), latencies_s])
    return Front.of(values, np.isfinite(values).all(axis=1), DEFAULT_OBJECTIVES)
