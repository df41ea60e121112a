"""The figure of convergence: hypervolume over evaluations, median and band over seeds where several runs are given.

Designs count by their inherited accuracy on validation, as known at the end; designs that were only predicted do not
count. The bounds at a budget are those of the front of all runs in the figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from evo.fronts.front import Front
from evo.fronts.indicators import hypervolume_so_far
from evo.objectives import Floats
from experiments.figures.style import LINES, Line, add_grid, write_figure
from experiments.formatting.colours import COLOURS
from experiments.formatting.quantities import budget_label
from experiments.runs.finished import FinishedRun
from experiments.runs.group_by_settings import Method, group_runs

_POINTS = 150
"""Points of a curve at most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """Convergence of one method at one budget.

    Attributes:
        method: Its label.
        budget: The budget.
        evaluations: Designs priced, `(n,)`, up to the shortest of its runs. [1]
        hypervolumes: Hypervolume of each run, `(n_runs, n)`. [1]
    """

    method: str
    budget: str
    evaluations: Floats
    hypervolumes: Floats


def plot_convergence(run: Path, beside: Sequence[Path], formats: Sequence[str], width: str) -> list[Path]:
    """Draw the convergence of a run, and of others, into its folder `figures/`.

    Args:
        run: The run's folder.
        beside: Further runs: other seeds of the same method, or other methods.
        formats: Names from `experiments.figures.style.FORMATS`, one file each.
        width: A key of `experiments.figures.style.WIDTHS_IN`.

    Returns:
        The files.

    Raises:
        ValueError: A run is not finished, runs differ in data, device or budgets, or nothing is feasible.
    """
    found = curves(group_runs([FinishedRun.read(folder) for folder in (run, *beside)]))
    stem = "convergence"
    if beside:
        stem += f"-beside-{beside[0].name}" if len(beside) == 1 else f"-beside-{len(beside)}-runs"
    return write_figure(lambda width_in: draw(found, width_in), run / "figures", stem, formats, width)


def curves(groups: Sequence[Method]) -> list[Curve]:
    """Return the curves of all methods at all budgets, budget by budget.

    Raises:
        ValueError: No run has a feasible design.
    """
    found = []
    for budget in groups[0].runs[0].budgets:
        priced = {method.label: [run.evaluations(budget) for run in method.runs] for method in groups}
        everything = np.concatenate([values for own in priced.values() for values in own])
        union = Front.of(everything, np.isfinite(everything).all(axis=1))
        if not len(union):
            continue
        for label, own in priced.items():
            most = min(len(values) for values in own)
            counts = np.unique(np.linspace(1, most, min(most, _POINTS)).astype(int))
            volumes = np.array([hypervolume_so_far(values, counts.tolist(), union) for values in own])
            found.append(
                Curve(method=label, budget=budget, evaluations=counts.astype(np.float64), hypervolumes=volumes)
            )
    if not found:
        raise ValueError(f"{groups[0].runs[0].folder}: nothing is feasible at any budget, so there is no convergence")
    return found


def draw(found: Sequence[Curve], width_in: float) -> Figure:
    """Return the figure: for one method a panel with one curve per budget, else one panel per budget.

    Args:
        found: The curves.
        width_in: Width of the figure. [inch]
    """
    labels, budgets = (list(dict.fromkeys(names)) for names in zip(*((c.method, c.budget) for c in found), strict=True))
    by_method = len(labels) > 1
    n_panels = len(budgets) if by_method else 1
    is_wide = width_in > 5
    rows, columns = (1, n_panels) if is_wide else (n_panels, 1)
    height_in = 0.36 * width_in + 0.5 if is_wide else width_in * (0.66 if n_panels == 1 else 0.2 + 0.4 * n_panels)
    figure = Figure(figsize=(width_in, min(height_in, 8.0)), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    keys = labels if by_method else budgets
    for curve in found:
        axes = panels[budgets.index(curve.budget)] if by_method else panels[0]
        index = keys.index(curve.method if by_method else curve.budget)
        _draw_curve(axes, curve, COLOURS[index % len(COLOURS)], LINES[index % len(LINES)])
    for index, axes in enumerate(panels):
        add_grid(axes)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        if by_method:
            name = budget_label(budgets[index])
            axes.text(0.98, 0.06, name, transform=axes.transAxes, ha="right", va="bottom")
    figure.supxlabel("evaluations", fontsize=8)
    figure.supylabel("hypervolume, validation, inherited", fontsize=8)
    _add_key(figure, keys if by_method else [budget_label(name) for name in keys], found)
    return figure


def _add_key(figure: Figure, names: Sequence[str], found: Sequence[Curve]) -> None:
    """Add a key above the panels."""
    handles = [
        Line2D([], [], color=COLOURS[index % len(COLOURS)], linestyle=LINES[index % len(LINES)], linewidth=1.1)
        for index in range(len(names))
    ]
    has_bands = any(len(curve.hypervolumes) > 1 for curve in found)
    is_long = sum(map(len, names)) > 10 * float(figure.get_size_inches()[0]) - 6 * len(names)
    figure.legend(
        handles, names, loc="outside upper center", ncols=1 if is_long else len(names), frameon=False,
        handlelength=2.4, columnspacing=1.2, title_fontsize=7,
        title="lines: median of the seeds, bands: all seeds" if has_bands else None,
    )  # fmt: skip


def _draw_curve(axes: Axes, curve: Curve, colour: str, line: Line) -> None:
    volumes = curve.hypervolumes
    if len(volumes) > 1:
        axes.fill_between(
            curve.evaluations, volumes.min(axis=0), volumes.max(axis=0), color=colour, alpha=0.18, linewidth=0
        )
    axes.plot(curve.evaluations, np.median(volumes, axis=0), color=colour, linestyle=line, linewidth=1.1)
