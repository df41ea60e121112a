"""The reader of a finished run: rows of its fronts, evaluations, manifest and config; nothing is computed or changed.

The checks that all commands on finished runs need are here, once: a run's folder, finished, of this schema, whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from energy.validation import closest
from evo.objectives import Floats
from experiments.config.read import read_config
from experiments.config.schema import Config
from experiments.formatting.quantities import budget_name, parse
from experiments.runs.front_row import FrontRow
from experiments.storage.files import read_json
from experiments.storage.keys import SCHEMA
from experiments.storage.run_folder import FRONTS_FILE, MANIFEST_FILE, require_run_folder
from experiments.storage.tables import FRONTS, read_table

KINDS: Mapping[str, str] = {"finetuned": "fine-tuned", "inherited": "inherited"}
"""Kinds of accuracy on validation by which designs are compared, with their names in text; the first known is used."""


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """One finished run.

    Attributes:
        folder: Its folder.
        manifest: Settings, versions and hashes that it was made of, and its summary.
        rows: Rows of its fronts, one for each fine-tuned design.
    """

    folder: Path
    manifest: Mapping[str, Any]
    rows: tuple[FrontRow, ...]

    @classmethod
    def read(cls, folder: Path) -> FinishedRun:
        """Read a run.

        Raises:
            ValueError: The folder is not that of a finished run of this schema, or a file is missing or damaged.
        """
        require_run_folder(folder)
        manifest = read_manifest(folder)
        if not manifest.get("is_finished") or not isinstance(manifest.get("n_inherited_front"), dict):
            raise ValueError(f"{folder}: must be a finished run; `search` on the folder continues it")
        rows = read_front_rows(folder, is_needed=any(manifest["n_inherited_front"].values()))
        return cls(folder=folder, manifest=manifest, rows=rows)

    @property
    def budgets(self) -> tuple[str, ...]:
        """Names of its budgets, such as `470uF`, in the order of its config."""
        return tuple(self.manifest["n_inherited_front"])

    @cached_property
    def config(self) -> Config:
        """Its config.

        Raises:
            ValueError: It is damaged, or of another version.
        """
        return read_config(str(self.folder))

    def budget(self, text: str) -> str:
        """Return the name of the budget that is written as `"470uF"` or `"0.47mF"`.

        Raises:
            ValueError: The run has no such budget.
        """
        name = budget_name(parse("budget", text, "F"))
        if name not in self.budgets:
            rule = f"budget must be of {', '.join(self.budgets)} of {self.folder}"
            raise ValueError(f"{rule}, not {text!r}{closest(name, self.budgets)}")
        return name

    def of_budget(self, budget: str) -> list[FrontRow]:
        """Return the rows of one budget."""
        return [row for row in self.rows if row.budget == budget]

    def front(self, budget: str) -> list[FrontRow]:
        """Return the rows of one budget that are on its front, in the order of the table: fastest first."""
        return [row for row in self.of_budget(budget) if row.on_front]

    def values(self, kind: str) -> dict[str, Floats]:
        """Return error on validation and latency of its feasible designs, `(n, 2)` a budget. [1], [s]

        Args:
            kind: Of `KINDS`: `finetuned` are the rows of the fronts, `inherited` everything priced whose accuracy was
                inherited, not predicted.

        Raises:
            ValueError: A budget has designs, none of which has such an accuracy, or a file is missing or damaged.
        """
        return {
            budget: self._finetuned(budget) if kind == "finetuned" else self._inherited(budget)
            for budget in self.budgets
        }

    def _finetuned(self, budget: str) -> Floats:
        rows = self.of_budget(budget)
        known = [(1 - found.value, row.latency_s) for row in rows if (found := row.accuracy("finetuned", "val"))]
        if rows and not known:
            raise ValueError(f"{self.folder}: nothing of {budget} was fine-tuned; only inherited accuracy is known")
        return np.array(known, dtype=np.float64).reshape(-1, 2)

    def _inherited(self, budget: str) -> Floats:
        priced = self.evaluations(budget)
        return np.asarray(priced[np.isfinite(priced).all(axis=1)])

    def evaluations(self, budget: str) -> Floats:
        """Return error on validation and latency of every design priced at a budget, in that order, `(n, 2)`. [1], [s]

        The latency of a design that breaks a limit is infinite, and so is the error of one that was only predicted.

        Raises:
            ValueError: The run has no evaluations of it, or they are damaged.
        """
        columns = ["feasible", "accuracy_inherited_val", "latency_s"]
        paths = sorted((self.folder / "evaluations").glob(f"part-{budget}-{'[0-9]' * 7}-{'[0-9]' * 7}.parquet"))
        if not paths:
            raise ValueError(
                f"{self.folder / 'evaluations'}: no evaluations of {budget} found; `search` on the run writes them"
            )
        parts = []
        for path in paths:
            try:
                frame = pq.read_table(path, columns=columns).to_pandas()
            except (pa.ArrowInvalid, KeyError) as error:
                raise ValueError(f"{path}: must be whole Parquet: {str(error).splitlines()[0]}") from None
            latency_s = frame["latency_s"].where(frame["feasible"])
            parts.append(np.column_stack([1 - frame["accuracy_inherited_val"], latency_s]).astype(np.float64))
        whole: Floats = np.concatenate(parts)
        whole[np.isnan(whole)] = np.inf
        return whole


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a run, finished or not.

    Raises:
        ValueError: It is missing, damaged or of another schema.
    """
    path = folder / MANIFEST_FILE
    manifest = read_json(path)
    if not isinstance(manifest, dict):
        raise ValueError(f"{path}: must be an object, not {type(manifest).__name__}")
    _require_schema(path, manifest.get("schema"))
    return manifest


def read_front_rows(folder: Path, *, is_needed: bool = True) -> tuple[FrontRow, ...]:
    """Read the rows of a run's fronts.

    Args:
        folder: The run's folder.
        is_needed: Whether a missing table is an error; a run without any feasible design writes none.

    Raises:
        ValueError: The table is missing, damaged or of another schema.
    """
    path = folder / FRONTS_FILE
    if not is_needed and not path.exists():
        return ()
    rows = read_table(path)
    schema = pq.read_schema(path)
    _require_schema(path, _schema_version(schema))
    if missing := [name for name in FRONTS.names if name not in schema.names]:
        raise ValueError(f"{path}: column {missing[0]!r} is missing; the run was written by another version")
    try:
        return tuple(FrontRow.of(row) for row in rows)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _require_schema(path: Path, found: object) -> None:
    if found != SCHEMA:
        raise ValueError(f"{path}: schema must be {SCHEMA}, not {found!r}; `search` makes the run anew")


def _schema_version(schema: pa.Schema) -> int | str | None:
    text = (schema.metadata or {}).get(b"schema", b"").decode()
    return int(text) if text.isdecimal() else text or None
