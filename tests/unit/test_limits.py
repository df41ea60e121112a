"""Lower limits of latency: by hand, and below everything that any plan counts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from energy.costing.limits import limit_device_s, limit_plan_s
from energy.counting.exact import count_all, n_batches_of
from energy.counting.rows import design_row, layer_row
from energy.events import EVENTS, ORDERS
from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import read_supply_family
from energy.networks.designs import ORDERS_OF_OP, LayerDesign
from energy.networks.fuse import fused
from energy.networks.shapes import N_INPUTS, NetworkShape
from energy.networks.vectors import VECTORS
from tests.unit.test_fuse import layer, networks, shipped_network

DEVICE = read_device("msp430fr5994-tinas2025")
SUPPLIES = (
    *(read_supply_family("tinas2025").supply(capacitance_f) for capacitance_f in (5e-3, 470e-6, 100e-6)),
    read_supply_family("inas2021-image").supply(5e-3),
)
SCENARIOS = Scenarios.of(SUPPLIES)

LIMITS = (limit_device_s, limit_plan_s)

READ_J, WRITE_J, ELEMENT_J = 2.4096781407047943e-8, 2.3866387540946922e-8, 5.03343396188007e-10
ADD_J, MULTIPLY_J, COMPARE_J = 3.4965641e-9, 1.892907692e-8, 3.9232308e-9
# A reboot and one read call of 12 words: 55 ms + (430 + 12 x 64) cycles
BOOT_J = 7.788e-5 + 1.9269110618985066e-7 + 12 * READ_J
BOOT_S = 0.055 + (430 + 12 * 64) / 16e6


def alone(*layers):
    """A chain of layers; an addition adds a map to itself."""
    return NetworkShape(
        name="net",
        layers=layers,
        layer_names=tuple(f"layer_{i}" for i in range(len(layers))),
        inputs=tuple((i - 1,) * N_INPUTS[shape.op] for i, shape in enumerate(layers)),
    )


def one_cycle_s(energy_j, active_s):
    """Latency of one power cycle at 5 mF whose recharge has the average power of a whole budget."""
    supply = SUPPLIES[0]
    return (
        active_s + BOOT_S + (energy_j + BOOT_J) * supply.recharge_time_s(supply.cycle_budget_j) / supply.cycle_budget_j
    )


def test_the_limit_of_the_device_is_words_elements_and_one_boot():
    network = alone(layer("conv", (8, 1), (3, 2)))
    # 3 x 2 weights and 2 x 2 words of biases, 8 x 3 inputs, 8 x 2 outputs, 8 x 3 x 2 multiply-accumulates
    energy_j = (10 + 24) * READ_J + 16 * WRITE_J + 48 * ELEMENT_J
    active_s = ((10 + 24 + 16) * 64 + 48 * 1.5) / 16e6
    assert limit_device_s(network, DEVICE, SCENARIOS)[0] == pytest.approx(one_cycle_s(energy_j, active_s), rel=1e-12)


def test_the_limit_of_a_plan_adds_calls_epilogues_and_padding():
    network = alone(layer("conv", (8, 1), (3, 3)))
    # 4 stored channels: 4 x 3 weights and 6 words of biases, 8 x 4 inputs and outputs; 24 calls of 4 elements
    call_j = 2.057298797039179e-7 + 13 * ADD_J + 9 * MULTIPLY_J
    epilogue_j = 2 * COMPARE_J + 6 * ADD_J + 2 * MULTIPLY_J
    energy_j = (18 + 32) * READ_J + 32 * WRITE_J + 96 * ELEMENT_J + 24 * (call_j + epilogue_j)
    # call: 622 + 13 x 12 + 9 x 45 = 1183 cycles; epilogue: 2 x 15 + 6 x 12 + 2 x 45 = 192 cycles
    active_s = ((18 + 32 + 32) * 64 + 96 * 1.5 + 24 * (1183 + 192)) / 16e6
    assert limit_plan_s(network, DEVICE, SCENARIOS)[0] == pytest.approx(one_cycle_s(energy_j, active_s), rel=1e-12)


def active_cycles(network):
    """Active time of the limit of a plan: latency is active + R x rest, so two resistances give it."""
    once_s, twice_s = (limit_plan_s(network, DEVICE, Scenarios.of([supply]))[0] for supply in slow_supplies())
    return (2 * once_s - twice_s) * DEVICE.clock_hz


def difference(first, second):
    """Cycles that the second layer needs beyond the first, both small enough for one boot."""
    return active_cycles(alone(second)) - active_cycles(alone(first))


def slow_supplies():
    supply = SUPPLIES[0]
    return supply, replace(supply, resistance_ohm=2 * supply.resistance_ohm)


def test_every_kernel_row_costs_a_vector_call_on_a_map_and_one_on_a_line():
    line = layer("conv", (1, 6), (2, 2), (1, 3), pad=1)
    flat = layer("conv", (3, 6), (2, 2), (1, 3), pad=1)
    square = layer("conv", (3, 6), (2, 2), (3, 3), pad=1)
    # 12 outputs of one call of 6 elements; upright or not
    upright = layer("conv", (6, 1), (2, 2), (3, 1), pad=1)
    assert difference(line, upright) == pytest.approx(0, abs=1e-3)
    # 3 x 6 x 2 = 36 outputs: 2 more calls of 6 elements each, and 24 more weights
    assert difference(flat, square) == pytest.approx(36 * 2 * (1183 + 6 * 1.5) + 24 * 64, abs=1e-3)


def test_a_depthwise_layer_of_one_tap_is_cheaper_on_the_cpu():
    single, triple = (layer("depthwise_conv", (1, 6), (2, 2), (1, taps), pad=taps // 2) for taps in (1, 3))
    # 12 outputs. One tap: 11 x 12 + 11 x 45 = 627 cycles. Three: a call of 4 elements, and 2 x 4 - 1 more weights a
    # channel, since both versions of the row are fetched.
    expected = 12 * (1183 + 4 * 1.5 - 627) + 2 * 7 * 64
    assert difference(single, triple) == pytest.approx(expected, abs=1e-3)


def test_an_addition_reads_two_maps():
    relu, add = (layer(op, (1, 6), (2, 2)) for op in ("relu", "add"))
    # 12 more words; an addition has 5 x 12 + 2 x 45 = 150 cycles, a ReLU 15 + 2 x 12 + 2 x 45 = 129
    assert difference(relu, add) == pytest.approx(12 * 64 + 12 * (150 - 129), abs=1e-3)


def test_layers_of_a_network_add_up_beside_one_boot():
    relu, conv = layer("relu", (1, 6), (2, 2)), layer("conv", (1, 6), (2, 2), (1, 3), pad=1)
    parts = [active_cycles(alone(shape)) for shape in (relu, conv)]
    assert active_cycles(alone(relu, conv)) == pytest.approx(sum(parts) - BOOT_S * DEVICE.clock_hz, abs=1e-3)


def test_pixels_that_a_stride_skips_need_not_be_read():
    network = alone(layer("conv", (9, 1), (2, 2), (1, 1), stride=2))
    # outputs at 0, 2, 4, 6, 8: 5 pixels of 2 words; weights 4 + 4; outputs 10; 20 multiply-accumulates
    energy_j = (10 + 8) * READ_J + 10 * WRITE_J + 20 * ELEMENT_J
    active_s = (28 * 64 + 20 * 1.5) / 16e6
    assert limit_device_s(network, DEVICE, SCENARIOS)[0] == pytest.approx(one_cycle_s(energy_j, active_s), rel=1e-12)


def limit_with_room_s(network, room_j):
    """Limit of a plan whose cycles hold a boot and `room_j`, with a recharge so fast that only boots are seen."""
    one_joule_f = 2 / (4.535**2 - 3.29**2)  # stored between the thresholds
    supply = replace(SUPPLIES[0], usable_fraction=room_j + BOOT_J, capacitance_f=one_joule_f, resistance_ohm=1e-9)
    return limit_plan_s(network, DEVICE, Scenarios.of([supply]))[0]


def test_boots_are_as_many_as_the_energy_needs():
    network = shipped_network()
    energy_j = plan_energy_j(network)
    latencies = [limit_with_room_s(network, energy_j * share) for share in (1.0001, 0.9999, 0.5001, 0.4999)]
    assert np.diff(latencies) / BOOT_S == pytest.approx([1, 0, 1], abs=1e-6)


def test_energy_that_fills_whole_cycles_needs_no_boot_more():
    network = shipped_network()
    energy_j = plan_energy_j(network)
    latencies = [limit_with_room_s(network, energy_j / n_cycles) for n_cycles in range(1, 30)]
    assert np.diff(latencies) / BOOT_S == pytest.approx([1] * 28, abs=1e-6)


def plan_energy_j(network):
    """Energy of the limit of a plan without boots, from what it adds to the latency of a very slow harvester."""
    supply = replace(SUPPLIES[0], capacitance_f=1e3)
    slow = replace(supply, resistance_ohm=2 * supply.resistance_ohm)
    fast_s, slow_s = (limit_plan_s(network, DEVICE, Scenarios.of([s]))[0] for s in (supply, slow))
    return (slow_s - fast_s) * supply.cycle_budget_j / supply.recharge_time_s(supply.cycle_budget_j) - BOOT_J


def test_a_budget_below_a_boot_has_no_limit_but_infinity():
    tiny = replace(SUPPLIES[0], capacitance_f=1e-6)
    assert tiny.cycle_budget_j < BOOT_J
    limits = [limit(shipped_network(), DEVICE, Scenarios.of([tiny, SUPPLIES[0]])) for limit in LIMITS]
    assert [list(np.isinf(limit)) for limit in limits] == [[True, False]] * 2


def test_margin_scaled_recharge_pays_its_fixed_part_at_every_boot():
    network, supply = alone(layer("conv", (8, 1), (3, 2))), SUPPLIES[3]
    start_s, whole_s = supply.recharge_time_s(np.array([0.0, supply.cycle_budget_j]))
    energy_j = (10 + 24) * READ_J + 16 * WRITE_J + 48 * ELEMENT_J
    active_s = ((10 + 24 + 16) * 64 + 48 * 1.5) / 16e6
    expected = active_s + BOOT_S + start_s + (energy_j + BOOT_J) * (whole_s - start_s) / supply.cycle_budget_j
    assert start_s > 0
    assert limit_device_s(network, DEVICE, SCENARIOS)[3] == pytest.approx(expected, rel=1e-12)


@given(networks())
def test_knowing_more_raises_the_limit_and_merging_lowers_it(network):
    device, plan = (limit(network, DEVICE, SCENARIOS) for limit in LIMITS)
    assert (device <= plan).all()
    assert (limit_plan_s(fused(network), DEVICE, SCENARIOS) <= plan).all()
    assert (limit_device_s(fused(network), DEVICE, SCENARIOS) <= device).all()


def test_supplies_asked_together_have_the_limits_of_each_alone():
    for limit in LIMITS:
        together = limit(shipped_network(), DEVICE, SCENARIOS)
        alone_s = [limit(shipped_network(), DEVICE, Scenarios.of([supply]))[0] for supply in SUPPLIES]
        np.testing.assert_array_equal(together, alone_s)


def test_the_published_activity_design_stands_where_it_stood():
    network = shipped_network()
    latency_s = 18.409940038220185  # as the released cost model prices it, one batch a cycle
    # Far from both limits, of the merged network farther.
    ratios = [latency_s / limit(net, DEVICE, SCENARIOS)[0] for net in (network, fused(network)) for limit in LIMITS]
    assert ratios == pytest.approx([78.86, 4.51, 87.6, 6.22], rel=2e-3)


@st.composite
def executions(draw):
    """A random layer with a random design of our rules and more."""
    op = draw(st.sampled_from(tuple(ORDERS_OF_OP)))
    is_kernel = "conv" in op
    size = (draw(st.integers(1, 7)), draw(st.integers(1, 7)))
    channels = draw(st.integers(1, 5))
    shape = layer(
        op,
        size,
        (channels, draw(st.integers(1, 5)) if op == "conv" else channels),
        tuple(draw(st.integers(1, length)) for length in size) if is_kernel else (1, 1),
        draw(st.integers(1, 3)) if is_kernel else 1,
        draw(st.integers(0, 2)) if is_kernel else 0,
    )
    vectors = {"conv": VECTORS[:2], "depthwise_conv": ("channel", "planar", "row")}.get(op, VECTORS[:1])
    design = LayerDesign(
        tile_h=draw(st.integers(1, 7)),
        tile_w=draw(st.integers(1, 7)),
        tile_out=draw(st.integers(1, shape.out_ch)),
        tile_in=2 * draw(st.integers(1, 3)),
        order=draw(st.sampled_from(ORDERS_OF_OP[op])),
        batch=draw(st.integers(1, 4)),
        vector=draw(st.sampled_from(vectors)),
    )
    assume(design.vector != "row" or op == "conv" or design.tile_out == 1)
    return shape, design


@given(executions())
def test_no_plan_counts_less_than_the_limit(execution):
    shape, design = execution
    row, cells = (np.array(numbers) for numbers in (layer_row(shape)[0], design_row(shape, design)))
    total, _ = count_all(row, cells, np.zeros(n_batches_of(row, cells), dtype=np.bool_))
    events, order = dict(zip(EVENTS, total, strict=True)), np.array(ORDERS.index(design.order))
    energy_j, active_s = (float(f(events, order)) for f in (DEVICE.exact.energy_of, DEVICE.exact.time_of))
    for supply, limit_s in zip(SUPPLIES, limit_plan_s(alone(shape), DEVICE, SCENARIOS), strict=True):
        # As if batches could be cut anywhere: the fewest cycles, all of the same energy.
        n_cycles = np.ceil(energy_j / (supply.cycle_budget_j - BOOT_J))
        recharge_s = supply.recharge_time_s(energy_j / n_cycles + BOOT_J)
        assert limit_s <= active_s + n_cycles * (BOOT_S + recharge_s)
