"""Slow oracles of packed power cycles, and sequences of batches that try to break what is fast.

Greedy cuts by walking; least latency over all 2^(n-1) cuts, or by dynamic programming over every pair of boundaries.
Recharge is typed anew from energy/README (3), (4). Plain Python, nothing is left out to save time; only the records of
supplies are shared with `energy`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from energy.hardware.supply import Supply

_MOST_NJ = 2**31
"""Budgets are whole nanojoules in 32 bits."""

MOST_CUT_BY_HAND = 14
"""Longest sequence whose cuts are all tried."""


@dataclass(frozen=True, kw_only=True)
class Batches:
    """A sequence of batches in plain numbers, with its supply; `warm` and `cold` as in `energy.scheduling.schedule`."""

    warm_nj: Sequence[int]
    cold_nj: Sequence[int]
    warm_s: Sequence[float]
    cold_s: Sequence[float]
    boot_nj: int
    boot_s: float
    cycle_budget_nj: int
    supply: Supply

    def __len__(self) -> int:
        return len(self.warm_nj)


# --- physics --------------------------------------------------------------------------------------------------------


def recharge_s(supply: Supply, energy_nj: float) -> float:
    """Equations (3) and (4), or the margin-scaled variant of section 2."""
    energy_j = energy_nj / 1e9
    if supply.recharge == "margin-scaled":
        stored_j = supply.capacitance_f * (supply.v_on_v**2 - supply.v_off_v**2) / 2
        left_j = supply.usable_fraction * stored_j - energy_j
        left_v = math.sqrt(2 * left_j / supply.capacitance_f + supply.v_off_v**2)
    else:
        left_v = math.sqrt(supply.v_on_v**2 - 2 * energy_j / supply.capacitance_f)
    climb = (supply.v_supply_v - left_v) / (supply.v_supply_v - supply.v_on_v)
    return supply.resistance_ohm * supply.capacitance_f * math.log(climb)


def cycle_of(batches: Batches, begin: int, end: int) -> tuple[int, float]:
    """Energy [nJ] and active time [s] of the cycle [begin, end)."""
    energy_nj = batches.boot_nj + batches.cold_nj[begin]
    active_s = batches.boot_s + batches.cold_s[begin]
    for batch in range(begin + 1, end):
        energy_nj += batches.warm_nj[batch]
        active_s += batches.warm_s[batch]
    return energy_nj, active_s


def cycles_of(batches: Batches, starts: Sequence[int]) -> list[tuple[int, float]]:
    """Energy and active time of every cycle."""
    ends = [*starts[1:], len(batches)]
    return [cycle_of(batches, int(begin), int(end)) for begin, end in zip(starts, ends, strict=True)]


def latency_s(batches: Batches, starts: Sequence[int]) -> float:
    """Equation (5); inf where a cycle is over the budget."""
    cycles = cycles_of(batches, starts)
    if any(energy_nj > batches.cycle_budget_nj for energy_nj, _ in cycles):
        return math.inf
    return math.fsum(active_s + recharge_s(batches.supply, energy_nj) for energy_nj, active_s in cycles)


# --- cuts -----------------------------------------------------------------------------------------------------------


def walked_starts(batches: Batches) -> list[int]:
    """Greedy cuts by walking: a batch joins its cycle unless that would then draw more than the budget."""
    starts = [0]
    drawn_nj = batches.boot_nj + batches.cold_nj[0]
    for batch in range(1, len(batches)):
        if drawn_nj + batches.warm_nj[batch] <= batches.cycle_budget_nj:
            drawn_nj += batches.warm_nj[batch]
        else:
            starts.append(batch)
            drawn_nj = batches.boot_nj + batches.cold_nj[batch]
    return starts


def all_starts(n: int) -> Iterator[list[int]]:
    """Every way to cut `n` batches into cycles, those with few cycles first."""
    for n_cuts in range(n):
        for cuts in combinations(range(1, n), n_cuts):
            yield [0, *cuts]


def least_latency_of_all_cuts_s(batches: Batches) -> float:
    """Least latency over all 2^(n-1) cuts."""
    assert len(batches) <= MOST_CUT_BY_HAND
    known = {}
    for begin in range(len(batches)):
        for end in range(begin + 1, len(batches) + 1):
            energy_nj, active_s = cycle_of(batches, begin, end)
            fits = energy_nj <= batches.cycle_budget_nj
            known[begin, end] = active_s + recharge_s(batches.supply, energy_nj) if fits else math.inf
    ways = all_starts(len(batches))
    return min(sum(known[cycle] for cycle in zip(starts, [*starts[1:], len(batches)], strict=True)) for starts in ways)


def fewest_cycles_of_all_cuts(batches: Batches) -> int:
    """Fewest cycles over all 2^(n-1) cuts that stay within the budget."""
    for starts in all_starts(len(batches)):
        if all(energy_nj <= batches.cycle_budget_nj for energy_nj, _ in cycles_of(batches, starts)):
            return len(starts)
    raise AssertionError("no cuts fit")


def least_latency_s(batches: Batches) -> float:
    """Least latency by dynamic programming over every pair of boundaries, none left out."""
    n = len(batches)
    best_s = [0.0] + [math.inf] * n
    for begin in range(n):
        energy_nj = batches.boot_nj + batches.cold_nj[begin]
        active_s = batches.boot_s + batches.cold_s[begin]
        for end in range(begin + 1, n + 1):
            if end > begin + 1:
                energy_nj += batches.warm_nj[end - 1]
                active_s += batches.warm_s[end - 1]
            if energy_nj <= batches.cycle_budget_nj:
                total_s = best_s[begin] + active_s + recharge_s(batches.supply, energy_nj)
                best_s[end] = min(best_s[end], total_s)
    return best_s[n]


# --- sequences ------------------------------------------------------------------------------------------------------

SUPPLIES = ("concave", "convex", "both", "steep", "almost linear", "margin-scaled", "whole")
"""Kinds of supplies; "both" crosses Vs / 2 within the budget."""

ENERGIES = ("equal", "few", "any", "wide", "periodic")
RELOADS = ("none", "equal", "few", "any", "large", "loop starts free", "one dear")
BUDGETS = ("one batch", "an exact fit", "any", "all but one", "all", "far more")


def supply_with(kind: str, cycle_budget_nj: int, rng: np.random.Generator) -> Supply:
    """A supply of a kind whose budget is `cycle_budget_nj`, give or take a rounding."""
    v_supply_v = float(rng.uniform(2.0, 8.0))
    on, off, fraction = {
        "concave": (rng.uniform(0.75, 0.99), rng.uniform(0.5, 0.7), rng.uniform(0.2, 1.0)),
        "convex": (rng.uniform(0.2, 0.5), rng.uniform(0.02, 0.15), rng.uniform(0.3, 1.0)),
        "both": (rng.uniform(0.6, 0.95), rng.uniform(0.02, 0.3), rng.uniform(0.8, 1.0)),
        "steep": (0.9999, rng.uniform(0.5, 0.6), 1.0),
        "almost linear": (0.51, 0.5099, rng.uniform(0.2, 1.0)),
        "margin-scaled": (rng.uniform(0.9, 0.998), rng.uniform(0.5, 0.88), rng.uniform(0.3, 1.0)),
        "whole": (rng.uniform(0.75, 0.99), rng.uniform(0.5, 0.7), 1.0),
    }[kind]
    v_on_v, v_off_v = v_supply_v * float(on), v_supply_v * float(off)
    capacitance_f = 2 * (cycle_budget_nj + 0.5) * 1e-9 / (float(fraction) * (v_on_v**2 - v_off_v**2))
    return Supply(
        capacitance_f=capacitance_f,
        resistance_ohm=float(rng.uniform(0.1, 10) * 1e-3 / capacitance_f),
        v_supply_v=v_supply_v,
        v_on_v=v_on_v,
        v_off_v=v_off_v,
        usable_fraction=float(fraction),
        recharge="margin-scaled" if kind == "margin-scaled" else "energy-balance",
    )


def random_batches(rng: np.random.Generator, n: int, supply: str | None = None) -> Batches:
    """A random sequence of `n` batches that fit, of random kinds."""
    scale = int(rng.choice([1, 10, 1000, 10_000]))
    warm_nj = _energies(str(rng.choice(ENERGIES)), rng, n) * scale
    period = int(rng.integers(2, 9))
    reload_nj = _reloads(str(rng.choice(RELOADS)), rng, n, period, 3.0 * float(warm_nj.mean())).astype(np.int64)
    unit_s = float(rng.choice([0.0, 1e-6, 1e-3, 1e-2]))
    reload_s = _reloads(str(rng.choice(RELOADS)), rng, n, period, unit_s)
    if rng.random() < 0.5:  # as it is in life: what costs energy takes time
        reload_s = reload_nj * (unit_s / max(float(warm_nj.mean()), 1.0))
    warm_s = warm_nj * 1e-9 * float(rng.uniform(10, 300))
    boot_nj = int(rng.choice([0, 1, int(warm_nj.mean()), int(rng.integers(1, 10)) * int(warm_nj.max())]))
    cycle_budget_nj = _budget(str(rng.choice(BUDGETS)), rng, warm_nj, warm_nj + reload_nj, boot_nj)
    return Batches(
        warm_nj=warm_nj.tolist(),
        cold_nj=(warm_nj + reload_nj).tolist(),
        warm_s=warm_s.tolist(),
        cold_s=(warm_s + reload_s).tolist(),
        boot_nj=boot_nj,
        boot_s=float(rng.choice([0.0, 1e-6, 1e-3, 5e-2])),
        cycle_budget_nj=cycle_budget_nj,
        supply=supply_with(supply or str(rng.choice(SUPPLIES)), cycle_budget_nj, rng),
    )


def _energies(kind: str, rng: np.random.Generator, n: int) -> np.ndarray:
    period = int(rng.integers(2, 9))
    drawn = {
        "equal": np.full(n, int(rng.integers(1, 20))),
        "few": rng.integers(1, 4, n),
        "any": rng.integers(1, 100, n),
        "wide": np.maximum((10 ** rng.uniform(0, 4, n)).astype(np.int64), 1),
        "periodic": np.resize(rng.integers(1, 30, period), n),
    }
    return drawn[kind].astype(np.int64)


def _reloads(kind: str, rng: np.random.Generator, n: int, period: int, unit: float) -> np.ndarray:
    loop_starts = np.arange(n) % period == 0
    drawn = {
        "none": np.zeros(n),
        "equal": np.full(n, rng.uniform(0, 1)),
        "few": rng.integers(0, 3, n) / 3,
        "any": rng.uniform(0, 1, n),
        "large": rng.uniform(0, 10, n),
        "loop starts free": np.where(loop_starts, 0.0, rng.uniform(0, 3)),
        "one dear": np.where(np.arange(n) == int(rng.integers(n)), rng.uniform(0, 10), rng.uniform(0, 1)),
    }
    return drawn[kind] * unit


def _budget(kind: str, rng: np.random.Generator, warm_nj: np.ndarray, cold_nj: np.ndarray, boot_nj: int) -> int:
    least, whole = int(cold_nj.max()), int(warm_nj.sum() + (cold_nj - warm_nj).max())
    n = int(rng.integers(1, min(len(warm_nj), 12) + 1))
    begin = int(rng.integers(len(warm_nj) - n + 1))
    drawn = {
        "one batch": least,
        "an exact fit": int(cold_nj[begin] + warm_nj[begin + 1 : begin + n].sum()),
        "any": least + int(rng.random() ** 3 * (whole - least)),
        "all but one": whole - 1,
        "all": whole,
        "far more": 3 * whole,
    }
    return boot_nj + min(max(drawn[kind], least), _MOST_NJ)
