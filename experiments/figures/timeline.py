"""The figure of a time line: harvest, capacitor voltage over one inference with its layers, and one power cycle.

Symbols: Von and Voff the boot and cut-off voltages, V(E_av) the voltage at which the cycle energy budget is spent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from energy.events import FloatArray
from experiments.designs.recording import Recording, charged_j, layer_ends_s, outline, window_s
from experiments.figures.style import GREY
from experiments.formatting.colours import COLOURS

MARKS = {
    "boot": ("^", COLOURS[2], 3.5),
    "sleep": ("s", COLOURS[5], 4.8),
    "commit": ("o", COLOURS[0], 2.8),
    "brown_out": ("X", COLOURS[1], 4.5),
}
"""Marker, colour and size of the events at the edges of activity; a sleep is hollow, so that a commit in it shows."""

_TINTS = ("#d5e5f1", "#f7e3cb")
_LIGHT = "#e4e4e4"
_BINS_PER_INCH = 80
_CHARACTER_IN = 4.6 / 72


def draw(recording: Recording, width_in: float) -> Figure:
    """Return panels of the harvest, the voltage over the inference, and the voltage in one power cycle, if any.

    Args:
        recording: Events and voltages of one inference.
        width_in: Width of the figure. [inch]
    """
    window = window_s(recording)
    heights = (0.5, 1.25, 1.0)[: 2 if window is None else 3]
    figure = Figure(figsize=(width_in, min(width_in, 3.5) * (0.28 + 0.27 * sum(heights))), layout="constrained")
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    whole = figure.add_subplot(grid[1])
    _draw_whole(whole, recording, width_in)
    _draw_harvest(figure.add_subplot(grid[0], sharex=whole), recording, width_in)
    if window is not None:
        whole.axvspan(*window, color=_LIGHT, zorder=0)
        _draw_cycle(figure.add_subplot(grid[2]), recording, window)
    kinds = [kind for kind in MARKS if _is_shown(recording, kind, window, width_in)]
    handles = [_mark(Line2D([], []), kind) for kind in kinds]
    labels = [kind.replace("_", "-") for kind in kinds]
    figure.legend(
        handles, labels, loc="outside upper center", ncols=4, frameon=False, handletextpad=0.0, columnspacing=1.2
    )
    _settle(figure)
    return figure


def _settle(figure: Figure) -> None:
    """Lay out once and round: the last bits of a layout differ between processes, and the files would differ too."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        left, bottom, width, height = (round(value, 6) for value in axes.get_position().bounds)
        axes.set_position((left, bottom, width, height))


def _is_shown(recording: Recording, kind: str, window: tuple[float, float] | None, width_in: float) -> bool:
    """Return whether a kind of event is marked in any panel."""
    times_s = recording.times_s(kind)
    if window is not None and ((times_s > window[0]) & (times_s < window[1])).any():
        return True
    return kind in _marked_in_whole(recording, width_in) and len(times_s) > 0


def _marked_in_whole(recording: Recording, width_in: float) -> tuple[str, ...]:
    """Return the kinds that are marked in the panel of the whole inference: boots where they do not crowd."""
    return ("boot", "brown_out") if len(recording.times_s("boot")) <= 10 * width_in else ("brown_out",)


def _mark(line: Line2D, kind: str) -> Line2D:
    """Return a line as the markers of an event."""
    marker, colour, size = MARKS[kind]
    line.set(linestyle="none", marker=marker, markersize=size, color=colour, markeredgecolor="white")
    line.set(markeredgewidth=0.3, clip_on=False)
    if kind == "sleep":
        line.set(markerfacecolor="none", markeredgecolor=colour, markeredgewidth=0.9)
    return line


def _draw_harvest(axes: Axes, recording: Recording, width_in: float) -> None:
    """Draw the charging power at Von, averaged over bins as wide as a dot."""
    edges_s = np.linspace(0, recording.end_s, round(_BINS_PER_INCH * width_in) + 1)
    mean_w = np.diff(charged_j(recording, edges_s)) / np.diff(edges_s)
    top_w = float(mean_w.max())
    power = min(max(int(np.floor(np.log10(top_w) / 3)) * 3, -9), 0) if top_w > 0 else 0
    prefix = {-9: "n", -6: "µ", -3: "m", 0: ""}[power]
    axes.stairs(mean_w / 10.0**power, edges_s, fill=True, color=COLOURS[4], linewidth=0)
    axes.set_ylabel(f"harvest\n[{prefix}W]")
    axes.set_ylim(0, 1.1 * top_w / 10.0**power or 1)
    axes.tick_params(labelbottom=False)
    axes.locator_params(axis="y", nbins=2)


def _draw_whole(axes: Axes, recording: Recording, width_in: float) -> None:
    """Draw the voltage over the inference, layers along the time axis."""
    line = recording.timeline
    kept = outline(line.time_s, line.voltage_v, recording.end_s, round(_BINS_PER_INCH * width_in))
    times_s, voltage_v = np.append(line.time_s[kept], recording.end_s), line.voltage_v[np.append(kept, kept[-1])]
    axes.plot(times_s, voltage_v, color=COLOURS[0], linewidth=0.7)
    axes.set_xlim(0, recording.end_s)
    _voltage_axis(axes, recording, room=0.24)
    for kind in _marked_in_whole(recording, width_in):
        _add(axes, recording, kind, recording.times_s(kind))
    _draw_layers(axes, recording, width_in)
    axes.set_xlabel("time [s]")


