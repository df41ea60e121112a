"""Response times of several inferences that share one device, with fixed priorities.

Inferences preempt each other only between power cycles. That costs nothing extra: every cycle boots, reads its record
and fetches its operands anyway.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from energy.validation import require_number

_MOST_STEPS = 10_000
"""Steps of a fixed-point iteration; a task that needs more, left less than 0.01 % by the others, is given up."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """An inference that is released again and again, with a progress record and memory of its own.

    Attributes:
        name: Name in reports.
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
    """Result of the analysis for one task.

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
    """Return the tasks from the shortest deadline to the longest; as cycles block, another order may be better."""
    return tuple(sorted(tasks, key=lambda task: task.due_s))


def response_times(tasks: Sequence[Task]) -> tuple[Response, ...]:
    """Return the bounds of the response times of tasks that share a device, fixed priorities in the order given.

    When a power cycle has ended, recharge included, the first task in the order that has something to do gets the next
    one. R_i = B_i + C_i + sum over tasks j before i of ceil(R_i / T_j) C_j, with C the worst case alone and B_i the
    longest cycle of the tasks after i. R_i is the whole time in which the device is busy with i and the tasks before
    it. With R_i <= D_i <= T_i it ends before the next release of i, so no job of i is delayed through an earlier one.
    It is sufficient, not exact: releases during the last cycle of i, which is no longer preempted, are counted. A
    start with an empty capacitor is part of every `worst_case_s`, though it happens once.

    Args:
        tasks: From the highest priority to the lowest.

    Returns:
        One record per task, in the same order; of one task alone, schedulable means D >= L_wc.

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
    """Return the least fixed point of R_i, inf where it is beyond the deadline.

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
