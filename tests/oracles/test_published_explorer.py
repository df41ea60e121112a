"""The explorer finds what brute force over the oracle finds, over the same space of designs."""

from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.costing.population import layer_costs
from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import Supply
from energy.networks.designs import LayerDesign
from energy.networks.rules import rules
from energy.networks.shapes import LayerShape
from energy.planning.published import Explorer
from models.spaces import preset
from tests.oracles import brute_force_explorer as brute_force
from tests.oracles import published_counts as oracle

DEVICES = {2021: read_device("msp430fr5994-inas2021"), 2025: read_device("msp430fr5994-tinas2025")}
VM_BYTES = 256
"""Small enough to shut out designs of small layers."""

SOURCE = dict(resistance_ohm=3100.0, v_supply_v=5.892, v_on_v=4.535, v_off_v=3.29, usable_fraction=0.6)
SUPPLIES = [Supply(capacitance_f=capacitance_f, **SOURCE) for capacitance_f in (20e-6, 29e-6, 33e-6, 47e-6, 1e-3)]
"""From a budget that no boot fits into, over budgets that bind, to one that never does."""


def conv(in_h, in_w, in_ch, out_ch, kernel_h, kernel_w, stride=1, pad=0):
    pads = [pad if kernel > 1 else 0 for kernel in (kernel_h, kernel_w)]
    steps = [stride if size > 1 else 1 for size in (in_h, in_w)]
    return LayerShape(
        op="conv",
        in_h=in_h,
        in_w=in_w,
        in_ch=in_ch,
        out_h=(in_h + 2 * pads[0] - kernel_h) // steps[0] + 1,
        out_w=(in_w + 2 * pads[1] - kernel_w) // steps[1] + 1,
        out_ch=out_ch,
        kernel_h=kernel_h,
        kernel_w=kernel_w,
        stride=stride,
        pad=pad,
    )


def pool(in_h, in_w, channels):
    return LayerShape(
        op="global_avg_pool",
        in_h=in_h,
        in_w=in_w,
        in_ch=channels,
        out_h=1,
        out_w=1,
        out_ch=channels,
        kernel_h=in_h,
        kernel_w=in_w,
    )


LAYERS = {
    "square": conv(5, 5, 2, 2, 2, 2),
    "odd channels": conv(4, 3, 3, 5, 1, 1),
    "long": conv(16, 1, 4, 3, 3, 1),
    "strided and padded": conv(6, 5, 2, 2, 3, 3, stride=2, pad=1),
    "linear": conv(1, 1, 12, 6, 1, 1),
    "pooling": pool(6, 4, 4),
    "long pooling": pool(10, 1, 6),
}
CASES = list(product(LAYERS, ("inas2021", "tinas2025"), (2021, 2025)))


def oracle_supply(supply):
    return oracle.Supply(**supply.to_dict())


@cache
def brute_forced(name, rule_set, generation):
    """Every legal design with what it costs at a budget that is never short."""
    return list(brute_force.appraise_all(LAYERS[name], rule_set, oracle_supply(SUPPLIES[-1]), generation))


def explorer(rule_set, generation, supplies=SUPPLIES, vm_bytes=VM_BYTES):
    device = replace(DEVICES[generation], vm_bytes=vm_bytes)
    return Explorer(device, Scenarios.of(supplies), rules(rule_set))


def as_tuple(design):
    return (design.tile_h, design.tile_w, design.tile_out, design.tile_in, design.order, design.batch)


@pytest.mark.parametrize("rule_set", ["inas2021", "tinas2025"])
@pytest.mark.parametrize("name", LAYERS)
def test_the_rules_allow_the_designs_that_brute_force_enumerates(name, rule_set):
    table = rules(rule_set).table(LAYERS[name])
    found = [as_tuple(table[row]) for row in range(len(table))]
    assert found == [as_tuple(design) for design in brute_force.legal_designs(LAYERS[name], rule_set)]
    if (LAYERS[name].op, rule_set) == ("conv", "inas2021"):
        assert len(found) == brute_force.n_legal_designs(LAYERS[name])


