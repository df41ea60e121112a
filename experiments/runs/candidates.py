"""The designs of one budget among which `choose` and the report choose, with their accuracies, times and energies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evo.fronts.decision import RankedFront, ranked_front
from experiments.runs.front_row import FrontRow

WORST_CASE, LATENCY = "worst_case_latency_s", "latency_s"

TIMES: Mapping[str, str] = {WORST_CASE: "worst-case latency", LATENCY: "latency"}
"""Columns that a deadline is compared with, with their names in text; the first known one is used."""


def accuracy_kind(rows: Sequence[FrontRow]) -> str:
    """Return the kind of accuracy on validation by which the designs of a run are compared.

    Kinds are never mixed: `finetuned` where every budget has a fine-tuned design, else `inherited`.
    """
    tuned = {row.budget for row in rows if row.accuracy_finetuned_val is not None}
    return "finetuned" if tuned and tuned == {row.budget for row in rows} else "inherited"


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Designs of one budget.

    Attributes:
        rows: Designs whose accuracy is known, at least one.
        kind: Kind of their accuracy, `finetuned` or `inherited`.
        time: Column that a deadline is compared with, a key of `TIMES`.
    """

    rows: tuple[FrontRow, ...]
    kind: str
    time: str

    @classmethod
    def of(cls, rows: Sequence[FrontRow], kind: str) -> Candidates:
        """Return the designs of one budget that have an accuracy of a kind.

        Raises:
            ValueError: None has.
        """
        known = tuple(row for row in rows if row.accuracy(kind, "val") is not None)
        if not known:
            raise ValueError(f"a choice needs at least one design with accuracy_{kind}_val, and {len(rows)} have none")
        time = next(name for name in TIMES if all(row.number(name) is not None for row in known))
        return cls(rows=known, kind=kind, time=time)

    def time_s(self, row: FrontRow) -> float:
        """Return the time of a design that a deadline is compared with. [s]"""
        value = row.number(self.time)
        assert value is not None
        return value

    def ranked(self) -> RankedFront:
        """Return the front of these designs, ranked by every preference."""
        return ranked_front(
            [row.known_accuracy(self.kind, "val") for row in self.rows],
            np.array([self.time_s(row) for row in self.rows]),
            [row.energy_j for row in self.rows],
        )
