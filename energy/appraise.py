"""Everything there is to say about one network under one plan and one supply.

What `price` and `plan` print: totals, the parts of the latency, a row a layer with its counts, and the schedule of
power cycles. Times are None where a plan is infeasible, because an unsafe plan never ends; energies and violations
are numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from energy.checks import require_number
from energy.cost import check_policy, published_nvm_bytes
from energy.counts import BatchCounts, ShapeTable, UnitCounts, published_counts
from energy.designs import DesignTable, LayerDesign, Plan, check_plan
from energy.device import Device
from energy.events import PART_OF_EVENT, PARTS, Counts, total_events
from energy.layers import LayerShape, NetworkShape
from energy.pricing import CyclePrices, cycle_events, price_cycles, vm_over_bytes
from energy.supply import Scenarios, Supply


@dataclass(frozen=True, kw_only=True)
class LayerAppraisal:
    """One layer of an appraised plan; times and cycles are None where it is infeasible.

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
    cycle_energy_max_j: float
    cycle_energy_min_j: float
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
class Appraisal:
    """A network under a plan; times and cycles are None where the plan is infeasible.

    Attributes:
        violations: `energy_j` over the budget of a cycle, `vm_bytes`, `nvm_bytes` over the memories, `deadline_s` over
            the deadline; 0 where there is none. [J], [B], [B], [s]
        latency_s: Sustained latency, Eq. (5). [s]
        response_latency_s: Latency without the last recharge. [s]
        energy_j: Energy of one inference. [J]
        power_cycles: Number of power cycles. [1]
        active_s, recharge_s: Its two parts. [s]
        continuous_latency_s: The same plan with no reboot, no record and no reload. [s]
        vm_bytes, nvm_bytes: Memory needed. [B]
        breakdown: Active time by `energy.events.PARTS`, and `recharge`. [s]
        layers: A row a layer.
        schedule: The power cycles.
    """

    violations: Mapping[str, float]
    latency_s: float | None
    response_latency_s: float | None
    energy_j: float
    power_cycles: int | None
    active_s: float | None
    recharge_s: float | None
    continuous_latency_s: float | None
    vm_bytes: int
    nvm_bytes: int
    breakdown: Mapping[str, float] | None
    layers: tuple[LayerAppraisal, ...]
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


@dataclass(frozen=True, kw_only=True)
class _PricedLayer:
    """One layer counted and priced; the arrays have one design."""

    units: UnitCounts
    counts: BatchCounts
    cycles: CyclePrices
    batch: int


def appraise(
    network: NetworkShape,
    plan: Plan,
    device: Device,
    supply: Supply,
    *,
    policy: str = "one-batch-per-cycle",
    deadline_s: float | None = None,
) -> Appraisal:
    """Price one network under one plan, with everything that can be said about it.

    Args:
        network: The network.
        plan: A design a layer.
        device: Gives prices and memories.
        supply: The capacitor and harvester.
        policy: Execution policy.
        deadline_s: What the latency must not exceed; None for no deadline. [s]

    Raises:
        ValueError: The plan is not well formed, the policy is not built, or the device lacks a price.
    """
    check_policy(policy)
    check_plan(network, plan, rounds_up=True)
    if deadline_s is not None:
        require_number("deadline_s", deadline_s, above=0)
    scenario = Scenarios.of([supply])
    priced = [_price_layer(layer, design, device) for layer, design in zip(network.layers, plan, strict=True)]
    layers = tuple(
        _appraise_layer(name, layer, device, scenario) for name, layer in zip(network.layer_names, priced, strict=True)
    )
    nvm_bytes = published_nvm_bytes(network, device)
    violations = {
        "energy_j": max(layer.violations["energy_j"] for layer in layers),
        "vm_bytes": max(layer.violations["vm_bytes"] for layer in layers),
        "nvm_bytes": max(nvm_bytes - device.nvm_bytes, 0),
        "deadline_s": 0.0,
    }
    schedule = _schedule(priced, supply)
    is_safe = not any(violations.values())
    latency_s = sum(layer.latency_s for layer in layers if layer.latency_s is not None) if is_safe else None
    if latency_s is not None and not np.isfinite(latency_s):
        raise ValueError(
            f"latency of network {network.name!r} must be finite, not {latency_s}: a price or the supply is too large"
        )
    if latency_s is not None and deadline_s is not None:
        violations["deadline_s"] = max(latency_s - deadline_s, 0.0)
    breakdown = _breakdown(priced, device, schedule) if is_safe else None
    active_s = sum(breakdown[f"{part}_s"] for part in PARTS) if breakdown else None
    continuous_s = sum(_continuous_s(layer, device) for layer in priced) if is_safe else None
    last_recharge_s = schedule[-1].recharge_s
    return Appraisal(
        violations=violations,
        latency_s=latency_s,
        response_latency_s=None if latency_s is None or last_recharge_s is None else latency_s - last_recharge_s,
        energy_j=sum(layer.energy_j for layer in layers),
        power_cycles=sum(layer.batches for layer in layers) if is_safe else None,
        active_s=active_s,
        recharge_s=breakdown["recharge_s"] if breakdown else None,
        continuous_latency_s=continuous_s,
        vm_bytes=max(layer.vm_bytes for layer in layers),
        nvm_bytes=nvm_bytes,
        breakdown=breakdown,
        layers=layers,
        schedule=schedule,
    )