@pytest.mark.parametrize(("name", "rule_set", "generation"), CASES)
def test_the_explorer_finds_the_best_of_all_legal_designs(name, rule_set, generation):
    """All budgets in one call; ties go to the design with less volatile memory, then to the first."""
    layer = LAYERS[name]
    found = explorer(rule_set, generation)
    optima, designs = found.best([layer]), found.designs(layer)
    inside = [(d, a) for d, a in brute_forced(name, rule_set, generation) if a.vm_bytes <= VM_BYTES]
    assert optima.n_designs[0] == len(inside)
    for column, supply in enumerate(SUPPLIES):
        cycle_budget_j = oracle_supply(supply).cycle_budget_j
        ranked = []
        for index, (design, answer) in enumerate(inside):
            if answer.cycle_energy_max_j <= cycle_budget_j:
                latency_s = latency_of(layer, design, supply, generation)
                ranked.append((float(f"{latency_s:.12e}"), answer.vm_bytes, index, design))
        assert bool(optima.feasible[0, column]) == bool(ranked)
        if ranked:
            expected = min(ranked)
            assert optima.latency_s[0, column] == pytest.approx(expected[0], rel=1e-12, abs=0)
            assert as_tuple(designs[column]) == as_tuple(expected[-1])


@cache
def latency_of(layer, design, supply, generation):
    return oracle.appraise(layer, design, oracle_supply(supply), generation, VM_BYTES).latency_s


@pytest.mark.parametrize(("name", "rule_set", "generation"), CASES)
def test_where_no_budget_suffices_the_least_costly_cycle_is_offered(name, rule_set, generation):
    supply = SUPPLIES[0]
    found = explorer(rule_set, generation, [supply])
    (design,) = found.designs(LAYERS[name])
    optima = found.best([LAYERS[name]])
    inside = [(d, a) for d, a in brute_forced(name, rule_set, generation) if a.vm_bytes <= VM_BYTES]
    least_j = min(answer.cycle_energy_max_j for _, answer in inside)
    (chosen,) = [answer for other, answer in inside if as_tuple(other) == as_tuple(design)]
    assert chosen.cycle_energy_max_j == pytest.approx(least_j, rel=1e-12, abs=0)
    assert optima.energy_over_j[0, 0] == pytest.approx(least_j - oracle_supply(supply).cycle_budget_j, rel=1e-9, abs=0)
    assert optima.latency_s[0, 0] == float("inf")


@pytest.mark.parametrize(("name", "rule_set", "generation"), CASES)
def test_where_no_memory_suffices_the_smallest_design_is_offered(name, rule_set, generation):
    vm_bytes = 2
    found = explorer(rule_set, generation, vm_bytes=vm_bytes)
    optima = found.best([LAYERS[name]])
    smallest = min(answer.vm_bytes for _, answer in brute_forced(name, rule_set, generation))
    assert optima.n_designs[0] == 0
    for column, design in enumerate(found.designs(LAYERS[name])):
        assert oracle.vm_bytes(LAYERS[name], design) == smallest
        assert optima.vm_over_bytes[0, column] == smallest - vm_bytes
        assert not optima.feasible[0, column]


def test_layers_explored_together_and_apart_have_the_same_optimum():
    layers = list(LAYERS.values())
    together = explorer("inas2021", 2025).best(layers)
    for row, layer in enumerate(layers):
        alone = explorer("inas2021", 2025).best([layer])
        assert (alone.latency_s[0] == together.latency_s[row]).all()
    mixed = explorer("inas2021", 2025)
    mixed.best(layers[2:4])
    assert (mixed.best(layers).latency_s == together.latency_s).all()


def test_every_design_has_its_price_under_the_same_budget():
    """A budget is explored with others or alone, the answer is the same."""
    together = explorer("inas2021", 2025)
    for column, supply in enumerate(SUPPLIES):
        alone = explorer("inas2021", 2025, [supply])
        for layer in LAYERS.values():
            assert together.designs(layer)[column] == alone.designs(layer)[0]
            assert isinstance(alone.designs(layer)[0], LayerDesign)


