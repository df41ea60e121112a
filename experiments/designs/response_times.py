"""Response times of several periodic inferences on one device, beside the answers of `price` and `plan`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from energy.hardware.scenarios import Scenarios
from energy.scheduling.response_times import Task, by_deadline, response_times
from energy.scheduling.worst_case import worst_scenarios
from experiments.designs.request import Request
from experiments.formatting.quantities import parse, write

Answer = dict[str, Any]


def with_periods(text: str, requests: Sequence[Request], answers: Sequence[Answer]) -> None:
    """Add `period_s`, `response_time_s` and `schedulable` to each answer; shorter periods have priority.

    Args:
        text: Periods of `--period`, one for all or one for each inference, with commas.
        requests: The designs.
        answers: Their answers, in the same order; an infeasible plan is never schedulable.

    Raises:
        ValueError: A period is not a time above 0, or the number of periods is neither 1 nor that of the inferences.
    """
    periods_s = [parse("--period", item.strip(), "s") for item in text.split(",")]
    if len(periods_s) not in (1, len(answers)):
        n = len(periods_s)
        raise ValueError(f"--period must have one time or one for each of {len(answers)} inferences, not {n}")
    periods_s = periods_s * len(answers) if len(periods_s) == 1 else periods_s
    worst = [_worst(request, answer) for request, answer in zip(requests, answers, strict=True)]
    tasks = [
        Task(name=f"{index}", worst_case_s=one.latency_s, longest_cycle_s=one.cycle_s, period_s=period_s)
        for index, (one, period_s) in enumerate(zip(worst, periods_s, strict=True))
    ]
    for response in response_times(by_deadline(tasks)):
        answer = answers[int(response.name)]
        answer["period_s"] = periods_s[int(response.name)]
        answer["response_time_s"] = response.response_s if np.isfinite(response.response_s) else None
        answer["schedulable"] = response.is_schedulable


class _Worst(NamedTuple):
    """Worst-case latency and longest power cycle of a plan. [s]"""

    latency_s: float
    cycle_s: float


def _worst(request: Request, answer: Answer) -> _Worst:
    """Return the worst case of a plan; infinite where it is not defined."""
    if answer["worst_case_latency_s"] is None:
        return _Worst(np.inf, np.inf)
    worst = worst_scenarios(Scenarios.of([request.supply]), request.uncertainty)
    energy_j = np.array([[entry["energy_j"]] for entry in answer["schedule"]])
    cycles_s = worst.recharge_time_s(energy_j)[:, 0] + [entry["active_s"] for entry in answer["schedule"]]
    return _Worst(answer["worst_case_latency_s"], float(cycles_s.max()))


def sentence(answer: Answer) -> str:
    """Return the response time in one sentence."""
    period = write(answer["period_s"], "s")
    if not answer["schedulable"]:
        return f"{answer['name']}: NOT schedulable every {period}"
    return f"{answer['name']}: schedulable every {period}, response time {write(answer['response_time_s'], 's')}"
