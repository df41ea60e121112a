"""Published counting equals the oracle that walks every tile and counts one call at a time."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.costing.plan import price_plan
from energy.costing.published_cycles import price_cycles
from energy.counting.published import ShapeTable, published_counts
from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import Supply
from energy.networks.designs import ORDERS_OF_OP, DesignTable, LayerDesign
from energy.networks.shapes import LayerShape, NetworkShape
from energy.scheduling.execution import PUBLISHED
from tests.oracles import published_counts as oracle

DEVICES = {2021: read_device("msp430fr5994-inas2021"), 2025: read_device("msp430fr5994-tinas2025")}
OF_A_CYCLE = (
    "reboots",
    "record_read_calls",
    "record_read_words",
    "record_write_calls",
    "record_write_words",
    "batches",
)
PRICED_IN_2021 = ("conv", "global_avg_pool")
SUPPLY = oracle.Supply(5e-3, 2800.0, 5.892, 4.535, 3.29, 0.6)


@st.composite
def layers(draw, ops=tuple(ORDERS_OF_OP)):
    """Small layers of every operator, one-dimensional ones, strides and padding included."""
    op = draw(st.sampled_from(ops))
    in_h, in_w = draw(st.integers(1, 7)), draw(st.one_of(st.just(1), st.integers(1, 7)))
    in_ch, pad, stride = draw(st.integers(1, 6)), 0, 1
    kernels, outs = (1, 1), (in_h, in_w)
    if op in ("conv", "depthwise_conv"):
        pad, stride = draw(st.integers(0, 1)), draw(st.integers(1, 2))
        kernels = tuple(draw(st.integers(1, min(3, size))) for size in (in_h, in_w))
        outs = tuple(
            (size + (2 * pad if kernel > 1 else 0) - kernel) // (stride if size > 1 else 1) + 1
            for size, kernel in zip((in_h, in_w), kernels, strict=True)
        )
    elif op == "global_avg_pool":
        kernels, outs = (in_h, in_w), (1, 1)
    return LayerShape(
        op=op,
        in_h=in_h,
        in_w=in_w,
        in_ch=in_ch,
        out_h=outs[0],
        out_w=outs[1],
        out_ch=draw(st.integers(1, 6)) if op == "conv" else in_ch,
        kernel_h=kernels[0],
        kernel_w=kernels[1],
        stride=stride,
        pad=pad,
    )


@st.composite
def layers_with_designs(draw, ops=tuple(ORDERS_OF_OP)):
    """A layer with a well-formed design: tiles need not divide and may reach an odd size rounded up to even."""
    layer = draw(layers(ops))
    height, width = (layer.in_h, layer.in_w) if layer.op == "global_avg_pool" else (layer.out_h, layer.out_w)
    tile_h, tile_w, tile_out, tile_in = (
        draw(st.integers(1, size + size % 2)) for size in (height, width, layer.out_ch, layer.in_ch)
    )
    return layer, LayerDesign(
        tile_h=tile_h,
        tile_w=tile_w,
        tile_out=tile_out,
        tile_in=tile_in,
        order=draw(st.sampled_from(ORDERS_OF_OP[layer.op])),
        batch=draw(st.integers(1, 12)),
    )


def close(value, relative):
    """Compares by relative error alone; joules are small beside the absolute tolerance that pytest would add."""
    return pytest.approx(value, rel=relative, abs=0)


def counted(layer, design):
    return published_counts(ShapeTable.of([layer]), DesignTable.of([design])).batches(DesignTable.of([design]).batch)


def kinds_of(counts):
    """Batches by what they count: (event, number) pairs -> how many batches."""
    kinds = Counter()
    for events, n_batches in zip(counts.events, counts.n_batches, strict=True):
        if n_batches[0]:
            kinds[frozenset((event, int(count[0])) for event, count in events.items() if count[0])] += int(n_batches[0])
    return kinds


def walked_kinds(layer, design):
    ignored = (*OF_A_CYCLE,) if layer.op == "conv" else (*OF_A_CYCLE, "iterations")
    return Counter(
        frozenset((event, count) for event, count in cycle.items() if event not in ignored)
        for cycle in oracle.walk(layer, design, 2025)
    )


@given(layers_with_designs())
def test_every_batch_counts_what_the_walk_counts(case):
    assert kinds_of(counted(*case)) == walked_kinds(*case)


@pytest.mark.slow
@settings(max_examples=3000)
@given(layers_with_designs())
def test_every_batch_counts_what_the_walk_counts_in_thousands_of_cases(case):
    assert kinds_of(counted(*case)) == walked_kinds(*case)


@given(layers_with_designs())
def test_volatile_memory_is_that_of_the_walk(case):
    layer, design = case
    assert int(counted(layer, design).vm_words[0]) * DEVICES[2025].word_bytes == oracle.vm_bytes(layer, design)


@pytest.mark.parametrize("generation", [2021, 2025])
def test_cycles_cost_what_the_oracle_prices(generation):
    ops = PRICED_IN_2021 if generation == 2021 else tuple(ORDERS_OF_OP)
    supply = Supply(**vars(SUPPLY))

    @given(layers_with_designs(ops))
    def check(case):
        layer, design = case
        prices = price_cycles(counted(layer, design), DEVICES[generation])
        expected = oracle.appraise(layer, design, SUPPLY, generation, vm_limit_bytes=10**6)
        assert prices.n_cycles.sum() == expected.power_cycles
        assert prices.energy_max_j[0] == close(expected.cycle_energy_max_j, 1e-12)
        assert prices.energy_min_j[0] == close(expected.cycle_energy_min_j, 1e-12)
        latency_s = prices.latency_s(Scenarios.of([supply]))[0, 0]
        assert latency_s == close(float("inf") if expected.latency_s is None else expected.latency_s, 1e-11)

    check()


@given(layers_with_designs(tuple(op for op in ORDERS_OF_OP if op != "add")))
def test_the_schedule_runs_the_cycles_in_the_order_of_the_walk(case):
    layer, design = case
    network = NetworkShape(name="one", layers=(layer,), layer_names=("layer",), inputs=((-1,),))
    schedule = price_plan(network, (design,), DEVICES[2025], Supply(**vars(SUPPLY)), PUBLISHED).schedule
    planned_j = [entry.energy_j for entry in schedule for _ in range(entry.cycles)]
    walked_j = [oracle.energy_j(cycle, layer.op, design.order, 2025) for cycle in oracle.walk(layer, design, 2025)]
    assert planned_j == close(walked_j, 1e-12)
    batch_numbers = [(entry.first[1], entry.last[1]) for entry in schedule]
    assert [first for first, _ in batch_numbers] == [0, *(last + 1 for _, last in batch_numbers[:-1])]
    assert batch_numbers[-1][1] == len(walked_j) - 1


@given(layers_with_designs(tuple(op for op in ORDERS_OF_OP if op != "add")))
def test_the_answer_counts_the_whole_layer(case):
    layer, design = case
    network = NetworkShape(name="one", layers=(layer,), layer_names=("layer",), inputs=((-1,),))
    (answer,) = price_plan(network, (design,), DEVICES[2025], Supply(**vars(SUPPLY)), PUBLISHED).layers
    counts = oracle.appraise(layer, design, SUPPLY, 2025).counts
    ignored = () if layer.op == "conv" else ("iterations",)
    expected = {event: n for event, n in counts.items() if n and event not in ignored}
    assert {event: n for event, n in answer.counts.items() if n} == expected


def test_one_batch_by_hand():
    """A 4x4x2 map, kernel 3, tile 2x1 of 2 outputs and 1 input channel, two outputs tiles a batch, order input."""
    layer = LayerShape(op="conv", in_h=4, in_w=4, in_ch=2, out_h=2, out_w=2, out_ch=4, kernel_h=3, kernel_w=3)
    design = LayerDesign(tile_h=2, tile_w=1, tile_out=2, tile_in=1, order="input", batch=2)
    first, second, *_ = oracle.walk(layer, design, 2025)
    assert dict(first) == {
        "reboots": 1,
        "batches": 1,
        "iterations": 2,
        "record_read_calls": 1,
        "record_read_words": 5,
        "record_write_calls": 1,
        "record_write_words": 5,
        "input_fetch_calls": 4 * 3,  # (2 + 2) x (1 + 2) pixels, once
        "input_fetch_words": 4 * 3,
        "weight_fetch_calls": 2 * 9 * 2,  # two tiles of 9 taps x 2 outputs
        "weight_fetch_words": 2 * 9 * 2,
        "mac_calls": 2 * 9 * 2 * 2,  # two tiles x taps x pixels x outputs
        "mac_elements": 2 * 9 * 2 * 2,
        "output_write_calls": 2,  # a call per pixel, both tiles side by side
        "output_write_words": 2 * 2 * 2,
    }
    # the second batch is the second input-channel tile: partial sums come back, a call per pixel and tile
    assert second - first == {"partial_fetch_calls": 2 * 2, "partial_fetch_words": 2 * 2 * 2}


@pytest.mark.slow
@pytest.mark.parametrize(("file", "generation"), [("inas2021_designs.json", 2021), ("tinas2025_designs.json", 2025)])
def test_the_oracle_alone_gives_the_released_answers(reference_folder, file, generation):
    checked = 0
    for entry in json.loads((reference_folder / file).read_text(encoding="utf-8")):
        supply = oracle.Supply(**entry["supply"])
        for layer, plan, expected in zip(
            entry["network"]["layers"], entry["plan"], entry["expected"]["layers"], strict=True
        ):
            shape = LayerShape(**{key: value for key, value in layer.items() if key not in ("name", "inputs")})
            answer = oracle.appraise(shape, LayerDesign(**plan), supply, generation, entry["vm_bytes"])
            for key in ("cycle_energy_max_j", "cycle_energy_min_j", "vm_bytes", "power_cycles"):
                if key in expected:
                    assert getattr(answer, key) == close(expected[key], 1e-9)
                    checked += 1
            if expected.get("feasible", True):
                assert answer.latency_s == close(expected["latency_s"], 1e-9)
            else:
                assert answer.latency_s is None
    assert checked > 500
