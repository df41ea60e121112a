"""The figure of the parts of a latency: shares for each design of a front, one panel per budget.

The parts are those of the cost model (energy/README.md): reboot, recovery, fetch, compute, preserve and recharge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from evo.fronts.front import Front
from experiments.figures.style import GREY, write_figure
from experiments.formatting.colours import LATENCY_PARTS
from experiments.formatting.quantities import budget_label, write
from experiments.runs.finished import FinishedRun
from experiments.runs.front_row import FrontRow

MOST_BARS = 10
"""Designs of a front that are shown at most: both ends, and others evenly between."""

_BAR_IN, _PANEL_IN, _REST_IN = 0.15, 0.3, 0.85


def plot_breakdown(run: Path, formats: Sequence[str], width: str) -> list[Path]:
    """Draw the time parts of a run's fronts into its folder `figures/`.

    Args:
        run: The run's folder.
        formats: Names from `experiments.figures.style.FORMATS`, one file each.
        width: A key of `experiments.figures.style.WIDTHS_IN`.

    Returns:
        The files.

    Raises:
        ValueError: The run is not finished, or no design is on a front.
    """
    found = FinishedRun.read(run)
    panels = {}
    for budget in found.budgets:
        members = found.front(budget)
        if members:
            rows = thinned(members)
            some = f", {len(rows)} of {len(members)}" if len(rows) < len(members) else ""
            panels[f"{budget_label(budget)}{some}"] = rows
    if not panels:
        raise ValueError(f"{run}: no design is on a front")
    return write_figure(lambda width_in: draw(panels, width_in), run / "figures", "breakdown", formats, width)


def thinned(members: Sequence[FrontRow]) -> list[FrontRow]:
    """Return the members of a front, fastest first, at most `MOST_BARS`."""
    front = Front.of([(1 - row.known_accuracy("finetuned", "val"), row.latency_s) for row in members]).thin(MOST_BARS)
    return sorted((members[row] for row in front.rows), key=lambda row: row.latency_s)


def draw(fronts: Mapping[str, Sequence[FrontRow]], width_in: float) -> Figure:
    """Return one panel per budget, side by side where the page is wide.

    Args:
        fronts: Rows of `fronts` by title, fastest first, at least one each.
        width_in: Width of the figure. [inch]
    """
    sizes = [len(rows) for rows in fronts.values()]
    is_wide = width_in > 5
    height_in = _REST_IN + _PANEL_IN + _BAR_IN * max(sizes)
    if not is_wide:
        height_in = _REST_IN + _PANEL_IN * len(sizes) + _BAR_IN * sum(sizes)
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    shape = (1, len(sizes)) if is_wide else (len(sizes), 1)
    heights = [max(sizes)] if is_wide else sizes
    panels = figure.subplots(*shape, squeeze=False, sharex=True, height_ratios=heights).ravel()
    for axes, (title, rows) in zip(panels, fronts.items(), strict=True):
        _draw_front(axes, rows, title)
    for axes in panels if is_wide else panels[-1:]:
        axes.set_xlabel("share of the latency [%]")
    handles = [Patch(color=colour, linewidth=0) for _, colour in LATENCY_PARTS.values()]
    figure.legend(
        handles, [part.name for part in LATENCY_PARTS.values()], loc="outside upper center", ncols=6 if is_wide else 3,
        frameon=False, handlelength=1.0, handleheight=0.8, columnspacing=1.2,
    )  # fmt: skip
    return figure


def _draw_front(axes: Axes, rows: Sequence[FrontRow], title: str) -> None:
    """Draw the bars of one front, latencies to their left, test accuracies to their right."""
    latencies_s = np.array([row.latency_s for row in rows], dtype=np.float64)
    places, left = np.arange(len(rows)), np.zeros(len(rows))
    for column, part in LATENCY_PARTS.items():
        shares = 100 * np.array([row.number(column) for row in rows], dtype=np.float64) / latencies_s
        axes.barh(places, shares, left=left, height=0.8, color=part.colour, linewidth=0)
        left = left + shares
    axes.set_xlim(0, 100)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(places, [write(value, "s") for value in latencies_s])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_title(title, loc="left")
    texts = [f"{100 * row.known_accuracy('finetuned', 'test'):.0f} %" for row in rows]
    for place, text in zip([-0.9, *places.tolist()], ["test", *texts], strict=True):
        axes.annotate(
            text, (1, place), xytext=(3, 0), textcoords="offset points", xycoords=("axes fraction", "data"),
            va="center_baseline", annotation_clip=False, color=GREY,
        )  # fmt: skip
