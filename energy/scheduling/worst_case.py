"""Worst-case latency of one inference over an uncertain harvester.

Equation (6), energy/README section 7, bounds one inference for R <= R_max and Vs >= Vs_min: cycles restart at Von and
are independent, so the constant worst harvester attains the bound.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from energy.events import FloatArray
from energy.hardware.scenarios import Scenarios
from energy.scheduling.schedule import Schedule, cycle_budget_nj
from energy.validation import require_number


@dataclass(frozen=True, kw_only=True)
class HarvestUncertainty:
    """A set of harvesters around a nominal one, each free to vary inside it at any time.

    Attributes:
        resistance_factor: Resistance is at most this times the nominal, at least 1. [1]
        v_supply_factor: Open-circuit voltage is at least this times the nominal, in (0, 1]. [1]
        starts_empty: Whether the capacitor may start at the cut-off voltage.

    Raises:
        ValueError: A factor is out of range.
    """

    resistance_factor: float = 1.0
    v_supply_factor: float = 1.0
    starts_empty: bool = False

    def __post_init__(self) -> None:
        require_number("resistance_factor", self.resistance_factor, least=1)
        require_number("v_supply_factor", self.v_supply_factor, above=0)
        if self.v_supply_factor > 1:
            raise ValueError(f"v_supply_factor must be at most 1, not {self.v_supply_factor:g}")
        if not isinstance(self.starts_empty, bool):
            raise ValueError(f"starts_empty must be true or false, not {self.starts_empty!r}")

    @property
    def is_none(self) -> bool:
        """Whether only the nominal harvester and a full start are possible."""
        return self == NOMINAL


NOMINAL = HarvestUncertainty()
"""The nominal harvester and a capacitor that starts full."""


def first_charge_s(worst: Scenarios, uncertainty: HarvestUncertainty) -> FloatArray:
    """Return the time t_init to charge a capacitor that may start empty, worst harvester, `(n_scenarios,)`. [s]"""
    return worst.recharge_time_s(worst.stored_energy_j) if uncertainty.starts_empty else np.zeros(len(worst))


def worst_scenarios(scenarios: Scenarios, uncertainty: HarvestUncertainty) -> Scenarios:
    """Return the supplies with their constant worst harvester, R_max and Vs_min.

    Raises:
        ValueError: A harvester of the set might never reach the boot voltage.
    """
    v_supply_v = uncertainty.v_supply_factor * scenarios.v_supply_v
    short = np.flatnonzero(v_supply_v <= scenarios.v_on_v)
    if short.size:
        v_on_v, found_v = scenarios.v_on_v[short[0]], v_supply_v[short[0]]
        raise ValueError(
            f"v_supply_factor must keep v_supply_v above v_on_v {v_on_v:g}, "
            f"not {uncertainty.v_supply_factor:g}, which makes it {found_v:g}"
        )
    return replace(
        scenarios, resistance_ohm=uncertainty.resistance_factor * scenarios.resistance_ohm, v_supply_v=v_supply_v
    )


def worst_case_s(schedule: Schedule, scenarios: Scenarios, index: int, uncertainty: HarvestUncertainty) -> float | None:
    """Return the worst-case latency of a schedule, for cuts made for any harvester, Eq. (6).

    L_wc = t_init + sum over cycles of (active + t_rc(E; R_max, Vs_min)), t_init = t_rc(E_full) where the capacitor may
    start empty.

    Args:
        schedule: Power cycles of one inference.
        scenarios: Supplies with their nominal harvesters.
        index: The one that is meant.
        uncertainty: Set of possible harvesters.

    Returns:
        The bound, inf where the plan is not safe, None where Eq. (6) is not defined: margin-scaled recharge with any
        uncertainty. [s]

    Raises:
        ValueError: A harvester of the set might never reach the boot voltage.
    """
    cycles_s = _cycles_s(schedule, scenarios, index, uncertainty)
    if cycles_s is None:
        return None
    total_s = float(cycles_s.sum())
    return total_s + float(first_charge_s(worst_scenarios(scenarios.take(index), uncertainty), uncertainty)[0])


def longest_cycle_s(
    schedule: Schedule, scenarios: Scenarios, index: int, uncertainty: HarvestUncertainty
) -> float | None:
    """Return the longest power cycle with its recharge under the worst harvester; arguments as `worst_case_s`. [s]"""
    cycles_s = _cycles_s(schedule, scenarios, index, uncertainty)
    return None if cycles_s is None else float(cycles_s.max())


def _cycles_s(
    schedule: Schedule, scenarios: Scenarios, index: int, uncertainty: HarvestUncertainty
) -> FloatArray | None:
    """Return active and recharge time of every cycle, `(n_cycles,)`, inf where the plan is not safe. [s]"""
    if scenarios.is_margin_scaled[index] and not uncertainty.is_none:
        return None
    worst = worst_scenarios(scenarios.take(index), uncertainty)
    if schedule.over_nj or int(schedule.energy_nj.max()) > cycle_budget_nj(worst):
        return np.full(len(schedule), np.inf)
    return schedule.active_s + worst.recharge_time_s(schedule.energy_nj.astype(np.float64) * 1e-9)
