"""Properties of every plan: sums, monotonicity, independence of the other plans of a population."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.costing.plan import price_plan
from energy.costing.population import price_population
from energy.counting.published import ShapeTable, published_counts
from energy.events import EVENTS
from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import Supply, read_supply_family
from energy.networks.designs import DesignTable
from energy.networks.rules import rules
from energy.networks.shapes import LayerShape, NetworkShape
from energy.planning.published import Explorer
from energy.scheduling.execution import PUBLISHED
from models.spaces import Space, Stage, preset

DEVICE = read_device("msp430fr5994-tinas2025")
FAMILY = read_supply_family("tinas2025")
RULES = rules("inas2021")
SPACES = (
    preset("conv1d-3"),
    Space(
        name="residual",
        input_shape=(12, 12, 3),
        n_classes=4,
        stages=(Stage(kernels=(1, 3), channels=(4, 6), depths=(1, 2, 3), residuals=(False, True), strides=(2,)),),
    ),
)


@cache
def legal(layer):
    """Every legal design of a layer."""
    return RULES.table(layer)


@st.composite
def networks(draw):
    """Networks of the built-in space, and small graphs with residuals."""
    space = draw(st.sampled_from(SPACES))
    return space.network(space.sample(np.random.default_rng(draw(st.integers(0, 10**6))), 1)[0])


@st.composite
def plans(draw, network):
    """A random legal plan."""
    designs = []
    for layer in network.layers:
        table = legal(layer)
        designs.append(table[draw(st.integers(0, len(table) - 1))])
    return tuple(designs)


@st.composite
def networks_with_plans(draw):
    network = draw(networks())
    return network, draw(plans(network))


capacitances = st.sampled_from([47e-6, 100e-6, 470e-6, 5e-3, 50e-3])
ENDLESS = replace(DEVICE, vm_bytes=10**9)


def priced(network, plan, supply, device=ENDLESS):
    return price_plan(network, plan, device, supply, PUBLISHED)


@settings(max_examples=25)
@given(networks_with_plans(), capacitances)
def test_the_schedule_the_layers_and_the_parts_all_add_up_to_the_latency(case, capacitance_f):
    answer = priced(*case, FAMILY.supply(capacitance_f=capacitance_f))
    from_schedule_j = sum(entry.cycles * entry.energy_j for entry in answer.schedule)
    assert from_schedule_j == pytest.approx(answer.energy_j, rel=1e-12)
    if not answer.feasible:
        assert answer.latency_s is None
        assert answer.violations["energy_j"] > 0
        return
    sums_s = (
        sum(entry.cycles * (entry.active_s + entry.recharge_s) for entry in answer.schedule),
        sum(layer.latency_s for layer in answer.layers),
        sum(answer.breakdown.values()),
        answer.active_s + answer.recharge_s,
        answer.response_latency_s + answer.schedule[-1].recharge_s,
    )
    assert sums_s == pytest.approx([answer.latency_s] * len(sums_s), rel=1e-12)
    assert sum(entry.cycles for entry in answer.schedule) == answer.power_cycles
    assert min(answer.breakdown.values()) >= 0
    assert 0 < answer.continuous_latency_s < answer.active_s


@settings(max_examples=25)
@given(networks_with_plans(), capacitances)
def test_a_safe_plan_has_no_cycle_above_the_budget(case, capacitance_f):
    supply = FAMILY.supply(capacitance_f=capacitance_f)
    answer = priced(*case, supply)
    worst_j = max(entry.energy_j for entry in answer.schedule)
    assert answer.feasible == (worst_j <= supply.cycle_budget_j)
    assert answer.violations["energy_j"] == pytest.approx(max(worst_j - supply.cycle_budget_j, 0), rel=1e-9, abs=0)


@settings(max_examples=25)
@given(networks_with_plans(), capacitances)
def test_energy_is_the_counted_events_times_their_prices(case, capacitance_f):
    """Count, then price: the counts of the answer and the price table give its energy, layer by layer."""
    network, plan = case
    for layer, design in zip(
        priced(network, plan, FAMILY.supply(capacitance_f=capacitance_f)).layers, plan, strict=True
    ):
        order = ("input", "weight", "output").index(design.order)
        prices_j = DEVICE.published.energy_j
        energies_j = [count * prices_j[event][order] for event, count in layer.counts.items() if event in EVENTS]
        assert sum(energies_j) == pytest.approx(layer.energy_j, rel=1e-12)


@settings(max_examples=25)
@given(networks_with_plans(), capacitances)
def test_the_search_and_the_command_agree_on_every_figure(case, capacitance_f):
    network, plan = case
    supply = FAMILY.supply(capacitance_f=capacitance_f)
    answer = price_plan(network, plan, DEVICE, supply, PUBLISHED)
    found = price_population([network], [plan], DEVICE, Scenarios.of([supply]), PUBLISHED)
    assert bool(found.feasible[0, 0]) == answer.feasible
    assert found.latency_s[0, 0] == (pytest.approx(answer.latency_s, rel=1e-12) if answer.feasible else np.inf)
    assert found.energy_j[0, 0] == pytest.approx(answer.energy_j, rel=1e-12)
    assert found.energy_over_j[0, 0] == pytest.approx(answer.violations["energy_j"], rel=1e-12)
    assert found.vm_over_bytes[0, 0] == answer.violations["vm_bytes"]
    assert found.nvm_over_bytes[0, 0] == answer.violations["nvm_bytes"]


@settings(max_examples=15)
@given(st.lists(networks_with_plans(), min_size=2, max_size=4))
def test_a_network_costs_the_same_alone_and_among_others_at_one_budget_and_at_three(cases):
    scenarios = Scenarios.of([FAMILY.supply(capacitance_f=c) for c in (47e-6, 470e-6, 5e-3)])
    together = price_population(
        [network for network, _ in cases], [plan for _, plan in cases], DEVICE, scenarios, PUBLISHED
    )
    for row, (network, plan) in enumerate(cases):
        for column, capacitance_f in enumerate((47e-6, 470e-6, 5e-3)):
            single = Scenarios.of([FAMILY.supply(capacitance_f=capacitance_f)])
            alone = price_population([network], [plan], DEVICE, single, PUBLISHED)
            for name in ("latency_s", "energy_j", "power_cycles", "energy_over_j", "vm_over_bytes", "nvm_over_bytes"):
                assert getattr(alone, name)[0, 0] == getattr(together, name)[row, column]


@settings(max_examples=25)
@given(
    networks_with_plans(),
    st.floats(1.0, 1.6),
    st.sampled_from(["usable_fraction", "resistance_ohm", "v_supply_v"]),
)
def test_a_better_supply_never_makes_a_plan_slower(case, factor, field):
    """Larger margin fraction, smaller resistance, larger source voltage; section 11, point 6."""
    supply = FAMILY.supply(capacitance_f=470e-6)
    values = {"usable_fraction": min(0.6 * factor, 1.0), "resistance_ohm": 3000 / factor, "v_supply_v": 5.892 * factor}
    better = replace(supply, **{field: values[field]})
    scenarios = Scenarios.of([supply, better])
    found = price_population([case[0]], [case[1]], ENDLESS, scenarios, PUBLISHED)
    assert found.latency_s[0, 1] <= found.latency_s[0, 0] * (1 + 1e-12)
    assert found.energy_over_j[0, 1] <= found.energy_over_j[0, 0]


@settings(max_examples=25)
@given(networks(), st.integers(200, 4000), st.integers(0, 4000), capacitances)
def test_more_memory_never_makes_the_explored_network_slower(network, vm_bytes, more_bytes, capacitance_f):
    scenarios = Scenarios.of([FAMILY.supply(capacitance_f=capacitance_f)])
    less, more = (
        Explorer(replace(DEVICE, vm_bytes=size), scenarios, RULES).best(network.layers).latency_s.sum()
        for size in (vm_bytes, vm_bytes + more_bytes)
    )
    assert more <= less


@settings(max_examples=25)
@given(networks(), capacitances)
def test_no_random_plan_beats_the_explored_one(network, capacitance_f):
    scenarios = Scenarios.of([FAMILY.supply(capacitance_f=capacitance_f)])
    best = Explorer(DEVICE, scenarios, RULES).plan(network)
    rng = np.random.default_rng(0)
    tables = [legal(layer) for layer in network.layers]
    rivals = [tuple(table[int(rng.integers(len(table)))] for table in tables) for _ in range(20)]
    found = price_population([network] * 21, [best, *rivals], DEVICE, scenarios, PUBLISHED).latency_s[:, 0]
    assert found[0] == found.min()


@settings(max_examples=25)
@given(networks_with_plans())
def test_reloads_are_the_fetches_that_longer_batches_would_save(case):
    """With whole innermost loops as batches nothing is fetched twice; what others fetch beyond that is reloads."""
    network, plan = case
    for layer, design in zip(network.layers, plan, strict=True):
        table = DesignTable.of([design])
        units = published_counts(ShapeTable.of([layer]), table)
        own, whole = units.batches(table.batch), units.batches(units.loops.n_inner)
        fetched, least = (fetches(counts) for counts in (own, whole))
        reloaded = {event: int(count.ravel()[0]) for event, count in own.reloads.items()}
        assert not any(int(count.ravel()[0]) for count in whole.reloads.values())
        assert {event: fetched[event] - reloaded.get(event, 0) for event in fetched} == least


def fetches(counts):
    totals = {}
    for events, n_batches in zip(counts.events, counts.n_batches, strict=True):
        for event, count in events.items():
            if "_fetch_" in event:
                totals[event] = totals.get(event, 0) + int(count.ravel()[0]) * int(n_batches.ravel()[0])
    return totals


def test_where_memory_is_short_the_amount_is_what_is_missing():
    layer = LayerShape(op="conv", in_h=8, in_w=8, in_ch=4, out_h=8, out_w=8, out_ch=4, kernel_h=1, kernel_w=1)
    network = NetworkShape(name="one", layers=(layer,), layer_names=("conv",), inputs=((-1,),))
    table = legal(layer)
    plan = (table[len(table) - 1],)
    supply = Supply(**{**FAMILY.supply().to_dict(), "capacitance_f": 1.0})
    needed = price_plan(network, plan, ENDLESS, supply, PUBLISHED).vm_bytes
    found = price_plan(network, plan, replace(DEVICE, vm_bytes=needed - 6), supply, PUBLISHED)
    assert found.violations == {"energy_j": 0.0, "vm_bytes": 6, "nvm_bytes": 0, "deadline_s": 0.0}
    assert found.latency_s is None
    assert found.energy_j > 0
