"""`ebbnas replan`: published designs as they were published, and their networks planned anew, side by side."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.commands.output import INFEASIBLE, print_json
from experiments.commands.request_options import designs_of
from experiments.designs.replan import ANEW, AS_PUBLISHED, Replanned, replanned
from experiments.formatting.quantities import write
from experiments.formatting.table import Table
from experiments.parallel.progress import Reporter


def replan(options: argparse.Namespace) -> int:
    """`ebbnas replan`."""
    published = designs_of("replan", options, AS_PUBLISHED, with_plan=True)
    for request in published:
        if request.plan is None:
            raise ValueError(f"design {request.name!r}: key 'plan' is missing; replan compares it with ours")
    anew = designs_of("replan", options, ANEW, with_plan=False)
    rows = []
    with Reporter(quiet=options.quiet or options.json).task("replan", len(anew)) as task:
        for before, request in zip(published, anew, strict=True):
            rows.append(replanned(before, request, is_simulated=options.simulate))
            task.advance(request.name)
    notes = _notes(rows, is_simulated=options.simulate)
    if options.json:
        print_json({"results": [row.to_dict() for row in rows], **_summary(rows), "notes": notes})
    else:
        print(_text(rows, notes, is_simulated=options.simulate))
    return 0 if all(row.ours.feasible for row in rows) else INFEASIBLE


def _summary(rows: Sequence[Replanned]) -> dict[str, Any]:
    """Return means over the designs that have the figure; None where none has."""
    ratios = [row.ratio for row in rows if row.ratio is not None]
    limits = [row.over_limit_plan for row in rows if row.over_limit_plan is not None]
    deviations = [row.deviation for row in rows if row.deviation is not None]
    return {
        "n_designs": len(rows),
        "n_compared": len(ratios),
        "n_simulated": len(deviations),
        "mean_ratio": float(np.mean(ratios)) if ratios else None,
        "largest_ratio": max(ratios, default=None),
        "mean_over_limit_plan": float(np.mean(limits)) if limits else None,
        "largest_simulated_deviation": max(deviations, default=None),
    }


def _notes(rows: Sequence[Replanned], *, is_simulated: bool) -> list[str]:
    """Return notes that concern several designs."""
    notes = []
    if missing := sum(row.ratio is None for row in rows):
        notes.append(f"{missing} of {len(rows)} designs have no ratio and count in no mean of ratios")
    old = sorted({row.request.device.name for row in rows if row.request.device.published_counting == 2021})
    notes += [
        f"{name}: published latencies leave out most of the time of the overheads of partial-sum fetches and output "
        "writes, a slip that is kept for reproduction; ours has it, with the operation counts of 2025"
        for name in old
    ]
    scaled = sum(row.request.supply.recharge != "energy-balance" for row in rows)
    if is_simulated and scaled:
        notes.append(
            f"{scaled} of {len(rows)} designs are not simulated: the simulation charges by the physics, which "
            "recharge 'margin-scaled' of their supplies does not follow"
        )
    return notes


def _text(rows: Sequence[Replanned], notes: Sequence[str], *, is_simulated: bool) -> str:
    """Return sentence, table and means, for a person."""
    summary = _summary(rows)
    head = ["design", "published", "ours", "ratio", "power cycles", "/ limit_plan", "/ limit_device"]
    cells = [_cells(row) for row in rows]
    if is_simulated:
        head.append("simulated")
        cells = [[*line, time_cell(row.simulated_s)] for line, row in zip(cells, rows, strict=True)]
    lines = [_sentence(summary), "", Table(head, cells).to_text(), ""]
    lines += [f"note: {row.request.name}: {note}" for row in rows for note in row.notes()]
    lines += [f"note: {note}" for note in notes]
    deviation = summary["largest_simulated_deviation"]
    if deviation is not None:
        lines.append(f"simulated within {100 * deviation:.2g} % of ours, {summary['n_simulated']} designs")
    lines.append(f"mean ratio {number_cell(summary['mean_ratio'], 4)}, {summary['n_compared']} designs")
    lines.append(f"largest ratio {number_cell(summary['largest_ratio'], 4)}")
    lines.append(f"mean latency / limit_plan {number_cell(summary['mean_over_limit_plan'], 3)}")
    return "\n".join(lines)


def _sentence(summary: Mapping[str, Any]) -> str:
    n, ratio = summary["n_compared"], summary["mean_ratio"]
    if ratio is None:
        return "no design has a latency both as published and planned anew"
    designs = "1 design takes" if n == 1 else f"{n} designs take"
    return f"planned anew, {designs} {100 * ratio:.1f} % of the published latency{' on average' if n > 1 else ''}"


def _cells(row: Replanned) -> list[str]:
    cycles = (row.published.power_cycles, row.ours.power_cycles)
    return [
        row.request.name,
        time_cell(row.published.latency_s),
        time_cell(row.ours.latency_s),
        number_cell(row.ratio, 4),
        " -> ".join("-" if n is None else f"{n:,}" for n in cycles),
        number_cell(row.over_limit_plan, 3),
        number_cell(row.over_limit_device, 1),
    ]


def time_cell(value_s: float | None) -> str:
    """Return a time in a table, `-` for None."""
    return "-" if value_s is None else write(value_s, "s", digits=4)


def number_cell(value: float | None, decimals: int) -> str:
    """Return a number in a table, `-` for None."""
    return "-" if value is None else f"{value:.{decimals}f}"
