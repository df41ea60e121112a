"""Power cycles of the packed policy against slow oracles: greedy by walking, least latency over every way to cut."""

import math
from dataclasses import replace

import numpy as np
import pytest

from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import Supply, read_supply_family
from energy.scheduling.cuts import greedy_starts, optimal_starts
from energy.scheduling.schedule import BatchSequence, Pricer, cycle_budget_nj, cycle_of, schedule
from tests.oracles import exact_cases
from tests.oracles import packed_schedules as oracle
from tests.oracles.packed_schedules import SUPPLIES, Batches

SAME = 1e-12
"""Relative difference below which two latencies are the same."""

NEAR_VS_SUPPLY = Supply(
    capacitance_f=1e-3, resistance_ohm=100.0, v_supply_v=3.0, v_on_v=2.9, v_off_v=2.0, usable_fraction=0.5
)


def sequence_of(batches: Batches) -> BatchSequence:
    return BatchSequence(
        warm_nj=np.array(batches.warm_nj, dtype=np.int64),
        cold_nj=np.array(batches.cold_nj, dtype=np.int64),
        warm_s=np.array(batches.warm_s, dtype=np.float64),
        cold_s=np.array(batches.cold_s, dtype=np.float64),
        layer=np.zeros(len(batches), dtype=np.int64),
        boot_nj=batches.boot_nj,
        boot_s=batches.boot_s,
    )


def greedy(batches: Batches) -> list[int]:
    sequence = sequence_of(batches)
    return greedy_starts(*sequence.energies_nj, sequence.boot_nj, batches.cycle_budget_nj).tolist()


def optimal(batches: Batches) -> list[int]:
    sequence, supplies = sequence_of(batches), Scenarios.of([batches.supply])
    cycle = cycle_of(sequence.boot, supplies)._replace(cycle_budget_nj=batches.cycle_budget_nj)
    return optimal_starts(sequence.to_cut, cycle).tolist()


def plain(
    warm_nj, reload_nj, cycle_budget_nj, *, boot_nj=0, boot_s=0.0, reload_s=0.0, supply=NEAR_VS_SUPPLY
) -> Batches:
    """A sequence by hand: batches take no time but for their reloads."""
    times_s = np.broadcast_to(reload_s, len(warm_nj)).tolist()
    return Batches(
        warm_nj=warm_nj,
        cold_nj=[warm + reload for warm, reload in zip(warm_nj, reload_nj, strict=True)],
        warm_s=[0.0] * len(warm_nj),
        cold_s=times_s,
        boot_nj=boot_nj,
        boot_s=boot_s,
        cycle_budget_nj=cycle_budget_nj,
        supply=supply,
    )


def drawn(seed: int, n_cases: int, longest: int, supply: str | None = None) -> list[Batches]:
    rng = np.random.default_rng(seed)
    return [oracle.random_batches(rng, int(rng.integers(1, longest + 1)), supply) for _ in range(n_cases)]


# --- greedy ---------------------------------------------------------------------------------------------------------


def test_greedy_cuts_are_those_of_walking():
    n_full = 0
    for batches in drawn(1, 800, 40):
        starts = greedy(batches)
        assert starts == oracle.walked_starts(batches), batches
        n_full += any(energy_nj == batches.cycle_budget_nj for energy_nj, _ in oracle.cycles_of(batches, starts))
    assert n_full >= 80  # cycles that fill the budget to the nanojoule are among them


def test_a_batch_that_just_fits_joins_its_cycle():
    warm_nj, reload_nj = [10, 20, 30, 40], [1, 2, 3, 4]
    # boot 5 + 11 + 20 + 30 = 66, then 5 + 44 = 49
    assert greedy(plain(warm_nj, reload_nj, 66, boot_nj=5)) == [0, 3]
    # one nanojoule less: 5 + 11 + 20 = 36, then 5 + 33 = 38, + 40 = 78 > 65
    assert greedy(plain(warm_nj, reload_nj, 65, boot_nj=5)) == [0, 2, 3]
    assert greedy(plain(warm_nj, reload_nj, 5 + 11 + 20 + 30 + 40, boot_nj=5)) == [0]


def test_greedy_needs_no_more_cycles_than_one_batch_a_cycle_and_stays_within_the_budget():
    for batches in drawn(2, 300, 60):
        starts = greedy(batches)
        assert len(starts) <= len(batches)
        assert all(energy_nj <= batches.cycle_budget_nj for energy_nj, _ in oracle.cycles_of(batches, starts))


