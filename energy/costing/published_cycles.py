"""Counts x prices: energy and time of batches, of cycles and of layers when every batch runs in its own power cycle.

Arrays are `(n_designs,)` before a supply is known and `(n_designs, n_scenarios)` after. What does not fit is a number:
how far a cycle is over the energy budget, a tile over the volatile memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from energy.counting.published import BatchCounts
from energy.events import Counts, FloatArray, IntArray
from energy.hardware.device import Device
from energy.hardware.scenarios import Scenarios


def cycle_events(device: Device) -> Counts:
    """Return the events that every power cycle adds under published counting: a boot and the progress record."""
    one = np.ones(1, dtype=np.int64)
    words = device.record_words * one
    return {
        "reboots": one,
        "record_read_calls": one,
        "record_read_words": words,
        "record_write_calls": one,
        "record_write_words": words,
    }


def cycle_price(device: Device) -> tuple[float, float]:
    """Return energy [J] and active time [s] of `cycle_events`."""
    events, order = cycle_events(device), np.zeros(1, dtype=np.int64)
    return float(device.published.energy_of(events, order)[0]), float(device.published.time_of(events, order)[0])


@dataclass(frozen=True, kw_only=True)
class CyclePrices:
    """Power cycles of designs, one batch each, as a few kinds with their prices.

    Attributes:
        energy_j: Energy of a cycle of each kind, `(n_kinds, n_designs)`. [J]
        active_s: Active time of a cycle of each kind, `(n_kinds, n_designs)`. [s]
        n_cycles: Number of cycles of each kind, `(n_kinds, n_designs)`. [1]
    """

    energy_j: FloatArray
    active_s: FloatArray
    n_cycles: IntArray

    @property
    def energy_max_j(self) -> FloatArray:
        """Energy of the costliest cycle, `(n_designs,)`. [J]"""
        energy_j: FloatArray = np.where(self.n_cycles > 0, self.energy_j, 0.0).max(axis=0)
        return energy_j

    @property
    def energy_min_j(self) -> FloatArray:
        """Energy of the cheapest cycle, `(n_designs,)`. [J]"""
        energy_j: FloatArray = np.where(self.n_cycles > 0, self.energy_j, np.inf).min(axis=0)
        return energy_j

    def energy_over_j(self, scenarios: Scenarios) -> FloatArray:
        """Return the energy of the worst cycle above the budget, `(n_designs, n_scenarios)`, 0 where it fits. [J]"""
        return np.maximum(self.energy_max_j[:, None] - scenarios.cycle_budget_j, 0.0)

    def recharge_s(self, scenarios: Scenarios) -> FloatArray:
        """Return the time to recharge after a cycle of each kind, `(n_kinds, n_designs, n_scenarios)`. [s]"""
        return scenarios.recharge_time_s(self.energy_j[..., None])

    def latency_s(self, scenarios: Scenarios) -> FloatArray:
        """Return the time of all cycles, recharge included, `(n_designs, n_scenarios)`; inf over budget. [s]"""
        cycles = self.active_s[..., None] + self.recharge_s(scenarios)
        latency_s = np.where(self.n_cycles[..., None] > 0, self.n_cycles[..., None] * cycles, 0.0).sum(axis=0)
        return np.where(self.energy_over_j(scenarios) > 0, np.inf, latency_s)


def price_cycles(counts: BatchCounts, device: Device) -> CyclePrices:
    """Price designs that run one batch per power cycle.

    Args:
        counts: What their batches count, under published counting.
        device: Gives the prices.

    Raises:
        ValueError: The device has no price for an event that happens.
    """
    cycle_j, cycle_s = cycle_price(device)
    return CyclePrices(
        energy_j=np.stack([device.published.energy_of(events, counts.order) for events in counts.events]) + cycle_j,
        active_s=np.stack([device.published.time_of(events, counts.order) for events in counts.events]) + cycle_s,
        n_cycles=np.stack(counts.n_batches),
    )


def vm_over_bytes(vm_words: IntArray, device: Device) -> IntArray:
    """Return the bytes of designs above the volatile memory, 0 where they fit; same shape. [B]"""
    return np.maximum(vm_words * device.word_bytes - device.vm_bytes, 0)
