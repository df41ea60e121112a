"""The figure of a predictor's card: predicted against measured accuracy, and the learning curve beside baselines.

Drawn from the card alone; nothing is fitted again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from experiments.figures.style import GREY, add_grid, require_figure, write_figure
from experiments.formatting.colours import COLOURS, MARKERS
from models.predictor.card import METHODS, PredictorCard

CARD_FILE = "predictor.json"
"""Name of the file that holds `PredictorCard.to_dict()`."""

_DIAGONAL = "#888888"
_DODGE = 1.03
"""Factor between the curves along the axis of networks, so that their bars do not hide each other. [1]"""


def plot_predictor(run: Path, formats: Sequence[str], width: str) -> list[Path]:
    """Draw the card of a run into its folder `figures/`.

    Args:
        run: Folder that holds `CARD_FILE`.
        formats: Names from `experiments.figures.style.FORMATS`, one file each.
        width: A key of `experiments.figures.style.WIDTHS_IN`.

    Returns:
        The files.

    Raises:
        ValueError: An argument is unknown, or the run has no readable card.
    """
    require_figure(formats, width)
    card = read_card(run / CARD_FILE)
    return write_figure(lambda width_in: draw(card, width_in), run / "figures", "predictor", formats, width)


def read_card(path: Path) -> PredictorCard:
    """Read the card in a file.

    Raises:
        ValueError: The file is missing, or holds no card.
    """
    if not path.is_file():
        raise ValueError(f"{path}: predictor's card not found; `ebbnas card` writes it")
    try:
        return PredictorCard.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: must be a predictor's card: {error}") from None


def draw(card: PredictorCard, width_in: float) -> Figure:
    """Return two panels, side by side where the page is wide.

    Args:
        card: What was measured.
        width_in: Width of the figure. [inch]
    """
    is_wide = width_in > 5
    height_in = min(0.42 * width_in, 4.2) if is_wide else 1.55 * width_in
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    left, right = figure.subplots(*((1, 2) if is_wide else (2, 1)))
    _draw_held_out(left, card)
    _draw_curves(right, card)
    return figure


def _draw_held_out(axes: Axes, card: PredictorCard) -> None:
    """Draw each held-out network: measured, predicted, one standard deviation as a thin bar."""
    measured, predicted, deviation = (100 * values for values in (card.measured, card.predicted, card.deviation))
    low, high = min(measured.min(), predicted.min()), max(measured.max(), predicted.max())
    margin = 0.04 * (high - low) or 1.0
    ends = (low - margin, high + margin)
    axes.plot(ends, ends, color=_DIAGONAL, linewidth=0.6, zorder=1)
    axes.vlines(measured, predicted - deviation, predicted + deviation, color=COLOURS[0], alpha=0.25, linewidth=0.5)
    axes.plot(
        measured, predicted, linestyle="none", marker=MARKERS[0], markersize=2.5, color=COLOURS[0],
        markeredgecolor="white", markeredgewidth=0.2,
    )  # fmt: skip
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.set_aspect("equal")
    axes.set_xlabel(f"measured {_what(card)} [%]")
    axes.set_ylabel("predicted [%]")
    tau = card.curves["predictor"]["kendall_tau"][0, -1]
    rmse = 100 * card.curves["predictor"]["rmse"][0, -1]
    note = f"{card.n_held_out} networks held out\nof {card.space}\ntau {tau:.2f}, RMSE {rmse:.1f} points"
    axes.text(0.03, 0.98, note, transform=axes.transAxes, ha="left", va="top")
    axes.text(0.98, 0.02, "bars: 1 standard deviation", transform=axes.transAxes, ha="right", va="bottom", color=GREY)


def _what(card: PredictorCard) -> str:
    return f"accuracy, {card.kind}, {card.split}"


def _draw_curves(axes: Axes, card: PredictorCard) -> None:
    """Draw Kendall tau over networks learnt from: mean of the draws, one standard deviation as a bar."""
    for index, method in enumerate(METHODS):
        taus = card.curves[method]["kendall_tau"]
        axes.errorbar(
            card.n_training * _DODGE ** (index - 1), taus.mean(axis=0), yerr=taus.std(axis=0), label=METHODS[method],
            color=COLOURS[index], marker=MARKERS[index], markersize=3, linewidth=0.9, elinewidth=0.7, capsize=1.5,
            linestyle="solid" if index == 0 else "dashed",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([int(size) for size in card.n_training]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    lowest = min(
        float((c["kendall_tau"].mean(axis=0) - c["kendall_tau"].std(axis=0)).min()) for c in card.curves.values()
    )
    axes.set_ylim(min(0.0, np.floor(10 * lowest) / 10), 1)
    axes.set_xlabel("networks learnt from")
    axes.set_ylabel("Kendall tau on held-out networks")
    add_grid(axes, "y")
    axes.legend(loc="best", frameon=False, handlelength=2.4, borderaxespad=0.1)
