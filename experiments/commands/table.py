"""`ebbnas table`: the fronts of a run as a table for a paper (LaTeX), for a program (CSV) or for a person."""

from __future__ import annotations

import argparse
import csv
import io
import math
from pathlib import Path

from energy.validation import require_choice
from experiments.commands.output import print_json
from experiments.formatting.quantities import percent_range, write
from experiments.formatting.table import Table
from experiments.runs.finished import FinishedRun
from experiments.runs.front_row import FrontRow
from experiments.storage.files import write_text

FORMATS = ("text", "latex", "csv")

_HEAD = (
    "budget", "network", "validation [%]", "test [%]", "interval [%]", "latency [s]", "x limit", "cycles",
    "energy [mJ]", "VM [B]",
)  # fmt: skip
_TEXT = (0, 1)


def table(options: argparse.Namespace) -> int:
    """Run `ebbnas table`."""
    require_choice("--format", options.format, FORMATS)
    run = FinishedRun.read(Path(options.run))
    budgets = run.budgets if options.budget is None else (run.budget(options.budget),)
    rows = [cells(row) for budget in budgets for row in run.front(budget)]
    if not rows:
        raise ValueError(f"{run.folder}: no design is on a front of {', '.join(budgets)}")
    content = formatted(rows, options.format)
    if options.out is not None:
        write_text(Path(options.out), content)
    if options.json:
        print_json({"columns": list(_HEAD), "rows": rows, "file": options.out})
    else:
        print(content if options.out is None else options.out, end="" if options.out is None else "\n")
    return 0


def cells(row: FrontRow) -> list[str]:
    """Return a member of a front; fine-tuned accuracies, the interval that of the test split."""
    return [
        write(row.capacitance_f, "F", digits=6).replace("u", "µ"),
        row.architecture,
        f"{100 * row.known_accuracy('finetuned', 'val'):.1f}",
        f"{100 * row.known_accuracy('finetuned', 'test'):.1f}",
        percent_range(row.accuracy_finetuned_test_low, row.accuracy_finetuned_test_high),
        _three_digits(row.latency_s),
        f"{row.latency_s / row.limit_plan_s:.2f}",
        f"{row.power_cycles}",
        _three_digits(1e3 * row.energy_j),
        f"{row.vm_bytes}",
    ]


def formatted(rows: list[list[str]], kind: str) -> str:
    """Return the table as text.

    Args:
        rows: Cells, `(n_rows, n_columns)`.
        kind: Of `FORMATS`.
    """
    found = Table(_HEAD, rows, text=_TEXT)
    if kind == "latex":
        return found.to_latex()
    if kind == "text":
        return found.to_text() + "\n"
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([_HEAD, *rows])
    return written.getvalue()


def _three_digits(value: float) -> str:
    """Return a positive number with three significant digits, never an exponent."""
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"