def _voltage_axis(axes: Axes, recording: Recording, room: float) -> None:
    """Draw the thresholds as labelled lines, with room for a strip below."""
    supply = recording.supply
    range_v = supply.v_on_v - supply.v_off_v
    has_room = recording.spent_v - supply.v_off_v > 0.15 * range_v
    levels = (("Von", supply.v_on_v, "--"), ("Voff", supply.v_off_v, "--"), ("budget", recording.spent_v, ":"))
    for name, level_v, style in levels:
        axes.axhline(level_v, color=GREY, linewidth=0.6, linestyle=style, zorder=1)
        if name != "budget" or has_room:
            axes.annotate(
                name, (1, level_v), xytext=(2, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                va="center", color=GREY, annotation_clip=False,
            )  # fmt: skip
    axes.set_ylim(supply.v_off_v - (0.08 + room) * range_v, supply.v_on_v + 0.14 * range_v)
    axes.set_ylabel("capacitor [V]")
    axes.locator_params(axis="y", nbins=4)


def _draw_layers(axes: Axes, recording: Recording, width_in: float) -> None:
    """Draw the layers as a strip of alternating tints, with names where all fit, else with numbers where they fit."""
    layers, ends_s = layer_ends_s(recording)
    # Before the first boot an empty capacitor is filled.
    edges_s = np.concatenate([recording.times_s("boot")[:1] if len(ends_s) else [0.0], ends_s])
    room_in = np.diff(edges_s) / recording.end_s * _axes_in(width_in)
    names = [recording.layer_names[layer] for layer in layers]
    if any(_CHARACTER_IN * (len(name) + 0.6) > room for name, room in zip(names, room_in, strict=True)):
        names = [str(layer + 1) for layer in layers]
    _draw_strip(axes, edges_s, names, [_TINTS[layer % 2] for layer in layers], room_in)


def _draw_batches(axes: Axes, recording: Recording, boot_s: float, window: tuple[float, float]) -> None:
    """Draw the boot and the layers of one power cycle as a strip, by number."""
    line = recording.timeline
    rows = np.flatnonzero((line.event_time_s > boot_s) & (line.event_time_s < window[1]) & (line.event != "sleep"))
    layers = line.event_layer[rows]
    last = np.flatnonzero(np.diff(layers, append=-1))
    up_s = line.time_s[np.searchsorted(line.time_s, boot_s, side="right")]
    edges_s = np.concatenate([[boot_s, up_s], line.event_time_s[rows][last]])
    names = ["boot", *(str(layer + 1) for layer in layers[last])]
    colours = [_LIGHT, *(_TINTS[layer % 2] for layer in layers[last])]
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    room_in = np.diff(edges_s) / (window[1] - window[0]) * _axes_in(float(figure.get_size_inches()[0]))
    _draw_strip(axes, 1e3 * (edges_s - boot_s), names, colours, room_in)


def _axes_in(width_in: float) -> float:
    """Return the approximate width of the axes in a figure. [inch]"""
    return width_in - 1.1


def _draw_strip(
    axes: Axes, edges: FloatArray, names: Sequence[str], colours: Sequence[str], room_in: FloatArray
) -> None:
    """Draw coloured pieces along the time axis, named where there is room."""
    for i, name in enumerate(names):
        axes.axvspan(edges[i], edges[i + 1], ymax=0.15, color=colours[i], linewidth=0, zorder=0.5)
        if _CHARACTER_IN * (len(name) + 0.6) <= room_in[i]:
            at = ((edges[i] + edges[i + 1]) / 2, 0.075)
            axes.text(*at, name, transform=axes.get_xaxis_transform(), ha="center", va="center_baseline")


def _draw_cycle(axes: Axes, recording: Recording, window: tuple[float, float]) -> None:
    """Draw the voltage in one power cycle with all its events."""
    line = recording.timeline
    boots_s = recording.times_s("boot")
    boot_s = float(boots_s[boots_s > window[0]][0])
    number = int(np.searchsorted(boots_s, boot_s)) + 1
    first, last = np.searchsorted(line.time_s, window)
    rows = slice(max(first - 1, 0), last + 1)
    axes.plot(1e3 * (line.time_s[rows] - boot_s), line.voltage_v[rows], color=COLOURS[0], linewidth=0.9)
    axes.set_xlim(*(1e3 * (edge_s - boot_s) for edge_s in window))
    _voltage_axis(axes, recording, room=0.24)
    _draw_batches(axes, recording, boot_s, window)
    for kind in MARKS:
        times_s = recording.times_s(kind)
        _add(axes, recording, kind, times_s[(times_s > window[0]) & (times_s < window[1])], boot_s, 1e3)
    axes.set_xlabel(f"time since boot {number:,} [ms]")


def _add(
    axes: Axes, recording: Recording, kind: str, times_s: FloatArray, zero_s: float = 0.0, scale: float = 1.0
) -> None:
    """Add the markers of one kind of event to the curve."""
    if len(times_s):  # an empty line that is not clipped spoils the layout
        line = Line2D(scale * (times_s - zero_s), recording.voltage_at(times_s), zorder=3)
        axes.add_line(_mark(line, kind))
