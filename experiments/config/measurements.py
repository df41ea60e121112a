"""Micro-benchmarks of a board as a CSV: one row per benchmark, see `energy/hardware/templates/board.toml`."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from energy.hardware.calibration import UNIT_OF_LINE, Measurements
from energy.validation import closest

COLUMNS = ("event", "size", "energy_j", "time_s", "repeats")


class MeasurementFile(NamedTuple):
    """Measurements of a file, and the names of its columns that were not read."""

    measurements: Measurements
    ignored_columns: list[str]


def read_measurements(path: Path) -> MeasurementFile:
    """Read a CSV of micro-benchmarks; empty lines and lines that begin with # are skipped.

    Raises:
        ValueError: A column is missing, a cell is not a number, or no row is found; the message names file and line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(_rows(file))
        if not rows:
            raise ValueError("it is empty; the first line must name the columns")
        head = [cell.strip() for cell in rows[0][1]]
        for column in COLUMNS:
            if head.count(column) != 1:
                problem = f"is given {head.count(column)} times" if column in head else "is missing"
                near = "" if column in head else closest(column, [name for name in head if name not in COLUMNS])
                raise ValueError(f"column {column!r} {problem}{near.replace('did you mean', 'is it')}")
        cells = [dict(zip(head, _cells(row, line, len(head)), strict=True)) for line, row in rows[1:]]
        return MeasurementFile(
            measurements=_measurements(cells, [line for line, _ in rows[1:]]),
            ignored_columns=[name for name in head if name not in COLUMNS],
        )
    except UnicodeDecodeError:
        raise ValueError(f"{path}: must be a CSV file in UTF-8") from None
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path}: {error}") from None


def _rows(file: Any) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(file)
    for row in reader:
        if any(cell.strip() for cell in row) and not row[0].lstrip().startswith("#"):
            yield reader.line_num, row


def _cells(row: Sequence[str], line: int, n_columns: int) -> list[str]:
    if len(row) != n_columns:
        raise ValueError(f"line {line}: there must be {n_columns} cells, not {len(row)}")
    return [cell.strip() for cell in row]


def _measurements(cells: Sequence[Mapping[str, str]], lines: Sequence[int]) -> Measurements:
    pairs = list(zip(cells, lines, strict=True))
    return Measurements(
        event=tuple(row["event"] for row in cells),
        size=np.array([_whole("size", row["size"] or _no_size(row["event"]), line) for row, line in pairs], np.int64),
        energy_j=np.array([_number("energy_j", row["energy_j"], line) for row, line in pairs]),
        time_s=np.array([_number("time_s", row["time_s"], line) for row, line in pairs]),
        repeats=np.array([_whole("repeats", row["repeats"], line) for row, line in pairs], np.int64),
        row=tuple(lines),
    )


def _no_size(event: str) -> str:
    return "" if event in UNIT_OF_LINE else "1"


def _number(field: str, text: str, line: int) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"line {line}: {field} must be a number, not {text!r}") from None


def _whole(field: str, text: str, line: int) -> int:
    value = _number(field, text, line)
    if not math.isfinite(value) or value != int(value) or abs(value) > 2**62:
        raise ValueError(f"line {line}: {field} must be a whole number, not {text!r}")
    return int(value)
