"""Price of one network under one plan and one supply, as the commands `price` and `plan` print it.

Counting and pricing are in `energy.costing.plan_exact` and `energy.costing.plan_published`; here a plan is
evaluated: violations, latency at best and in the worst case, and the lower limits beside it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from energy.costing.limits import limit_device_s, limit_plan_s
from energy.costing.plan_exact import exact_figures
from energy.costing.plan_published import published_figures
from energy.costing.result import Figures, PlanPrice
from energy.events import FloatArray, IntArray
from energy.hardware.device import Device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import Supply
from energy.networks.designs import Plan, check_plan
from energy.networks.shapes import NetworkShape
from energy.scheduling.execution import PACKED, Execution
from energy.scheduling.schedule import Pricer, schedule
from energy.scheduling.worst_case import NOMINAL, HarvestUncertainty, first_charge_s, worst_scenarios
from energy.validation import require_number


def price_plan(
    network: NetworkShape,
    plan: Plan,
    device: Device,
    supply: Supply,
    execution: Execution = PACKED,
    *,
    deadline_s: float | None = None,
    uncertainty: HarvestUncertainty = NOMINAL,
) -> PlanPrice:
    """Price one network under one plan: latency, energy, memory, violations, layer by layer.

    Args:
        network: The network.
        plan: One design per layer.
        device: Gives prices and memories.
        supply: The capacitor and harvester.
        execution: Policy, counting and cuts.
        deadline_s: What the worst-case latency must not exceed; None for no deadline. [s]
        uncertainty: The harvesters that the worst case is taken over.

    Raises:
        ValueError: The plan is not well formed, or the device lacks a price.
    """
    check_plan(network, plan, counting=execution.counting)
    if deadline_s is not None:
        require_number("deadline_s", deadline_s, above=0)
    scenarios = Scenarios.of([supply])
    if execution.counting == "exact":
        pricer = Pricer(device)
        sequence = pricer.sequence(network, plan)
        cycles = schedule(sequence, scenarios, cuts=execution.cuts_of_schedule)
        figures = exact_figures(network, plan, pricer, scenarios, sequence, cycles)
    else:
        figures = published_figures(network, plan, device, scenarios)
    return _evaluated(network, figures, device, supply, deadline_s, uncertainty)


def _evaluated(
    network: NetworkShape,
    figures: Figures,
    device: Device,
    supply: Supply,
    deadline_s: float | None,
    uncertainty: HarvestUncertainty,
) -> PlanPrice:
    scenarios = Scenarios.of([supply])
    violations = {
        "energy_j": max(layer.violations["energy_j"] for layer in figures.layers),
        "vm_bytes": max(layer.violations["vm_bytes"] for layer in figures.layers),
        "nvm_bytes": max(figures.nvm_bytes - device.nvm_bytes, 0),
        "deadline_s": 0.0,
    }
    priced = PlanPrice(
        violations=violations,
        latency_s=None,
        response_latency_s=None,
        worst_case_latency_s=None,
        limit_device_s=_finite(limit_device_s(network, device, scenarios)[0]),
        limit_plan_s=_finite(limit_plan_s(network, device, scenarios)[0]),
        energy_j=figures.energy_j,
        power_cycles=None,
        active_s=None,
        recharge_s=None,
        continuous_latency_s=None,
        vm_bytes=max(layer.vm_bytes for layer in figures.layers),
        nvm_bytes=figures.nvm_bytes,
        breakdown=None,
        layers=figures.layers,
        schedule=figures.schedule,
    )
    if any(violations.values()):
        return priced
    cycles = np.array([entry.cycles for entry in figures.schedule])
    active_s = float(cycles @ [entry.active_s for entry in figures.schedule])
    energy_j = np.array([entry.energy_j for entry in figures.schedule])
    recharge_s = scenarios.recharge_time_s(energy_j[:, None])[:, 0]
    latency_s = active_s + float(cycles @ recharge_s)
    if not np.isfinite(latency_s):
        raise ValueError(
            f"latency of network {network.name!r} must be finite, not {latency_s}: a price or the supply is too large"
        )
    worst_s = _worst_case_s(active_s, cycles, energy_j, scenarios, uncertainty)
    if deadline_s is not None:
        violations["deadline_s"] = max((latency_s if worst_s is None else worst_s) - deadline_s, 0.0)
        if violations["deadline_s"]:
            return priced
    return replace(
        priced,
        latency_s=latency_s,
        response_latency_s=latency_s - float(recharge_s[-1]),
        worst_case_latency_s=worst_s,
        power_cycles=int(cycles.sum()),
        active_s=active_s,
        recharge_s=float(cycles @ recharge_s),
        continuous_latency_s=figures.continuous_s,
        breakdown={
            **{f"{part}_s": time_s for part, time_s in figures.active_by_part_s.items()},
            "recharge_s": float(cycles @ recharge_s),
        },
    )


def _finite(limit_s: float) -> float | None:
    """Return a limit, None where the cycle energy budget does not even pay a boot. [s]"""
    return float(limit_s) if np.isfinite(limit_s) else None


def _worst_case_s(
    active_s: float, cycles: IntArray, energy_j: FloatArray, scenarios: Scenarios, uncertainty: HarvestUncertainty
) -> float | None:
    """Return the worst-case latency, Eq. (6), over entries of equal cycles; None where it is not defined. [s]"""
    if scenarios.is_margin_scaled[0] and not uncertainty.is_none:
        return None
    worst = worst_scenarios(scenarios, uncertainty)
    recharge_s = float(cycles @ worst.recharge_time_s(energy_j[:, None])[:, 0])
    return active_s + recharge_s + float(first_charge_s(worst, uncertainty)[0])
