"""Simulation of the plan of a design under harvests: its power cycles as planned, and the result for each harvest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from energy.hardware.scenarios import Scenarios
from energy.scheduling.schedule import Pricer, Schedule, cycle_budget_nj, schedule
from energy.simulation.harvest import Harvest
from energy.simulation.result import Simulation, SimulationOptions
from energy.simulation.simulate import simulate
from experiments.designs.request import Request


@dataclass(frozen=True, kw_only=True)
class SimulatedPlan:
    """A plan and its simulation.

    Attributes:
        schedule: Power cycles as planned.
        cycle_budget_nj: Cycle energy budget. [nJ]
        simulation: Result for each harvest.
    """

    schedule: Schedule
    cycle_budget_nj: int
    simulation: Simulation


def simulate_plan(
    request: Request,
    harvests: Sequence[Harvest],
    settings: SimulationOptions | None = None,
    *,
    timeline_seed: int | None = None,
) -> SimulatedPlan:
    """Simulate the plan of a design, event by event.

    Args:
        request: The design: a feasible plan, exactly counted.
        harvests: Harvest of each seed.
        settings: Settings of the simulation; the defaults where None.
        timeline_seed: Index of the harvest whose time line is recorded; none is recorded where None.
    """
    assert request.plan is not None
    sequence = Pricer(request.device).sequence(request.network, request.plan)
    scenarios = Scenarios.of([request.supply])
    planned = schedule(sequence, scenarios, cuts=request.execution.cuts_of_schedule)
    budget_nj = cycle_budget_nj(scenarios)
    simulation = simulate(
        sequence,
        planned.starts,
        budget_nj,
        request.supply,
        harvests,
        options=settings or SimulationOptions(),
        timeline_seed=timeline_seed,
    )
    return SimulatedPlan(schedule=planned, cycle_budget_nj=budget_nj, simulation=simulation)
