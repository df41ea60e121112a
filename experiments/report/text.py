"""Sentences, quantities and facts of a report, as text or as HTML with every value escaped.

Pure functions of the content of `experiments.report.data`; only shares and sums for reading are computed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from experiments.formatting.colours import LATENCY_PARTS
from experiments.formatting.quantities import budget_label, write
from experiments.report.data import Design, Front, Report
from experiments.runs.front_row import Accuracy, FrontRow

KIND_NAMES = {"finetuned": "own (fine-tuned) weights", "inherited": "shared weights"}
"""Names of the weights for each kind of accuracy."""

_CONSTRAINTS = {
    "energy": "energy of a power cycle", "vm": "SRAM (VM)", "nvm": "non-volatile memory", "deadline": "deadline",
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
    """Return the run in one sentence."""
    names = [budget_label(front.name) for front in report.fronts]
    resistances = [quantity(front.supply.resistance_ohm, "ohm") for front in report.fronts]
    harvester = listed(list(dict.fromkeys(resistances)), "or")
    config = report.config
    data, space, supply = (config.get(section, {}) for section in ("data", "space", "supply"))
    what = f" ({report.what})" if report.what else ""
    source = supply.get("name") or supply.get("file") or "given in the config"
    return (
        f"Neural networks of the space {space.get('name', '?')} for the data set {data.get('name', '?')}{what}, "
        f"searched for the microcontroller {report.device.name} that runs on a capacitor of {listed(names, 'or')}, "
        f"charged by a harvester of {harvester} (supply {source}), with random seed {config.get('seed', '?')}."
    )


def listed(words: Sequence[str], conjunction: str = "and") -> str:
    """Return words as a list in a sentence."""
    return f"{', '.join(words[:-1])} {conjunction} {words[-1]}" if len(words) > 1 else "".join(words)


def facts(report: Report, one: Design) -> list[tuple[str, str]]:
    """Return the facts of a design, as pairs of a term and a text."""
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
    """Return the worst-case latency with the harvesters that it covers, or that it is not defined."""
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
    return f"{vm} SRAM (VM), {nvm} non-volatile"


def tip(report: Report, one: Design) -> str:
    """Return the tip of a design."""
    rows = "".join(f"<tr><th>{escape(term)}</th><td>{escape(text)}</td></tr>" for term, text in facts(report, one))
    plan = "".join(f"<li>{escape(text)}</li>" for text in _plan_lines(one))
    off = "" if one.row.on_front else " <em>off the front</em>"
    return (
        f'<div class="tip"><b>{escape(one.row.id)}</b>{off}<table>{rows}</table>'
        f"<p>plan: layer, tile (height x width x outputs x inputs), loop order, vectors, tiles per batch</p>"
        f"<ul>{plan}</ul></div>"
    )


def _plan_lines(one: Design) -> list[str]:
    pairs = zip(one.answer["layers"], one.answer["plan"], strict=True)
    return [f"{layer['layer']}: {tile(plan)} {plan['order']} {plan['vector']} {plan['batch']}" for layer, plan in pairs]


def tile(plan: dict[str, Any]) -> str:
    """Return the sizes of a tile: height x width x output channels x input channels."""
    return "x".join(str(plan[key]) for key in ("tile_h", "tile_w", "tile_out", "tile_in"))


def panel(report: Report, one: Design) -> str:
    """Return the panel of the chosen design."""
    terms = "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in facts(report, one))
    return f"<dl>{terms}</dl>"


def miss_text(front: Front) -> str:
    """Return the sentence on a budget under which nothing is feasible."""
    miss = front.miss or {}
    start = f"{budget_label(front.name)}: no design is feasible."
    if not {"architecture", "amount", "unit", "binding_constraint", "id"} <= set(miss):
        return start
    limit = _CONSTRAINTS.get(miss["binding_constraint"], str(miss["binding_constraint"]))
    return (
        f"{start} The nearest, {miss['architecture']}, breaks the limit of {limit} by "
        f"{quantity(miss['amount'], miss['unit'])} (designs/{miss['id']}.json)."
    )
