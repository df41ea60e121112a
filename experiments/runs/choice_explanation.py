"""Explanation of a choice in sentences: the limit that decided, the neighbours on the front, the knee."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from evo.fronts.decision import Choice, Limits
from experiments.formatting.quantities import percent_range, write
from experiments.runs.candidates import TIMES, WORST_CASE, Candidates
from experiments.runs.front_row import FrontRow


@dataclass(frozen=True, kw_only=True)
class ChoiceExplanation:
    """A choice from the front of one budget, to be put into words.

    Attributes:
        candidates: Designs of the budget.
        choice: The choice among them.
        limits: Limits that it had to keep to.
    """

    candidates: Candidates
    choice: Choice
    limits: Limits

    @classmethod
    def of(cls, candidates: Candidates, limits: Limits, prefer: str) -> ChoiceExplanation:
        """Choose among the designs of a budget.

        Args:
            candidates: The designs.
            limits: Limits that the chosen design must keep to.
            prefer: One of `evo.fronts.decision.PREFERENCES`.
        """
        return cls(candidates=candidates, choice=candidates.ranked().choose(limits, prefer), limits=limits)

    @cached_property
    def rows(self) -> Sequence[FrontRow]:
        """Members of the front, fastest first."""
        return [self.candidates.rows[member] for member in self.choice.members]

    def accuracy(self, at: int) -> float:
        """Return the accuracy of a member that decides. [1]"""
        return self.rows[at].known_accuracy(self.candidates.kind, "val")

    def time_s(self, at: int) -> float:
        """Return the time of a member that the deadline is compared with. [s]"""
        return self.candidates.time_s(self.rows[at])

    def summary(self, at: int) -> dict[str, Any]:
        """Return id, accuracy and time of a member."""
        return {"id": self.rows[at].id, "accuracy": self.accuracy(at), "time_s": self.time_s(at)}

    def step(self, to: int) -> dict[str, Any] | None:
        """Return gain and cost of the member at a position beside the chosen one, None beyond the front."""
        assert self.choice.chosen is not None
        if not 0 <= to < len(self.rows):
            return None
        return {
            **self.summary(to),
            "accuracy_change": self.accuracy(to) - self.accuracy(self.choice.chosen),
            "time_change_s": self.time_s(to) - self.time_s(self.choice.chosen),
            "breaks": self._broken(to),
        }

    def _broken(self, at: int) -> list[str]:
        deadline_s, floor = self.limits.deadline_s, self.limits.min_accuracy
        late = deadline_s is not None and self.time_s(at) > deadline_s
        short = floor is not None and self.accuracy(at) < floor
        return [name for name, broken in (("deadline", late), ("accuracy", short)) if broken]

    def why(self, prefer: str) -> list[str]:
        """Return the sentences that explain the chosen design."""
        at = self.choice.chosen
        assert at is not None
        return [
            self._reason(at, prefer),
            *self._binding(at),
            *self._neighbours(at),
            *([] if at == self.choice.knee else [f"The knee of the front is {self._named(self.choice.knee)}."]),
            *self._deadline_against(),
            *self._on_test(at),
        ]

    def _named(self, at: int) -> str:
        return f"{self.rows[at].id}: {_percent(self.accuracy(at))}, {write(self.time_s(at), 's')}"

    def _reason(self, at: int, prefer: str) -> str:
        n = len(self.rows)
        if n == 1:
            return "It is the only design on the front."
        n_kept = sum(not self._broken(position) for position in range(n))
        among = f"the {n} designs on the front"
        if n_kept < n:
            among += f", of which {n_kept} keep{'s' if n_kept == 1 else ''} to the limits"
        if prefer == "knee" and at == self.choice.knee:
            return f"It is the knee, the best balance of accuracy and log latency, of {among}."
        superlative = {
            "knee": "comes nearest to the best balance of accuracy and log latency",
            "accuracy": "is the most accurate",
            "latency": "is the fastest",
            "energy": "takes the least energy",
        }[prefer]
        return f"It {superlative} of {among}."

    def _binding(self, at: int) -> list[str]:
        """Return a sentence on the limit that decided, or on what the limits leave; none without limits."""
        other, limits = self.choice.unlimited, self.limits
        if "deadline" in self.choice.binding:
            assert limits.deadline_s is not None
            late = write(self.time_s(other) - limits.deadline_s, "s")
            return [f"The deadline decided: without it the choice is {self._named(other)}, {late} too late."]
        if "accuracy" in self.choice.binding:
            assert limits.min_accuracy is not None
            short = _points(limits.min_accuracy - self.accuracy(other))
            return [f"The accuracy floor decided: without it the choice is {self._named(other)}, {short} too low."]
        room = []
        if limits.deadline_s is not None:
            room.append(f"{write(limits.deadline_s - self.time_s(at), 's')} of the deadline are left")
        if limits.min_accuracy is not None:
            room.append(f"it is {_points(self.accuracy(at) - limits.min_accuracy)} above the floor")
        return [f"No limit decided: {', '.join(room)}."] if room else []

    def _neighbours(self, at: int) -> list[str]:
        """Return sentences on the gain and cost of the next designs on either side."""
        said = []
        if at + 1 < len(self.rows):
            gain, cost = self.accuracy(at + 1) - self.accuracy(at), self.time_s(at + 1) - self.time_s(at)
            breaks = " and breaks the deadline" if self._broken(at + 1) else ""
            what = f"{_points(gain)} more accuracy costs {write(cost, 's')} more{breaks}"
            said.append(f"{what} ({self.rows[at + 1].id}).")
        else:
            said.append("No design of the front is more accurate.")
        if at > 0:
            loss, gain_s = self.accuracy(at) - self.accuracy(at - 1), self.time_s(at) - self.time_s(at - 1)
            breaks = " and falls below the floor" if self._broken(at - 1) else ""
            what = f"{_points(loss)} less accuracy saves {write(gain_s, 's')}{breaks}"
            said.append(f"{what} ({self.rows[at - 1].id}).")
        else:
            said.append("No design of the front is faster.")
        return said

    def _deadline_against(self) -> list[str]:
        if self.limits.deadline_s is None:
            return []
        unknown = "" if self.candidates.time == WORST_CASE else "; a worst case is not known here"
        return [f"The deadline is compared with the {TIMES[self.candidates.time]}{unknown}."]

    def _on_test(self, at: int) -> list[str]:
        found = self.rows[at].accuracy(self.candidates.kind, "test")
        if found is None:
            return []
        interval = "" if found.low is None else f" (95 % CI {percent_range(found.low, found.high)})"
        return [f"Test accuracy {_percent(found.value)}{interval}; not used for selection."]

    def why_none(self) -> list[str]:
        """Return the sentences that explain which limit no design keeps to, and by how much."""
        limits, found = self.limits, self.choice
        best = max(range(len(self.rows)), key=self.accuracy)
        fastest = min(range(len(self.rows)), key=self.time_s)
        said = []
        if "deadline" in found.binding:
            assert limits.deadline_s is not None
            enough = limits.min_accuracy is not None and self.accuracy(best) >= limits.min_accuracy
            who = "the fastest design that is accurate enough" if enough else "the fastest design"
            takes = write(limits.deadline_s + found.late_s, "s")
            said.append(f"{who} takes {takes}, {write(found.late_s, 's')} longer than the deadline")
        if "accuracy" in found.binding:
            assert limits.min_accuracy is not None
            in_time = limits.deadline_s is not None and self.time_s(fastest) <= limits.deadline_s
            who = "the most accurate design within the deadline" if in_time else "the most accurate design"
            reaches = _percent(limits.min_accuracy - found.short)
            said.append(f"{who} reaches {reaches}, {_points(found.short)} below the floor")
        sentences = [f"{text[0].upper()}{text[1:]}." for text in said]
        return [*sentences, *self._deadline_against()]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _points(share: float) -> str:
    """Return a difference of accuracies in percentage points, with enough digits not to read as zero."""
    points = 100 * share
    return f"{round(points, 1):g} points" if points >= 0.05 else f"{points:.2g} points"
