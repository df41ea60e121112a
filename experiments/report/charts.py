"""The three charts of a report as JSON that BokehJS draws: front, time by part, voltage of the capacitor.

Constant parts are filled in here; the page's script fills the rest, by the names of the models.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bokeh.core.properties import value
from bokeh.embed import json_item
from bokeh.models import (
    BoxAnnotation,
    ColumnDataSource,
    FactorRange,
    FixedTicker,
    GlyphRenderer,
    HoverTool,
    NumeralTickFormatter,
    Range1d,
    Span,
    TapTool,
)
from bokeh.plotting import figure

from experiments.formatting.colours import COLOURS, LATENCY_PARTS, MARKERS
from experiments.report.data import Design, Front, Report
from experiments.report.text import tip

_MARKER_OF: Mapping[str, str] = {
    "o": "circle", "s": "square", "^": "triangle", "D": "diamond", "v": "inverted_triangle", "P": "plus", "X": "star",
}  # fmt: skip
"""Markers of the figures by their names here."""

_INK, _GREY, _GRID = "#222222", "#5b6470", "#e4e7eb"
STATES: Mapping[str, tuple[str, str, float]] = {
    "charging": ("asleep, charging", _GREY, 1.2),
    "active": ("awake, computing", COLOURS[0], 2.2),
}
"""States of a device with their names, colours and line widths. [px]"""

_TIP = """<div><style>
.tip { max-width: min(26rem, 68vw); font: 12px/1.4 system-ui, sans-serif; white-space: normal; }
.tip p { margin: .3em 0 0; } .tip ul { margin: .1em 0 0; padding: 0; list-style: none; }
.tip th { text-align: left; font-weight: normal; color: #5b6470; vertical-align: top; white-space: nowrap; }
.tip th, .tip td { padding: 0 .7em 0 0; } .tip .number { text-align: right; }
</style>@tip{safe}</div>"""
"""Tip of a mark: a column of HTML with its own style, since the style of the page does not apply inside a chart."""

_TICKS_S = [m * 10.0**power for power in range(-6, 7) for m in (1, 2, 5)]
"""Ticks of a logarithmic axis of time; those in view are drawn. [s]"""


def charts(report: Report) -> dict[str, Any]:
    """Return the charts as BokehJS draws them, by the id of their element."""
    found = {"front-chart": _front(report), "parts-chart": _parts(), "cycles-chart": _cycles()}
    return {name: _renumbered(dict(json_item(chart, name))) for name, chart in found.items()}


def _renumbered(item: dict[str, Any]) -> dict[str, Any]:
    """Return the item with ids counted from 0: ids of Bokeh continue from chart to chart within a process."""
    numbers: dict[str, str] = {}

    def walked(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: numbers.setdefault(inner, f"m{len(numbers)}")
                if key == "id" and isinstance(inner, str)
                else walked(inner)
                for key, inner in value.items()
            }
        return [walked(inner) for inner in value] if isinstance(value, list) else value

    walked_doc = walked(item["doc"])
    return {**item, "doc": walked_doc, "root_id": numbers[item["root_id"]]}


def _figure(**settings: Any) -> figure:
    chart = figure(sizing_mode="stretch_width", min_width=200, toolbar_location="above", **settings)
    chart.toolbar.logo = None
    # No tool takes a drag until it is picked: on a phone a drag scrolls.
    chart.toolbar.active_drag = None
    chart.outline_line_color = None
    chart.background_fill_color = chart.border_fill_color = None
    for axis in chart.axis:
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font = axis.major_label_text_font = "system-ui, sans-serif"
        axis.axis_label_text_font_size, axis.major_label_text_font_size = "13px", "12px"
        axis.axis_label_text_color = axis.major_label_text_color = _INK
        axis.axis_line_color = axis.major_tick_line_color = _GREY
        axis.minor_tick_line_color = None
    chart.grid.grid_line_color = _GRID
    return chart


def _front(report: Report) -> figure:
    """Return accuracy on validation over latency, one curve per budget."""
    chart = _figure(height=520, x_axis_type="log", name="front", tools="pan,box_zoom,wheel_zoom,reset,save")
    chart.xaxis.axis_label = "latency of one inference [s]"
    chart.yaxis.axis_label = "accuracy on validation [%]"
    chart.xaxis.ticker = FixedTicker(ticks=_TICKS_S)
    chart.xaxis.formatter = NumeralTickFormatter(format="0.[000000]")
    chart.x_range.range_padding = chart.y_range.range_padding = 0.08
    chart.y_range.only_visible = True
    shade = {"fill_color": "#6b7280", "fill_alpha": 0.10, "line_color": None, "visible": False}
    chart.add_layout(BoxAnnotation(name="too late", **shade))
    chart.add_layout(BoxAnnotation(name="too wrong", **shade))
    points: list[GlyphRenderer] = []
    drawn = [front for front in report.fronts if front.designs]
    for index, front in enumerate(drawn):
        points += _curve(chart, report, front, colour_of(index), marker_of(index))
    # Ranges are those of the designs, so that they do not jump with every choice.
    chart.y_range.renderers = chart.x_range.renderers = list(chart.renderers)
    chosen = ColumnDataSource({"x": [], "y": [], "low": [], "high": [], "worst": []}, name="chosen")
    chart.segment("x", "low", "x", "high", source=chosen, line_color=_INK, line_width=1.5)
    chart.segment("x", "y", "worst", "y", source=chosen, line_color=_INK, line_width=1.5, line_dash="dotted")
    chart.scatter("x", "y", source=chosen, size=20, fill_color=None, line_color=_INK, line_width=2.5)
    for name, dimension in (("deadline", "height"), ("least accuracy", "width")):
        chart.add_layout(Span(name=name, dimension=dimension, line_color=_INK, line_dash="dashed", visible=False))
    chart.add_tools(HoverTool(renderers=points, tooltips=_TIP, limit=1), TapTool(renderers=points))
    return chart


def colour_of(index: int) -> str:
    """Return the colour of the curve of that number."""
    return COLOURS[index % len(COLOURS)]


def marker_of(index: int) -> str:
    """Return the marker of the curve of that number, as Bokeh calls it."""
    return _MARKER_OF[MARKERS[index % len(MARKERS)]]


def _curve(chart: figure, report: Report, front: Front, colour: str, marker: str) -> list[GlyphRenderer]:
    """Draw one budget: intervals (hidden at first), worst cases and a line; return the marks of its designs."""
    members = [one for one in front.designs if one.row.on_front]
    others = [one for one in front.designs if not one.row.on_front]
    of_members, of_others = (_points(report, designs) for designs in (members, others))
    chart.segment(
        "x", "low", "x", "high", source=of_members, line_color=colour, line_width=1.5, line_alpha=0.5, visible=False,
        name=f"intervals {front.name}",
    )  # fmt: skip
    chart.segment("x", "y", "worst", "y", source=of_members, line_color=colour, line_alpha=0.4, line_dash="dotted")
    chart.line("x", "y", source=of_members, line_color=colour, line_width=2, name=f"line {front.name}")
    style = {"marker": marker, "line_color": colour}
    hollow = chart.scatter(
        "x", "y", source=of_others, size=7, fill_color="white", line_alpha=0.6, name=f"off {front.name}", **style
    )
    filled = chart.scatter(
        "x", "y", source=of_members, size=10, fill_color=colour, name=f"members {front.name}", **style
    )
    for points in (hollow, filled):
        # The script marks the clicked design itself.
        points.selection_glyph = points.nonselection_glyph = None
    return [hollow, filled]


def _points(report: Report, designs: list[Design]) -> ColumnDataSource:
    """Return designs whose accuracy is known."""
    known = [one for one in designs if one.row.accuracy(report.kind, "val") is not None]
    columns: dict[str, list[Any]] = {
        "x": [one.row.latency_s for one in known],
        "worst": [one.row.worst_case_latency_s or one.row.latency_s for one in known],
        "design": [one.row.id for one in known],
        "tip": [tip(report, one) for one in known],
    }
    for name, end in (("y", ""), ("low", "_low"), ("high", "_high")):
        values = [one.row.number(f"{report.accuracy}{end}") for one in known]
        columns[name] = [float("nan") if value is None else 100 * value for value in values]
    return ColumnDataSource(columns)


def _parts() -> figure:
    """Return the latency of each member of a front in its parts, one bar per design."""
    chart = _figure(height=300, name="parts", y_range=FactorRange(), tools="")
    chart.toolbar_location = None
    source = ColumnDataSource({"design": [], "tip": [], **{part: [] for part in LATENCY_PARTS}}, name="bars")
    bars = chart.hbar_stack(
        list(LATENCY_PARTS), y="design", height=0.72, source=source, line_color="white", line_width=0.5,
        color=[part.colour for part in LATENCY_PARTS.values()],
    )  # fmt: skip
    framed = ColumnDataSource({"design": [], "end": []}, name="framed")
    chart.hbar(
        y="design", left=0, right="end", height=0.9, source=framed, fill_color=None, line_color=_INK, line_width=2.5
    )
    chart.xaxis.axis_label = "time of one inference [s]"
    chart.x_range.start = 0
    chart.x_range.renderers = bars
    chart.ygrid.grid_line_color = None
    chart.add_tools(HoverTool(renderers=bars, tooltips=_TIP, limit=1))
    return chart


def _cycles() -> figure:
    """Return the voltage of the capacitor over one inference of the chosen design."""
    chart = _figure(
        height=300,
        name="cycles",
        x_range=Range1d(0, 1),
        y_range=Range1d(0, 1),
        tools="xpan,xbox_zoom,xwheel_zoom,reset,save",
    )
    chart.xaxis.axis_label = "time since the start [s]"
    chart.yaxis.axis_label = "voltage of the capacitor [V]"
    chart.grid.grid_line_color = None
    runs = ColumnDataSource({name: [] for name in ("left", "right", "bottom", "top", "shade", "tip")}, name="runs")
    quads = chart.quad(
        left="left", right="right", bottom="bottom", top="top", source=runs, fill_color="shade", line_color=None
    )
    bands = ColumnDataSource({name: [] for name in ("left", "right", "bottom", "top")}, name="bands")
    chart.quad(
        left="left", right="right", bottom="bottom", top="top", source=bands, fill_color=COLOURS[0], fill_alpha=0.35,
        line_color=None,
    )  # fmt: skip
    for name, (_, colour, width) in STATES.items():
        source = ColumnDataSource({"xs": [], "ys": []}, name=name)
        chart.multi_line("xs", "ys", source=source, line_color=colour, line_width=width)
    labels = ColumnDataSource({"x": [], "y": [], "text": []}, name="counts")
    chart.text(
        "x", "y", text="text", source=labels, text_align="center", text_baseline="middle", text_color=_INK,
        text_font=value("system-ui, sans-serif"), text_font_size="12px",
    )  # fmt: skip
    for name in ("boots", "spent", "fails"):
        chart.add_layout(Span(name=name, dimension="width", line_color=_GREY, line_dash="dotted"))
    chart.yaxis.ticker = FixedTicker(name="voltages", ticks=[])
    chart.add_tools(HoverTool(renderers=[quads], tooltips=_TIP, point_policy="follow_mouse"))
    return chart
