"""The figure of attainment over seeds: the front that half of a method's runs attain, within the band of one to all.

Accuracy over latency (log), one figure per budget, one colour and line style per method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from evo.fronts.statistics import attainment
from evo.objectives import Floats
from experiments.comparison.comparison import Comparison
from experiments.figures.style import LINES, Line, add_grid, decimal_ticks
from experiments.formatting.colours import COLOURS
from experiments.formatting.quantities import budget_label
from experiments.runs.finished import KINDS


def draw(found: Comparison, budget: str, width_in: float) -> Figure:
    """Return the figure of one budget.

    Args:
        found: The comparison.
        budget: One of its budgets, at which something is feasible.
        width_in: Width of the figure. [inch]
    """
    figure = Figure(figsize=(width_in, min(0.82 * width_in, 4.6)), layout="constrained")
    axes = figure.add_subplot()
    members = np.concatenate([_members(front) for method in found.methods for front in _at(method.fronts, budget)])
    ends_s = (members[:, 1].min() / 1.12, members[:, 1].max() * 1.12)
    handles, labels = [], []
    for index, method in enumerate(found.methods):
        colour, line = COLOURS[index % len(COLOURS)], LINES[index % len(LINES)]
        fronts = _at(method.fronts, budget)
        _draw_method(axes, fronts, ends_s, colour, line)
        handles.append(Line2D([], [], color=colour, linestyle=line, linewidth=1.1))
        labels.append(f"{method.label} ({len(fronts)} seed{'' if len(fronts) == 1 else 's'})")
    axes.set_xscale("log")
    axes.set_xlim(*ends_s)
    best, least = 100 * (1 - members[:, 0].min()), 100 * (1 - members[:, 0].max())
    margin = max(0.06 * (best - least), 0.5)
    axes.set_ylim(least - margin, best + margin)
    decimal_ticks(axes)
    axes.set_xlabel(f"latency of one inference at {budget_label(budget)} [s]")
    axes.set_ylabel(f"validation accuracy, {KINDS[found.kind]} [%]")
    add_grid(axes)
    has_bands = any(len(method.fronts) > 1 for method in found.methods)
    figure.legend(
        handles, labels, loc="outside upper center", ncols=1 if sum(map(len, labels)) > 12 * width_in else 2,
        frameon=False, handlelength=2.4, columnspacing=1.2,
        title="lines: attained by half of the seeds, bands: by one to all" if has_bands else None, title_fontsize=7,
    )  # fmt: skip
    return figure


def _at(fronts: Mapping[int, Mapping[str, Floats]], budget: str) -> list[Floats]:
    """Return the designs of each seed, `(n, 2)`."""
    return [np.asarray(by_budget[budget], dtype=np.float64).reshape(-1, 2) for by_budget in fronts.values()]


def _members(front: Floats) -> Floats:
    """Return the non-dominated designs, `(n, 2)`: others would only stretch the axes."""
    return attainment([front]).best


def _draw_method(
    axes: Axes,
    fronts: Sequence[Floats],
    ends_s: tuple[float, float],
    colour: str,
    line: Line,
) -> None:
    surfaces = attainment(fronts)
    grid_s = np.unique(np.concatenate([[*ends_s], *(_members(front)[:, 1] for front in fronts)]))
    if len(fronts) > 1:
        best, worst = (_accuracy_percent(surface, grid_s) for surface in (surfaces.best, surfaces.worst))
        # What not every run attains at a latency reaches down to the axis.
        axes.fill_between(
            grid_s, np.nan_to_num(worst, nan=-1.0), best, where=np.isfinite(best), step="post", color=colour,
            alpha=0.18, linewidth=0,
        )  # fmt: skip
    axes.plot(
        grid_s, _accuracy_percent(surfaces.median, grid_s), drawstyle="steps-post", color=colour, linestyle=line,
        linewidth=1.1,
    )  # fmt: skip


def _accuracy_percent(surface: Floats, latencies_s: Floats) -> Floats:
    """Return the best accuracy of a surface within each latency, nan before its fastest point. [%]"""
    within = surface[None, :, 1] <= latencies_s[:, None]
    errors = np.where(within, surface[None, :, 0], np.inf).min(axis=1, initial=np.inf)
    return np.where(np.isfinite(errors), 100 * (1 - errors), np.nan)
