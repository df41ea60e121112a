"""Tables of every design that the searches of a run have priced."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evo.objectives import CONSTRAINTS, FIGURES
from evo.problem.evaluations import Evaluations
from evo.problem.problem import LearningSource
from experiments.pipeline.members import BudgetSearch
from experiments.storage.tables import EVALUATIONS, Row, write_table

BEST_SO_FAR = "best_so_far.csv"
"""Table of the fronts of interrupted searches."""


def evaluation_rows(one: BudgetSearch) -> list[Row]:
    """Return a row for each design that a search has priced."""
    budget, search = one
    found: Evaluations = search.archive.evaluations
    layout = search.problem.layout
    archs = found.genomes[:, layout.architecture]
    source = search.problem.accuracy
    accuracies = source.evaluate(archs).tolist()
    is_measured = source.is_measured(archs).tolist() if isinstance(source, LearningSource) else [True] * len(archs)
    rows = []
    for index, generation in enumerate(search.archive.generations.tolist()):
        figures = found.figures[index].tolist()
        amounts = found.amounts[index].tolist()
        rows.append(
            {
                "budget": budget.name,
                "generation": generation,
                "feasible": bool(found.feasible[index]),
                f"accuracy_{'inherited' if is_measured[index] else 'predicted'}_val": accuracies[index],
                **{name: value if np.isfinite(value) else None for name, value in zip(FIGURES, figures, strict=True)},
                **{row.column: amount for row, amount in zip(CONSTRAINTS, amounts, strict=True)},
                "architecture": layout.decode(found.genomes[index]).network.name,
                "genome": layout.to_json(found.genomes[index]),
            }
        )
    return rows


def write_evaluations(run: Path, searches: Sequence[BudgetSearch]) -> None:
    """Add a part with what was priced since the last time; earlier parts stay."""
    for one in searches:
        rows = evaluation_rows(one)
        stem = f"part-{one.budget.name}-"
        folder = run / "evaluations"
        parts = sorted(folder.glob(f"{stem}{'[0-9]' * 7}-{'[0-9]' * 7}.parquet"))
        n_before = int(parts[-1].stem.rpartition("-")[2]) if parts else 0
        if n_before > len(rows):
            # A shorter effort than before: the table belongs to the fronts beside it.
            for part in parts:
                part.unlink()
            n_before = 0
        if len(rows) > n_before:
            name = f"{stem}{n_before + 1:07d}-{len(rows):07d}.parquet"
            write_table(folder / name, rows[n_before:], EVALUATIONS)


def write_best_so_far(run: Path, searches: Sequence[BudgetSearch]) -> Path:
    """Write the fronts of interrupted searches, on inherited accuracy, and return the path."""
    rows = []
    for one in searches:
        found = evaluation_rows(one)
        rows += [found[row] for row in one.search.front.rows]
    write_table(run / BEST_SO_FAR, rows, EVALUATIONS)
    return run / BEST_SO_FAR
