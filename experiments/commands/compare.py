"""`ebbnas compare`: finished runs grouped into methods over seeds; tables and figures with `--out`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from energy.validation import require_choice
from experiments.commands.output import print_json
from experiments.comparison.comparison import Comparison, MethodFronts
from experiments.comparison.tables import files, text
from experiments.formatting.quantities import write
from experiments.formatting.table import Table
from experiments.runs.finished import KINDS, FinishedRun
from experiments.runs.group_by_settings import Method, group_runs
from experiments.storage.files import write_json, write_text


def compare(options: argparse.Namespace) -> int:
    """Run `ebbnas compare`."""
    from experiments.figures.style import require_figure  # here: matplotlib is not loaded for other commands

    require_choice("--on", options.on, KINDS)
    formats = [item.strip() for item in options.format.split(",")]
    require_figure(formats, options.width)
    if len(options.runs) < 2:
        raise ValueError("compare needs at least two runs; `choose` and `plot` are for one")
    groups = group_runs([FinishedRun.read(Path(folder)) for folder in options.runs])
    found = compared(groups, options.on)
    written = [] if options.out is None else _write(found, groups, Path(options.out), formats, options.width)
    if options.json:
        print_json({**_answer(found, groups), "files": [str(path) for path in written]})
    else:
        places = "\n".join(str(path) for path in written) or "--out DIR writes these tables, LaTeX and figures"
        print("\n\n".join([_methods_table(groups), text(found), places]))
    return 0


def compared(groups: Sequence[Method], kind: str) -> Comparison:
    """Return the comparison of methods.

    Args:
        groups: The methods.
        kind: Of `KINDS`.
    """
    fronts = [
        MethodFronts(label=one.label, fronts=dict(zip(one.seeds, (run.values(kind) for run in one.runs), strict=True)))
        for one in groups
    ]
    return Comparison.of(fronts, kind)


def _write(found: Comparison, groups: Sequence[Method], folder: Path, formats: Sequence[str], width: str) -> list[Path]:
    """Write tables, the JSON answer and one figure per budget."""
    from experiments.figures.comparison import draw
    from experiments.figures.style import write_figure

    folders = {
        (one.label, seed): str(run.folder) for one in groups for seed, run in zip(one.seeds, one.runs, strict=True)
    }
    written = []
    for name, content in files(found, folders).items():
        written.append(folder / name)
        write_text(written[-1], content)
    written.append(folder / "compare.json")
    write_json(written[-1], _answer(found, groups))
    for budget, reference in found.references.items():
        if len(reference):
            drawn = partial(draw, found, budget)
            written += write_figure(drawn, folder, f"fronts-{budget}", formats, width)
    return written


def _answer(found: Comparison, groups: Sequence[Method]) -> dict[str, Any]:
    """Return the answer of `compare --json`, less the files."""
    return {
        "methods": [
            {
                "label": one.label,
                "also_differs_in": dict(one.also),
                "runs": [
                    {"seed": seed, "run": str(run.folder), "wall_s": _wall_s(run)}
                    for seed, run in zip(one.seeds, one.runs, strict=True)
                ],
            }
            for one in groups
        ],
        **found.to_dict(),
    }


def _methods_table(groups: Sequence[Method]) -> str:
    """Return the runs of each method as a table."""
    rows = [
        (one.label, str(seed), write(_wall_s(run), "s"), str(run.folder))
        for one in groups
        for seed, run in zip(one.seeds, one.runs, strict=True)
    ]
    shown = Table(("method", "seed", "wall time", "run"), rows, text=(0, 3)).to_text()
    also = ", ".join(groups[0].also)
    return f"{shown}\n\nThe methods also differ in {also}." if also else shown


def _wall_s(run: FinishedRun) -> float:
    """Return the wall time of the process that finished a run: what lay in the cache cost it nothing. [s]"""
    return float(sum(run.manifest.get("wall_times_s", {}).values()))
