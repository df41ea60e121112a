"""Labels of the choice of a plan: states between two layers whose power cycles are shared; compiled.

A label is the time so far without the recharge of the open cycle, and the energy of that cycle. More energy never
recharges sooner and never fits better, so of two labels one with no more time and no more energy is enough.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from energy.events import FloatArray, IntArray
from energy.jit import compiled
from energy.planning.bound import Bound, open_s
from energy.scheduling.cycle import Cycle


class Labels(NamedTuple):
    """States between two layers, arrays `(n,)`, energy rising and time falling.

    Attributes:
        time_s: Time so far without the recharge of the open cycle. [s]
        energy_nj: Energy of the open cycle. [nJ]
        parent: Label before the last layer.
        candidate: Candidate of the last layer.
    """

    time_s: FloatArray
    energy_nj: IntArray
    parent: IntArray
    candidate: IntArray


@compiled
def empty_labels(n: int) -> Labels:
    """Return `n` labels to be filled."""
    return Labels(np.empty(n), np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64))


@compiled
def non_dominated(labels: Labels, is_optimal: bool) -> Labels:
    """Return the labels that no other replaces, energy rising; of equal ones the first.

    Under optimal cuts a label of no more time and no more energy replaces another. Greedy cuts can fall better after
    more energy, so there the energies must be equal.
    """
    kept = np.empty(len(labels.time_s), dtype=np.int64)
    n, least_s, last_nj = 0, np.inf, -1
    for label in np.argsort(labels.energy_nj, kind="mergesort"):
        if labels.time_s[label] < least_s or (not is_optimal and labels.energy_nj[label] != last_nj):
            if labels.energy_nj[label] == last_nj:
                n -= 1
            kept[n] = label
            n += 1
            least_s, last_nj = labels.time_s[label], labels.energy_nj[label]
    return _taken(labels, kept[:n])


@compiled
def most_promising(labels: Labels, most: int, layer: int, cycle: Cycle, bound: Bound) -> Labels:
    """Return the labels whose lower bound is least, at most `most`, energy rising."""
    n = len(labels.time_s)
    if n <= most:
        return labels
    score_s = np.empty(n)
    for label in range(n):
        score_s[label] = labels.time_s[label] + open_s(labels.energy_nj[label], layer, cycle, bound)
    return _taken(labels, np.sort(np.argsort(score_s, kind="mergesort")[:most]))


@compiled
def _taken(labels: Labels, rows: IntArray) -> Labels:
    """Return some of the labels."""
    return Labels(labels.time_s[rows], labels.energy_nj[rows], labels.parent[rows], labels.candidate[rows])
