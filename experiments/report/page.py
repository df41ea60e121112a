"""The page of a report: the content of `experiments.report.data` as one HTML file that loads nothing from elsewhere.

Pure: the same data gives the same bytes. Template, style and script lie in `experiments/report/pages`.
"""

from __future__ import annotations

import json
from html import escape
from importlib import resources
from string import Template
from typing import Any

import bokeh
import numpy as np
from bokeh.resources import Resources

from energy.hardware.scenarios import Scenarios
from experiments.formatting.colours import LATENCY_PARTS
from experiments.formatting.quantities import budget_label
from experiments.report.charts import charts, colour_of
from experiments.report.data import Design, Front, Report
from experiments.report.legends import cycles_legend, front_legend, parts_legend
from experiments.report.tables import layers_table, overview_table, parts_tip, run_tip, runs_table
from experiments.report.text import KIND_NAMES, counted, miss_text, panel, quantity, sentence
from experiments.runs.candidates import LATENCY
from experiments.storage.tables import FRONTS, as_columns, csv_text


def page(report: Report) -> str:
    """Return the whole page."""
    has_designs = any(front.designs for front in report.fronts)
    n_designs = sum(len(front.designs) for front in report.fronts)
    return Template(_built_in("report.html")).substitute(
        title=escape(f"EbbNAS report of {report.name}"),
        heading=escape(f"{report.config.get('name', report.name)}: accuracy against time on harvested energy"),
        sentence=escape(sentence(report)),
        accuracies=escape(_accuracies(report)),
        notes="\n".join(f'<p class="note">{escape(note)}</p>' for note in _notes(report)),
        deadline_rule=escape(_deadline_rule(report)),
        front_legend=front_legend(report),
        parts_legend=parts_legend(),
        cycles_legend=cycles_legend(),
        table=overview_table(report),
        table_is_open="" if has_designs else " open",
        n_designs=counted(n_designs, "design"),
        config=escape(report.config_text),
        manifest=escape(json.dumps(report.manifest, indent=1)),
        bokeh_version=bokeh.__version__,
        style=_built_in("report.css"),
        data=_embedded(_data(report)) if has_designs else '{"fronts": []}',
        bokeh=_library() if has_designs else "",
        choice=_built_in("choice.js"),
        script=_built_in("report.js"),
    )


def _built_in(name: str) -> str:
    return (resources.files("experiments.report") / "pages" / name).read_text(encoding="utf-8")


def _library() -> str:
    """Return the core of BokehJS."""
    script: str = Resources(mode="inline", components=["bokeh"], minified=True).js_raw[0]
    return script.replace("</script", "<\\/script")


def _embedded(value: Any) -> str:
    """Return JSON that may stand inside a script element, any text in it included."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _accuracies(report: Report) -> str:
    weights = KIND_NAMES[report.kind]
    interval = "Intervals are 95 %: how much the figure might change with other samples of the same kind."
    if report.kind == "inherited":
        return (
            f"Accuracies are those of networks with {weights}, on validation data that training never saw. They decide "
            f"which designs are on a front. {interval}"
        )
    return (
        f"Accuracies are those of networks with their {weights}. Validation data, which training never saw, decide "
        f"which designs are on a front and which one is chosen here. Test data were opened last: their "
        f"accuracies are shown and not used for selection. {interval}"
    )


def _notes(report: Report) -> list[str]:
    return [*(miss_text(front) for front in report.fronts if not front.designs), *report.notes]


def _deadline_rule(report: Report) -> str:
    """Return the sentence on the time that a deadline is compared with."""
    if any(front.designs and front.time == LATENCY for front in report.fronts):
        return "A deadline is compared with the latency: a worst case is not defined for this supply."
    if report.harvest_uncertainty == 1:
        return (
            "A deadline is compared with the worst-case latency, which here is the latency: the harvester is assumed "
            "to be steady."
        )
    return (
        f"A deadline is compared with the worst-case latency, for a harvester of up to "
        f"{report.harvest_uncertainty:g} times the resistance; a dotted line leads to it."
    )


def _data(report: Report) -> dict[str, Any]:
    """Return the data of the page's script."""
    drawn = [front for front in report.fronts if front.designs]
    rows = [row.to_dict() for row in report.rows]
    position = {row.id: index for index, row in enumerate(report.rows)}
    return {
        "name": report.name,
        "place": report.place,
        "accuracy": report.accuracy,
        "deadline_s": report.deadline_s,
        "parts": list(LATENCY_PARTS),
        "rows": rows,
        "csv": csv_text(as_columns(rows, FRONTS)),
        "fronts": [_front(report, front, colour_of(index), position) for index, front in enumerate(drawn)],
        "charts": charts(report),
    }


def _front(report: Report, front: Front, colour: str, position: dict[str, int]) -> dict[str, Any]:
    supply = front.supply
    start_v2, v2_per_j, *_ = Scenarios.of([supply]).law_of(0)
    return {
        "name": front.name,
        "label": budget_label(front.name),
        "colour": colour,
        "v_on_v": supply.v_on_v,
        "v_off_v": supply.v_off_v,
        "v_budget_v": float(np.sqrt(start_v2 - supply.cycle_budget_j * v2_per_j)),
        "ranking": front.ranking,
        "designs": [{"position": position[one.row.id], **_design(report, front, one)} for one in front.designs],
    }


def _design(report: Report, front: Front, one: Design) -> dict[str, Any]:
    runs, n_before = [], 0
    for run in one.runs:
        runs.append(
            {
                "cycles": run.cycles,
                "times_s": [round(time_s, 6) for time_s in run.times_s],
                "voltages_v": [round(voltage_v, 4) for voltage_v in run.voltages_v],
                "tip": run_tip(front, run, n_before),
            }
        )
        n_before += run.cycles
    return {
        "panel": panel(report, one),
        "layers_table": layers_table(one),
        "cycles_table": runs_table(front, one),
        "cycles_summary": _cycles_summary(front, one),
        "parts_tip": parts_tip(one),
        "time_s": one.row.number(front.time),
        "runs": runs,
        "can_simulate": one.can_simulate,
    }


def _cycles_summary(front: Front, one: Design) -> str:
    if not one.runs:
        return "The design is not feasible as it is priced now: no power cycles to show."
    most_j = max(run.energy_j for run in one.runs)
    return (
        f"{counted(sum(run.cycles for run in one.runs), 'power cycle')} in {quantity(one.answer['latency_s'], 's')}, "
        f"of them {quantity(one.answer['recharge_s'], 's')} asleep. A power cycle may spend "
        f"{quantity(front.supply.cycle_budget_j, 'J')} of the {quantity(front.supply.stored_energy_j, 'J')} that the "
        f"capacitor holds between booting and failing; the costliest here spends {quantity(most_j, 'J')}."
    )
