"""Legends of a report's charts as HTML, which breaks into lines in a narrow window; legends of Bokeh do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from experiments.formatting.colours import LATENCY_PARTS
from experiments.formatting.quantities import budget_label
from experiments.report.charts import STATES, colour_of, marker_of
from experiments.report.data import Report

_INK = "#222222"
_SHAPES: Mapping[str, str] = {
    "circle": '<circle cx="12" cy="8" r="5"/>',
    "square": '<path d="M7 3h10v10h-10z"/>',
    "triangle": '<path d="M12 2.5l5.5 10h-11z"/>',
    "diamond": '<path d="M12 1.5l5 6.5-5 6.5-5-6.5z"/>',
    "inverted_triangle": '<path d="M12 13.5l5.5-10h-11z"/>',
    "plus": '<path d="M10.5 3h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5v-3h3.5z"/>',
    "star": '<path d="M12 2l1.8 4 4.3.5-3.2 2.9 .9 4.3-3.8-2.2-3.8 2.2.9-4.3-3.2-2.9 4.3-.5z"/>',
}
"""Markers of Bokeh by their names, around (12, 8)."""


def front_legend(report: Report) -> str:
    """Return the capacitors by colour and marker, and the ring around the chosen design."""
    drawn = [front for front in report.fronts if front.designs]
    items = [
        (_line(colour_of(index), 2) + _filled(_SHAPES[marker_of(index)], colour_of(index)), budget_label(front.name))
        for index, front in enumerate(drawn)
    ]
    circle = '<circle cx="12" cy="8" r="5.5" stroke-width="2"/>'
    ring = f'<g fill="none" stroke="{_INK}"><path d="M12 0v16"/>{circle}</g>'
    return _legend([*items, (ring, "chosen design, with its 95 % interval")])


def parts_legend() -> str:
    """Return the parts of a latency by colour, and the frame around the chosen design."""
    square = '<path d="M6 2h12v12h-12z"/>'
    items = [(_filled(square, colour), name) for name, colour in LATENCY_PARTS.values()]
    frame = f'<path d="M3 3h18v10h-18z" fill="none" stroke="{_INK}" stroke-width="2"/>'
    return _legend([*items, (frame, "chosen design")])


def cycles_legend() -> str:
    """Return the states of the device by the colour of the line."""
    return _legend([(_line(colour, width), name) for name, colour, width in STATES.values()])


def _line(colour: str, width_px: float) -> str:
    return f'<path d="M0 8h24" stroke="{colour}" stroke-width="{width_px:g}"/>'


def _filled(shape: str, colour: str) -> str:
    return f'<g fill="{colour}">{shape}</g>'


def _legend(items: Sequence[tuple[str, str]]) -> str:
    lines = (
        f'<li><svg width="24" height="16" aria-hidden="true">{drawing}</svg> {escape(text)}</li>'
        for drawing, text in items
    )
    return f'<ul class="legend">{"".join(lines)}</ul>'