def test_greedy_needs_the_fewest_cycles_where_every_reload_costs_the_same():
    rng = np.random.default_rng(3)
    for batches in drawn(3, 250, 8):
        reload_nj = int(rng.integers(0, 2 * max(batches.warm_nj)))
        cold_nj = [warm + reload_nj for warm in batches.warm_nj]
        budget = batches.boot_nj + max(max(cold_nj), batches.cycle_budget_nj - batches.boot_nj)
        equal = replace(batches, cold_nj=cold_nj, cycle_budget_nj=budget)
        assert len(greedy(equal)) == oracle.fewest_cycles_of_all_cuts(equal)


def test_greedy_can_need_a_cycle_more_than_the_fewest_where_a_reload_is_dear():
    """No defect: stopping only when the next batch does not fit is best where all reloads are equal, and only there."""
    batches = plain([5, 3, 3, 4], [0, 0, 5, 0], 10)
    # 5 + 3 (+ 3 = 11), 3 + 5 (+ 4 = 12), 4; but 5, 3 + 3 + 4 = 10 takes two
    assert greedy(batches) == [0, 2, 3]
    assert oracle.fewest_cycles_of_all_cuts(batches) == 2
    assert optimal(batches) == [0, 1]


# --- optimal --------------------------------------------------------------------------------------------------------


def test_the_oracle_without_pruning_equals_all_cuts():
    for batches in drawn(4, 100, 9):
        expected_s = oracle.least_latency_of_all_cuts_s(batches)
        assert oracle.least_latency_s(batches) == pytest.approx(expected_s, rel=SAME)


@pytest.mark.parametrize("supply", SUPPLIES)
def test_no_cuts_of_a_short_sequence_are_faster_than_the_optimal(supply):
    for batches in drawn(5, 50, 11, supply):
        expected_s = oracle.least_latency_of_all_cuts_s(batches)
        assert oracle.latency_s(batches, optimal(batches)) == pytest.approx(expected_s, rel=SAME), batches


@pytest.mark.parametrize("supply", SUPPLIES)
def test_optimal_cuts_of_middling_sequences_have_the_least_latency(supply):
    for batches in drawn(6, 100, 50, supply):
        starts = optimal(batches)
        assert oracle.latency_s(batches, starts) == pytest.approx(oracle.least_latency_s(batches), rel=SAME), batches


@pytest.mark.slow
@pytest.mark.parametrize("supply", SUPPLIES)
def test_optimal_cuts_of_many_sequences_have_the_least_latency(supply):
    # Of ties within 1e-13 either may be kept, cut after cut: up to 1.2e-12 in 400 batches.
    for batches in [*drawn(7, 1500, 40, supply), *drawn(8, 60, 400, supply)]:
        starts = optimal(batches)
        assert oracle.latency_s(batches, starts) == pytest.approx(oracle.least_latency_s(batches), rel=10 * SAME), (
            batches
        )


@pytest.mark.parametrize("n", [1, 2, 39, 400])
@pytest.mark.parametrize("supply", ["concave", "both", "almost linear"])
def test_optimal_cuts_of_equal_batches_have_the_least_latency(n, supply):
    rng = np.random.default_rng(n)
    for reload_nj, n_a_cycle in [(0, 7), (50, 7), (50, 1), (300, 40)]:
        budget = 80 + 100 * n_a_cycle + reload_nj + 33  # 33 nJ are always left
        batches = plain([100] * n, [reload_nj] * n, budget, boot_nj=80, supply=oracle.supply_with(supply, budget, rng))
        starts = optimal(batches)
        assert oracle.latency_s(batches, starts) == pytest.approx(oracle.least_latency_s(batches), rel=SAME)
        assert len(starts) >= math.ceil(n / n_a_cycle)


def test_optimal_cuts_of_loops_fall_where_a_reload_is_free_if_that_is_faster():
    """Loops of 6 batches of 100 nJ whose start reloads nothing; a cycle holds 8, or 6 of a loop without a reload."""
    rng = np.random.default_rng(9)
    warm_nj, reload_nj = [100] * 60, [0 if index % 6 == 0 else 250 for index in range(60)]
    reload_s = [0.0 if index % 6 == 0 else 2.0 for index in range(60)]
    budget = 850
    supply = oracle.supply_with("concave", budget, rng)
    batches = plain(warm_nj, reload_nj, budget, boot_nj=50, reload_s=reload_s, supply=supply)
    starts = optimal(batches)
    assert starts == list(range(0, 60, 6))
    assert greedy(batches) != starts
    assert oracle.latency_s(batches, starts) == pytest.approx(oracle.least_latency_s(batches), rel=SAME)


