"""Choice of one candidate per layer of a network whose layers share power cycles: label setting, exact, compiled.

Labels go from layer to layer, through every candidate of each (`labels`, `leaving`). A lower bound of the time to come
excludes those that cannot lead to a better plan than a known one (`bound`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from energy.events import IntArray
from energy.jit import compiled
from energy.planning.bound import Bound, bound_of, open_s
from energy.planning.candidates import CandidateBatches, batches_of
from energy.planning.labels import Labels, empty_labels, most_promising, non_dominated
from energy.planning.leaving import leave, leave_greedily
from energy.scheduling.cycle import Cycle, recharge_line, recharge_s

_FEW_LABELS = 1
"""Labels between two layers in the first pass, which finds a good plan."""

MOST_LABELS = 50_000
"""Labels between two layers at most; networks of the built-in spaces have fewer than 2,000 under optimal cuts. [1]"""

_ROUNDING = 1e-9
"""Relative rounding of times and bounds."""


class Choice(NamedTuple):
    """One candidate of each layer.

    Attributes:
        latency_s: Latency of the network; where labels were dropped, at most this. [s]
        chosen: Index of the candidate of each layer, `(n_layers,)`.
        is_limited: Whether labels were dropped for their number alone, so that a better choice may exist.
    """

    latency_s: float
    chosen: IntArray
    is_limited: bool


@compiled
def choose(candidates: CandidateBatches, cycle: Cycle, is_optimal: bool, most_labels: int) -> Choice:
    """Return the candidates with the least latency of all combinations.

    Args:
        candidates: Batches of the candidates; each must fit into a cycle after a boot.
        cycle: Costs and budget of a power cycle.
        is_optimal: Whether cuts are optimal, else greedy.
        most_labels: Labels between two layers at most; where there would be more, a better choice may be missed. [1]
    """
    known = _pass(candidates, cycle, is_optimal, np.inf, _FEW_LABELS)
    found = _pass(candidates, cycle, is_optimal, known.latency_s, most_labels)
    return found if found.latency_s <= known.latency_s else Choice(known.latency_s, known.chosen, found.is_limited)


@compiled
def _pass(candidates: CandidateBatches, cycle: Cycle, is_optimal: bool, limit_s: float, most: int) -> Choice:
    """Return the best choice with at most `most` labels between two layers, its latency at most `limit_s` or inf."""
    n_layers = len(candidates.length)
    bound = bound_of(candidates, cycle, limit_s)
    labels = empty_labels(0)
    parents, taken = [labels.parent], [labels.candidate]
    # With one label the best so far excludes others already within a layer.
    is_limited, chosen = most == 1 and n_layers > 1, np.zeros(n_layers, dtype=np.int64)
    for layer in range(n_layers):
        through = _through_layer(labels, candidates, layer, cycle, is_optimal, bound, most)
        leaving = non_dominated(through, is_optimal)
        labels = most_promising(leaving, most, layer + 1, cycle, bound)
        is_limited |= len(labels.time_s) < len(leaving.time_s)
        if not len(labels.time_s):
            return Choice(np.inf, chosen, is_limited)
        parents.append(labels.parent)
        taken.append(labels.candidate)
    best_s, best = np.inf, 0
    for label in range(len(labels.time_s)):
        total_s = labels.time_s[label] + recharge_s(labels.energy_nj[label] * 1e-9, cycle.law)
        if total_s < best_s:
            best_s, best = total_s, label
    for layer in range(n_layers, 0, -1):
        chosen[layer - 1] = taken[layer][best]
        best = parents[layer][best]
    return Choice(best_s, chosen, is_limited)


@compiled
def _through_layer(
    labels: Labels,
    candidates: CandidateBatches,
    layer: int,
    cycle: Cycle,
    is_optimal: bool,
    bound: Bound,
    most: int,
) -> Labels:
    """Return all labels behind a layer that the bound does not exclude, in no order; where `most` is 1, the best too.

    Candidates are taken by rising cost, up to the first whose cost exceeds the limit with the best label.
    """
    n_in, rest_s = len(labels.time_s), bound.rest_s[layer + 1]
    room, entering_s = 0, 0.0 if layer == 0 else np.inf
    for index in range(candidates.length.shape[1]):
        room += n_in + candidates.length[layer, index]
    for label in range(n_in):
        entering_s = min(entering_s, labels.time_s[label] + open_s(labels.energy_nj[label], layer, cycle, bound))
    leaving = empty_labels(room)
    _, slope = recharge_line(cycle)
    order = np.argsort(labels.time_s + slope * labels.energy_nj, kind="mergesort")
    n, limit_s = 0, bound.limit_s * (1 + _ROUNDING)
    for index in np.argsort(bound.cost_s[layer], kind="mergesort"):
        if candidates.length[layer, index] == 0 or entering_s + bound.cost_s[layer, index] + rest_s > limit_s:
            break
        batches, before = batches_of(candidates, layer, index), n
        if is_optimal:
            n = leave(labels, order, layer == 0, batches, cycle, leaving, n)
        else:
            n = leave_greedily(labels, layer == 0, batches, cycle, leaving, n)
        kept = before
        for row in range(before, n):
            time_s = leaving.time_s[row] + candidates.warm_total_s[layer, index]
            energy_nj = leaving.energy_nj[row]
            least_s = time_s + rest_s + open_s(energy_nj, layer + 1, cycle, bound)
            if least_s <= limit_s:
                leaving.time_s[kept], leaving.energy_nj[kept] = time_s, energy_nj
                leaving.parent[kept], leaving.candidate[kept] = leaving.parent[row], index
                kept += 1
                if most == 1:
                    limit_s = least_s
        n = kept
    return Labels(leaving.time_s[:n], leaving.energy_nj[:n], leaving.parent[:n], leaving.candidate[:n])
