"""Worst cases over an uncertain harvester, and response times of several inferences that share one device.

Equation (6) of COST_MODEL bounds one inference, R <= R_max and Vs >= Vs_min: cycles restart at Von and are independent,
so the constant worst harvester attains the bound. Inferences with fixed priorities preempt each other only between
power cycles. That costs nothing extra: every cycle boots, reads its record and fetches its operands anyway.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from energy.checks import require_number
from energy.events import FloatArray
from energy.schedule import Schedule, budget_nj
from energy.supply import Scenarios

_MOST_STEPS = 10_000
"""Steps of a fixed-point iteration; a task that needs more, left less than 0.01 % by the others, is given up."""


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
    """Time t_init to charge the capacitor where it may start empty, under the worst harvester, `(n_scenarios,)`. [s]"""
    return worst.recharge_time_s(worst.stored_energy_j) if uncertainty.starts_empty else np.zeros(len(worst))


def worst_scenarios(scenarios: Scenarios, uncertainty: HarvestUncertainty) -> Scenarios:
    """The supplies with their constant worst harvester, R_max and Vs_min.

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
    """Worst-case latency of a schedule, whatever harvester its cuts were made for, Eq. (6).

    L_wc = t_init + sum over cycles of (active + t_rc(E; R_max, Vs_min)), t_init = t_rc(E_full) where the capacitor may
    start empty.

    Args:
        schedule: Power cycles of one inference.
        scenarios: Supplies with their nominal harvesters.
        index: The one that is meant.
        uncertainty: What the harvester may do.

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
    """Longest power cycle, its recharge under the worst harvester included; arguments as in `worst_case_s`. [s]"""
    cycles_s = _cycles_s(schedule, scenarios, index, uncertainty)
    return None if cycles_s is None else float(cycles_s.max())


def _cycles_s(
    schedule: Schedule, scenarios: Scenarios, index: int, uncertainty: HarvestUncertainty
) -> FloatArray | None:
    """Active and recharge time of every cycle, `(n_cycles,)`, inf where the plan is not safe. [s]"""
    if scenarios.is_margin_scaled[index] and not uncertainty.is_none:
        return None
    worst = worst_scenarios(scenarios.take(index), uncertainty)
    if schedule.over_nj or int(schedule.energy_nj.max()) > budget_nj(worst):
        return np.full(len(schedule), np.inf)
    return schedule.active_s + worst.recharge_time_s(schedule.energy_nj.astype(np.float64) * 1e-9)


@dataclass(frozen=True, kw_only=True)
class Task:
    """An inference that is released again and again, with a progress record and memory of its own.

    Attributes:
        name: What it is called.
        worst_case_s: Worst-case latency alone, L_wc; inf where its plan is not safe. [s]
        longest_cycle_s: Longest power cycle under the same harvester. [s]
        period_s: Least time T between two releases. [s]
        deadline_s: Time D from a release to the deadline, at most the period, which is meant by None. [s]

    Raises:
        ValueError: A time is not above 0, a cycle is longer than its inference, or a deadline than its period.
    """

    name: str
    worst_case_s: float
    longest_cycle_s: float
    period_s: float
    deadline_s: float | None = None

    def __post_init__(self) -> None:
        for field in ("worst_case_s", "longest_cycle_s"):
            if getattr(self, field) != math.inf:
                require_number(f"{field} of {self.name}", getattr(self, field), above=0)
        require_number(f"period_s of {self.name}", self.period_s, above=0)
        if self.longest_cycle_s > self.worst_case_s:
            limit_s = f"worst_case_s {self.worst_case_s:g}"
            raise ValueError(f"longest_cycle_s of {self.name} must be at most {limit_s}, not {self.longest_cycle_s:g}")
        if self.deadline_s is not None:
            require_number(f"deadline_s of {self.name}", self.deadline_s, above=0)
            if self.deadline_s > self.period_s:
                limit_s = f"period_s {self.period_s:g}"
                raise ValueError(f"deadline_s of {self.name} must be at most {limit_s}, not {self.deadline_s:g}")

    @property
    def due_s(self) -> float:
        """The deadline, the period where none is given. [s]"""
        return self.period_s if self.deadline_s is None else self.deadline_s


@dataclass(frozen=True, kw_only=True)
class Response:
    """What the analysis says of one task.

    Attributes:
        name: The task.
        response_s: Longest time from a release to the end of the inference and its last recharge; inf where it may
            be longer than the deadline. [s]
        blocking_s: The part of it in which a task of lower priority finishes a power cycle. [s]
    """

    name: str
    response_s: float
    blocking_s: float

    @property
    def is_schedulable(self) -> bool:
        """Whether every deadline is met."""
        return math.isfinite(self.response_s)


def by_deadline(tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Tasks from the shortest deadline to the longest; as power cycles block, another order is sometimes better."""
    return tuple(sorted(tasks, key=lambda task: task.due_s))


def response_times(tasks: Sequence[Task]) -> tuple[Response, ...]:
    """Bounds of the response times of tasks that share a device, fixed priorities in the order given.

    When a power cycle has ended, recharge included, the first task in the order that has something to do gets the next
    one. R_i = B_i + C_i + sum over tasks j before i of ceil(R_i / T_j) C_j, with C the worst case alone and B_i the
    longest cycle of the tasks after i. R_i is the whole time in which the device is busy with i and the tasks before
    it. With R_i <= D_i <= T_i it ends before the next release of i, so no job of i is delayed through an earlier one.
    It is sufficient, not exact: releases during the last cycle of i, which is no longer preempted, are counted. A
    start with an empty capacitor is part of every `worst_case_s`, though it happens once.

    Args:
        tasks: From the highest priority to the lowest.

    Returns:
        One record a task, in the same order; of one task alone, schedulable means D >= L_wc.

    Raises:
        ValueError: Two tasks have the same name.
    """
    names = [task.name for task in tasks]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"name must be different for every task, not {name!r} twice")
    responses = []
    for i, task in enumerate(tasks):
        blocking_s = max((after.longest_cycle_s for after in tasks[i + 1 :]), default=0.0)
        response_s = _response_s(task, tasks[:i], blocking_s)
        responses.append(Response(name=task.name, response_s=response_s, blocking_s=blocking_s))
    return tuple(responses)


def _response_s(task: Task, before: Sequence[Task], blocking_s: float) -> float:
    """Least fixed point of R_i, inf where it is beyond the deadline.

    Numbers are exact fractions, so no release at the very end of R_i is lost or added by rounding. R_i is at least the
    solution without the ceilings; from there the sum never falls, and stops as soon as no release is added.
    """
    if not all(map(math.isfinite, (blocking_s, task.worst_case_s, *(other.worst_case_s for other in before)))):
        return math.inf
    own, due = Fraction(blocking_s) + Fraction(task.worst_case_s), Fraction(task.due_s)
    others = [(Fraction(other.worst_case_s), Fraction(other.period_s)) for other in before]
    used = sum((cost / period for cost, period in others), Fraction(0))
    if used >= 1:
        return math.inf
    found = own / (1 - used)
    for _ in range(_MOST_STEPS):
        if found > due:
            return math.inf
        longer = own + sum((math.ceil(found / period) * cost for cost, period in others), Fraction(0))
        if longer == found:
            return float(found)
        found = longer
    return math.inf
