"""Lower bound of the time that the layers to come take, whose power cycles are shared; compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from energy.events import FloatArray, IntArray
from energy.jit import compiled
from energy.planning.candidates import CandidateBatches, batches_of
from energy.scheduling.cycle import Cycle, recharge_s

_HALVINGS = 60
"""Steps that find a root to all digits."""


class Bound(NamedTuple):
    """Lower bound of the time to come, and the latency that it is compared with.

    Attributes:
        s_per_nj: Least time that a nanojoule of batches costs in cycles of its own, boots and recharge. [s/nJ]
        full_nj: Energy of the cycles that cost so little. [nJ]
        full_s: Recharge of such a cycle. [s]
        cost_s: Active time of each candidate and its energy at `s_per_nj`, inf beyond the candidates of a layer,
            `(n_layers, most)`. [s]
        rest_s: Least time of the layers from each on, all their energy at `s_per_nj`, `(n_layers + 1,)`. [s]
        rest_nj: Most energy of the layers from each on, `(n_layers + 1,)`. [nJ]
        limit_s: Latency of a known plan. [s]
    """

    s_per_nj: float
    full_nj: float
    full_s: float
    cost_s: FloatArray
    rest_s: FloatArray
    rest_nj: IntArray
    limit_s: float


@compiled
def bound_of(candidates: CandidateBatches, cycle: Cycle, limit_s: float) -> Bound:
    """Return the lower bound of the time to come.

    A cycle with batches of energy x takes L_boot + t_rc(E_boot + x), at least `s_per_nj` x.
    """
    full_nj = _least_s_per_nj_at(cycle)
    full_s = recharge_s(full_nj * 1e-9, cycle.law)
    s_per_nj = (cycle.boot_s + full_s) / max(full_nj - cycle.boot_nj, 1.0)
    n_layers = len(candidates.length)
    cost_s = np.full(candidates.length.shape, np.inf)
    rest_s, rest_nj = np.zeros(n_layers + 1), np.zeros(n_layers + 1, dtype=np.int64)
    for layer in range(n_layers - 1, -1, -1):
        most_nj = 0
        for index in range(candidates.length.shape[1]):
            if candidates.length[layer, index]:
                energy_nj = batches_of(candidates, layer, index).warm_nj.sum()
                cost_s[layer, index] = candidates.warm_total_s[layer, index] + s_per_nj * energy_nj
                most_nj = max(most_nj, energy_nj)
        rest_s[layer], rest_nj[layer] = rest_s[layer + 1] + cost_s[layer].min(), rest_nj[layer + 1] + most_nj
    return Bound(s_per_nj, full_nj, full_s, cost_s, rest_s, rest_nj, limit_s)


@compiled
def _least_s_per_nj_at(cycle: Cycle) -> float:
    """Return the energy of a cycle whose batches cost the least time per nanojoule: the tangent from the boot. [nJ]

    Where recharge is concave no energy is better than a larger one; where it turns convex, a root is found by halving.
    """
    law = cycle.law
    low, high = float(cycle.boot_nj), float(cycle.cycle_budget_nj)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        voltage_v = np.sqrt(law.start_v2 - middle * 1e-9 * law.v2_per_j)
        s_per_j = law.scale_s * law.v2_per_j / (2 * voltage_v * (law.v_supply_v - voltage_v))
        if s_per_j * 1e-9 * (middle - cycle.boot_nj) < cycle.boot_s + recharge_s(middle * 1e-9, law):
            low = middle
        else:
            high = middle
    return high


@compiled
def open_s(energy_nj: int, layer: int, cycle: Cycle, bound: Bound) -> float:
    """Return a lower bound of what an open cycle before a layer adds to `rest_s`. [s]

    It is the recharge less the energy that the cycle can take at `s_per_nj`. That is least where nothing more goes into
    the cycle, or all energy to come, up to `full_nj`.
    """
    now_s = recharge_s(energy_nj * 1e-9, cycle.law)
    end_nj = min(float(energy_nj + bound.rest_nj[layer]), bound.full_nj)
    if end_nj <= energy_nj:
        return float(now_s)
    end_s = bound.full_s if end_nj == bound.full_nj else recharge_s(end_nj * 1e-9, cycle.law)
    return float(min(now_s, end_s - bound.s_per_nj * (end_nj - energy_nj)))
