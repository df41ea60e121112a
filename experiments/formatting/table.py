"""Tables of text cells, laid out for a terminal, a paper (LaTeX), a page (HTML) or a document (Markdown)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from html import escape

_LATEX = str.maketrans(
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


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        head: Column titles, `(n_columns,)`.
        rows: Cells, `(n_rows, n_columns)`.
        text: Columns of text, aligned left; all others are aligned right.

    Raises:
        ValueError: A row has another number of cells than the head.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    text: Collection[int] = (0,)

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.head):
                raise ValueError(f"a row must have {len(self.head)} cells, as the head has, not {len(row)}")

    def to_text(self) -> str:
        """Return lines of text, columns as wide as their widest cell, a rule under the head."""
        widths = [max(len(line[column]) for line in (self.head, *self.rows)) for column in range(len(self.head))]

        def line(cells: Sequence[str]) -> str:
            padded = (
                cell.ljust(width) if column in self.text else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
            )
            return "  ".join(padded).rstrip()

        return "\n".join([line(self.head), "  ".join("-" * width for width in widths), *map(line, self.rows)])

    def to_latex(self) -> str:
        r"""Return a `tabular` whose cells are escaped; a cell `-` is empty.

        The document needs `\usepackage{booktabs}` and, for quantities, `T1` fonts. Where first cells repeat, a rule
        separates the rows whose first cells differ.
        """
        columns = "".join("l" if column in self.text else "r" for column in range(len(self.head)))
        firsts = [row[0] for row in self.rows]
        is_grouped = len(set(firsts)) < len(firsts)
        lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", _latex_line(self.head), r"\midrule"]
        for index, row in enumerate(self.rows):
            if is_grouped and index and row[0] != firsts[index - 1]:
                lines.append(r"\midrule")
            lines.append(_latex_line(row))
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])

    def to_html(self) -> str:
        """Return a `table` whose cells are escaped, inside a block that scrolls; cells of numbers have a class."""
        body = "".join(f"<tr>{self._html_cells('td', row)}</tr>" for row in self.rows)
        head = f"<thead><tr>{self._html_cells('th', self.head)}</tr></thead>"
        return f'<div class="scroll"><table>{head}<tbody>{body}</tbody></table></div>'

    def _html_cells(self, kind: str, cells: Sequence[str]) -> str:
        marks = ("" if column in self.text else ' class="number"' for column in range(len(cells)))
        return "".join(f"<{kind}{mark}>{escape(cell)}</{kind}>" for mark, cell in zip(marks, cells, strict=True))

    def to_markdown(self) -> str:
        """Return lines of Markdown; a bar inside a cell becomes a slash."""
        rule = ["---" if column in self.text else "---:" for column in range(len(self.head))]
        lines = [self.head, rule, *self.rows]
        return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def escape_latex(text: str) -> str:
    """Return text that LaTeX typesets unchanged."""
    return text.translate(_LATEX)


def _latex_line(cells: Sequence[str]) -> str:
    # A row that begins with a bracket would be read as an option of the line break before it.
    shown = ["--" if cell == "-" else escape_latex(cell) for cell in cells]
    shown[0] = f"{{}}{shown[0]}" if shown[0].startswith(("[", "*")) else shown[0]
    return " & ".join(shown) + r" \\"
