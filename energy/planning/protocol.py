"""Protocol of explorers: the best designs of layers and the best plans of networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from energy.events import FloatArray, IntArray
from energy.networks.designs import LayerDesign, Plan
from energy.networks.shapes import LayerShape, NetworkShape


@dataclass(frozen=True, kw_only=True)
class LayerOptima:
    """The best design of each layer under each scenario, arrays `(n_layers, n_scenarios)`.

    Attributes:
        latency_s: Its latency, under the packed policy its time by Eq. (7); inf where no design is feasible. [s]
        energy_over_j: How far it is over the energy budget. [J]
        vm_over_bytes: How far it is over the volatile memory. [B]
        n_designs: Legal designs inside the volatile memory, `(n_layers,)`. [1]
    """

    latency_s: FloatArray
    energy_over_j: FloatArray
    vm_over_bytes: IntArray
    n_designs: IntArray

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Whether the best design violates nothing."""
        return np.asarray((self.energy_over_j == 0) & (self.vm_over_bytes == 0))


class ScenariosExplorer(Protocol):
    """An explorer of several supplies at once.

    Attributes:
        shares_cycles: Whether layers share power cycles, so that the best plan of a network is more than its best
            layers.
        n_limited: Plans found so far that may not be the best, since the choice was limited. [1]
    """

    n_limited: int

    @property
    def shares_cycles(self) -> bool:
        """Whether the best plan of a network is more than its best layers."""
        ...

    def best(self, layers: Sequence[LayerShape]) -> LayerOptima:
        """Return the best design of each layer under each scenario."""
        ...

    def designs(self, layer: LayerShape) -> tuple[LayerDesign, ...]:
        """Return the best design of a layer for each scenario."""
        ...

    def proposals(self, layer: LayerShape, scenario: int = 0) -> tuple[LayerDesign, ...]:
        """Return the designs of a layer that may be part of a good plan under one scenario, at least one."""
        ...

    def plan(self, network: NetworkShape, scenario: int = 0) -> Plan:
        """Return the best plan of a network under one scenario."""
        ...


@dataclass(frozen=True, kw_only=True)
class ScenarioExplorer:
    """An explorer as one of its scenarios sees it.

    Attributes:
        explorer: Explores all scenarios together.
        scenario: Index of the one that is meant.
    """

    explorer: ScenariosExplorer
    scenario: int

    @property
    def shares_cycles(self) -> bool:
        """Whether layers share power cycles."""
        return self.explorer.shares_cycles

    def best(self, layers: Sequence[LayerShape]) -> LayerOptima:
        """Return the best design of each layer, arrays `(n_layers, 1)`."""
        optima = self.explorer.best(layers)
        own = slice(self.scenario, self.scenario + 1)
        return LayerOptima(
            latency_s=optima.latency_s[:, own],
            energy_over_j=optima.energy_over_j[:, own],
            vm_over_bytes=optima.vm_over_bytes[:, own],
            n_designs=optima.n_designs,
        )

    def designs(self, layer: LayerShape) -> tuple[LayerDesign, ...]:
        """Return the best design of a layer, alone in a tuple."""
        return (self.explorer.designs(layer)[self.scenario],)

    def proposals(self, layer: LayerShape) -> tuple[LayerDesign, ...]:
        """Return the designs of a layer that may be part of a good plan."""
        return self.explorer.proposals(layer, self.scenario)

    def plan(self, network: NetworkShape) -> Plan:
        """Return the best plan of a network."""
        return self.explorer.plan(network, self.scenario)
