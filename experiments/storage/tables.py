"""Tables on disk: the columns of fronts and evaluations, written and read as Parquet and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from evo.objectives import CONSTRAINTS, FIGURES
from experiments.storage.files import write_bytes
from experiments.storage.keys import SCHEMA

Row = dict[str, Any]
"""One row by column name; a missing column is null."""

TIMES = ("reboot_s", "recovery_s", "fetch_s", "compute_s", "preserve_s")
"""Parts of the active time that `fronts` holds. [s]"""

_ACCURACIES = (
    "accuracy_inherited_val",
    "accuracy_finetuned_val",
    "accuracy_finetuned_test",
    "accuracy_deployed_val",
    "accuracy_deployed_test",
)
_TYPES: dict[str, pa.DataType] = {
    "id": pa.string(),
    "budget": pa.string(),
    "capacitance_f": pa.float64(),
    "resistance_ohm": pa.float64(),
    "on_front": pa.bool_(),
    **{f"{name}{end}": pa.float64() for name in _ACCURACIES for end in ("", "_low", "_high")},
    "latency_s": pa.float64(),
    "response_latency_s": pa.float64(),
    "worst_case_latency_s": pa.float64(),
    "energy_j": pa.float64(),
    "power_cycles": pa.int64(),
    "active_s": pa.float64(),
    "recharge_s": pa.float64(),
    **dict.fromkeys(TIMES, pa.float64()),
    "limit_plan_s": pa.float64(),
    "vm_bytes": pa.int64(),
    "nvm_bytes": pa.int64(),
    "n_parameters": pa.int64(),
    "n_macs": pa.int64(),
    "safe": pa.bool_(),
    "verified": pa.bool_(),
    "binding_constraint": pa.string(),
    "architecture": pa.string(),
    "genome": pa.string(),
    "policy": pa.string(),
    "rules": pa.string(),
    "network": pa.string(),
    "seed": pa.int64(),
}
FRONTS = pa.schema(list(_TYPES.items()), metadata={"schema": str(SCHEMA)})
"""Columns of `fronts.parquet` and `fronts.csv`; null is what no stage fills yet."""

EVALUATIONS = pa.schema(
    [
        ("budget", pa.string()),
        ("generation", pa.int64()),
        ("feasible", pa.bool_()),
        ("accuracy_inherited_val", pa.float64()),
        ("accuracy_predicted_val", pa.float64()),
        *((name, pa.float64()) for name in FIGURES),
        *((row.column, pa.float64()) for row in CONSTRAINTS),
        ("architecture", pa.string()),
        ("genome", pa.string()),
    ],
    metadata={"schema": str(SCHEMA)},
)
"""Columns of `evaluations/part-*.parquet`; infeasible designs have no latency."""


def write_table(path: Path, rows: Sequence[Row], schema: pa.Schema) -> None:
    """Write rows as Parquet, or as CSV where the name ends in `.csv`; missing columns are null."""
    write_columns(path, as_columns(rows, schema))


def write_columns(path: Path, columns: pa.Table) -> None:
    """Write a table as Parquet, or as CSV where the name ends in `.csv`."""
    if path.suffix == ".csv":
        write_bytes(path, csv_text(columns).encode())
        return
    buffer = io.BytesIO()
    pq.write_table(columns, buffer)
    write_bytes(path, buffer.getvalue())


def as_columns(rows: Sequence[Row], schema: pa.Schema) -> pa.Table:
    """Return rows as a table; missing columns are null."""
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema)


def csv_text(columns: pa.Table) -> str:
    """Return a table as CSV with a head line; null is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns.column_names)
    writer.writerows(zip(*([_cell(value) for value in column.to_pylist()] for column in columns), strict=True))
    return text.getvalue()


def _cell(value: Any) -> str:
    """Return a CSV cell with full precision, empty where there is no value."""
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def read_table(path: Path) -> list[Row]:
    """Return the rows of a Parquet file.

    Raises:
        ValueError: The file is missing or damaged.
    """
    try:
        return list(pq.read_table(path).to_pylist())
    except FileNotFoundError:
        raise ValueError(f"{path}: file not found; has the run finished?") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path}: must be whole Parquet: {str(error).splitlines()[0]}") from None
