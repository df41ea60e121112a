"""Choice of one design from a front, by a preference, a deadline and an accuracy floor.

A design is (accuracy, time, energy); only designs that are non-dominated in accuracy and time are chosen. On such a
front the faster design is less accurate, so a deadline removes one end and an accuracy floor the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from energy.validation import require_choice, require_number
from evo.fronts.front import Front
from evo.objectives import Floats, scaled

PREFERENCES = ("knee", "accuracy", "latency", "energy")
"""Preferences: the best balance, the most accurate, the fastest, the design with the least energy."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits that a design must satisfy.

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
    """Chosen design, and the limits that decided.

    Attributes:
        members: The front, fastest first: rows of the designs given, `(n_members,)`.
        chosen: Position on the front, None where no design satisfies the limits.
        unlimited: Position of the choice without limits.
        knee: Position of the best balance of the whole front.
        binding: Names of the limits that decided, among `deadline` and `accuracy`: those that `unlimited` breaks, or,
            where nothing is chosen, those that cannot be satisfied.
        late_s: Where nothing is chosen: time over the deadline of the fastest design that is accurate enough, or of
            the fastest design where none is. [s]
        short: Where nothing is chosen: accuracy that the most accurate design within the deadline lacks, or the most
            accurate design where none is within. [1]
    """

    members: NDArray[np.int64]
    chosen: int | None
    unlimited: int
    knee: int
    binding: tuple[str, ...]
    late_s: float = 0.0
    short: float = 0.0


@dataclass(frozen=True, kw_only=True)
class RankedFront:
    """Non-dominated designs, and their ranking by each preference.

    Attributes:
        members: Rows of the designs given, fastest first, `(n_members,)`.
        accuracies: Accuracies of the members, `(n_members,)`. [1]
        times_s: Times that the deadline limits, `(n_members,)`. [s]
        badness: For each of `PREFERENCES`, the quantity that a choice minimises, `(n_members,)`.
    """

    members: NDArray[np.int64]
    accuracies: Floats
    times_s: Floats
    badness: Mapping[str, Floats]

    def order(self, prefer: str) -> NDArray[np.int64]:
        """Return the positions from the most to the least preferred one, `(n_members,)`.

        `choose` takes the first that satisfies the limits.
        """
        return np.argsort(self.badness[prefer], kind="stable")

    def choose(self, limits: Limits, prefer: str) -> Choice:
        """Return the choice under limits."""
        in_time = np.ones(len(self.members), dtype=bool)
        if limits.deadline_s is not None:
            in_time = self.times_s <= limits.deadline_s
        is_accurate = np.ones(len(self.members), dtype=bool)
        if limits.min_accuracy is not None:
            is_accurate = self.accuracies >= limits.min_accuracy
        order = self.order(prefer)
        unlimited, knee = int(order[0]), int(self.order("knee")[0])
        allowed = order[(in_time & is_accurate)[order]]
        if len(allowed):
            kept = (("deadline", in_time), ("accuracy", is_accurate))
            return Choice(
                members=self.members,
                chosen=int(allowed[0]),
                unlimited=unlimited,
                knee=knee,
                binding=tuple(name for name, is_kept in kept if not is_kept[unlimited]),
            )
        late_s = short = 0.0
        if limits.deadline_s is not None:
            among = is_accurate if is_accurate.any() else ~is_accurate
            late_s = max(float(self.times_s[among].min()) - limits.deadline_s, 0.0)
        if limits.min_accuracy is not None:
            among = in_time if in_time.any() else ~in_time
            short = max(limits.min_accuracy - float(self.accuracies[among].max()), 0.0)
        return Choice(
            members=self.members,
            chosen=None,
            unlimited=unlimited,
            knee=knee,
            binding=tuple(name for name, amount in (("deadline", late_s), ("accuracy", short)) if amount > 0),
            late_s=late_s,
            short=short,
        )


def ranked_front(accuracy: ArrayLike, time_s: ArrayLike, energy_j: ArrayLike) -> RankedFront:
    """Return the non-dominated designs, ranked by every preference.

    The knee is the member with the least sum of normalised error and log time, by ideal and nadir of the whole front.
    Where the limits exclude it, the member within the limits with the least sum is chosen.

    Args:
        accuracy: Accuracy of each design, `(n,)`. [1]
        time_s: Time that the deadline limits, `(n,)`. [s]
        energy_j: Energy of an inference, `(n,)`. [J]

    Raises:
        ValueError: No design is given.
    """
    accuracies, times, energies = (np.asarray(column, dtype=np.float64) for column in (accuracy, time_s, energy_j))
    if not len(accuracies):
        raise ValueError("a choice needs at least one design")
    # Errors rise along a front; reversed, it is fastest first.
    front = Front.of(np.column_stack([1.0 - accuracies, times]))
    members = front.rows[::-1].copy()
    return RankedFront(
        members=members,
        accuracies=accuracies[members],
        times_s=times[members],
        badness={
            "knee": front.bounds.normalise(scaled(front.values, front.objectives)).sum(axis=1)[::-1],
            "accuracy": -accuracies[members],
            "latency": times[members],
            "energy": energies[members],
        },
    )


def choose(accuracy: ArrayLike, time_s: ArrayLike, energy_j: ArrayLike, limits: Limits, prefer: str = "knee") -> Choice:
    """Choose one design.

    Args:
        accuracy: Accuracy of each design, `(n,)`. [1]
        time_s: Time that the deadline limits, `(n,)`. [s]
        energy_j: Energy of an inference, `(n,)`. [J]
        limits: Limits that the design must satisfy.
        prefer: One of `PREFERENCES`.

    Raises:
        ValueError: No design is given, or the preference is unknown.
    """
    require_choice("prefer", prefer, PREFERENCES)
    return ranked_front(accuracy, time_s, energy_j).choose(limits, prefer)
