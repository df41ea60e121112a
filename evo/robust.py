"""Designs for several supplies at once, from the explorer's plans for each supply.

A plan for one supply may be unsafe on a smaller capacitor and slow on a larger one. The best plan of a network for
several supplies is not found exactly; evolution starts from the best of the plans for each supply alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from energy.costing.population import price_population
from energy.networks.designs import LayerDesign, Plan
from energy.networks.shapes import LayerShape, NetworkShape
from energy.planning.protocol import LayerOptima, ScenariosExplorer
from energy.scheduling.schedule import Pricer
from evo.fronts.front import Front
from evo.problem.problem import AGGREGATES, Pricing


@dataclass(frozen=True, kw_only=True)
class RobustExplorer:
    """Explorer that plans for several supplies at once.

    Attributes:
        explorer: Explorer of the supplies of the pricing, in their order.
        pricing: Several supplies, and the aggregate of their latencies.
    """

    explorer: ScenariosExplorer
    pricing: Pricing

    @cached_property
    def _pricer(self) -> Pricer:
        return Pricer(self.pricing.device)

    @property
    def shares_cycles(self) -> bool:
        """True: under any policy, the best plan of a network is more than its best layers."""
        return True

    def best(self, layers: list[LayerShape]) -> LayerOptima:
        """Explore layers under every supply."""
        return self.explorer.best(layers)

    def designs(self, layer: LayerShape) -> tuple[LayerDesign, ...]:
        """Return the best design of a layer under the supply with the least cycle energy, safe in all, in a tuple."""
        least = int(np.argmin(self.pricing.scenarios.cycle_budget_j))
        return (self.explorer.designs(layer)[least],)

    def proposals(self, layer: LayerShape) -> tuple[LayerDesign, ...]:
        """Return designs of a layer that may be part of a good plan under any of the supplies."""
        scenarios = range(len(self.pricing.scenarios))
        return tuple(dict.fromkeys(one for index in scenarios for one in self.explorer.proposals(layer, index)))

    def plan(self, network: NetworkShape) -> Plan:
        """Return the plan, of those for each supply, that is best over all; the least unsafe where none is safe."""
        scenarios = self.pricing.scenarios
        plans = list(dict.fromkeys(self.explorer.plan(network, index) for index in range(len(scenarios))))
        pricing = self.pricing
        priced = price_population(
            [network] * len(plans), plans, pricing.device, scenarios, pricing.execution, pricer=self._pricer
        )
        broken = self.pricing.amounts(priced)[1].sum(axis=1)
        latency_s = AGGREGATES[self.pricing.over](priced.latency_s)
        return plans[int(np.lexsort((latency_s, broken))[0])]


def latency_factor(robust: Front, special: Front) -> float:
    """Return the median latency of robust designs relative to specialised ones of at most their accuracy. [1]

    Each specialised design is compared with the fastest robust design of at least its accuracy; specialised designs
    that are more accurate than every robust one are left out.

    Args:
        robust: Front of error and latency under one supply; its designs are safe under several.
        special: Front of error and latency for that supply alone.

    Returns:
        The median factor, nan where no robust design is as accurate as any specialised one.
    """
    error, latency_s = robust.values.T
    factors = [latency_s[error <= wanted].min() / own_s for wanted, own_s in special.values if (error <= wanted).any()]
    return float(np.median(factors)) if factors else float("nan")
