"""Records of the price of one network under one plan and one supply, as `price` and `plan` print them.

Times are None where a plan is infeasible, energies and violations are numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LayerPrice:
    """One layer of a priced plan; times are None where it is infeasible.

    Where power cycles are shared, latency, cycles and their energies belong to no layer and are None.

    Attributes:
        layer: Name of the layer.
        latency_s: Active and recharge time of its cycles. [s]
        active_s: Active time of its cycles. [s]
        power_cycles: Number of its cycles. [1]
        energy_j: Energy of all its cycles. [J]
        cycle_energy_max_j, cycle_energy_min_j: Energy of its costliest and cheapest cycle. [J]
        batches: Number of batches. [1]
        vm_bytes: Volatile memory it needs. [B]
        violations: `energy_j` and `vm_bytes` over the limits, 0 where it fits. [J], [B]
        counts: Events of the whole layer, boots and records included. [1]
    """

    layer: str
    latency_s: float | None
    active_s: float | None
    power_cycles: int | None
    energy_j: float
    cycle_energy_max_j: float | None
    cycle_energy_min_j: float | None
    batches: int
    vm_bytes: int
    violations: Mapping[str, float]
    counts: Mapping[str, int]

    @property
    def feasible(self) -> bool:
        """Whether nothing is violated."""
        return not any(self.violations.values())


@dataclass(frozen=True, kw_only=True)
class ScheduleEntry:
    """Equal power cycles in a row.

    Attributes:
        cycles: How many. [1]
        first, last: First and last batch of the entry as (index of the layer, index of the batch in it).
        energy_j: Energy of one of the cycles. [J]
        active_s: Active time of one. [s]
        recharge_s: Time to recharge after one; None where it cannot be. [s]
    """

    cycles: int
    first: tuple[int, int]
    last: tuple[int, int]
    energy_j: float
    active_s: float
    recharge_s: float | None


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Counts and prices of a plan before it is evaluated.

    Attributes:
        layers: One row per layer.
        schedule: The power cycles.
        nvm_bytes: Non-volatile memory needed. [B]
        active_by_part_s: Active time by `energy.events.PARTS`. [s]
        continuous_s: Active time of the same plan with no reboot, no record and no reload. [s]
        energy_j: Energy of one inference. [J]
    """

    layers: tuple[LayerPrice, ...]
    schedule: tuple[ScheduleEntry, ...]
    nvm_bytes: int
    active_by_part_s: Mapping[str, float]
    continuous_s: float
    energy_j: float


@dataclass(frozen=True, kw_only=True)
class PlanPrice:
    """A network under a plan; times and cycles are None where the plan is infeasible.

    Attributes:
        violations: `energy_j` over the budget of a cycle, `vm_bytes`, `nvm_bytes` over the memories, `deadline_s` over
            the deadline; 0 where nothing is violated. [J], [B], [B], [s]
        latency_s: Sustained latency, Eq. (5). [s]
        response_latency_s: Latency without the last recharge. [s]
        worst_case_latency_s: Latency under the worst harvester, Eq. (6); None where it is not defined. [s]
        limit_device_s, limit_plan_s: Lower limits of any program, and of any plan, on the device; None where the budget
            does not even pay a boot. [s]
        energy_j: Energy of one inference. [J]
        power_cycles: Number of power cycles. [1]
        active_s, recharge_s: Its two parts. [s]
        continuous_latency_s: The same plan with no reboot, no record and no reload. [s]
        vm_bytes, nvm_bytes: Memory needed. [B]
        breakdown: Active time by `energy.events.PARTS`, and `recharge`. [s]
        layers: One row per layer.
        schedule: The power cycles.
    """

    violations: Mapping[str, float]
    latency_s: float | None
    response_latency_s: float | None
    worst_case_latency_s: float | None
    limit_device_s: float | None
    limit_plan_s: float | None
    energy_j: float
    power_cycles: int | None
    active_s: float | None
    recharge_s: float | None
    continuous_latency_s: float | None
    vm_bytes: int
    nvm_bytes: int
    breakdown: Mapping[str, float] | None
    layers: tuple[LayerPrice, ...]
    schedule: tuple[ScheduleEntry, ...]

    @property
    def feasible(self) -> bool:
        """Whether nothing is violated."""
        return not any(self.violations.values())

    @property
    def overhead_percent(self) -> float | None:
        """Intermittency management overhead, 100 (active - continuous) / active. [%]"""
        if self.active_s is None or self.continuous_latency_s is None:
            return None
        return 100 * (self.active_s - self.continuous_latency_s) / self.active_s
