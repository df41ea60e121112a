"""Harvest traces from CSV files: `time_s` and either `voltage_v` or `power_w`, one row per change.

An error in a file is one line that names the file, the line, the column, the rule and the value. Other harvests are
made in `energy.simulation.harvest`.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from energy.events import FloatArray
from energy.simulation.harvest import Harvest
from energy.validation import closest, require_number

LARGEST_GAP = 10
"""A time step of a file longer than this many median steps is a gap."""

COLUMNS = ("time_s", "voltage_v", "power_w", "resistance_ohm")
"""Columns of a trace file: the first, one of the next two, and the last where it is known beside a voltage."""


def read_harvest(path: str | Path, resistance_ohm: float) -> Harvest:
    """Read a trace from a CSV file with columns `time_s` and either `voltage_v` or `power_w`.

    Each row holds until the next, the last as long as the one before it. Times count from the first row. A column
    `resistance_ohm` may stand beside `voltage_v`.

    Args:
        path: The file.
        resistance_ohm: Internal resistance of a source without that column. [ohm]

    Raises:
        ValueError: The file is no such trace; the message names line, column, rule and value.
        OSError: The file cannot be read.
    """
    path = Path(path)
    columns, lines = _columns(path, _rows(path))
    time_s = columns["time_s"]
    steps_s = np.diff(time_s)
    longest_s = LARGEST_GAP * float(np.median(steps_s))
    gap = f"leaves a gap, more than {LARGEST_GAP} times the median step"
    for is_bad, rule in ((steps_s <= 0, "must rise"), (steps_s > longest_s, gap)):
        if is_bad.any():
            at = int(np.argmax(is_bad)) + 1
            raise ValueError(f"{path}, line {lines[at]}: time_s {rule}: {time_s[at]:.12g} after {time_s[at - 1]:.12g}")
    values: dict[str, FloatArray | None] = {name: columns.get(name) for name in COLUMNS[1:]}
    if "voltage_v" in columns and values["resistance_ohm"] is None:
        require_number("resistance_ohm", resistance_ohm, above=0)
        values["resistance_ohm"] = np.full(len(time_s), float(resistance_ohm))
    time_s = time_s - time_s[0]
    try:
        return Harvest(name=path.name, time_s=time_s, duration_s=float(time_s[-1] + steps_s[-1]), **values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Return the lines of a file with their numbers, cells stripped, empty lines at the end left out."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except UnicodeDecodeError:
        raise ValueError(f"{path}: a harvest trace must be a text file with comma-separated values") from None
    except csv.Error as error:
        raise ValueError(f"{path}: a harvest trace must be a CSV file; {error}") from None
    while rows and not any(rows[-1][1]):
        rows.pop()
    return rows


def _columns(path: Path, rows: list[tuple[int, list[str]]]) -> tuple[dict[str, FloatArray], list[int]]:
    """Return the columns by name, and the line of every row."""
    if not rows:
        raise ValueError(f"{path}: a harvest trace must not be empty")
    header = rows.pop(0)[1]
    _check_header(path, header)
    if len(rows) < 2:
        raise ValueError(f"{path}: a harvest trace must have at least 2 rows under its header, not {len(rows)}")
    try:
        table = np.array([cells for _, cells in rows], dtype=np.float64)
    except ValueError:
        table = np.full((len(rows), len(header)), np.nan)
    is_fine = table.shape == (len(rows), len(header)) and bool((np.isfinite(table) & (table >= 0)).all())
    if not is_fine or "resistance_ohm" in header:
        table = _read_cells(path, header, rows)
    return {name: table[:, column].copy() for column, name in enumerate(header)}, [line for line, _ in rows]


def _read_cells(path: Path, header: list[str], rows: list[tuple[int, list[str]]]) -> FloatArray:
    """Return the table cell by cell, which is slow and says where something is wrong."""
    table = np.empty((len(rows), len(header)))
    for index, (line, cells) in enumerate(rows):
        if len(cells) != len(header):
            raise ValueError(f"{path}, line {line}: must have {len(header)} cells like the header, not {len(cells)}")
        for column, (name, cell) in enumerate(zip(header, cells, strict=True)):
            table[index, column] = _number(f"{path}, line {line}: {name}", name, cell)
    return table


def _check_header(path: Path, header: list[str]) -> None:
    for name in header:
        if name not in COLUMNS:
            near = closest(name, COLUMNS)
            raise ValueError(f"{path}: columns must be among {', '.join(COLUMNS)}, not {name!r}{near}")
        if header.count(name) > 1:
            raise ValueError(f"{path}: column {name} must stand there once, not {header.count(name)} times")
    if "time_s" not in header:
        raise ValueError(f"{path}: column time_s is missing")
    n_kinds = ("voltage_v" in header) + ("power_w" in header)
    if n_kinds != 1:
        found = "both" if n_kinds else "neither"
        raise ValueError(f"{path}: must have either column voltage_v or column power_w, not {found}")
    if "resistance_ohm" in header and "power_w" in header:
        raise ValueError(f"{path}: column resistance_ohm must stand beside voltage_v, not beside power_w")


def _number(where: str, name: str, cell: str) -> float:
    """Return the number of a cell, checked as its column demands."""
    if not cell:
        raise ValueError(f"{where} must not be empty")
    try:
        value = float(cell)
    except ValueError:
        raise ValueError(f"{where} must be a number, not {cell!r}") from None
    require_number(where, value, least=0)
    if name == "resistance_ohm":
        require_number(where, value, above=0)
    return value