@pytest.mark.parametrize(("warm_nj", "cut"), [([10, 10, 100, 100, 100], 2), ([100, 100, 100, 10, 10], 3)])
def test_a_cut_beside_a_dear_one_is_followed_where_neither_cycle_is_full(warm_nj, cut):
    """All 320 nJ do not fit, 310 do; the cuts that leave one cycle full are dear, the deepest discharge is best."""
    reload_s = [0.0, 5.0, 0.0, 0.0, 5.0]
    supply = oracle.supply_with("concave", 310, np.random.default_rng(16))
    batches = plain(warm_nj, [0] * 5, 310, reload_s=reload_s, supply=supply)
    assert optimal(batches) == [0, cut]
    assert oracle.latency_s(batches, [0, cut]) == pytest.approx(oracle.least_latency_of_all_cuts_s(batches), rel=SAME)


def almost_tied(rng: np.random.Generator) -> Batches:
    """Batches that are all but equal under a recharge all but linear: a cut that moves gains no more than rounding."""
    n = int(rng.integers(20, 150))
    warm_nj = np.full(n, int(rng.choice([1000, 100_000]))) + rng.integers(0, 3, n) * int(rng.integers(0, 2))
    reload_nj = rng.choice([0, 0, 0, 1, 2, 3], n) * int(rng.integers(0, 2))
    reload_s = rng.choice([0.0, 0.0, 1e-12, 1e-9, 1e-6], n) * int(rng.integers(0, 2))
    boot_nj = int(rng.choice([0, 1, 100]))
    budget = boot_nj + int((warm_nj + reload_nj).max() * rng.uniform(1, 12))
    off_v = 1.5 * (1 + 10 ** rng.uniform(-9, -3))
    on_v = 1.5 + 3 * (off_v - 1.5)
    capacitance_f = 2 * (budget + 0.5) * 1e-9 / (on_v**2 - off_v**2)
    supply = Supply(
        capacitance_f=capacitance_f,
        resistance_ohm=1e-3 / capacitance_f,
        v_supply_v=3.0,
        v_on_v=on_v,
        v_off_v=off_v,
        usable_fraction=1.0,
    )
    boot_s = float(rng.choice([0.0, 1e-9, 1e-5]))
    return plain(
        warm_nj.tolist(),
        reload_nj.tolist(),
        budget,
        boot_nj=boot_nj,
        boot_s=boot_s,
        reload_s=reload_s,
        supply=supply,
    )


def test_ties_within_rounding_cost_no_more_than_rounding():
    rng = np.random.default_rng(10)
    for _ in range(100):
        batches = almost_tied(rng)
        assert Scenarios.of([batches.supply]).is_concave[0]
        found_s = oracle.latency_s(batches, optimal(batches))
        assert found_s == pytest.approx(oracle.least_latency_s(batches), rel=SAME)


# --- sequences of real layers ---------------------------------------------------------------------------------------

DEVICE = read_device("msp430fr5994-tinas2025")
FAMILY = read_supply_family("tinas2025")


def real_sequences(seed: int, n_cases: int) -> list[tuple[BatchSequence, Supply]]:
    """Random designs of one to three small layers, one after the other, with budgets of a batch to all of them."""
    rng, pricer, found = np.random.default_rng(seed), Pricer(DEVICE), []
    while len(found) < n_cases:
        cases = exact_cases.random_cases(rng, int(rng.integers(1, 4)))
        parts = [pricer.batches(*case) for case in cases]
        warm_nj, cold_nj = (np.concatenate([part.nanojoules[i] for part in parts]) for i in (0, 1))
        warm_s, cold_s = (np.concatenate([part.seconds[i] for part in parts]) for i in (0, 1))
        if len(warm_nj) > 250:
            continue
        sequence = BatchSequence(
            warm_nj=warm_nj,
            cold_nj=cold_nj,
            warm_s=warm_s,
            cold_s=cold_s,
            layer=np.zeros(len(warm_nj), dtype=np.int64),
            boot_nj=pricer.boot_nj,
            boot_s=pricer.boot_s,
        )
        least, whole = int(cold_nj.max()), int(cold_nj.sum())
        budget = pricer.boot_nj + least + int(rng.random() ** 4 * (whole - least))
        shipped = FAMILY.supply(47e-6)
        if rng.random() < 0.3:
            shipped = replace(shipped, v_off_v=1.0, usable_fraction=1.0)  # charging is not concave
        capacitance_f = 2 * (budget + 0.5) * 1e-9 / (shipped.v_on_v**2 - shipped.v_off_v**2) / shipped.usable_fraction
        found.append((sequence, replace(shipped, capacitance_f=capacitance_f)))
    return found


