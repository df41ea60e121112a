"""One design for several supplies at once: the explorer's plans for each of them, and which of them holds best.

A plan found for one supply may be unsafe on a smaller capacitor and slow on a larger one. There is no exact answer for
a network here; the best of the plans found for each supply alone is where evolution starts from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from energy.costing.population import cost
from energy.networks.designs import LayerDesign, Plan
from energy.networks.shapes import LayerShape, NetworkShape
from energy.planning.protocol import LayerOptima, ScenariosExplorer
from energy.scheduling.schedule import Pricer
from evo.fronts.front import Front
from evo.problem.problem import AGGREGATES, Pricing


@dataclass(frozen=True, kw_only=True)
class RobustExplorer:
    """The explorer of several supplies as one that plans for all of them.

    Attributes:
        explorer: Explores the supplies of the pricing, in their order.
        pricing: Several supplies, and what counts of their latencies.
    """

    explorer: ScenariosExplorer
    pricing: Pricing

    @cached_property
    def _pricer(self) -> Pricer:
        return Pricer(self.pricing.device)

    @property
    def shares_cycles(self) -> bool:
        """True: whatever the policy, the best plan of a network is more than its best layers."""
        return True

    def best(self, layers: list[LayerShape]) -> LayerOptima:
        """Explore layers under every supply."""
        return self.explorer.best(layers)

    def designs(self, layer: LayerShape) -> tuple[LayerDesign, ...]:
        """The best design of a layer under the supply with the least energy a cycle, alone in a tuple: safe in all."""
        least = int(np.argmin(self.pricing.scenarios.budget_j))
        return (self.explorer.designs(layer)[least],)

    def proposals(self, layer: LayerShape) -> tuple[LayerDesign, ...]:
        """Return the designs of a layer that may be part of a good plan under any of the supplies."""
        scenarios = range(len(self.pricing.scenarios))
        return tuple(dict.fromkeys(one for index in scenarios for one in self.explorer.proposals(layer, index)))

    def plan(self, network: NetworkShape) -> Plan:
        """The best, over all supplies, of the plans found for each; where none is safe in all the least unsafe."""
        scenarios = self.pricing.scenarios
        plans = list(dict.fromkeys(self.explorer.plan(network, index) for index in range(len(scenarios))))
        pricing = self.pricing
        priced = cost([network] * len(plans), plans, pricing.device, scenarios, pricing.execution, pricer=self._pricer)
        broken = self.pricing.amounts(priced)[1].sum(axis=1)
        latency_s = AGGREGATES[self.pricing.over](priced.latency_s)
        return plans[int(np.lexsort((latency_s, broken))[0])]


def latency_factor(robust: Front, special: Front) -> float:
    """How much longer a robust design takes than a specialised one that is no more accurate, on the median. [1]

    For each design of the specialised front the fastest robust one of at least its accuracy counts; designs that no
    robust one is as accurate as are left out.

    Args:
        robust: Front of error and latency under one supply, of designs that are safe under several.
        special: Front of error and latency under that supply alone.

    Returns:
        The median factor, nan where no robust design is as accurate as any specialised one.
    """
    error, latency_s = robust.values.T
    factors = [latency_s[error <= wanted].min() / own_s for wanted, own_s in special.values if (error <= wanted).any()]
    return float(np.median(factors)) if factors else float("nan")
