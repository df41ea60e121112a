"""Recording of one inference, and the quantities of its figure; `experiments.figures.timeline` draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from energy.events import FloatArray, IntArray
from energy.hardware.supply import Supply
from energy.simulation.harvest import Harvest
from energy.simulation.result import Timeline
from experiments.designs.harvest_bounds import at_v_on_w
from experiments.formatting.quantities import write

_MOST_COMMITS = 24
"""Largest number of commits in the power cycle that the figure enlarges. [1]"""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Events and voltages of a design under one harvest.

    Attributes:
        name: Name of the design.
        supply: Capacitor and thresholds.
        harvest: The harvest.
        cycle_budget_j: Cycle energy budget. [J]
        layer_names: Names of the layers.
        timeline: Voltage and events, from time 0.
        end_s: End of the first inference, or of the simulation where it did not finish. [s]
        finished: Whether the first inference finished.
    """

    name: str
    supply: Supply
    harvest: Harvest
    cycle_budget_j: float
    layer_names: tuple[str, ...]
    timeline: Timeline
    end_s: float
    finished: bool

    def times_s(self, kind: str) -> FloatArray:
        """Return the times of a kind of event in the first inference. [s]"""
        line = self.timeline
        return np.asarray(line.event_time_s[(line.event == kind) & (line.event_time_s <= self.end_s)])

    def voltage_at(self, time_s: FloatArray) -> FloatArray:
        """Return the voltage of the capacitor. [V]"""
        return np.interp(time_s, self.timeline.time_s, self.timeline.voltage_v)

    @property
    def spent_v(self) -> float:
        """Voltage at which the cycle energy budget is spent, V(E_av). [V]"""
        return float(np.sqrt(max(self.supply.v_on_v**2 - 2 * self.cycle_budget_j / self.supply.capacitance_f, 0)))


def charged_j(recording: Recording, time_s: FloatArray) -> FloatArray:
    """Return the energy available at Von since time 0; the trace repeats. [J]"""
    harvest = recording.harvest
    power_w = at_v_on_w(harvest, recording.supply)
    if not np.isfinite(harvest.duration_s):
        return np.asarray(power_w[0] * time_s)
    edges_s = np.append(harvest.time_s, harvest.duration_s)
    sums_j = np.concatenate([[0.0], np.cumsum(power_w * np.diff(edges_s))])
    rounds, within_s = np.divmod(time_s, harvest.duration_s)
    return np.asarray(rounds * sums_j[-1] + np.interp(within_s, edges_s, sums_j))


class LayerEnds(NamedTuple):
    """Layers in the order in which they end, and the times of their last commits. [s]"""

    layers: IntArray
    ends_s: FloatArray


class Window(NamedTuple):
    """Time span of the power cycle that the figure enlarges. [s]"""

    first_s: float
    last_s: float


def layer_ends_s(recording: Recording) -> LayerEnds:
    """Return the layers that end in the first inference, and the times at which their last batch is committed. [s]"""
    line = recording.timeline
    kept = (line.event == "commit") & (line.event_time_s <= recording.end_s)
    layers, last = np.unique(line.event_layer[kept][::-1], return_index=True)
    ends_s = line.event_time_s[kept][::-1][last]
    return LayerEnds(layers, ends_s)


def window_s(recording: Recording) -> Window | None:
    """Return the time window of the power cycle to enlarge; None where fewer than two have ended. [s]

    A power cycle that browned out is preferred, then one with many commits.
    """
    line = recording.timeline
    within = line.event_time_s <= recording.end_s
    event, time_s = line.event[within], line.event_time_s[within]
    begins = np.flatnonzero(event == "boot")
    ends = np.flatnonzero((event == "sleep") | (event == "brown_out"))
    n = min(len(begins), len(ends))
    if n < 2:
        return None
    begins, ends = begins[:n], ends[:n]
    n_commits = ends - begins - 1
    score = np.where(n_commits <= _MOST_COMMITS, n_commits, -n_commits)
    failed = event[ends] == "brown_out"
    if failed.any():
        score = np.where(failed, score, score.min() - 1)
    # The middle one of equal scores.
    best = np.flatnonzero(score == score.max())
    chosen = best[len(best) // 2]
    first_s, last_s = float(time_s[begins[chosen]]), float(time_s[ends[chosen]])
    span_s = last_s - first_s
    return Window(first_s - 0.1 * span_s, last_s + 0.2 * span_s)


def outline(time_s: FloatArray, voltage_v: FloatArray, end_s: float, n_bins: int) -> IntArray:
    """Return the samples that keep the shape of a line: the first, lowest, highest and last of each bin."""
    n = int(np.searchsorted(time_s, end_s, side="right"))
    if n <= 4 * n_bins:
        return np.arange(n)
    bins = np.minimum((time_s[:n] / end_s * n_bins).astype(np.int64), n_bins - 1)
    order = np.lexsort((voltage_v[:n], bins))
    firsts = np.flatnonzero(np.diff(bins, prepend=-1))
    lasts = np.append(firsts[1:], n) - 1
    return np.unique(np.concatenate([firsts, lasts, order[firsts], order[lasts]]))


def caption(recording: Recording) -> str:
    """Return the caption of the figure, with thresholds and the cycle energy budget."""
    supply = recording.supply
    n_boots, n_failed = len(recording.times_s("boot")), len(recording.times_s("brown_out"))
    end = "finished" if recording.finished else "not finished"
    counts = f"{n_boots:,} power cycle{'' if n_boots == 1 else 's'}, {n_failed or 'no'} brown-out"
    layers, _ = layer_ends_s(recording)
    names = ", ".join(f"{layer + 1} {recording.layer_names[layer]}" for layer in layers)
    window = window_s(recording)
    return (
        f"One inference of {recording.name} on {write(supply.capacitance_f, 'F')} under {recording.harvest.name}: "
        f"{end} after {write(recording.end_s, 's')}, {counts}{'' if n_failed == 1 else 's'}. "
        f"The device boots at Von = {write(supply.v_on_v, 'V', digits=4)} and fails where its voltage falls to "
        f"Voff = {write(supply.v_off_v, 'V', digits=4)}; "
        f"a power cycle may spend {write(recording.cycle_budget_j, 'J')}, "
        f"which leaves {write(recording.spent_v, 'V', digits=4)} (dotted). "
        "Top: power that charges the capacitor at Von. Middle: voltage of the capacitor"
        + (f"; the strip shows the layers ({names})." if names else ".")
        + (" Bottom: the power cycle shaded grey above, batch by batch." if window else "")
    )
