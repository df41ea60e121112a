"""State of the cells of a grid, from their runs' folders and from small records beside them. Torch-free.

`grids/NAME/cells/<key>.json` holds the failures of a cell, `.txt` the traceback. The process that works on a cell
holds `.lock`, and its number is in `.pid`. Whether a cell is done follows from its run's folder alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.grids.files import Cell, Grid
from experiments.storage.cache import Store
from experiments.storage.files import read_mapping, write_json, write_text
from experiments.storage.keys import library_versions
from experiments.storage.locks import is_locked, locked

MOST_DEATHS = 3
"""Deaths of its worker after which a cell has failed. [1]"""

STATES = ("done", "running", "failed", "waiting")


@dataclass(frozen=True, kw_only=True)
class CellBook:
    """Records of a grid's cells.

    Attributes:
        grid: The grid.
        store: Folder of runs and cache.
    """

    grid: Grid
    store: Store

    @property
    def folder(self) -> Path:
        """Folder of records and tables."""
        return self.store.root / "grids" / self.grid.name

    def run_folder(self, cell: Cell) -> Path:
        """Return the folder of a cell's run, that of `ebbnas search` with the same config."""
        return self.store.runs / cell.folder_name

    def _path(self, cell: Cell, end: str) -> Path:
        return self.folder / "cells" / f"{cell.key}{end}"

    def is_done(self, cell: Cell) -> bool:
        """Return whether a cell's run is finished at this effort, with these libraries, and whole."""
        return self._says_finished(cell) and self.problem(cell) is None

    def problem(self, cell: Cell) -> str | None:
        """Return the error, in one line, of a run that is finished but cannot be read; None without an error."""
        if not self._says_finished(cell):
            return None
        from experiments.runs.finished import FinishedRun

        try:
            FinishedRun.read(self.run_folder(cell))
        except ValueError as error:
            return " ".join(str(error).split())
        return None

    def _says_finished(self, cell: Cell) -> bool:
        manifest = read_mapping(self.run_folder(cell) / "manifest.json")
        if manifest is None or not manifest.get("is_finished") or manifest.get("key") != cell.key:
            return False
        if manifest.get("effort") != cell.config.search.effort():
            return False
        versions = manifest.get("versions")
        return isinstance(versions, dict) and library_versions().items() <= versions.items()

    def changed_code(self, cell: Cell) -> tuple[str, ...]:
        """Return the stages of the cell's run that other code than the present has computed."""
        return self.store.changed_code(read_mapping(self.run_folder(cell) / "manifest.json") or {})

    def is_running(self, cell: Cell) -> bool:
        """Return whether a running process works on the cell."""
        return is_locked(self._path(cell, ".lock"))

    @contextmanager
    def working_on(self, cell: Cell) -> Iterator[None]:
        """Keep other processes from the cell and leave this one's number."""
        with locked(self._path(cell, ".lock")):
            self._path(cell, ".pid").write_text(f"{os.getpid()}\n")
            yield

    def record(self, cell: Cell) -> dict[str, Any]:
        """Return `deaths`, the number of its workers that died, and `error`, None where the cell may be tried again."""
        found = read_mapping(self._path(cell, ".json")) or {}
        return {"deaths": found.get("deaths", 0), "error": found.get("error")}

    def record_error(self, cell: Cell, error: str, traceback: str) -> None:
        """Record the error of a cell, in one line, and its traceback."""
        write_text(self._path(cell, ".txt"), traceback)
        self._write(cell, {**self.record(cell), "error": error})

    def record_death(self, cell: Cell, how: str) -> bool:
        """Record the death of a cell's worker; return whether the cell has failed."""
        deaths = int(self.record(cell)["deaths"]) + 1
        is_over = deaths >= MOST_DEATHS
        error = f"its worker ended {deaths} times, at last by {how}" if is_over else None
        self._write(cell, {"deaths": deaths, "error": error})
        return is_over

    def _write(self, cell: Cell, record: dict[str, Any]) -> None:
        write_json(self._path(cell, ".json"), {"cell": cell.label, **record})

    def forget(self, cell: Cell) -> None:
        """Remove the records of a cell's failures."""
        for end in (".json", ".txt"):
            self._path(cell, end).unlink(missing_ok=True)

    def state(self, cell: Cell) -> str:
        """Return the state of a cell, one of `STATES`."""
        if self.is_done(cell):
            return "done"
        if self.is_running(cell):
            return "running"
        return "failed" if self.record(cell)["error"] else "waiting"

    def traceback_path(self, cell: Cell) -> Path | None:
        """Return the path of the traceback of a cell, None without one."""
        path = self._path(cell, ".txt")
        return path if path.exists() else None
