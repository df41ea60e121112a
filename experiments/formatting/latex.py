"""Tables for papers: LaTeX with the rules of the package booktabs, every cell escaped."""

from __future__ import annotations

from collections.abc import Collection, Sequence

_ESCAPED = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
        "µ": r"\textmu{}",
        "μ": r"\textmu{}",
        "±": r"\textpm{}",
        "Ω": r"\textohm{}",
        "\n": " ",
    }
)


def escaped(text: str) -> str:
    """Return the text that LaTeX typesets as it stands."""
    return text.translate(_ESCAPED)


def booktabs(head: Sequence[str], rows: Sequence[Sequence[str]], *, text: Collection[int] = (0,)) -> str:
    r"""Return a `tabular`; the document needs `\usepackage{booktabs}` and, for quantities, `T1` fonts.

    Args:
        head: Column titles, `(n_columns,)`.
        rows: Cells, `(n_rows, n_columns)`; `-` is nothing. A rule parts rows whose first cells differ where first cells
            repeat.
        text: Columns that are text and stand to the left; all others stand to the right.

    Raises:
        ValueError: A row has another number of cells than the head.
    """
    for row in rows:
        if len(row) != len(head):
            raise ValueError(f"a row must have {len(head)} cells, as the head has, not {len(row)}")
    columns = "".join("l" if column in text else "r" for column in range(len(head)))
    firsts = [row[0] for row in rows]
    is_grouped = len(set(firsts)) < len(firsts)
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", _line(head), r"\midrule"]
    for index, row in enumerate(rows):
        if is_grouped and index and row[0] != firsts[index - 1]:
            lines.append(r"\midrule")
        lines.append(_line(row))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _line(cells: Sequence[str]) -> str:
    # A row that begins with a bracket would be read as an option of the line break before it.
    shown = ["--" if cell == "-" else escaped(cell) for cell in cells]
    shown[0] = f"{{}}{shown[0]}" if shown[0].startswith(("[", "*")) else shown[0]
    return " & ".join(shown) + r" \\"