def _price_layer(layer: LayerShape, design: LayerDesign, device: Device) -> _PricedLayer:
    table = DesignTable.of([design])
    units = published_counts(ShapeTable.of([layer]), table)
    counts = units.batches(table.batch)
    batch = min(design.batch, int(units.loops.n_inner[0]))
    return _PricedLayer(units=units, counts=counts, cycles=price_cycles(counts, device), batch=batch)


def _appraise_layer(name: str, layer: _PricedLayer, device: Device, scenario: Scenarios) -> LayerAppraisal:
    cycles = layer.cycles
    n_cycles = cycles.n_cycles[:, 0]
    vm_over = int(vm_over_bytes(layer.counts.vm_words, device)[0])
    energy_over_j = float(cycles.energy_over_j(scenario)[0, 0])
    is_safe = not vm_over and not energy_over_j
    totals = _layer_events(layer, device)
    return LayerAppraisal(
        layer=name,
        latency_s=float(cycles.latency_s(scenario)[0, 0]) if is_safe else None,
        active_s=float(n_cycles @ cycles.active_s[:, 0]) if is_safe else None,
        power_cycles=int(n_cycles.sum()) if is_safe else None,
        energy_j=float(n_cycles @ cycles.energy_j[:, 0]),
        cycle_energy_max_j=float(cycles.energy_max_j[0]),
        cycle_energy_min_j=float(cycles.energy_min_j[0]),
        batches=int(n_cycles.sum()),
        vm_bytes=int(layer.counts.vm_words[0]) * device.word_bytes,
        violations={"energy_j": energy_over_j, "vm_bytes": vm_over},
        counts={event: int(count.ravel()[0]) for event, count in totals.items()},
    )


def _layer_events(layer: _PricedLayer, device: Device) -> Counts:
    """All events of a layer, with those of its power cycles."""
    kinds = zip(layer.counts.events, layer.counts.n_batches, strict=True)
    n_cycles = np.sum(layer.counts.n_batches, axis=0)
    return total_events(*kinds, (cycle_events(device), n_cycles), ({"batches": np.ones(1, dtype=np.int64)}, n_cycles))


def _breakdown(priced: list[_PricedLayer], device: Device, schedule: tuple[ScheduleEntry, ...]) -> dict[str, float]:
    """Time by part, reloads moved from fetch to recovery. [s]"""
    time_s = dict.fromkeys(PARTS, 0.0)
    for layer in priced:
        events = _layer_events(layer, device)
        for event, part in PART_OF_EVENT.items():
            if event in events:
                time_s[part] += _time_s({event: events[event]}, layer, device)
        reload_s = _time_s(layer.counts.reloads, layer, device)
        time_s["recovery"] += reload_s
        time_s["fetch"] -= reload_s
    recharge_s = sum(entry.cycles * entry.recharge_s for entry in schedule if entry.recharge_s is not None)
    return {**{f"{part}_s": value for part, value in time_s.items()}, "recharge_s": recharge_s}


def _continuous_s(layer: _PricedLayer, device: Device) -> float:
    """Time of the batches alone: no reboot, no record, no reload. [s]"""
    batches = total_events(*zip(layer.counts.events, layer.counts.n_batches, strict=True))
    return _time_s(batches, layer, device) - _time_s(layer.counts.reloads, layer, device)


def _time_s(events: Counts, layer: _PricedLayer, device: Device) -> float:
    return float(device.published.time_of(events, layer.counts.order)[0])


def _schedule(priced: list[_PricedLayer], supply: Supply) -> tuple[ScheduleEntry, ...]:
    entries: list[ScheduleEntry] = []
    for index, layer in enumerate(priced):
        recharge_s = supply.recharge_time_s(layer.cycles.energy_j[:, 0])
        batch = 0
        for kind, cycles in _merged(_runs(layer)):
            last = batch + cycles - 1
            recharge = float(recharge_s[kind])
            entries.append(
                ScheduleEntry(
                    cycles=cycles,
                    first=(index, batch),
                    last=(index, last),
                    energy_j=float(layer.cycles.energy_j[kind, 0]),
                    active_s=float(layer.cycles.active_s[kind, 0]),
                    recharge_s=recharge if np.isfinite(recharge) else None,
                )
            )
            batch = last + 1
    return tuple(entries)


def _runs(layer: _PricedLayer) -> Iterator[tuple[int, int]]:
    """Kinds of the cycles of a layer in the order in which they run, with how many of them in a row.

    Kinds are those of `BatchCounts.events`: 0 first, 1 beyond the first input-channel tile, 2 and 3 the shorter last
    batch of an innermost loop of either.
    """
    units = layer.units
    n_full, rest = divmod(int(units.loops.n_inner[0]), layer.batch)
    n_groups = int(units.loops.n_first_loops[0])
    n_loops_a_group = int(units.loops.n_loops[0]) // n_groups
    runs_along_channels = bool(units.loops.along_channels[0])
    for _ in range(n_groups):
        for loop in range(n_loops_a_group):
            is_beyond = int(loop > 0)
            if runs_along_channels:
                yield 0, 1
                yield 1, n_full - 1
                yield 3, int(rest > 0)
            else:
                yield is_beyond, n_full
                yield 2 + is_beyond, int(rest > 0)


def _merged(runs: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Runs of the same kind joined, empty ones left out."""
    kind, total = -1, 0
    for next_kind, count in runs:
        if count and next_kind != kind and total:
            yield kind, total
            total = 0
        if count:
            kind, total = next_kind, total + count
    if total:
        yield kind, total
