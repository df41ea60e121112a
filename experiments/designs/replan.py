"""A published design as it was published, its network planned anew, and what there is to say about the two.

As published means its own plan with one batch a power cycle and published counting; anew means the fused network with
packed power cycles for the same device, supply and memory. Text and tables are in `experiments.commands.replan`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from energy.costing.plan import price_plan
from energy.costing.result import PlanPrice
from energy.hardware.supply import Scenarios
from energy.scheduling.schedule import Pricer, cycle_budget_nj, schedule
from energy.simulation.harvest import constant_source
from energy.simulation.simulate import simulate
from experiments.designs import price as answers
from experiments.designs.request import Overrides, Request

AS_PUBLISHED = Overrides(policy="one-batch-per-cycle", counting="published")
ANEW = Overrides(policy="packed", counting="exact", rules="ebbnas", cuts="optimal", fuse=True)

_SHOWN = ("feasible", "latency_s", "energy_j", "power_cycles", "violations")
_LIMITS = ("limit_plan_s", "limit_device_s")


@dataclass(frozen=True, kw_only=True)
class Replanned:
    """A published design and the plan found anew.

    Attributes:
        published: The design as it was published.
        request: The fused network with the new plan.
        ours: That plan priced.
        simulated_s: Its latency as simulated under the nominal harvester; None where it was not. [s]
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
        """How far the simulated latency is from the planned one, as a fraction of it. [1]"""
        share = _quotient(self.simulated_s, self.ours.latency_s)
        return None if share is None else abs(share - 1)

    def notes(self) -> list[str]:
        """What is infeasible and why, and what the request says of itself."""
        found = list(self.request.notes)
        for what, priced in (("as published", self.published), ("planned anew", self.ours)):
            if not priced.feasible:
                parts = {"violations": priced.violations, "layers": [asdict(row) for row in priced.layers]}
                found.append(f"not feasible {what}: {answers.binding_constraint(parts)}")
        return found

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
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
        request: Its network as it is to be planned.
        is_simulated: Whether the new plan is played too, where its recharge follows the physics.
    """
    request = answers.plan(request)
    published, ours = (_priced_plan(one) for one in (before, request))
    can_play = ours.feasible and request.supply.recharge == "energy-balance"
    simulated_s = _simulated_s(request) if is_simulated and can_play else None
    return Replanned(published=published, request=request, ours=ours, simulated_s=simulated_s)


def _priced_plan(request: Request) -> PlanPrice:
    assert request.plan is not None
    return price_plan(request.network, request.plan, request.device, request.supply, request.execution)


def _simulated_s(request: Request) -> float | None:
    """Return latency of a plan played event by event under the nominal harvester; None where it does not end. [s]"""
    assert request.plan is not None
    supply, scenarios = request.supply, Scenarios.of([request.supply])
    sequence = Pricer(request.device).sequence(request.network, request.plan)
    starts = schedule(sequence, scenarios, cuts=request.execution.cuts_of_schedule).starts
    harvest = constant_source(supply.resistance_ohm, supply.v_supply_v)
    latency_s = float(simulate(sequence, starts, cycle_budget_nj(scenarios), supply, [harvest]).latency_s[0])
    return latency_s if np.isfinite(latency_s) else None
