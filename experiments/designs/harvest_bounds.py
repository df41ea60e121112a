"""Charging power of harvests at Von, and the worst-case latency over harvests, Eq. (6)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from energy.events import FloatArray
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import Supply
from energy.scheduling.schedule import Schedule
from energy.scheduling.worst_case import HarvestUncertainty, worst_case_s
from energy.simulation.harvest import Harvest
from energy.simulation.result import SimulationOptions
from experiments.designs.request import Request
from experiments.formatting.quantities import write


def at_v_on_w(harvest: Harvest, supply: Supply) -> FloatArray:
    """Return the power that charges a capacitor at Von, V (Vs - V) / R, for each piece, `(n_pieces,)`. [W]"""
    if harvest.power_w is not None:
        return harvest.power_w
    assert harvest.voltage_v is not None
    assert harvest.resistance_ohm is not None
    charging_w = supply.v_on_v * (harvest.voltage_v - supply.v_on_v) / harvest.resistance_ohm
    return np.asarray(np.maximum(charging_w, 0.0))


class Bound(NamedTuple):
    """Worst-case latency over harvests, or the reason why Eq. (6) is not defined.

    Attributes:
        latency_s: Worst-case latency; None where it is not defined. [s]
        problem: Reason for a missing latency, empty where it is defined.
    """

    latency_s: float | None
    problem: str


def harvest_bound(
    planned: Schedule, request: Request, harvests: tuple[Harvest, ...], settings: SimulationOptions
) -> Bound:
    """Return Eq. (6) over all harvesters from the nominal to the simulated ones."""
    supply = request.supply
    if settings.leakage_a or settings.esr_ohm:
        return Bound(None, "Eq. (6) has neither leakage nor series resistance")
    if any(harvest.power_w is not None for harvest in harvests):
        return Bound(None, "Eq. (6) needs a source behind a resistance, and the harvest is a power")
    if supply.recharge != "energy-balance":
        return Bound(None, "Eq. (6) is not defined for margin-scaled recharge")
    least_v = min(float(harvest.voltage_v.min()) for harvest in harvests if harvest.voltage_v is not None)
    most_ohm = max(float(harvest.resistance_ohm.max()) for harvest in harvests if harvest.resistance_ohm is not None)
    if least_v <= supply.v_on_v:
        return Bound(
            None, f"the source falls to {write(least_v, 'V')}, not above Von {write(supply.v_on_v, 'V', digits=4)}"
        )
    uncertainty = HarvestUncertainty(
        resistance_factor=max(most_ohm / supply.resistance_ohm, request.uncertainty.resistance_factor, 1.0),
        v_supply_factor=min(least_v / supply.v_supply_v, request.uncertainty.v_supply_factor, 1.0),
        starts_empty=settings.starts_empty,
    )
    return Bound(worst_case_s(planned, Scenarios.of([supply]), 0, uncertainty), "")
