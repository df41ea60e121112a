"""Summary of a finished run: as text for a person or as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.formatting.quantities import percent_range, write
from experiments.formatting.table import Table
from experiments.runs.finished import FinishedRun
from experiments.runs.front_row import FrontRow
from experiments.storage.run_folder import FRONTS_CSV

REPORT = "report.html"
"""Name of the interactive page in a run's folder."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of a run.

    Attributes:
        run: The finished run.
        is_new: Whether work was done just now, not only read.
    """

    run: FinishedRun
    is_new: bool = False

    @classmethod
    def read(cls, folder: Path, *, is_new: bool = False) -> Outcome:
        """Read a finished run.

        Raises:
            ValueError: Its files are missing or damaged.
        """
        return cls(run=FinishedRun.read(folder), is_new=is_new)

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.run.folder

    @property
    def manifest(self) -> Mapping[str, Any]:
        """Manifest of the run."""
        return self.run.manifest

    @property
    def rows(self) -> tuple[FrontRow, ...]:
        """Rows of its fronts."""
        return self.run.rows

    @property
    def feasible(self) -> bool:
        """Whether every budget has a feasible design."""
        return not self.manifest["infeasible"]

    def to_dict(self) -> dict[str, Any]:
        """Return the answer of `search --json`."""
        return {
            "feasible": self.feasible,
            "run": str(self.folder),
            "wall_times_s": self.manifest["wall_times_s"],
            "fronts": self._summary(),
            "infeasible": self.manifest["infeasible"],
            "notes": self.manifest["notes"],
            "rows": [row.to_dict() for row in self.rows],
        }

    def _summary(self) -> list[dict[str, Any]]:
        """Count the members of each budget's front, before and after fine-tuning."""
        found = []
        for budget, n_inherited in self.manifest["n_inherited_front"].items():
            own = self.run.of_budget(budget)
            found.append(
                {
                    "budget": budget,
                    "n_inherited_front": n_inherited,
                    "n_finetuned": len(own),
                    "n_finetuned_front": sum(row.on_front for row in own),
                }
            )
        return found

    def text(self) -> str:
        """Return one sentence, a table for each front, then times and places."""
        parts = [self._sentence()]
        for entry in self._summary():
            if entry["n_finetuned"]:
                parts.append(self._front(entry))
        for miss in self.manifest["infeasible"]:
            amount = write(miss["amount"], miss["unit"])
            parts.append(
                f"{miss['budget']}: nothing feasible. The least infeasible design, {miss['architecture']}, breaks the "
                f"limit of {miss['binding_constraint']} by {amount}: designs/{miss['id']}.json"
            )
        parts += [f"note: {note}" for note in self.manifest["notes"]]
        times = self.manifest["wall_times_s"]
        shown = ", ".join(f"{stage} {write(seconds, 's')}" for stage, seconds in times.items() if seconds >= 0.05)
        parts.append(f"time: {shown}; all {write(sum(times.values()), 's')}")
        parts.append("\n".join(f"{what:<9}{path}" for what, path in self._places()))
        return "\n\n".join(parts)

    def _sentence(self) -> str:
        done = "Finished" if self.is_new else "Finished before"
        if not self.rows:
            return f"{done}: nothing is feasible under any budget."
        summary = ", ".join(
            f"{entry['n_finetuned_front']} of {entry['n_finetuned']} for {entry['budget']}" for entry in self._summary()
        )
        best = max(self.rows, key=lambda row: row.known_accuracy("finetuned", "val"))
        return (
            f"{done}: members still on the front after fine-tuning: {summary}; "
            f"best on validation {best.architecture}, {100 * best.known_accuracy('finetuned', 'test'):.1f} % on test."
        )

    def _front(self, entry: dict[str, Any]) -> str:
        rows = self.run.of_budget(entry["budget"])
        supply = f"{write(rows[0].resistance_ohm, 'ohm')} harvester"
        title = (
            f"{entry['budget']}, {supply}: {entry['n_inherited_front']} members on inherited accuracy, "
            f"{entry['n_finetuned']} fine-tuned, {entry['n_finetuned_front']} on the front"
        )
        cells = [
            (
                row.id,
                row.architecture,
                _percent(row.accuracy_inherited_val),
                _percent(row.accuracy_finetuned_val),
                _percent(row.accuracy_finetuned_test),
                _percent(row.accuracy_deployed_test),
                percent_range(row.accuracy_finetuned_test_low, row.accuracy_finetuned_test_high),
                write(row.latency_s, "s"),
                f"{row.latency_s / row.limit_plan_s:.2f}",
                f"{row.power_cycles:,}",
                write(row.energy_j, "J"),
                row.binding_constraint or "",
            )
            for row in self.run.front(entry["budget"])
        ]
        head = (
            "id", "network", "inherited val %", "finetuned val %", "finetuned test %", "deployed test %", "95 %",
            "latency", "x limit", "cycles", "energy", "tightest",
        )  # fmt: skip
        return f"{title}\n{Table(head, cells, text=(0, 1, 11)).to_text()}"

    def _places(self) -> list[tuple[str, Path]]:
        places = [("run", self.folder)]
        names = (FRONTS_CSV, "figures/front.pdf", "figures/front.png", REPORT)
        for what, name in zip(("table", "figure", "image", "report"), names, strict=True):
            if (self.folder / name).exists():
                places.append((what, self.folder / name))
        return places


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"
