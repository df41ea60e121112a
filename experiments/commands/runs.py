"""`ebbnas runs`: all runs under a root, or those that meet conditions."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from energy.validation import closest
from experiments.commands.output import print_json
from experiments.formatting.quantities import write
from experiments.formatting.table import Table
from experiments.runs.index import COLUMNS, Row, all_runs
from experiments.storage.cache import Store

_HEAD = ("run", "state", "data", "space", "seed", "budgets", "val %", "test %", "fastest", "front", "time", "changed")


Condition = Callable[[Row], bool]
"""Whether a run is to be shown."""


def runs(options: argparse.Namespace) -> int:
    """Run `ebbnas runs`."""
    root = Path(options.root)
    if not root.is_dir():
        raise ValueError(f"--root must be a folder, not {root}")
    rows = all_runs(Store(root=root))
    conditions = _conditions(options.where, rows)
    found = [row for row in rows if all(fits(row) for fits in conditions)]
    if options.json:
        print_json({"runs": [{key: row[key] for key in row if key != "config"} for row in found]})
        return 0
    kept = f"{len(found)} of {len(rows)}" if options.where else str(len(rows))
    print(f"{kept} run{'' if kept == '1' else 's'} under {root / 'runs'}.")
    if found:
        print("\n" + Table(_HEAD, [_cells(row) for row in found], text=(0, 1, 2, 3, 5, 11)).to_text())
    for row in found:
        if row["problem"]:
            print(f"{row['run']}: {row['problem']}")
    return 0


def _cells(row: Row) -> tuple[str, ...]:
    def shown(column: str, text: Any) -> str:
        return "" if row[column] is None else str(text(row[column]))

    return (
        row["run"],
        row["state"],
        *(shown(column, str) for column in ("data", "space", "seed")),
        ",".join(row["budgets"]),
        *(shown(column, lambda share: f"{100 * share:.1f}") for column in ("best_accuracy_val", "best_accuracy_test")),
        shown("fastest_latency_s", lambda seconds: write(seconds, "s")),
        shown("n_front", str),
        shown("wall_time_s", lambda seconds: write(seconds, "s")),
        shown("changed", str),
    )


def _conditions(where: Sequence[str], rows: Sequence[Row]) -> list[Condition]:
    """Return the condition of each `--where`.

    Raises:
        ValueError: A text is not `KEY=VALUE`, or no run has such a key.
    """
    columns = [name for name in COLUMNS if name != "config"]
    known = [*columns, *sorted({key for row in rows for key in row["config"]})]
    conditions = []
    for text in where:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not key:
            raise ValueError(f"--where must look like data=watch or search.method=joint, not {text!r}")
        if rows and key not in known:
            rule = "--where must name a column of the list or a key of a run's config"
            raise ValueError(f"{rule}, not {key!r}{closest(key, known) or '; columns are ' + ', '.join(columns)}")
        conditions.append(_condition(key, value))
    return conditions


def _condition(key: str, text: str) -> Condition:
    """Return the condition that a row's value equals the written one, or is a list that holds it."""
    try:
        wanted = [text, tomllib.loads(f"value = {text}")["value"]]
    except tomllib.TOMLDecodeError:
        wanted = [text]

    def fits(row: Row) -> bool:
        value = row[key] if key in COLUMNS else row["config"].get(key)
        return value in wanted or (isinstance(value, list) and any(one in wanted for one in value))

    return fits
