"""Plain text tables for people: columns as wide as they need to be, numbers to the right, one rule under the head."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, text: Collection[int] = (0,)) -> str:
    """Lay out a table.

    Args:
        head: Column titles, `(n_columns,)`.
        rows: Cells, `(n_rows, n_columns)`.
        text: Columns that are text and stand to the left; all others stand to the right.
    """
    widths = [max(len(line[column]) for line in (head, *rows)) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if column in text else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join(padded).rstrip()

    return "\n".join([line(head), "  ".join("-" * width for width in widths), *(line(row) for row in rows)])
