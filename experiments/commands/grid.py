"""`ebbnas grid`: run the cells of a grid file, show their state, try failed ones again, join their fronts."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.commands.output import print_json
from experiments.formatting.quantities import whole
from experiments.formatting.table import Table
from experiments.grids.cells import STATES, CellBook
from experiments.grids.files import Cell, read_grid
from experiments.parallel.progress import Reporter
from experiments.storage.cache import Store

FAILED = 1
"""Exit status of `run` and `retry` where a cell has failed."""


def grid(options: argparse.Namespace) -> int:
    """Run `ebbnas grid`."""
    path = Path(options.file)
    if options.address is not None and options.engine != "ray":
        raise ValueError(f"--address must be used with --engine ray, not with {options.engine}")
    book = CellBook(grid=read_grid(path), store=Store(root=Path(options.root)))
    cells = shard_of(book.grid.cells, options.shard)
    if options.action == "script":
        print(_script(options, path))
        return 0
    if options.action == "table":
        return _table(options, book)
    if options.action == "retry":
        for cell in cells:
            if book.state(cell) == "failed":
                book.forget(cell)
    if options.action != "status":
        _run(options, book, cells)
    rows = _states(book, cells)
    n_failed = sum(row["state"] == "failed" for row in rows)
    _print_states(options, book, rows)
    return FAILED if n_failed and options.action != "status" else 0


def shard_of(cells: Sequence[Cell], shard: str | None) -> list[Cell]:
    """Return one part of the cells: every n-th.

    Args:
        cells: All cells.
        shard: The part and the number of parts, such as `2/8`, from 1; all cells where None.

    Raises:
        ValueError: The text names no such part.
    """
    if shard is None:
        return list(cells)
    part, slash, parts = shard.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise ValueError(f"--shard must be a part from 1 and the number of parts, such as 2/8, not {shard!r}")
    return list(cells[int(part) - 1 :: int(parts)])


def _run(options: argparse.Namespace, book: CellBook, cells: Sequence[Cell]) -> None:
    n_workers = whole("--workers", options.workers)
    done = [cell for cell in cells if book.is_done(cell)]
    due = [cell for cell in cells if cell not in done and not book.record(cell)["error"]]
    reporter = Reporter(quiet=options.quiet)
    reporter.note(f"grid {book.grid.name}: {len(cells)} cells, {len(due)} to run, {n_workers} at once")
    _note_changed_code(book, done, reporter)
    if options.engine == "ray":
        from experiments.grids.ray_engine import run_on_ray

        if due:
            run_on_ray(book, due, address=options.address, n_workers=n_workers, report=reporter.note)
        return
    from experiments.grids.pool import GridPool

    GridPool(book=book, n_workers=n_workers, report=reporter.note).run(due)


def _note_changed_code(book: CellBook, done: Sequence[Cell], reporter: Reporter) -> None:
    """Say which finished cells other code has computed."""
    changed = [cell for cell in done if book.changed_code(cell)]
    if changed:
        cells = f"cells {', '.join(str(cell.number) for cell in changed)}"
        reporter.note(f"note: {cells}: results of another version of the code; `search RUN --fresh` computes one again")


def _states(book: CellBook, cells: Sequence[Cell]) -> list[dict[str, Any]]:
    rows = []
    for cell in cells:
        state, record = book.state(cell), book.record(cell)
        is_failed = state == "failed"
        traceback = book.traceback_path(cell) if is_failed else None
        rows.append(
            {
                "cell": cell.number,
                "values": dict(cell.values),
                "run": cell.folder_name,
                "state": state,
                "deaths": record["deaths"],
                "error": record["error"] if is_failed else None,
                "traceback": None if traceback is None else str(traceback),
                "problem": book.problem(cell) if state == "waiting" else None,
            }
        )
    return rows


def _print_states(options: argparse.Namespace, book: CellBook, rows: Sequence[dict[str, Any]]) -> None:
    counts = {state: sum(row["state"] == state for row in rows) for state in STATES}
    if options.json:
        print_json({"grid": book.grid.name, **counts, "cells": rows})
        return
    sentence = ", ".join(f"{n} {state}" for state, n in counts.items() if n)
    axes = book.grid.axes
    head = ("cell", *axes, "state", "run")
    cells = [(str(row["cell"]), *(str(row["values"][axis]) for axis in axes), row["state"], row["run"]) for row in rows]
    text = tuple(range(1, len(head)))
    lines = [f"Grid {book.grid.name}: {len(rows)} cells, {sentence}.", "", Table(head, cells, text=text).to_text()]
    for row in rows:
        if row["error"]:
            where = f" ({row['traceback']})" if row["traceback"] else ""
            lines.append(f"cell {row['cell']} failed: {row['error']}{where}")
        if row["problem"]:
            lines.append(f"cell {row['cell']} is run again: {row['problem']}")
    print("\n".join(lines))


def _table(options: argparse.Namespace, book: CellBook) -> int:
    from experiments.grids.table import write_grid_table

    for cell in book.grid.cells:
        if problem := book.problem(cell):
            raise ValueError(f"cell {cell.number} must be run again with `grid {options.file} run`: {problem}")
    done = [cell for cell in book.grid.cells if book.is_done(cell)]
    if not done:
        raise ValueError(f"{options.file}: no cell is done; ebbnas grid {options.file} run")
    _note_changed_code(book, done, Reporter(quiet=options.quiet))
    paths, n_rows = write_grid_table(book, done)
    if options.json:
        n_cells = len(book.grid.cells)
        print_json({"cells": n_cells, "done": len(done), "rows": n_rows, "tables": [str(path) for path in paths]})
    else:
        print(f"{n_rows} designs of {len(done)} of {len(book.grid.cells)} cells: {' and '.join(map(str, paths))}")
    return 0


def _script(options: argparse.Namespace, path: Path) -> str:
    """Return an array job for SLURM, with one shard per task."""
    n = whole("--shards", options.shards)
    grid_file, root = shlex.quote(str(path.resolve())), shlex.quote(str(Path(options.root).resolve()))
    return "\n".join(
        [
            "#!/bin/bash",
            f"#SBATCH --job-name={shlex.quote(path.stem)}",
            f"#SBATCH --array=1-{n}",
            f"#SBATCH --cpus-per-task={whole('--workers', options.workers)}",
            "#SBATCH --requeue",
            f'ebbnas grid {grid_file} run --root {root} --workers {options.workers} --shard "$SLURM_ARRAY_TASK_ID/{n}"',
        ]
    )
