"""Words, numbers and small tables of a report, as HTML whose every value is escaped.

Pure functions of what `experiments.report.data` read; nothing is computed here but shares and sums for reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from experiments.formatting.colours import LATENCY_PARTS
from experiments.formatting.quantities import budget_label, write
from experiments.formatting.table import Table
from experiments.report.data import CycleRun, Design, Front, Report
from experiments.runs.front_row import Accuracy, FrontRow

KIND_NAMES = {"finetuned": "own (fine-tuned) weights", "inherited": "shared weights"}
"""What a reader is told of each kind of accuracy."""

_CONSTRAINTS = {
    "energy": "energy of a power cycle", "vm": "volatile memory", "nvm": "non-volatile memory", "deadline": "deadline",
}  # fmt: skip


def quantity(value: float | None, unit: str) -> str:
    """Return a quantity with its unit, a dash where it is not known."""
    if value is None:
        return "-"
    return write(value, unit).replace(" u", " µ").replace("ohm", "Ω")


def percent(value: float | None) -> str:
    """Return a share as a percentage with one decimal, a dash where it is not known."""
    return "-" if value is None else f"{100 * value:.1f} %"


def interval(accuracy: Accuracy | None) -> str:
    """Return an accuracy with its 95 % interval, a dash where it is not known."""
    if accuracy is None or accuracy.low is None or accuracy.high is None:
        return percent(None if accuracy is None else accuracy.value)
    return f"{percent(accuracy.value)} ({100 * accuracy.low:.1f} to {100 * accuracy.high:.1f})"


def sentence(report: Report) -> str:
    """What the run is, in one sentence."""
    names = [budget_label(front.name) for front in report.fronts]
    resistances = [quantity(front.supply.resistance_ohm, "ohm") for front in report.fronts]
    harvester = listed(list(dict.fromkeys(resistances)), "or")
    config = report.config
    data, space, supply = (config.get(section, {}) for section in ("data", "space", "supply"))
    what = f" ({report.what})" if report.what else ""
    source = supply.get("name") or supply.get("file") or "given in the config"
    return (
        f"Neural networks of the space {space.get('name', '?')} for the data set {data.get('name', '?')}{what}, "
        f"searched for the microcontroller {report.device.name} that lives on a capacitor of {listed(names, 'or')}, "
        f"charged by a harvester of {harvester} (supply {source}), with random seed {config.get('seed', '?')}."
    )


def listed(words: Sequence[str], conjunction: str = "and") -> str:
    """Return words as a list in a sentence."""
    return f"{', '.join(words[:-1])} {conjunction} {words[-1]}" if len(words) > 1 else "".join(words)


def facts(report: Report, one: Design) -> list[tuple[str, str]]:
    """What there is to say about a design, as pairs of a term and a text."""
    row, answer = one.row, one.answer
    found = [
        ("network", row.architecture),
        ("accuracy, validation", f"{interval(row.accuracy(report.kind, 'val'))}, {KIND_NAMES[report.kind]}"),
    ]
    if (test := row.accuracy(report.kind, "test")) is not None:
        found.append(("accuracy, test", f"{interval(test)}, not used for selection"))
    if (deployed_val := row.accuracy("deployed", "val")) is not None:
        deployed = f"{interval(deployed_val)} validation"
        if (deployed_test := row.accuracy("deployed", "test")) is not None:
            deployed += f", {interval(deployed_test)} test"
        found.append(("as the device computes", deployed))
    shares = ", ".join(f"{part.name} {quantity(row.number(column), 's')}" for column, part in LATENCY_PARTS.items())
    multiple = f", {row.latency_s / row.limit_plan_s:.2f} times the lower limit" if row.limit_plan_s else ""
    return [
        *found,
        ("latency", f"{quantity(row.latency_s, 's')}{multiple}"),
        ("of which", shares),
        ("worst case", worst_case(report, row)),
        ("answer after", f"{quantity(row.response_latency_s, 's')}, before the last recharge"),
        ("energy", f"{quantity(row.energy_j, 'J')} in {counted(row.power_cycles, 'power cycle')}"),
        ("memory", _memory(report, row)),
        ("size", f"{counted(row.n_parameters, 'parameter')}, {row.n_macs:,} multiply-accumulates"),
        ("tightest limit", _CONSTRAINTS.get(str(row.binding_constraint), str(row.binding_constraint))),
        *([("note", text) for text in answer["notes"]]),
    ]


def worst_case(report: Report, row: FrontRow) -> str:
    """Return worst-case latency and the harvesters it is of, or that it is not defined."""
    if row.worst_case_latency_s is None:
        return "not defined for this supply"
    factor = report.harvest_uncertainty
    harvester = "a steady harvester" if factor == 1 else f"a harvester of up to {factor:g} times the resistance"
    return f"{quantity(row.worst_case_latency_s, 's')}, for {harvester}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _memory(report: Report, row: FrontRow) -> str:
    vm, nvm = (f"{row.number(name):,} of {getattr(report.device, name):,} B" for name in ("vm_bytes", "nvm_bytes"))
    return f"{vm} volatile, {nvm} non-volatile"


def tip(report: Report, one: Design) -> str:
    """What hovering over a design shows."""
    rows = "".join(f"<tr><th>{escape(term)}</th><td>{escape(text)}</td></tr>" for term, text in facts(report, one))
    plan = "".join(f"<li>{escape(text)}</li>" for text in _plan_lines(one))
    off = "" if one.row.on_front else " <em>off the front</em>"
    return (
        f'<div class="tip"><b>{escape(one.row.id)}</b>{off}<table>{rows}</table>'
        f"<p>plan: layer, tile (height x width x outputs x inputs), loop order, vectors, tiles a batch</p>"
        f"<ul>{plan}</ul></div>"
    )


def _plan_lines(one: Design) -> list[str]:
    pairs = zip(one.answer["layers"], one.answer["plan"], strict=True)
    return [f"{layer['layer']}: {tile(plan)} {plan['order']} {plan['vector']} {plan['batch']}" for layer, plan in pairs]


def tile(plan: dict[str, Any]) -> str:
    """Return the sizes of a tile: height x width x output channels x input channels."""
    return "x".join(str(plan[key]) for key in ("tile_h", "tile_w", "tile_out", "tile_in"))


def panel(report: Report, one: Design) -> str:
    """What the panel of the chosen design shows."""
    terms = "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in facts(report, one))
    return f"<dl>{terms}</dl>"


def layers_table(one: Design) -> str:
    """Return a row a layer: how it is executed and what it takes."""
    rows = [
        [
            layer["layer"], tile(plan), plan["order"], plan["vector"], f"{plan['batch']:,}", f"{layer['batches']:,}",
            quantity(layer["active_s"], "s"), quantity(layer["energy_j"], "J"), f"{layer['vm_bytes']:,} B",
        ]
        for layer, plan in zip(one.answer["layers"], one.answer["plan"], strict=True)
    ]  # fmt: skip
    head = ("layer", "tile", "loop order", "vectors", "tiles a batch", "batches", "awake", "energy", "VM")
    return Table(head, rows, text=(0, 2, 3)).to_html()


def runs_table(front: Front, one: Design) -> str:
    """Return a row for each run of equal power cycles."""
    rows, n = [], 0
    for run in one.runs:
        rows.append([cycle_numbers(n, run), *_run_cells(front, run)])
        n += run.cycles
    head = ("power cycles", "from", "to", "energy of each", "of the budget", "awake", "recharging")
    return Table(head, rows, text=(0, 1, 2)).to_html()


def cycle_numbers(n_before: int, run: CycleRun) -> str:
    """Which cycles a run has, counted from 1."""
    return f"{n_before + 1}" if run.cycles == 1 else f"{n_before + 1}-{n_before + run.cycles}"


def _run_cells(front: Front, run: CycleRun) -> list[str]:
    return [
        *(f"{layer}, batch {batch:,}" for layer, batch in (run.first, run.last)),
        quantity(run.energy_j, "J"),
        f"{100 * run.energy_j / front.supply.budget_j:.0f} %",
        quantity(run.active_s, "s"),
        quantity(run.recharge_s, "s"),
    ]


def run_tip(front: Front, run: CycleRun, n_before: int) -> str:
    """What hovering over a run of power cycles shows."""
    first, last, energy, share, active, recharge = map(escape, _run_cells(front, run))
    which = (
        f"power cycle {n_before + 1}" if run.cycles == 1 else f"power cycles {cycle_numbers(n_before, run)}, all equal"
    )
    each = "" if run.cycles == 1 else "each "
    return (
        f'<div class="tip"><b>{which}</b><p>{first} to {last}</p>'
        f"<p>{each}{energy}, {share} of the budget; awake {active}, recharging {recharge}</p></div>"
    )


def parts_tip(one: Design) -> str:
    """What hovering over a bar of the breakdown shows."""
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
        "energy", "VM [B]", "NVM [B]", "parameters",
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


def miss_text(front: Front) -> str:
    """What is said of a budget under which nothing is feasible."""
    miss = front.miss or {}
    start = f"{budget_label(front.name)}: no design is feasible."
    if not {"architecture", "amount", "unit", "binding_constraint", "id"} <= set(miss):
        return start
    limit = _CONSTRAINTS.get(miss["binding_constraint"], str(miss["binding_constraint"]))
    return (
        f"{start} The nearest, {miss['architecture']}, breaks the limit of {limit} by "
        f"{quantity(miss['amount'], miss['unit'])} (designs/{miss['id']}.json)."
    )
