"""One design of a front: what a preference picks among those that keep to a deadline and an accuracy floor.

A design is (accuracy, time, energy); only non-dominated ones in accuracy and time are ever chosen. On such a front the
faster is the less accurate, so a deadline cuts off one end and a floor the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from energy.validation import require_choice, require_number
from evo.fronts.front import Front
from evo.objectives import scaled

PREFERENCES = ("knee", "accuracy", "latency", "energy")
"""What may be preferred: the best balance, the most accurate, the fastest, the one that takes least energy."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a design must keep to.

    Attributes:
        deadline_s: Longest time, above 0; None for no deadline. [s]
        min_accuracy: Least accuracy, in [0, 1]. [1]
    """

    deadline_s: float | None = None
    min_accuracy: float | None = None

    def __post_init__(self) -> None:
        if self.deadline_s is not None:
            require_number("deadline", self.deadline_s, above=0)
        if self.min_accuracy is not None:
            require_number("min-accuracy", self.min_accuracy, least=0, most=1)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What was chosen, and what decided.

    Attributes:
        members: The front, fastest first: rows of the designs given, `(n_members,)`.
        chosen: Position on the front, None where no design keeps to the limits.
        unlimited: Position that the preference alone would have picked.
        knee: Position of the best balance of the whole front.
        binding: Names of the limits that decided, of `deadline` and `accuracy`: what `unlimited` breaks, or, where
            nothing is chosen, what cannot be kept.
        late_s: Where nothing is chosen: how much too long the fastest design that is accurate enough takes, or the
            fastest of all where none is. [s]
        short: Where nothing is chosen: what the most accurate design within the deadline lacks, or the most accurate of
            all where none is within. [1]
    """

    members: NDArray[np.int64]
    chosen: int | None
    unlimited: int
    knee: int
    binding: tuple[str, ...]
    late_s: float = 0.0
    short: float = 0.0


def choose(accuracy: ArrayLike, time_s: ArrayLike, energy_j: ArrayLike, limits: Limits, prefer: str = "knee") -> Choice:
    """Choose one design.

    The knee is the member with the least sum of normalised error and log time, by ideal and nadir of the whole front:
    where the limits exclude it, the member that keeps to them and comes nearest by that sum is taken.

    Args:
        accuracy: What decides, `(n,)`. [1]
        time_s: What the deadline is compared with, `(n,)`. [s]
        energy_j: Energy of an inference, `(n,)`. [J]
        limits: What the design must keep to.
        prefer: Of `PREFERENCES`.

    Raises:
        ValueError: There is no design, or the preference is unknown.
    """
    require_choice("prefer", prefer, PREFERENCES)
    accuracies, times, energies = (np.asarray(column, dtype=np.float64) for column in (accuracy, time_s, energy_j))
    if not len(accuracies):
        raise ValueError("a choice needs at least one design")
    # Errors rise along a front; turned round it is fastest first.
    front = Front.of(np.column_stack([1.0 - accuracies, times]))
    members = front.rows[::-1].copy()
    balance = front.bounds.normalise(scaled(front.values, front.objectives)).sum(axis=1)[::-1]
    badness = {
        "knee": balance,
        "accuracy": -accuracies[members],
        "latency": times[members],
        "energy": energies[members],
    }[prefer]
    in_time = np.ones(len(members), dtype=bool)
    if limits.deadline_s is not None:
        in_time = times[members] <= limits.deadline_s
    is_accurate = np.ones(len(members), dtype=bool)
    if limits.min_accuracy is not None:
        is_accurate = accuracies[members] >= limits.min_accuracy
    unlimited, knee = int(np.argmin(badness)), int(np.argmin(balance))
    allowed = np.flatnonzero(in_time & is_accurate)
    if len(allowed):
        binding = [name for name, kept in (("deadline", in_time), ("accuracy", is_accurate)) if not kept[unlimited]]
        chosen = int(allowed[np.argmin(badness[allowed])])
        return Choice(members=members, chosen=chosen, unlimited=unlimited, knee=knee, binding=tuple(binding))
    late_s = short = 0.0
    if limits.deadline_s is not None:
        among = is_accurate if is_accurate.any() else ~is_accurate
        late_s = max(float(times[members][among].min()) - limits.deadline_s, 0.0)
    if limits.min_accuracy is not None:
        among = in_time if in_time.any() else ~in_time
        short = max(limits.min_accuracy - float(accuracies[members][among].max()), 0.0)
    names = (("deadline", late_s), ("accuracy", short))
    return Choice(
        members=members,
        chosen=None,
        unlimited=unlimited,
        knee=knee,
        binding=tuple(name for name, amount in names if amount > 0),
        late_s=late_s,
        short=short,
    )
