"""The kinds of figures of a run, by name; each is imported when it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from energy.validation import require_choice
from experiments.storage.run_folder import require_run_folder


@dataclass(frozen=True, kw_only=True)
class FigureRequest:
    """One figure of a run.

    Attributes:
        run: The run's folder, which gets the files in `figures/`.
        formats: Names from `experiments.figures.style.FORMATS`, one file each.
        width: A key of `experiments.figures.style.WIDTHS_IN`.
        beside: Folders of other runs: one for `front`, any number for `convergence`, none for the others.
        design: Id of the design whose time line is drawn; None for the best on validation among the fronts' members.
    """

    run: Path
    formats: Sequence[str]
    width: str
    beside: Sequence[Path] = ()
    design: str | None = None


def _front(request: FigureRequest) -> list[Path]:
    from experiments.figures.front import plot_front

    if len(request.beside) > 1:
        raise ValueError(
            f"--beside must name one run with --kind front, not {len(request.beside)}; `compare` takes more"
        )
    beside = request.beside[0] if request.beside else None
    return plot_front(request.run, beside, request.formats, request.width)


def _breakdown(request: FigureRequest) -> list[Path]:
    from experiments.figures.breakdown import plot_breakdown

    return plot_breakdown(request.run, request.formats, request.width)


def _convergence(request: FigureRequest) -> list[Path]:
    from experiments.figures.convergence import plot_convergence

    return plot_convergence(request.run, request.beside, request.formats, request.width)


def _predictor(request: FigureRequest) -> list[Path]:
    from experiments.figures.predictor import plot_predictor

    return plot_predictor(request.run, request.formats, request.width)


def _timeline(request: FigureRequest) -> list[Path]:
    from experiments.figures.timelines import plot_timeline

    return plot_timeline(request.run, request.formats, request.width, request.design)


KINDS: Mapping[str, Callable[[FigureRequest], list[Path]]] = {
    "front": _front,
    "breakdown": _breakdown,
    "convergence": _convergence,
    "predictor": _predictor,
    "timeline": _timeline,
}
"""Function that draws and writes each kind of figure."""

TAKE_OTHERS = ("front", "convergence")
"""Kinds that show other runs beside the first."""


def plot_run(
    run: Path, *, kind: str, formats: Sequence[str], width: str, beside: Sequence[Path] = (), design: str | None = None
) -> list[Path]:
    """Draw a figure of a run into its folder `figures/`.

    Args:
        run: The run's folder.
        kind: A key of `KINDS`.
        formats: As in `FigureRequest`.
        width: As in `FigureRequest`.
        beside: As in `FigureRequest`.
        design: As in `FigureRequest`.

    Returns:
        The files.

    Raises:
        ValueError: An argument is unknown or does not go with the kind, or the run lacks the files.
    """
    from experiments.figures.style import require_figure

    require_choice("--kind", kind, KINDS)
    require_figure(formats, width)
    if beside and kind not in TAKE_OTHERS:
        raise ValueError(f"--beside must be used with --kind {' or '.join(TAKE_OTHERS)}, not {kind}")
    require_run_folder(run)
    return KINDS[kind](FigureRequest(run=run, formats=formats, width=width, beside=beside, design=design))
