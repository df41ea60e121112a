"""A finished run as its files tell it: rows of its fronts, its evaluations, its config; nothing is computed or changed.

What every command asks that works on finished runs is checked here once: is it a run, finished, of this schema.
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
from experiments.config.schema import Config, read_config
from experiments.formatting.quantities import budget_name, parse
from experiments.storage.files import read_json
from experiments.storage.keys import SCHEMA
from experiments.storage.tables import FRONTS, Row, read_table

KINDS: Mapping[str, str] = {"finetuned": "fine-tuned", "inherited": "inherited"}
"""Kinds of accuracy that a run's designs have, with how a person calls them; the first is used where it is known."""


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """One finished run.

    Attributes:
        folder: Its folder.
        manifest: What it was made of, and what it found.
        rows: Rows of its fronts, all that were fine-tuned.
    """

    folder: Path
    manifest: Mapping[str, Any]
    rows: tuple[Row, ...]

    @classmethod
    def read(cls, folder: Path) -> FinishedRun:
        """Read a run.

        Raises:
            ValueError: It is no finished run of this schema, or a file of it is missing or damaged.
        """
        if not folder.is_dir():
            raise ValueError(f"{folder}: there is no such run")
        if not (folder / "config.toml").is_file():
            raise ValueError(f"{folder}: the folder holds no config.toml, so it is no run")
        manifest = read_json(folder / "manifest.json")
        if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
            found = manifest.get("schema") if isinstance(manifest, dict) else None
            raise ValueError(
                f"{folder / 'manifest.json'}: schema must be {SCHEMA}, not {found!r}; `search` makes it anew"
            )
        if not manifest.get("is_finished") or not isinstance(manifest.get("n_inherited_front"), dict):
            raise ValueError(f"{folder}: must be a finished run; `search` on the folder goes on with it")
        return cls(folder=folder, manifest=manifest, rows=_rows(folder, manifest))

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
        """Return the budget that a person means by `"470uF"` or `"0.47mF"`.

        Raises:
            ValueError: It is none of this run.
        """
        name = budget_name(parse("budget", text, "F"))
        if name not in self.budgets:
            rule = f"budget must be of {', '.join(self.budgets)} of {self.folder}"
            raise ValueError(f"{rule}, not {text!r}{closest(name, self.budgets)}")
        return name

    def of_budget(self, budget: str) -> list[Row]:
        """Return the rows of one budget."""
        return [row for row in self.rows if row["budget"] == budget]

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
        rows = [row for row in self.of_budget(budget) if row["accuracy_finetuned_val"] is not None]
        if self.of_budget(budget) and not rows:
            raise ValueError(f"{self.folder}: nothing of {budget} was fine-tuned; only inherited accuracy is known")
        errors = [1 - row["accuracy_finetuned_val"] for row in rows]
        return np.column_stack([errors, [row["latency_s"] for row in rows]]).astype(np.float64)

    def _inherited(self, budget: str) -> Floats:
        priced = self.evaluations(budget)
        return np.asarray(priced[np.isfinite(priced).all(axis=1)])

    def evaluations(self, budget: str) -> Floats:
        """Return error on validation and latency of every design priced at a budget, in that order, `(n, 2)`. [1], [s]

        Infinite are the latency where it breaks a limit and the error where it was predicted only.

        Raises:
            ValueError: The run has no evaluations of it, or they are damaged.
        """
        columns = ["feasible", "accuracy_inherited_val", "latency_s"]
        paths = sorted((self.folder / "evaluations").glob(f"part-{budget}-{'[0-9]' * 7}-{'[0-9]' * 7}.parquet"))
        if not paths:
            raise ValueError(
                f"{self.folder / 'evaluations'}: there are none of {budget}; `search` on the run writes them"
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


def _rows(folder: Path, manifest: Mapping[str, Any]) -> tuple[Row, ...]:
    """Return the rows of the fronts; none where nothing was feasible, and so no table written."""
    path = folder / "fronts.parquet"
    if not path.exists():
        if any(manifest["n_inherited_front"].values()):
            raise ValueError(f"{path}: there is no such file; `search` on the folder writes it")
        return ()
    rows = read_table(path)
    missing = [name for name in FRONTS.names if rows and name not in rows[0]]
    if missing:
        raise ValueError(f"{path}: column {missing[0]} is missing; the run is of an older version")
    return tuple(rows)
