"""Tables of a report as HTML: designs, layers, power cycles, and the tips of bars and cycles."""

from __future__ import annotations

from html import escape

from experiments.formatting.colours import LATENCY_PARTS
from experiments.formatting.quantities import budget_label
from experiments.formatting.table import Table
from experiments.report.cycles import CycleRun
from experiments.report.data import Design, Front, Report
from experiments.report.text import interval, percent, quantity, tile
from experiments.runs.front_row import FrontRow


def layers_table(one: Design) -> str:
    """Return one row per layer: its plan, time, energy and memory."""
    rows = [
        [
            layer["layer"], tile(plan), plan["order"], plan["vector"], f"{plan['batch']:,}", f"{layer['batches']:,}",
            quantity(layer["active_s"], "s"), quantity(layer["energy_j"], "J"), f"{layer['vm_bytes']:,} B",
        ]
        for layer, plan in zip(one.answer["layers"], one.answer["plan"], strict=True)
    ]  # fmt: skip
    head = ("layer", "tile", "loop order", "vectors", "tiles per batch", "batches", "awake", "energy", "SRAM (VM)")
    return Table(head, rows, text=(0, 2, 3)).to_html()


def runs_table(front: Front, one: Design) -> str:
    """Return a row for each run of equal power cycles."""
    rows, n = [], 0
    for run in one.runs:
        rows.append([cycle_numbers(n, run), *_run_cells(front, run)])
        n += run.cycles
    head = ("power cycles", "from", "to", "energy of each", "of the energy budget", "awake", "recharging")
    return Table(head, rows, text=(0, 1, 2)).to_html()


def cycle_numbers(n_before: int, run: CycleRun) -> str:
    """Return the numbers of the cycles of a run, counted from 1."""
    return f"{n_before + 1}" if run.cycles == 1 else f"{n_before + 1}-{n_before + run.cycles}"


def _run_cells(front: Front, run: CycleRun) -> list[str]:
    return [
        *(f"{layer}, batch {batch:,}" for layer, batch in (run.first, run.last)),
        quantity(run.energy_j, "J"),
        f"{100 * run.energy_j / front.supply.cycle_budget_j:.0f} %",
        quantity(run.active_s, "s"),
        quantity(run.recharge_s, "s"),
    ]


def run_tip(front: Front, run: CycleRun, n_before: int) -> str:
    """Return the tip of a run of power cycles."""
    first, last, energy, share, active, recharge = map(escape, _run_cells(front, run))
    which = (
        f"power cycle {n_before + 1}" if run.cycles == 1 else f"power cycles {cycle_numbers(n_before, run)}, all equal"
    )
    each = "" if run.cycles == 1 else "each "
    return (
        f'<div class="tip"><b>{which}</b><p>{first} to {last}</p>'
        f"<p>{each}{energy}, {share} of the energy budget; awake {active}, recharging {recharge}</p></div>"
    )


def parts_tip(one: Design) -> str:
    """Return the tip of a bar of the breakdown."""
    row = one.row
    parts_s = {part.name: row.number(column) for column, part in LATENCY_PARTS.items()}
    cells = [
        [name, quantity(part_s, "s"), percent(None if part_s is None else part_s / row.latency_s)]
        for name, part_s in parts_s.items()
    ]
    return (
        f'<div class="tip"><b>{escape(row.id)}</b>'
        f"{Table(('part', 'time', 'share'), [*cells, ['all', quantity(row.latency_s, 's'), '100 %']]).to_html()}</div>"
    )


def overview_table(report: Report) -> str:
    """Return all designs of the run, front by front."""
    rows = [_overview_cells(report, front, one.row) for front in report.fronts for one in front.designs]
    head = (
        "design", "capacitor", "network", "on front", "validation (95 %)", "test", "latency", "worst case", "cycles",
        "energy", "SRAM (VM) [B]", "NVM [B]", "parameters",
    )  # fmt: skip
    return Table(head, rows, text=(0, 1, 2, 3)).to_html()


def _overview_cells(report: Report, front: Front, row: FrontRow) -> list[str]:
    return [
        row.id,
        budget_label(front.name),
        row.architecture,
        "yes" if row.on_front else "no",
        interval(row.accuracy(report.kind, "val")),
        percent(test.value if (test := row.accuracy(report.kind, "test")) else None),
        quantity(row.latency_s, "s"),
        quantity(row.worst_case_latency_s, "s"),
        f"{row.power_cycles:,}",
        quantity(row.energy_j, "J"),
        *(f"{row.number(name):,}" for name in ("vm_bytes", "nvm_bytes", "n_parameters")),
    ]
