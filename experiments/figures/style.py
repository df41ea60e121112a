"""Conventions of all figures: exact widths, 8 pt searchable text, line styles beside colours, files without dates.

No figure is imported here.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from energy.validation import closest, require_choice
from experiments.storage.files import write_bytes

WIDTHS_IN: Mapping[str, float] = {"ieee1": 3.5, "ieee2": 7.16, "acm1": 3.33, "slide": 10.0}
"""Width of a figure by the publication that it is for. [inch]"""

FORMATS = ("pdf", "png", "svg")

Line = Literal["solid"] | tuple[float, tuple[float, ...]]

LINES: Sequence[Line] = ("solid", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))
"""Line styles that go with the colours, so that curves can be distinguished without colours."""

GREY = "#666666"
"""Colour of notes and of values beside the axes."""

STYLE: Any = {
    "font.size": 8,
    "font.family": "sans-serif",
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.0,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "ebbnas",
    "savefig.dpi": 300,
}


def require_figure(formats: Sequence[str], width: str) -> None:
    """Demand known formats and a known width.

    Raises:
        ValueError: A format or the width is unknown; the message names the nearest one.
    """
    require_choice("--width", width, WIDTHS_IN)
    for name in formats:
        if name not in FORMATS:
            raise ValueError(f"--format must be of {', '.join(FORMATS)}, not {name!r}{closest(name, FORMATS)}")


def save_figure(figure: Figure, path: Path, name: str) -> Path:
    """Write a figure in the format `name`; equal figures give equal bytes."""
    buffer = io.BytesIO()
    # A date would make each file another one.
    metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(name)
    figure.savefig(buffer, format=name, metadata=metadata)
    write_bytes(path, buffer.getvalue())
    return path


def write_figure(
    draw: Callable[[float], Figure], folder: Path, stem: str, formats: Sequence[str], width: str
) -> list[Path]:
    """Draw a figure in the common style and write it in each format.

    Args:
        draw: Returns the figure of a width in inches.
        folder: Folder of the files.
        stem: Name of the files without its end.
        formats: Names from `FORMATS`, one file each.
        width: A key of `WIDTHS_IN`.

    Returns:
        The files.

    Raises:
        ValueError: A format or the width is unknown.
    """
    require_figure(formats, width)
    with mpl.rc_context(STYLE):
        figure = draw(WIDTHS_IN[width])
        return [save_figure(figure, folder / f"{stem}.{name}", name) for name in formats]


def add_grid(axes: Axes, axis: Literal["both", "x", "y"] = "both") -> None:
    """Draw light grid lines at the major ticks, behind the data."""
    axes.grid(which="major", axis=axis, linewidth=0.3, color="#dddddd")
    axes.set_axisbelow(True)


def decimal_ticks(axes: Axes) -> None:
    """Set ticks with plain numbers at 1, 2 and 5 of each decade, finer where fewer than three of them fit."""
    low, high = axes.get_xlim()
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks: list[float] = []
    for steps in ((1, 2, 5), range(1, 10), np.arange(1, 10, 0.5), np.arange(1, 10, 0.1)):
        ticks = [m * 10.0**d for d in decades for m in steps if low <= m * 10.0**d <= high]
        if len(ticks) > 2:
            break
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.12g}"))
