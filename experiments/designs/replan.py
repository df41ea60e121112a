"""Replanned design: a published design as published, its network planned anew, and the comparison of both.

As published means its own plan with one batch per power cycle and published counting; anew means the fused network with
packed power cycles for the same device, supply and memory. Text and tables are in `experiments.commands.replan`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from energy.costing.plan import price_plan
from energy.costing.result import PlanPrice
from energy.simulation.harvest import constant_source
from experiments.designs import price as answers
from experiments.designs.request import Overrides, Request
from experiments.designs.simulated_plan import simulate_plan

AS_PUBLISHED = Overrides(policy="one-batch-per-cycle", counting="published")
ANEW = Overrides(policy="packed", counting="exact", rules="ebbnas", cuts="optimal", fuse=True)

_SHOWN = ("feasible", "latency_s", "energy_j", "power_cycles", "violations")
_LIMITS = ("limit_plan_s", "limit_device_s")


@dataclass(frozen=True, kw_only=True)
class Replanned:
    """A published design and a new plan for its network.

    Attributes:
        published: The design as it was published.
        request: The fused network with the new plan.
        ours: That plan priced.
        simulated_s: Latency simulated under the nominal harvester; None where it was not simulated. [s]
    """

    published: PlanPrice
    request: Request
    ours: PlanPrice
    simulated_s: float | None = None

    @property
    def ratio(self) -> float | None:
        """Latency of the new plan as a fraction of the published one; None where either is infeasible. [1]"""
        return _quotient(self.ours.latency_s, self.published.latency_s)

    @property
    def over_limit_plan(self) -> float | None:
        """Latency as a multiple of the limit of any plan. [1]"""
        return _quotient(self.ours.latency_s, self.ours.limit_plan_s)

    @property
    def over_limit_device(self) -> float | None:
        """Latency as a multiple of the limit of any program on the device. [1]"""
        return _quotient(self.ours.latency_s, self.ours.limit_device_s)

    @property
    def deviation(self) -> float | None:
        """Relative difference of the simulated latency from the planned one, without sign. [1]"""
        share = _quotient(self.simulated_s, self.ours.latency_s)
        return None if share is None else abs(share - 1)

    def notes(self) -> list[str]:
        """Return the notes of the request, and the violated constraints of infeasible plans."""
        found = list(self.request.notes)
        for what, priced in (("as published", self.published), ("planned anew", self.ours)):
            if not priced.feasible:
                parts = {"violations": priced.violations, "layers": [asdict(row) for row in priced.layers]}
                found.append(f"not feasible {what}: {answers.binding_constraint(parts)}")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON types."""
        published, ours = (
            {**{key: getattr(priced, key) for key in _SHOWN}, "violations": dict(priced.violations)}
            for priced in (self.published, self.ours)
        )
        return {
            "name": self.request.name,
            "published": published,
            "ours": {
                **ours,
                **{key: getattr(self.ours, key) for key in _LIMITS},
                "plan": [design.to_dict() for design in self.request.plan or ()],
            },
            "ratio": self.ratio,
            "over_limit_plan": self.over_limit_plan,
            "over_limit_device": self.over_limit_device,
            "simulated_latency_s": self.simulated_s,
            "simulated_deviation": self.deviation,
            "notes": self.notes(),
        }


def _quotient(part: float | None, whole: float | None) -> float | None:
    return None if part is None or whole is None else part / whole


def replanned(before: Request, request: Request, *, is_simulated: bool) -> Replanned:
    """Plan a network anew and price both plans.

    Args:
        before: The published design.
        request: The same network, with the options of the new plan.
        is_simulated: Whether the new plan is simulated too, where its recharge follows the physics.
    """
    request = answers.plan(request)
    published, ours = (_priced_plan(one) for one in (before, request))
    can_simulate = ours.feasible and request.supply.recharge == "energy-balance"
    simulated_s = _simulated_s(request) if is_simulated and can_simulate else None
    return Replanned(published=published, request=request, ours=ours, simulated_s=simulated_s)


def _priced_plan(request: Request) -> PlanPrice:
    assert request.plan is not None
    return price_plan(request.network, request.plan, request.device, request.supply, request.execution)


def _simulated_s(request: Request) -> float | None:
    """Return the latency of a plan simulated under the nominal harvester; None where it does not finish. [s]"""
    supply = request.supply
    harvest = constant_source(supply.resistance_ohm, supply.v_supply_v)
    latency_s = float(simulate_plan(request, [harvest]).simulation.latency_s[0])
    return latency_s if np.isfinite(latency_s) else None
