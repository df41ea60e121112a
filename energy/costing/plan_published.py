"""Figures of one plan under published counting, one batch per power cycle, for `energy.costing.plan`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from energy.costing.population import published_nvm_bytes
from energy.costing.published_cycles import CyclePrices, cycle_events, price_cycles, vm_over_bytes
from energy.costing.result import Figures, LayerPrice, ScheduleEntry
from energy.counting.published import BatchCounts, ShapeTable, UnitCounts, published_counts
from energy.events import PART_OF_EVENT, PARTS, Counts, total_events
from energy.hardware.device import Device
from energy.hardware.scenarios import Scenarios
from energy.networks.designs import DesignTable, LayerDesign, Plan
from energy.networks.shapes import LayerShape, NetworkShape

MOST_LOOPS = 1_000_000
"""Innermost loops of a layer that are listed cycle by cycle at most; more would run for days on the device."""


@dataclass(frozen=True, kw_only=True)
class _PricedLayer:
    """One layer counted and priced; the arrays have one design."""

    units: UnitCounts
    counts: BatchCounts
    cycles: CyclePrices
    batch: int


def published_figures(network: NetworkShape, plan: Plan, device: Device, scenarios: Scenarios) -> Figures:
    """Price one network under one plan, one batch per power cycle, published counting.

    Args:
        network: The network.
        plan: One well-formed design per layer.
        device: Gives prices and memories.
        scenarios: The supply, an axis of one.

    Raises:
        ValueError: The device lacks a price.
    """
    priced = [_price_layer(layer, design, device) for layer, design in zip(network.layers, plan, strict=True)]
    schedule = _schedule(priced, scenarios)
    return Figures(
        layers=tuple(
            _layer_price(name, layer, device, scenarios)
            for name, layer in zip(network.layer_names, priced, strict=True)
        ),
        schedule=schedule,
        nvm_bytes=published_nvm_bytes(network, device),
        active_by_part_s=_active_by_part_s(priced, device),
        continuous_s=sum(_continuous_s(layer, device) for layer in priced),
        energy_j=sum(float(layer.cycles.n_cycles[:, 0] @ layer.cycles.energy_j[:, 0]) for layer in priced),
    )


def _price_layer(layer: LayerShape, design: LayerDesign, device: Device) -> _PricedLayer:
    table = DesignTable.of([design])
    units = published_counts(ShapeTable.of([layer]), table)
    counts = units.batches(table.batch)
    batch = min(design.batch, int(units.loops.n_inner[0]))
    return _PricedLayer(units=units, counts=counts, cycles=price_cycles(counts, device), batch=batch)


def _layer_price(name: str, layer: _PricedLayer, device: Device, scenario: Scenarios) -> LayerPrice:
    cycles = layer.cycles
    n_cycles = cycles.n_cycles[:, 0]
    vm_over = int(vm_over_bytes(layer.counts.vm_words, device)[0])
    energy_over_j = float(cycles.energy_over_j(scenario)[0, 0])
    is_safe = not vm_over and not energy_over_j
    totals = _layer_events(layer, device)
    return LayerPrice(
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
    """Return all events of a layer, with those of its power cycles."""
    kinds = zip(layer.counts.events, layer.counts.n_batches, strict=True)
    n_cycles = np.sum(layer.counts.n_batches, axis=0)
    return total_events(*kinds, (cycle_events(device), n_cycles), ({"batches": np.ones(1, dtype=np.int64)}, n_cycles))


def _active_by_part_s(priced: list[_PricedLayer], device: Device) -> dict[str, float]:
    """Return the active time by part, reloads moved from fetch to recovery. [s]"""
    time_s = dict.fromkeys(PARTS, 0.0)
    for layer in priced:
        events = _layer_events(layer, device)
        for event, part in PART_OF_EVENT.items():
            if event in events:
                time_s[part] += _time_s({event: events[event]}, layer, device)
        reload_s = _time_s(layer.counts.reloads, layer, device)
        time_s["recovery"] += reload_s
        time_s["fetch"] -= reload_s
    return time_s


def _continuous_s(layer: _PricedLayer, device: Device) -> float:
    """Return the time of the batches alone: no reboot, no record, no reload. [s]"""
    batches = total_events(*zip(layer.counts.events, layer.counts.n_batches, strict=True))
    return _time_s(batches, layer, device) - _time_s(layer.counts.reloads, layer, device)


def _time_s(events: Counts, layer: _PricedLayer, device: Device) -> float:
    return float(device.published.time_of(events, layer.counts.order)[0])


def _schedule(priced: list[_PricedLayer], scenarios: Scenarios) -> tuple[ScheduleEntry, ...]:
    entries: list[ScheduleEntry] = []
    for index, layer in enumerate(priced):
        recharge_s = scenarios.recharge_time_s(layer.cycles.energy_j[:, 0:1])[:, 0]
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
    """Yield the kinds of the cycles of a layer in the order in which they run, with how many of them in a row.

    Kinds are those of `BatchCounts.events`: 0 first, 1 beyond the first input-channel tile, 2 and 3 the shorter last
    batch of an innermost loop of either.
    """
    units = layer.units
    n_loops = int(units.loops.n_loops[0])
    if n_loops > MOST_LOOPS:
        raise ValueError(f"a layer must have at most {MOST_LOOPS:,} innermost loops to be listed, not {n_loops:,}")
    n_full, rest = divmod(int(units.loops.n_inner[0]), layer.batch)
    n_groups = int(units.loops.n_first_loops[0])
    n_loops_a_group = n_loops // n_groups
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
    """Yield the runs of the same kind joined, empty ones left out."""
    kind, total = -1, 0
    for next_kind, count in runs:
        if count and next_kind != kind and total:
            yield kind, total
            total = 0
        if count:
            kind, total = next_kind, total + count
    if total:
        yield kind, total