def batches_of(sequence: BatchSequence, supply: Supply) -> Batches:
    return Batches(
        warm_nj=sequence.warm_nj.tolist(),
        cold_nj=sequence.cold_nj.tolist(),
        warm_s=sequence.warm_s.tolist(),
        cold_s=sequence.cold_s.tolist(),
        boot_nj=sequence.boot_nj,
        boot_s=sequence.boot_s,
        cycle_budget_nj=cycle_budget_nj(Scenarios.of([supply])),
        supply=supply,
    )


@pytest.mark.parametrize("part", range(2))
def test_schedules_of_real_layers_are_those_of_the_oracles(part):
    for sequence, supply in real_sequences(11 + part, 120):
        batches, supplies = batches_of(sequence, supply), Scenarios.of([supply])
        walked = schedule(sequence, supplies, cuts="greedy")
        assert walked.starts.tolist() == oracle.walked_starts(batches)
        best = schedule(sequence, supplies)
        assert best.latency_s == pytest.approx(oracle.least_latency_s(batches), rel=SAME)
        assert best.latency_s <= walked.latency_s
        for found in (walked, best):
            check_cycles(found, batches)


def check_cycles(found, batches):
    """Every cycle as the oracle has it, none above the budget; together they are all batches, reloads and boots."""
    starts = found.starts.tolist()
    assert starts == sorted(set(starts))
    assert starts[0] == 0
    cycles = oracle.cycles_of(batches, starts)
    assert found.energy_nj.tolist() == [energy_nj for energy_nj, _ in cycles]
    assert found.energy_nj.max() <= batches.cycle_budget_nj
    assert found.active_s.tolist() == pytest.approx([active_s for _, active_s in cycles], rel=SAME)
    reloads_nj = sum(batches.cold_nj[start] - batches.warm_nj[start] for start in starts)
    assert found.energy_nj.sum() == sum(batches.warm_nj) + reloads_nj + len(starts) * batches.boot_nj
    assert found.latency_s == pytest.approx(oracle.latency_s(batches, starts), rel=SAME)
    assert found.over_nj == 0


def test_schedules_of_random_sequences_have_the_cycles_of_the_oracle():
    for batches in drawn(13, 150, 40):
        sequence, supplies = sequence_of(batches), Scenarios.of([batches.supply])
        assert cycle_budget_nj(supplies) == batches.cycle_budget_nj
        for cuts in ("greedy", "optimal"):
            check_cycles(schedule(sequence, supplies, cuts=cuts), batches)


@pytest.mark.parametrize("cuts", ["greedy", "optimal"])
def test_a_batch_over_the_budget_runs_alone_and_is_reported(cuts):
    batches = plain([10, 20, 300, 10, 10], [1, 1, 7, 1, 1], 100, boot_nj=40)
    supply = oracle.supply_with("concave", 100, np.random.default_rng(14))
    found = schedule(sequence_of(batches), Scenarios.of([supply]), cuts=cuts)
    assert found.over_nj == 40 + 307 - 100
    assert found.latency_s == np.inf
    assert found.starts.tolist() == [0, 2, 3]
    assert found.energy_nj.tolist() == [40 + 11 + 20, 40 + 307, 40 + 11 + 10]


@pytest.mark.parametrize("cuts", ["greedy", "optimal"])
def test_one_nanojoule_decides_whether_a_plan_is_safe(cuts):
    supply = oracle.supply_with("concave", 347, np.random.default_rng(15))
    for boot_nj, over_nj in ((40, 0), (41, 1)):
        batches = plain([10, 20, 300, 10, 10], [1, 1, 7, 1, 1], 347, boot_nj=boot_nj, supply=supply)
        found = schedule(sequence_of(batches), Scenarios.of([supply]), cuts=cuts)
        assert found.over_nj == over_nj
        assert np.isfinite(found.latency_s) == (over_nj == 0)
