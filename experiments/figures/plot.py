"""Figures for papers, drawn from a run's files alone: exact widths, 8 pt searchable text, colours plus markers.

`front` shows accuracy over latency, a curve a budget. Members were chosen on validation and stand at their test
accuracies, so a dent is seen as a dent.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from energy.validation import closest, require_choice
from experiments.runs.finished import read_front_rows
from experiments.runs.front_row import FrontRow
from experiments.storage.files import write_bytes

WIDTHS_IN: Mapping[str, float] = {"ieee1": 3.5, "ieee2": 7.16, "acm1": 3.33, "slide": 10.0}
"""Width of a figure by the place it goes to. [inch]"""

FORMATS = ("pdf", "png", "svg")

_CHARACTER_PT, _LINE_PT = 4.8, 9.5
"""Mean width of a character and height of a line at 8 pt. [pt]"""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Okabe and Ito's colours, told apart by colour-blind readers."""

Line = Literal["solid"] | tuple[float, tuple[float, ...]]

LINES: Sequence[Line] = ("solid", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))
"""Line styles that go with the colours, so that curves are told apart without them."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")

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


def plot_run(
    run: Path, *, kind: str, formats: Sequence[str], width: str, beside: Sequence[Path] = (), design: str | None = None
) -> list[Path]:
    """Draw a figure of a run into its folder `figures/`.

    Args:
        run: The run's folder.
        kind: A key of `KINDS`.
        formats: Of `FORMATS`, one file each.
        width: A key of `WIDTHS_IN`.
        beside: Other runs: one whose fronts are drawn beside those of this one, such as one of another policy; for
            `convergence` any number, other seeds or methods.
        design: Id of the design whose time line is drawn; None for the front's member that is best on validation.

    Returns:
        The files.

    Raises:
        ValueError: An argument is unknown or not built yet, or the run has no such files.
    """
    require_choice("--kind", kind, KINDS)
    require_figure(formats, width)
    if beside and kind not in ("front", "convergence"):
        raise ValueError(f"--beside must be used with --kind front or convergence, not {kind}")
    if len(beside) > 1 and kind == "front":
        raise ValueError(f"--beside must name one run with --kind front, not {len(beside)}; `compare` takes more")
    # The other figures draw with the conventions of this module.
    if kind == "predictor":
        from experiments.figures.predictor import plot_predictor

        return plot_predictor(run, formats, width)
    if kind == "timeline":
        from experiments.figures.timelines import plot_timeline

        return plot_timeline(run, formats, width, design)
    if kind == "convergence":
        from experiments.figures.convergence import plot_convergence

        return plot_convergence(run, beside, formats, width)
    if kind == "breakdown":
        from experiments.figures.breakdown import plot_breakdown

        return plot_breakdown(run, formats, width)
    other = beside[0] if beside else None
    with mpl.rc_context(STYLE):
        figure = front(run, WIDTHS_IN[width], other)
        stem = kind if other is None else f"{kind}-beside-{other.name}"
        return [save_figure(figure, run / "figures" / f"{stem}.{name}", name) for name in formats]


def require_figure(formats: Sequence[str], width: str) -> None:
    """Demand formats and a width that are known.

    Raises:
        ValueError: One is not; the nearest is named.
    """
    require_choice("--width", width, WIDTHS_IN)
    for name in formats:
        if name not in FORMATS:
            raise ValueError(f"--format must be of {', '.join(FORMATS)}, not {name!r}{closest(name, FORMATS)}")


def save_figure(figure: Figure, path: Path, name: str) -> Path:
    """Write a figure in the format `name`; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    # Without a date the same data gives the same bytes.
    metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(name)
    figure.savefig(buffer, format=name, metadata=metadata)
    write_bytes(path, buffer.getvalue())
    return path


def front(run: Path, width_in: float, beside: Path | None = None) -> Figure:
    """Test accuracy over latency: members of each front with their intervals, all others light.

    Args:
        run: The run's folder.
        width_in: Width of the figure. [inch]
        beside: Another run; its fronts are dashed, in the colours of their budgets, and named by what differs.
    """
    rows = read_front_rows(run)
    figure = Figure(figsize=(width_in, min(0.72 * width_in, 4.6)), layout="constrained")
    axes = figure.add_subplot()
    budgets = sorted({row.budget: row.capacitance_f for row in rows}.items(), key=lambda item: item[1])
    for index, (budget, _) in enumerate(budgets):
        own = [row for row in rows if row.budget == budget]
        _draw_budget(axes, own, COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)])
    if beside is not None:
        others = read_front_rows(beside)
        _draw_beside(axes, others, [budget for budget, _ in budgets], _names((run, rows), (beside, others)))
    axes.set_xscale("log")
    axes.margins(x=0.07)
    decimal_ticks(axes)
    axes.set_xlabel("latency of one inference [s]")
    axes.set_ylabel("test accuracy, fine-tuned [%]")
    axes.grid(which="major", linewidth=0.3, color="#dddddd")
    axes.set_axisbelow(True)
    axes.text(
        0.99, 0.02, "hollow: off the front, bars: 95 %", transform=axes.transAxes, ha="right", va="bottom",
        color="#666666",
    )  # fmt: skip
    _label_curves(axes, rows, [budget for budget, _ in budgets])
    return figure


