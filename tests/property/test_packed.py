"""Properties of packed power cycles under any plan: a better supply or a larger memory never costs time."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import Supply, read_supply_family
from energy.networks.rules import rules
from energy.planning.packed import PackedExplorer
from energy.scheduling.schedule import BatchSequence, Pricer, cycle_budget_nj, schedule
from tests.oracles import exact_cases

DEVICE = read_device("msp430fr5994-tinas2025")
PRICER = Pricer(DEVICE)
SHIPPED = read_supply_family("tinas2025").default
ROUNDING = 1 + 1e-12


@st.composite
def sequences(draw):
    """Batches of one to three small layers under random designs, one layer after the other."""
    parts = [PRICER.batches(*case) for case in draw(st.lists(exact_cases.cases(), min_size=1, max_size=3))]
    columns = [np.concatenate(column) for column in zip(*((*p.nanojoules, *p.seconds) for p in parts), strict=True)]
    return BatchSequence(
        warm_nj=columns[0],
        cold_nj=columns[1],
        warm_s=columns[2],
        cold_s=columns[3],
        layer=np.zeros(len(columns[0]), dtype=np.int64),
        boot_nj=PRICER.boot_nj,
        boot_s=PRICER.boot_s,
    )


@st.composite
def supplies_of(draw, sequence, recharge="energy-balance"):
    """Supplies, concave or not, whose budget holds from no batch at all to the whole sequence in one cycle."""
    v_supply_v = draw(st.floats(1.5, 8.0))
    v_on_v = v_supply_v * draw(st.floats(0.3, 0.99))
    v_off_v = v_on_v * draw(st.floats(0.1, 0.9))
    least, whole = int(sequence.cold_nj.max()), int(sequence.cold_nj.sum())
    share = draw(st.floats(0.0, 1.0)) ** 3
    cycle_budget_j = (sequence.boot_nj + 0.95 * least + share * (1.1 * whole - 0.95 * least)) * 1e-9
    fraction = draw(st.floats(0.2, 1.0))
    return Supply(
        capacitance_f=2 * cycle_budget_j / (v_on_v**2 - v_off_v**2) / fraction,
        resistance_ohm=draw(st.floats(10.0, 5000.0)),
        v_supply_v=v_supply_v,
        v_on_v=v_on_v,
        v_off_v=v_off_v,
        usable_fraction=fraction,
        recharge=recharge,
    )


def latency_s(sequence, supply, cuts="optimal"):
    return schedule(sequence, Scenarios.of([supply]), cuts=cuts).latency_s


BETTER = {
    "a larger usable fraction": lambda supply, share: {
        "usable_fraction": supply.usable_fraction + share * (1 - supply.usable_fraction)
    },
    "a smaller resistance": lambda supply, share: {"resistance_ohm": supply.resistance_ohm * (1 - 0.9 * share)},
    "a larger voltage": lambda supply, share: {"v_supply_v": supply.v_supply_v * (1 + 2 * share)},
}


@pytest.mark.parametrize("recharge", ["energy-balance", "margin-scaled"])
@pytest.mark.parametrize("what", BETTER)
@settings(max_examples=30)
@given(st.data(), st.floats(0.0, 1.0))
def test_a_better_supply_never_makes_a_fixed_plan_slower(what, recharge, data, share):
    sequence = data.draw(sequences())
    supply = data.draw(supplies_of(sequence, recharge))
    better = replace(supply, **BETTER[what](supply, share))
    assert latency_s(sequence, better) <= latency_s(sequence, supply) * ROUNDING


@settings(max_examples=40)
@given(st.data())
def test_optimal_cuts_are_never_slower_than_greedy_ones_nor_these_more_than_one_batch_a_cycle(data):
    sequence = data.draw(sequences())
    supplies = Scenarios.of([data.draw(supplies_of(sequence))])
    best, walked = schedule(sequence, supplies), schedule(sequence, supplies, cuts="greedy")
    assert best.latency_s <= walked.latency_s
    assert len(walked) <= len(sequence)
    over_nj = max(int(sequence.cold_nj.max()) + sequence.boot_nj - cycle_budget_nj(supplies), 0)
    assert best.over_nj == walked.over_nj == over_nj
    for found in (best, walked):
        reloads_nj = (sequence.cold_nj - sequence.warm_nj)[found.starts].sum()
        assert found.energy_nj.sum() == sequence.warm_nj.sum() + reloads_nj + len(found) * sequence.boot_nj
        assert found.energy_nj.max() <= cycle_budget_nj(supplies) + over_nj


@settings(max_examples=40)
@given(st.data())
def test_a_scenario_among_others_is_scheduled_as_alone(data):
    sequence = data.draw(sequences())
    supplies = [data.draw(supplies_of(sequence)) for _ in range(3)]
    for index, supply in enumerate(supplies):
        together = schedule(sequence, Scenarios.of(supplies), index)
        assert together.starts.tolist() == schedule(sequence, Scenarios.of([supply])).starts.tolist()


@given(st.data(), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_recharging_takes_longer_the_more_was_drawn(data, one, other):
    supply = data.draw(supplies_of(data.draw(sequences())))
    low, high = sorted((one, other))
    times_s = supply.recharge_time_s(np.array([low, high]) * supply.cycle_budget_j)
    assert times_s[0] <= times_s[1] * ROUNDING
    assert times_s[0] >= 0


SIZES = (64, 128, 192, 256, 384, 512, 1024, 2048)


@settings(max_examples=20)
@given(exact_cases.layers(), st.sampled_from([1.01, 1.1, 2.0, 10.0]), st.booleans())
def test_a_larger_memory_never_makes_the_best_of_a_layer_slower(layer, room, is_concave):
    """By Eq. (7), for a budget of a few batches to many, over the same rules."""
    cycle_budget_j = PRICER.boot_nj * 1e-9 * room
    supply = replace(SHIPPED, v_off_v=SHIPPED.v_off_v if is_concave else 1.0)
    capacitance_f = 2 * cycle_budget_j / (supply.v_on_v**2 - supply.v_off_v**2) / supply.usable_fraction
    supplies = Scenarios.of([replace(supply, capacitance_f=capacitance_f)])
    times_s, counts = [], []
    for vm_bytes in SIZES:
        best = PackedExplorer(replace(DEVICE, vm_bytes=vm_bytes), supplies, rules("ebbnas")).best([layer])
        times_s.append(best.latency_s[0, 0])
        counts.append(best.n_designs[0])
    assert counts == sorted(counts)
    for smaller_s, larger_s in pairwise(times_s):
        assert larger_s <= smaller_s * ROUNDING


@settings(max_examples=20)
@given(exact_cases.layers())
def test_a_larger_budget_never_makes_designs_infeasible(layer):
    supplies = Scenarios.of([replace(SHIPPED, capacitance_f=size_f) for size_f in (28e-6, 40e-6, 100e-6, 1e-3)])
    best = PackedExplorer(replace(DEVICE, vm_bytes=512), supplies, rules("ebbnas")).best([layer])
    is_feasible = np.isfinite(best.latency_s[0]).tolist()
    assert is_feasible == sorted(is_feasible)
    assert np.all(np.diff(best.energy_over_j[0]) <= 0)
    is_without_violation = (best.energy_over_j[0] == 0) & (best.vm_over_bytes[0] == 0)
    assert is_without_violation.tolist() == is_feasible
