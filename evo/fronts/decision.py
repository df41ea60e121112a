"""One design of a front: what a preference picks among those that keep to a deadline and an accuracy floor.

A design is (accuracy, time, energy); only non-dominated ones in accuracy and time are ever chosen. On such a front the
faster is the less accurate, so a deadline cuts off one end and a floor the other.
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


@dataclass(frozen=True, kw_only=True)
class RankedFront:
    """The non-dominated designs, and how each preference ranks them.

    Attributes:
        members: Rows of the designs given, fastest first, `(n_members,)`.
        accuracies: Accuracies of the members, `(n_members,)`. [1]
        times_s: Times that a deadline is compared with, `(n_members,)`. [s]
        badness: For each of `PREFERENCES`, the quantity that a choice minimises, `(n_members,)`.
    """

    members: NDArray[np.int64]
    accuracies: Floats
    times_s: Floats
    badness: Mapping[str, Floats]

    def order(self, prefer: str) -> NDArray[np.int64]:
        """Return the positions from the most to the least preferred one, `(n_members,)`.

        `choose` takes the first that keeps to the limits.
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
    """Rank the non-dominated ones of some designs by every preference.

    The knee is the member with the least sum of normalised error and log time, by ideal and nadir of the whole front:
    where the limits exclude it, the member that keeps to them and comes nearest by that sum is taken.

    Args:
        accuracy: Accuracies that decide, `(n,)`. [1]
        time_s: Times that a deadline is compared with, `(n,)`. [s]
        energy_j: Energies of an inference, `(n,)`. [J]

    Raises:
        ValueError: No design is given.
    """
    accuracies, times, energies = (np.asarray(column, dtype=np.float64) for column in (accuracy, time_s, energy_j))
    if not len(accuracies):
        raise ValueError("a choice needs at least one design")
    # Errors rise along a front; turned round it is fastest first.
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
        accuracy: Accuracies that decide, `(n,)`. [1]
        time_s: Times that a deadline is compared with, `(n,)`. [s]
        energy_j: Energies of an inference, `(n,)`. [J]
        limits: Limits that the design must keep to.
        prefer: One of `PREFERENCES`.

    Raises:
        ValueError: No design is given, or the preference is unknown.
    """
    require_choice("prefer", prefer, PREFERENCES)
    return ranked_front(accuracy, time_s, energy_j).choose(limits, prefer)
