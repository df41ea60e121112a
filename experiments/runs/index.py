"""The runs under a root with their results, kept in an SQLite file, so that only changed runs are read again.

The folders decide. `cache/runs.sqlite` is made anew where it is missing, damaged or of another version; where it
cannot be written, every folder is read. A run is any folder below `runs/` that holds a `config.toml`.
"""

from __future__ import annotations

import json
import sqlite3
import tomllib
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from experiments.config.toml import dotted
from experiments.formatting.quantities import budget_name
from experiments.storage.cache import Store
from experiments.storage.files import read_json, read_mapping
from experiments.storage.keys import digest
from experiments.storage.locks import is_in_use, locked
from experiments.storage.run_folder import CONFIG_FILE, FRONTS_FILE, MANIFEST_FILE, is_run_folder

Row = dict[str, Any]
"""One run by column name."""

VERSION = 1
"""Version of the index; an index of another version is deleted."""

FILE = "runs.sqlite"
"""Name of the index, in `cache/`."""

COLUMNS: Mapping[str, str] = {
    "run": "TEXT PRIMARY KEY",
    "id": "TEXT",
    "name": "TEXT",
    "state": "TEXT",
    "data": "TEXT",
    "space": "TEXT",
    "seed": "INTEGER",
    "budgets": "TEXT",
    "best_accuracy_val": "REAL",
    "best_accuracy_test": "REAL",
    "fastest_latency_s": "REAL",
    "n_front": "INTEGER",
    "wall_time_s": "REAL",
    "changed": "TEXT",
    "problem": "TEXT",
    "config": "TEXT",
}
"""Columns of a run with their SQL types; `budgets` and `config` (by dotted key) are JSON there."""

_JSON = ("budgets", "config")
_READ = (CONFIG_FILE, MANIFEST_FILE, FRONTS_FILE)
"""Files of a run that its row is read from."""

_OWN = ("stamp", "digest")
"""Columns of the index itself: state of the files, and a hash of the row, which reveals damage inside a page."""


def all_runs(store: Store) -> list[Row]:
    """Return every run under a root, those changed last first.

    The `state` of a run is `finished`, `running`, `stopped` or `damaged`.
    """
    paths = sorted(store.runs.iterdir()) if store.runs.is_dir() else []
    folders = {path.name: path for path in paths if is_run_folder(path)}
    if not folders:
        return []
    rows = _indexed(store.cache, folders)
    for row in rows:
        if row["state"] == "stopped" and is_in_use(folders[row["run"]]):
            row["state"] = "running"
    return sorted(rows, key=lambda row: (row["changed"] or "", row["run"]), reverse=True)


def _indexed(cache: Path, folders: Mapping[str, Path]) -> list[Row]:
    path = cache / FILE
    try:
        with locked(cache / f"{FILE}.lock"):
            try:
                return _refreshed(path, folders)
            except (sqlite3.DatabaseError, ValueError):
                for end in ("", "-journal"):
                    path.with_name(f"{FILE}{end}").unlink(missing_ok=True)
                return _refreshed(path, folders)
    except (OSError, sqlite3.Error):
        return _refreshed(":memory:", folders)


def _refreshed(path: Path | str, folders: Mapping[str, Path]) -> list[Row]:
    """Return the rows of all folders: changed ones are read and stored again, rows of missing folders are removed."""
    names = [*COLUMNS, *_OWN]
    with closing(sqlite3.connect(path)) as base, base:
        if base.execute("PRAGMA user_version").fetchone()[0] not in (0, VERSION):
            raise sqlite3.DatabaseError("of another version")
        kinds = {**COLUMNS, **dict.fromkeys(_OWN, "TEXT")}
        base.execute(f"CREATE TABLE IF NOT EXISTS runs ({', '.join(f'{name} {kind}' for name, kind in kinds.items())})")
        base.execute(f"PRAGMA user_version = {VERSION}")
        stored = {row[0]: row for row in base.execute(f"SELECT {', '.join(names)} FROM runs")}
        base.executemany("DELETE FROM runs WHERE run = ?", [(name,) for name in stored.keys() - folders.keys()])
        rows = []
        for name, folder in folders.items():
            stamp = _stamp(folder)
            *values, known_stamp, known_digest = stored.get(name, (None, None))
            if (known_stamp, known_digest) != (stamp, digest(values)):
                row = _read(folder)
                values = [json.dumps(row[key]) if key in _JSON else row[key] for key in COLUMNS]
                marks = ", ".join("?" * len(names))
                base.execute(f"INSERT OR REPLACE INTO runs VALUES ({marks})", (*values, stamp, digest(values)))
            pairs = zip(COLUMNS, values, strict=True)
            rows.append({key: json.loads(value) if key in _JSON else value for key, value in pairs})
    return rows


def _stamp(folder: Path) -> str:
    """Return times, sizes and inodes of the files of a row; a file that is written anew has another time or inode."""
    found: list[tuple[int, ...] | None] = []
    for name in _READ:
        try:
            state = (folder / name).stat()
        except OSError:
            found.append(None)
            continue
        found.append((state.st_mtime_ns, state.st_size, state.st_ino))
    return json.dumps(found)


def _read(folder: Path) -> Row:
    """Return the row of one run from its files; `stopped` stands for all that is not finished."""
    manifest_path = folder / MANIFEST_FILE
    manifest = read_mapping(manifest_path) or {}
    row: Row = {**dict.fromkeys(COLUMNS), "run": folder.name, "state": "stopped", "budgets": [], "config": {}}
    row["id"] = manifest.get("key") or folder.name.rpartition("-")[2]
    try:
        row["changed"] = _time_of(manifest_path if manifest_path.exists() else folder / CONFIG_FILE)
        row |= _of_config(folder / CONFIG_FILE)
        if manifest_path.exists() and (read_json(manifest_path) or {}).get("is_finished"):
            row |= _of_results(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        row |= {"state": "damaged", "problem": _line(folder, error)}
    return row


def _line(folder: Path, error: Exception) -> str:
    """Return the error in one line; a readable file with other content raises other errors than `ValueError`."""
    is_clear = isinstance(error, (OSError, ValueError))
    return " ".join(str(error).split()) if is_clear else f"{folder}: its files must be those of a run: {error!r}"


def _of_config(path: Path) -> Row:
    try:
        settings = dotted(tomllib.loads(path.read_text(encoding="utf-8")))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path}: must be TOML: {error}") from None
    names = {"name": "name", "data": "data.name", "space": "space.name", "seed": "seed"}
    budgets = [budget_name(value) for value in settings["supply.capacitances"]]
    return {**{column: settings.get(key) for column, key in names.items()}, "budgets": budgets, "config": settings}


def _of_results(folder: Path) -> Row:
    from experiments.runs.finished import FinishedRun  # here: the list of runs starts without pyarrow

    run = FinishedRun.read(folder)
    found: Row = {"state": "finished", "n_front": sum(bool(row.on_front) for row in run.rows)}
    found["wall_time_s"] = sum(run.manifest["wall_times_s"].values())
    if run.rows:
        best = max(run.rows, key=lambda row: row.accuracy_finetuned_val or 0.0)
        found["best_accuracy_val"] = best.accuracy_finetuned_val
        found["best_accuracy_test"] = best.accuracy_finetuned_test
        found["fastest_latency_s"] = min(row.latency_s for row in run.rows)
    return found


def _time_of(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
