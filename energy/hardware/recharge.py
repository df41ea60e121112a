"""Equations of a capacitor that a harvester charges: stored energy, cycle energy budget, recharge time.

Symbols (energy/README section 2): C capacitance, R and Vs the harvester as a Thevenin source, Von and Voff the boot and
cut-off voltages, f the usable fraction. Numbers and arrays are given alike; the recharge law is compiled too.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from energy.events import FloatArray

Quantity = TypeVar("Quantity", float, FloatArray)

RECHARGES = ("energy-balance", "margin-scaled")
"""Recharge formulas: equation (3), and the one that reproduces the 2021 tables."""


class RechargeLaw(NamedTuple):
    """Constants of `recharge_law`: of one supply, or arrays of several.

    Attributes:
        start_v2: Square of the voltage at which the cycle starts. [V^2]
        v2_per_j: Decrease of the square of the voltage per joule, 2 / C. [V^2/J]
        v_supply_v: Open-circuit voltage Vs. [V]
        v_on_v: Boot voltage Von. [V]
        scale_s: R C. [s]
    """

    start_v2: Any
    v2_per_j: Any
    v_supply_v: Any
    v_on_v: Any
    scale_s: Any


def recharge_law(energy_j: Any, law: RechargeLaw) -> Any:
    """Return the time to climb back to the boot voltage, Eq. (3) and (4); of numbers, of arrays, and compiled.

    Args:
        energy_j: Energy drawn in the cycle. [J]
        law: Constants of the supply.
    """
    voltage_v = np.sqrt(law.start_v2 - energy_j * law.v2_per_j)
    return law.scale_s * np.log((law.v_supply_v - voltage_v) / (law.v_supply_v - law.v_on_v))


class Storage(Generic[Quantity]):
    """Equations of `energy.hardware.supply.Supply`, in numbers, and of `Scenarios`, in arrays `(n_scenarios,)`."""

    capacitance_f: Quantity
    resistance_ohm: Quantity
    v_supply_v: Quantity
    v_on_v: Quantity
    v_off_v: Quantity
    usable_fraction: Quantity
    is_margin_scaled: Any

    @cached_property
    def stored_energy_j(self) -> Quantity:
        """Energy between the thresholds, E_full = C (Von^2 - Voff^2) / 2, Eq. (1). [J]"""
        stored_j: Quantity = self.capacitance_f * (self.v_on_v**2 - self.v_off_v**2) / 2
        return stored_j

    @cached_property
    def cycle_budget_j(self) -> Quantity:
        """Energy that one power cycle may plan for, E_av = f E_full, Eq. (2). [J]"""
        return self.usable_fraction * self.stored_energy_j

    @cached_property
    def law(self) -> RechargeLaw:
        """Constants of `recharge_law`; margin-scaled supplies start at the margin."""
        margin_v2 = 2 * self.cycle_budget_j / self.capacitance_f + self.v_off_v**2
        return RechargeLaw(
            start_v2=np.where(self.is_margin_scaled, margin_v2, self.v_on_v**2),
            v2_per_j=2 / self.capacitance_f,
            v_supply_v=self.v_supply_v,
            v_on_v=self.v_on_v,
            scale_s=self.resistance_ohm * self.capacitance_f,
        )

    def recharge_time_s(self, energy_j: ArrayLike) -> FloatArray:
        """Return the time to climb back to the boot voltage after spending `energy_j` in a cycle, Eq. (3) and (4).

        t_rc = R C ln((Vs - V) / (Vs - Von)) with V = sqrt(Von^2 - 2 E / C), the voltage left; the planning margin
        limits what is planned, never the physics. Margin-scaled supplies use V = sqrt(2 (E_av - E) / C + Voff^2).

        Args:
            energy_j: Energy drawn in the cycle; of scenarios `(..., n_scenarios)` or broadcastable to it. [J]

        Returns:
            Recharge time, of the same shape; nan where more is drawn than the capacitor holds. [s]
        """
        with np.errstate(invalid="ignore"):
            times_s: FloatArray = recharge_law(np.asarray(energy_j, dtype=np.float64), self.law)
        return times_s

    def voltage_v(self, energy_j: ArrayLike) -> FloatArray:
        """Return the voltage left after spending `energy_j`, Eq. (3); nan where the capacitor holds less. [V]"""
        with np.errstate(invalid="ignore"):
            left_v: FloatArray = np.sqrt(self.law.start_v2 - np.asarray(energy_j) * self.law.v2_per_j)
        return left_v
