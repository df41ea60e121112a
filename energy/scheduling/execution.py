"""Execution and counting of an inference: the choices that belong together, validated in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from energy.validation import require_choice

POLICIES: Final = ("packed", "one-batch-per-cycle")
"""Ways to put batches into power cycles."""

COUNTINGS = ("exact", "published")
"""Ways to count: the events of our runtime, or those that the papers of 2021 and 2025 counted."""

CUTS: Final = ("optimal", "greedy")
"""Ways to cut the batches of a network into packed power cycles."""

_COUNTING_OF = {"packed": "exact", "one-batch-per-cycle": "published"}


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Policy, counting and cuts.

    Attributes:
        policy: One of `POLICIES`.
        counting: One of `COUNTINGS`; empty for that of the policy: exact for packed, else published.
        cuts: One of `CUTS`; of no meaning under one-batch-per-cycle.

    Raises:
        ValueError: A value is unknown, or packed cycles have published counting, which does not cover them.
    """

    policy: str = POLICIES[0]
    counting: str = ""
    cuts: str = CUTS[0]

    def __post_init__(self) -> None:
        require_choice("policy", self.policy, POLICIES)
        if not self.counting:
            object.__setattr__(self, "counting", _COUNTING_OF[self.policy])
        require_choice("counting", self.counting, COUNTINGS)
        require_choice("cuts", self.cuts, CUTS)
        if self.policy == "packed" and self.counting == "published":
            raise ValueError("counting must be 'exact' under policy 'packed', not 'published'")

    @property
    def cuts_of_schedule(self) -> str:
        """Cuts for `energy.scheduling.schedule.schedule`: `each` under one-batch-per-cycle."""
        return self.cuts if self.policy == "packed" else "each"


PACKED = Execution()
"""Ours: exact counting, cycles packed with optimal cuts."""

PUBLISHED = Execution(policy="one-batch-per-cycle")
"""The published planners': one batch per power cycle, their counting."""