@st.composite
def supplies(draw):
    """Supplies of all kinds: concave and convex charging, both formulas, budgets from hopeless to ample."""
    v_supply_v = draw(st.floats(2.0, 8.0))
    v_on_v = v_supply_v * draw(st.floats(0.3, 0.999))
    v_off_v = v_on_v * draw(st.floats(0.05, 0.98))
    usable_fraction = draw(st.floats(0.1, 1.0))
    cycle_budget_j = draw(st.floats(7e-5, 2e-3))
    return Supply(
        capacitance_f=2 * cycle_budget_j / usable_fraction / (v_on_v**2 - v_off_v**2),
        resistance_ohm=draw(st.floats(10.0, 1e4)),
        v_supply_v=v_supply_v,
        v_on_v=v_on_v,
        v_off_v=v_off_v,
        usable_fraction=usable_fraction,
        recharge=draw(st.sampled_from(["energy-balance", "margin-scaled"])),
    )


@st.composite
def convolutions(draw):
    """Convolutions with many designs, one-dimensional ones among them."""
    kernel_h, stride = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    in_h, in_w = draw(st.integers(3, 16)), draw(st.one_of(st.just(1), st.integers(3, 16)))
    return conv(
        in_h,
        in_w,
        draw(st.integers(1, 16)),
        draw(st.integers(1, 16)),
        kernel_h,
        min(kernel_h, in_w),
        stride,
        draw(st.integers(0, 1)),
    )


@given(convolutions(), supplies(), st.sampled_from(["inas2021", "tinas2025"]), st.sampled_from([2021, 2025]))
def test_the_explorer_finds_what_pricing_every_design_finds(layer, supply, rule_set, generation):
    """On larger layers, against the price of the whole design table, which the oracle has confirmed."""
    device = replace(DEVICES[generation], vm_bytes=1024)
    scenarios = Scenarios.of([supply])
    table = rules(rule_set).table(layer)
    designs = [table[row] for row in range(len(table))]
    costs = layer_costs([layer] * len(designs), designs, device, scenarios)
    latencies_s = np.where(costs.vm_over_bytes > 0, np.inf, costs.latency_s[:, 0])
    found = Explorer(device, scenarios, rules(rule_set))
    assert found.best([layer]).n_designs[0] == (costs.vm_over_bytes == 0).sum()
    assert found.best([layer]).latency_s[0, 0] == pytest.approx(latencies_s.min(), rel=1e-12, abs=0)
    if np.isfinite(latencies_s.min()):
        ties = np.flatnonzero(latencies_s <= latencies_s.min() * (1 + 1e-12))
        chosen = designs.index(found.designs(layer)[0])
        assert chosen == min(ties, key=lambda row: (costs.vm_bytes[row], row))


def convolutions_of_conv2d_5():
    """The distinct convolutions of the 2021 image space, the last linear layers counted, and its poolings."""
    space = preset("conv2d-5")
    maps, convs = {space.input_shape}, {}
    for stage in space.stages:
        layers = [
            conv(h, w, channels, out, kernel, kernel)
            for (h, w, channels), kernel, out in product(sorted(maps), stage.kernels, stage.channels)
        ]
        convs.update(dict.fromkeys(layers))
        maps = {(layer.out_h, layer.out_w, layer.out_ch) for layer in layers}
    heads = {channels: conv(1, 1, channels, space.n_classes, 1, 1) for _, _, channels in sorted(maps)}
    return [*convs, *heads.values()], [pool(*shape) for shape in sorted(maps)]


def test_the_image_space_has_the_published_number_of_designs():
    convs, pools = convolutions_of_conv2d_5()
    assert (len(convs), len(pools)) == (852, 64)
    assert sum(brute_force.n_legal_designs(layer) for layer in convs) == 5_769_675


@pytest.mark.slow
def test_the_explorer_goes_through_all_designs_of_the_image_space():
    convs, _ = convolutions_of_conv2d_5()
    endless = Explorer(replace(DEVICES[2025], vm_bytes=10**9), Scenarios.of(SUPPLIES[:1]), rules("inas2021"))
    assert endless.best(convs).n_designs.sum() == 5_769_675
