"""Cost of network plans, for whole populations: the one function through which a search prices.

Latency is a property of a network's plan: power cycles are shared by layers. Under one-batch-per-cycle it happens to be
a sum over layers, which is used here and nowhere else. Arrays are `(n_networks, n_scenarios)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from energy.costing.published_cycles import cycle_events, price_cycles, vm_over_bytes
from energy.counting.published import ShapeTable, published_counts
from energy.events import WRITTEN, FloatArray, IntArray, total_events
from energy.hardware.device import Device
from energy.hardware.scenarios import Scenarios
from energy.networks.designs import DesignTable, LayerDesign, Plan
from energy.networks.shapes import LayerShape, NetworkShape
from energy.scheduling.execution import PACKED, Execution
from energy.scheduling.schedule import Pricer, schedule
from energy.scheduling.worst_case import NOMINAL, HarvestUncertainty, first_charge_s, worst_case_s, worst_scenarios


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Cost of plans under each scenario, arrays `(n_networks, n_scenarios)`.

    Attributes:
        latency_s: Sustained latency of one inference; inf where a plan is infeasible. [s]
        worst_case_latency_s: The same under the worst harvester, Eq. (6); nan where it is not defined. [s]
        energy_j: Energy of one inference, given for infeasible plans all the same. [J]
        power_cycles: Number of power cycles. [1]
        energy_over_j: How far the costliest cycle is over the energy budget. [J]
        vm_bytes: Volatile memory of the layer that needs most. [B]
        nvm_written_bytes: What one inference writes to non-volatile memory, which wears it. [B]
        vm_over_bytes: How far the plan is over the volatile memory. [B]
        nvm_over_bytes: How far the network is over the non-volatile memory. [B]
    """

    latency_s: FloatArray
    worst_case_latency_s: FloatArray
    energy_j: FloatArray
    power_cycles: IntArray
    energy_over_j: FloatArray
    vm_bytes: IntArray
    nvm_written_bytes: IntArray
    vm_over_bytes: IntArray
    nvm_over_bytes: IntArray

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Whether nothing is violated."""
        return np.asarray((self.energy_over_j == 0) & (self.vm_over_bytes == 0) & (self.nvm_over_bytes == 0))


@dataclass(frozen=True, kw_only=True)
class LayerCosts:
    """Cost of designs of layers on their own, arrays `(n, n_scenarios)`, and `(n,)` where no supply matters."""

    latency_s: FloatArray
    energy_j: FloatArray
    power_cycles: IntArray
    energy_over_j: FloatArray
    vm_bytes: IntArray
    nvm_written_bytes: IntArray
    vm_over_bytes: IntArray


def layer_costs(
    layers: Sequence[LayerShape], designs: Sequence[LayerDesign], device: Device, scenarios: Scenarios
) -> LayerCosts:
    """Price each layer under its design, one batch per power cycle, published counting.

    Args:
        layers: Layers of any operators, `(n,)`.
        designs: A design for each.
        device: Gives the prices.
        scenarios: The supplies.

    Raises:
        ValueError: The device has no price for what an operator does.
    """
    n, n_scenarios = len(layers), len(scenarios)
    costs = LayerCosts(
        latency_s=np.zeros((n, n_scenarios)),
        energy_j=np.zeros(n),
        power_cycles=np.zeros(n, dtype=np.int64),
        energy_over_j=np.zeros((n, n_scenarios)),
        vm_bytes=np.zeros(n, dtype=np.int64),
        nvm_written_bytes=np.zeros(n, dtype=np.int64),
        vm_over_bytes=np.zeros(n, dtype=np.int64),
    )
    for op in sorted({layer.op for layer in layers}):
        rows = np.array([row for row, layer in enumerate(layers) if layer.op == op])
        table = DesignTable.of([designs[row] for row in rows])
        counts = published_counts(ShapeTable.of([layers[row] for row in rows]), table).batches(table.batch)
        cycles = price_cycles(counts, device)
        costs.latency_s[rows] = cycles.latency_s(scenarios)
        costs.energy_j[rows] = (cycles.energy_j * cycles.n_cycles).sum(axis=0)
        costs.power_cycles[rows] = cycles.n_cycles.sum(axis=0)
        costs.energy_over_j[rows] = cycles.energy_over_j(scenarios)
        costs.vm_bytes[rows] = counts.vm_words * device.word_bytes
        events = total_events(
            *zip(counts.events, counts.n_batches, strict=True), (cycle_events(device), cycles.n_cycles.sum(axis=0))
        )
        costs.nvm_written_bytes[rows] = sum(events[name] for name in WRITTEN if name in events) * device.word_bytes
        costs.vm_over_bytes[rows] = vm_over_bytes(counts.vm_words, device)
    return costs


def published_nvm_bytes(network: NetworkShape, device: Device) -> int:
    """Return the non-volatile memory by the published rule. [B]"""
    return int(nvm_bytes_of(network.n_parameters, network.largest_map, network.adds, device))


def nvm_bytes_of(n_parameters: ArrayLike, largest_map: ArrayLike, adds: ArrayLike, device: Device) -> IntArray:
    """Return the non-volatile memory of networks by the published rule.

    Weights, biases, the progress record and twice the largest feature map, three times where maps are added.

    Args:
        n_parameters: Weights and biases, `(n,)`. [1]
        largest_map: Words of the largest map, `(n,)`. [1]
        adds: Whether maps are added, `(n,)`.
        device: Gives the size of words and of the record.

    Returns:
        Bytes, `(n,)`. [B]
    """
    words = np.asarray(n_parameters) + np.where(adds, 3, 2) * np.asarray(largest_map) + device.record_words
    return np.asarray(words * device.word_bytes, dtype=np.int64)


def price_population(
    networks: Sequence[NetworkShape],
    plans: Sequence[Plan],
    device: Device,
    scenarios: Scenarios,
    execution: Execution = PACKED,
    *,
    uncertainty: HarvestUncertainty = NOMINAL,
    pricer: Pricer | None = None,
) -> Cost:
    """Price a population of plans.

    Args:
        networks: The networks, `(n_networks,)`.
        plans: A well-formed plan for each (`energy.networks.designs.check_plan`).
        device: Gives prices and memories.
        scenarios: The supplies, `(n_scenarios,)`.
        execution: Policy, counting and cuts.
        uncertainty: The harvesters that the worst case is taken over.
        pricer: Remembers batches from call to call, of the same device; a new one where None.

    Raises:
        ValueError: The device has no price for what an operator does, or a harvester might never charge the capacitor.
    """
    if not networks:
        return _empty(len(scenarios))
    if execution.counting == "published":
        return _published_cost(networks, plans, device, scenarios, uncertainty)
    return _exact_cost(networks, plans, pricer or Pricer(device), scenarios, execution, uncertainty)


def _empty(n_scenarios: int) -> Cost:
    floats, integers = np.zeros((0, n_scenarios)), np.zeros((0, n_scenarios), dtype=np.int64)
    return Cost(
        latency_s=floats,
        worst_case_latency_s=floats,
        energy_j=floats,
        power_cycles=integers,
        energy_over_j=floats,
        vm_bytes=integers,
        nvm_written_bytes=integers,
        vm_over_bytes=integers,
        nvm_over_bytes=integers,
    )


def _exact_cost(
    networks: Sequence[NetworkShape],
    plans: Sequence[Plan],
    pricer: Pricer,
    scenarios: Scenarios,
    execution: Execution,
    uncertainty: HarvestUncertainty,
) -> Cost:
    shape = (len(networks), len(scenarios))
    latency_s, worst_s, energy_j, energy_over_j = (np.zeros(shape) for _ in range(4))
    power_cycles = np.zeros(shape, dtype=np.int64)
    vm_bytes, written_words, nvm_over = (np.zeros((len(networks), 1), dtype=np.int64) for _ in range(3))
    for row, (network, plan) in enumerate(zip(networks, plans, strict=True)):
        layers = [pricer.batches(layer, design) for layer, design in zip(network.layers, plan, strict=True)]
        vm_bytes[row] = max(layer.vm_words for layer in layers) * pricer.device.word_bytes
        written_words[row] = sum(layer.written_words for layer in layers)
        nvm_over[row] = pricer.nvm_over_bytes(network, plan)
        sequence = pricer.sequence(network, plan)
        for column in range(len(scenarios)):
            cycles = schedule(sequence, scenarios, column, execution.cuts_of_schedule)
            latency_s[row, column] = cycles.latency_s
            worst = worst_case_s(cycles, scenarios, column, uncertainty)
            worst_s[row, column] = np.nan if worst is None else worst
            energy_j[row, column] = cycles.energy_j
            power_cycles[row, column] = len(cycles)
            energy_over_j[row, column] = cycles.over_nj * 1e-9
    vm_over = np.maximum(vm_bytes - pricer.device.vm_bytes, 0)
    fits = (vm_over == 0) & (nvm_over == 0)
    return Cost(
        latency_s=np.where(fits, latency_s, np.inf),
        worst_case_latency_s=np.where(fits, worst_s, np.inf),
        energy_j=energy_j,
        power_cycles=power_cycles,
        energy_over_j=energy_over_j,
        vm_bytes=np.broadcast_to(vm_bytes, shape),
        nvm_written_bytes=np.broadcast_to(written_words * pricer.device.word_bytes, shape),
        vm_over_bytes=np.broadcast_to(vm_over, shape),
        nvm_over_bytes=np.broadcast_to(nvm_over, shape),
    )


def _published_cost(
    networks: Sequence[NetworkShape],
    plans: Sequence[Plan],
    device: Device,
    scenarios: Scenarios,
    uncertainty: HarvestUncertainty,
) -> Cost:
    shape = (len(networks), len(scenarios))
    layers = [layer for network in networks for layer in network.layers]
    designs = [design for plan in plans for design in plan]
    costs = layer_costs(layers, designs, device, scenarios)
    starts = np.cumsum([0] + [len(network.layers) for network in networks])[:-1]
    vm_over = np.maximum.reduceat(costs.vm_over_bytes, starts)
    nvm_bytes = np.array([published_nvm_bytes(network, device) for network in networks], dtype=np.int64)
    nvm_over = np.maximum(nvm_bytes - device.nvm_bytes, 0)
    fits = ((vm_over == 0) & (nvm_over == 0))[:, None]
    latency_s = np.where(fits, np.add.reduceat(costs.latency_s, starts, axis=0), np.inf)
    worst_s = latency_s
    if not uncertainty.is_none:
        worst = worst_scenarios(scenarios, uncertainty)
        worst_s = np.add.reduceat(layer_costs(layers, designs, device, worst).latency_s, starts, axis=0)
        worst_s = np.where(fits, worst_s + first_charge_s(worst, uncertainty), np.inf)
        worst_s = np.where(scenarios.is_margin_scaled, np.nan, worst_s)
    return Cost(
        latency_s=latency_s,
        worst_case_latency_s=worst_s,
        energy_j=np.broadcast_to(np.add.reduceat(costs.energy_j, starts)[:, None], shape),
        power_cycles=np.broadcast_to(np.add.reduceat(costs.power_cycles, starts)[:, None], shape),
        energy_over_j=np.maximum.reduceat(costs.energy_over_j, starts, axis=0),
        vm_bytes=np.broadcast_to(np.maximum.reduceat(costs.vm_bytes, starts)[:, None], shape),
        nvm_written_bytes=np.broadcast_to(np.add.reduceat(costs.nvm_written_bytes, starts)[:, None], shape),
        vm_over_bytes=np.broadcast_to(vm_over[:, None], shape),
        nvm_over_bytes=np.broadcast_to(nvm_over[:, None], shape),
    )
