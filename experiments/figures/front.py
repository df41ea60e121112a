"""The figure of a run's fronts: test accuracy over latency, one curve per budget.

Members were chosen on validation and stand at their test accuracies, so a curve may have dents.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from experiments.figures.style import GREY, add_grid, decimal_ticks, write_figure
from experiments.formatting.colours import COLOURS, MARKERS
from experiments.formatting.quantities import budget_label
from experiments.runs.finished import read_front_rows
from experiments.runs.front_row import FrontRow

_CHARACTER_PT, _LINE_PT = 4.8, 9.5
"""Mean width of a character and height of a line at 8 pt. [pt]"""

_DASHES = (0, (3, 2))
"""Line style of another run's fronts."""


def plot_front(run: Path, beside: Path | None, formats: Sequence[str], width: str) -> list[Path]:
    """Draw the fronts of a run, and of another beside them, into its folder `figures/`.

    Args:
        run: The run's folder.
        beside: Folder of another run, such as one of another policy, or None.
        formats: Names from `experiments.figures.style.FORMATS`, one file each.
        width: A key of `experiments.figures.style.WIDTHS_IN`.

    Returns:
        The files.

    Raises:
        ValueError: An argument is unknown, or a run has no fronts.
    """
    stem = "front" if beside is None else f"front-beside-{beside.name}"
    return write_figure(lambda width_in: draw(run, width_in, beside), run / "figures", stem, formats, width)


def draw(run: Path, width_in: float, beside: Path | None = None) -> Figure:
    """Return the figure: members of each front with their intervals, all other designs light.

    Args:
        run: The run's folder.
        width_in: Width of the figure. [inch]
        beside: Folder of another run; its fronts are dashed, in the colours of their budgets, and named by the
            setting that differs.
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
    add_grid(axes)
    axes.text(
        0.99, 0.02, "hollow: off the front, bars: 95 %", transform=axes.transAxes, ha="right", va="bottom",
        color=GREY,
    )  # fmt: skip
    _label_curves(axes, rows, [budget for budget, _ in budgets])
    return figure


def _draw_budget(axes: Axes, rows: Sequence[FrontRow], colour: str, marker: str) -> None:
    """Draw one curve: members with their interval as a thin bar, other fine-tuned designs hollow and light."""
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
    """Draw the fronts of another run, dashed, with a key to the two runs."""
    for index, budget in enumerate(budgets):
        own = _members([row for row in others if row.budget == budget])
        axes.plot(*_points(own), color=COLOURS[index % len(COLOURS)], linewidth=0.9, linestyle=_DASHES, zorder=1)
    lines = [Line2D([], [], color="#444444", linewidth=0.9, linestyle=style) for style in ("solid", _DASHES)]
    # Above the axes: inside them it would lie on intervals and labels.
    axes.legend(
        lines, names, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=1 if sum(map(len, names)) > 32 else 2,
        frameon=False, handlelength=2.2, columnspacing=1.2, borderaxespad=0.1,
    )  # fmt: skip


def _names(*runs: tuple[Path, Sequence[FrontRow]]) -> list[str]:
    """Return a name for each of two runs: its policy or rules, else the space of its networks, else its folder."""
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
    """Write each budget's name above the slow end of its curve, clear of all curves and of the other names."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    points_pt = _on_page_pt(axes, _members(rows))
    placed: list[tuple[float, float, float]] = []
    for index, budget in enumerate(budgets):
        end = _members([row for row in rows if row.budget == budget])[-1]
        ((x_pt, y_pt),) = _on_page_pt(axes, [end])
        text = budget_label(budget)
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
    """Return the places of designs on the page. [pt]"""
    pixels = axes.transData.transform(np.column_stack(_points(rows)))
    scale = 72.0 / axes.figure.dpi
    return [(float(x) * scale, float(y) * scale) for x, y in pixels]
