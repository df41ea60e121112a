"""The table of a grid: the fronts of all done cells, with the values of the axes as columns, and no times."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from experiments.grids.cells import CellBook
from experiments.grids.files import Cell
from experiments.runs.finished import read_front_rows
from experiments.storage.keys import SCHEMA
from experiments.storage.tables import FRONTS, Row, write_table


class GridTable(NamedTuple):
    """Paths of a grid's table, and the number of its rows. [1]"""

    paths: list[Path]
    n_rows: int


def write_grid_table(book: CellBook, done: Sequence[Cell]) -> GridTable:
    """Write `table.parquet` and `table.csv` with the fronts of done cells."""
    schema = _schema(book)
    rows: list[Row] = []
    for cell in done:
        axes = {axis: _typed(value, schema.field(axis).type) for axis, value in cell.values.items()}
        found = read_front_rows(book.run_folder(cell), is_needed=False)
        rows += [{**row.to_dict(), **axes, "run": cell.folder_name} for row in found]
    paths = [book.folder / "table.parquet", book.folder / "table.csv"]
    for path in paths:
        write_table(path, rows, schema)
    return GridTable(paths, len(rows))


def _schema(book: CellBook) -> pa.Schema:
    """Return axes, the run, then the columns of `fronts`; an axis stands for the column of its name."""
    axes = [(axis, _type([cell.values[axis] for cell in book.grid.cells])) for axis in book.grid.axes]
    fronts = [(field.name, field.type) for field in FRONTS if field.name not in (*book.grid.axes, "run")]
    return pa.schema([*axes, ("run", pa.string()), *fronts], metadata={"schema": str(SCHEMA)})


def _type(values: Sequence[Any]) -> pa.DataType:
    """Return the narrowest column that holds all values as they are."""
    for kinds, column in (((bool,), pa.bool_()), ((int,), pa.int64()), ((int, float), pa.float64())):
        if all(type(value) in kinds for value in values):
            return column
    return pa.string()


def _typed(value: Any, column: pa.DataType) -> Any:
    if pa.types.is_string(column):
        return str(value)
    return float(value) if pa.types.is_floating(column) else value