def _draw_budget(axes: Axes, rows: Sequence[FrontRow], colour: str, marker: str) -> None:
    """One curve: members with their interval as a thin bar, other fine-tuned designs hollow and light."""
    others = [row for row in rows if not row.on_front]
    axes.plot(
        *_points(others), linestyle="none", marker=marker, markersize=2.5, markerfacecolor="white",
        markeredgewidth=0.5, color=colour, alpha=0.6,
    )  # fmt: skip
    members = _members(rows)
    latency_s, accuracy = _points(members)
    low, high = (
        np.array([row.number(f"accuracy_finetuned_test_{end}") for row in members], dtype=np.float64)
        for end in ("low", "high")
    )
    axes.vlines(latency_s, 100 * low, 100 * high, color=colour, alpha=0.3, linewidth=0.7)
    axes.plot(latency_s, accuracy, color=colour, marker=marker, markersize=3, linewidth=0.9)


def _draw_beside(axes: Axes, others: Sequence[FrontRow], budgets: Sequence[str], names: Sequence[str]) -> None:
    """Fronts of another run, dashed, with a key that says which of the two is which."""
    for index, budget in enumerate(budgets):
        own = _members([row for row in others if row.budget == budget])
        axes.plot(*_points(own), color=COLOURS[index % len(COLOURS)], linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
    lines = [Line2D([], [], color="#444444", linewidth=0.9, linestyle=style) for style in ("solid", (0, (3, 2)))]
    # Above the axes: inside them it would lie on intervals and labels.
    axes.legend(
        lines, names, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=1 if sum(map(len, names)) > 32 else 2,
        frameon=False, handlelength=2.2, columnspacing=1.2, borderaxespad=0.1,
    )  # fmt: skip


def _names(*runs: tuple[Path, Sequence[FrontRow]]) -> list[str]:
    """What distinguishes each of two runs: policy or rules, else the space of its networks, else its folder."""
    for title, column in (("policy", "policy"), ("rules", "rules"), ("space", "network")):
        # The text form of a network begins with its space.
        values = [str(getattr(rows[0], column)).split()[0] for _, rows in runs if rows]
        if len(set(values)) == len(runs):
            return [f"{title} {value}" for value in values]
    return [folder.resolve().name for folder, _ in runs]


def _members(rows: Sequence[FrontRow]) -> list[FrontRow]:
    return sorted((row for row in rows if row.on_front), key=lambda row: row.latency_s)


def _points(rows: Sequence[FrontRow]) -> tuple[list[float], list[float]]:
    return [row.latency_s for row in rows], [_test_percent(row) for row in rows]


def _test_percent(row: FrontRow) -> float:
    return 100 * row.known_accuracy("finetuned", "test")


def _label_curves(axes: Axes, rows: Sequence[FrontRow], budgets: Sequence[str]) -> None:
    """The budget's name above the slow end of its curve, clear of all curves and of the other names."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    points_pt = _on_page_pt(axes, _members(rows))
    placed: list[tuple[float, float, float]] = []
    for index, budget in enumerate(budgets):
        end = _members([row for row in rows if row.budget == budget])[-1]
        ((x_pt, y_pt),) = _on_page_pt(axes, [end])
        text = shown_budget(budget)
        half_pt = len(text) * _CHARACTER_PT / 2
        top_pt = max(y for x, y in points_pt if abs(x - x_pt) < half_pt + 2) + 4
        while any(abs(x - x_pt) < half_pt + half and abs(y - top_pt) < _LINE_PT for x, y, half in placed):
            top_pt += 1.0
        placed.append((x_pt, top_pt, half_pt))
        axes.annotate(
            text, (end.latency_s, _test_percent(end)), xytext=(0, top_pt - y_pt),
            textcoords="offset points", ha="center", va="bottom", color=COLOURS[index % len(COLOURS)],
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )  # fmt: skip


def _on_page_pt(axes: Axes, rows: Sequence[FrontRow]) -> list[tuple[float, float]]:
    """Where designs lie on the page. [pt]"""
    pixels = axes.transData.transform(np.column_stack(_points(rows)))
    scale = 72.0 / axes.figure.dpi
    return [(float(x) * scale, float(y) * scale) for x, y in pixels]


def decimal_ticks(axes: Axes) -> None:
    """Ticks with plain numbers at 1, 2 and 5 of each decade, finer where fewer than three of them fit."""
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


def shown_budget(budget: str) -> str:
    """Return the name of a budget as figures write it: `470 µF`."""
    number = budget.rstrip("Fpnum")
    return f"{number} {budget[len(number) :].replace('u', 'µ')}"


KINDS = ("front", "breakdown", "convergence", "predictor", "timeline")
"""Kinds of figures."""
