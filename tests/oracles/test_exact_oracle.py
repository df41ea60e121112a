"""The oracle of exact counting against full counts by hand, and what must hold for any layer."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.events import EVENTS
from energy.networks.designs import ORDERS_OF_OP, LayerDesign
from energy.networks.shapes import LayerShape
from tests.oracles import exact_cases
from tests.oracles import exact_counts as oracle

RECORD = {"record_write_calls": 1, "record_write_words": 6}
"""What every batch ends with."""


def layer(op="conv", *, of, to, kernel=(1, 1), stride=1, pad=0):
    """A layer from its maps, each height, width, channels."""
    names = ("in_h", "in_w", "in_ch", "out_h", "out_w", "out_ch", "kernel_h", "kernel_w")
    return LayerShape(op=op, **dict(zip(names, (*of, *to, *kernel), strict=True)), stride=stride, pad=pad)


def design(tile_h, tile_w, tile_out, tile_in=2, *, order="output", batch=1, vector="channel"):
    return LayerDesign(
        tile_h=tile_h, tile_w=tile_w, tile_out=tile_out, tile_in=tile_in, order=order, batch=batch, vector=vector
    )


def moved(**transfers):
    """Events of transfers, each given as calls and words."""
    kinds = ("calls", "words")
    return {f"{name}_{kind}": n for name, pair in transfers.items() for kind, n in zip(kinds, pair, strict=True)}


def counted(layer_shape, layer_design):
    """Warm and cold events of every batch without the record, which each must hold."""
    events = []
    for batch in oracle.exact_batches(layer_shape, layer_design):
        for side in (batch.warm, batch.cold):
            assert {name: side.pop(name) for name in RECORD} == RECORD
        events.append((batch.warm, batch.cold))
    return events


# --- convolutions by hand -------------------------------------------------------------------------------------------


def test_pointwise_convolution_in_one_tile_takes_one_call_of_each_kind():
    shape, tiling = layer(of=(2, 3, 4), to=(2, 3, 3)), design(2, 3, 3, 4)
    only = {
        **moved(input_fetch=(1, 24)),  # 2 x 3 pixels of N' = 4 channels, whole rows
        **moved(weight_fetch=(1, 18)),  # 4 x 3 weights + 2 x 3 words of bias
        **moved(output_write=(1, 24)),  # 2 x 3 pixels of 3 channels and the pad channel = M' = 4
        "mac_calls": 18,  # 2 x 3 pixels x 3 outputs; the pad channel is not computed
        "mac_elements": 72,  # 18 x 4
        "epilogues": 18,
        "iterations": 1,
    }
    assert counted(shape, tiling) == [(only, only)]
    assert oracle.exact_vm_words(shape, tiling) == 24 + 18 + 24


def test_clipped_tiles_of_order_weight_fetch_their_weights_once_a_boot():
    shape = layer(of=(4, 4, 2), to=(4, 4, 2), kernel=(3, 3), pad=1)
    tiling = design(2, 2, 2, 2, order="weight", batch=3)
    # Each of the four tiles is a corner: its box of 4 x 4 pixels keeps 3 x 3. All channels are in it, but although it
    # is as wide as the map one column is padding: 3 calls of 3 x 2 words, (16 - 9) x 2 = 14 zeros.
    # Output: width 2 = M', 2 of 4 columns: 2 calls of 4 words. 9 taps x 4 pixels x 2 outputs = 72 vector calls of 2.
    three = {
        **moved(input_fetch=(9, 54), weight_fetch=(1, 40), output_write=(6, 24)),  # 9 x 2 x 2 + 2 x 2 = 40 weights
        "zero_fill_words": 42,
        "mac_calls": 216,
        "mac_elements": 432,
        "epilogues": 24,
        "iterations": 3,
    }
    one = {
        **moved(input_fetch=(3, 18), output_write=(2, 8)),
        "zero_fill_words": 14,
        "mac_calls": 72,
        "mac_elements": 144,
        "epilogues": 8,
        "iterations": 1,
    }
    assert counted(shape, tiling) == [(three, three), (one, one | moved(weight_fetch=(1, 40)))]
    assert oracle.exact_vm_words(shape, tiling) == 4 * 4 * 2 + 40 + 3 * (2 * 2 * 2)


def test_rows_of_taps_are_vectors_in_mode_row():
    shape = layer(of=(4, 4, 2), to=(4, 4, 2), kernel=(3, 3), pad=1)
    ((warm, _),) = counted(shape, design(4, 4, 2, 2, vector="row"))
    assert warm == {
        **moved(input_fetch=(4, 32), weight_fetch=(1, 40), output_write=(1, 32)),  # padding on both sides: a call a row
        "zero_fill_words": 40,  # (36 - 16) x 2
        "mac_calls": 96,  # 3 kernel rows x 16 pixels x 2 outputs
        "mac_elements": 576,  # 96 x 3 x 2
        "epilogues": 32,
        "iterations": 1,
    }


def test_order_output_reads_its_partial_sums_only_after_a_boot():
    shape, tiling = layer(of=(2, 2, 5), to=(2, 2, 2)), design(2, 1, 2, 2, batch=2)
    # N' = 6 in 3 tiles, batches of 2 and 1; two map tiles of 2 x 1 pixels, which count alike. A box of 2 of 6 channels
    # takes 2 calls of 2 words; weights 2 x 2, in the last tile + 2 x 2 of bias; 2 pixels x 2 outputs = 4 vector calls.
    first = {
        **moved(input_fetch=(4, 8), weight_fetch=(2, 8), partial_write=(1, 8)),  # 2 words x 2 pixels x 2 outputs
        "mac_calls": 8,
        "mac_elements": 16,
        "iterations": 2,
    }
    last = {
        **moved(input_fetch=(2, 4), weight_fetch=(1, 8), output_write=(2, 4)),  # 1 of 2 columns: a call a row
        "mac_calls": 4,
        "mac_elements": 8,
        "epilogues": 4,
        "iterations": 1,
    }
    cold = last | moved(partial_fetch=(1, 8))
    assert counted(shape, tiling) == [(first, first), (last, cold)] * 2
    assert oracle.exact_vm_words(shape, tiling) == 4 + 8 + 2 * 4


@pytest.mark.parametrize(("order", "fetched", "kept"), [("input", "weight", "input"), ("weight", "input", "weight")])
def test_other_orders_fetch_partial_sums_in_every_later_iteration(order, fetched, kept):
    shape, tiling = layer(of=(1, 2, 4), to=(1, 2, 2)), design(1, 1, 1, 2, order=order, batch=2)
    # Two tiles along each of columns, outputs, inputs, one pixel and one output each; a batch is one innermost loop.
    # Input 1 call of 2 words. Weights 2 words, with the last inputs 2 more of bias. One vector call of 2 elements.
    # The operand that stays is fetched once, the other twice; order input runs (c, n | m), weight (m, n | c), and as
    # n changes between batches nothing else is resident.
    words = {"input": (2, 2), "weight": (2, 4)}  # for n = 0 and n = 1
    ran = {"mac_calls": 2, "mac_elements": 4, "iterations": 2}
    first = {**moved(**{f"{fetched}_fetch": (2, 2 * words[fetched][0]), f"{kept}_fetch": (1, words[kept][0])}), **ran}
    last = {**moved(**{f"{fetched}_fetch": (2, 2 * words[fetched][1]), f"{kept}_fetch": (1, words[kept][1])}), **ran}
    first |= moved(partial_write=(2, 4))
    last |= moved(partial_fetch=(2, 4), output_write=(2, 2)) | {"epilogues": 2}  # never a call for two tiles
    assert counted(shape, tiling) == [(first, first), (last, last)] * 2
    assert oracle.exact_vm_words(shape, tiling) == 2 + 4 + 2 * 2  # two tiles of two words


def test_order_input_writes_the_channels_of_a_batch_side_by_side():
    shape = layer(of=(2, 2, 2), to=(2, 2, 5))
    # Output tiles of 2, 2, 1 channels, M' = 6; map tiles of one row: input 1 call of 2 x 2 words, weights 2 x 2 + 4 and
    # in the last tile 2 x 1 + 2 words. Four pixels in two rows, which count alike.
    two = {
        **moved(input_fetch=(1, 4), weight_fetch=(2, 16), output_write=(2, 8)),  # 4 of 6 channels: a call per pixel
        "mac_calls": 8,
        "mac_elements": 16,
        "epilogues": 8,
        "iterations": 2,
    }
    one = {
        **moved(weight_fetch=(1, 4), output_write=(2, 4)),  # one channel and the pad channel
        "mac_calls": 2,
        "mac_elements": 4,
        "epilogues": 2,
        "iterations": 1,
    }
    tiling = design(1, 2, 2, 2, order="input", batch=2)
    assert counted(shape, tiling) == [(two, two), (one, one | moved(input_fetch=(1, 4)))] * 2
    assert oracle.exact_vm_words(shape, tiling) == 4 + 8 + 2 * 4
    three = {
        **moved(input_fetch=(1, 4), weight_fetch=(3, 20), output_write=(1, 12)),  # 2 pixels x M', whole rows
        "mac_calls": 10,
        "mac_elements": 20,
        "epilogues": 10,
        "iterations": 3,
    }
    tiling = design(1, 2, 2, 2, order="input", batch=9)
    assert counted(shape, tiling) == [(three, three)] * 2
    assert oracle.exact_vm_words(shape, tiling) == 4 + 8 + 2 * 6


def test_a_weight_tile_stays_while_the_input_changes():
    shape, tiling = layer(of=(1, 2, 2), to=(1, 2, 2)), design(1, 1, 2, 2, order="input")
    second = {
        **moved(input_fetch=(1, 2), output_write=(1, 2)),
        "mac_calls": 2,
        "mac_elements": 4,
        "epilogues": 2,
        "iterations": 1,
    }
    weights = moved(weight_fetch=(1, 8))  # 2 x 2 + 2 x 2
    assert counted(shape, tiling) == [(second | weights, second | weights), (second, second | weights)]


def test_a_box_without_padding_as_wide_as_the_map_is_one_call():
    """Tiles of one column of a 3 x 3 kernel on 3 columns: only the middle one needs no padding left or right."""
    shape = layer(of=(3, 3, 2), to=(3, 3, 2), kernel=(3, 3), pad=1)
    calls = [warm["input_fetch_calls"] for warm, _ in counted(shape, design(3, 1, 2, 2))]
    assert calls == [3, 1, 3]


def test_strides_leave_out_what_lies_behind_the_last_window():
    shape, tiling = layer(of=(4, 4, 2), to=(2, 2, 2), stride=2), design(2, 2, 2, 2)
    ((warm, _),) = counted(shape, tiling)
    assert (warm["input_fetch_calls"], warm["input_fetch_words"]) == (3, 18)  # 3 x 3 pixels, one skipped in each axis
    assert oracle.exact_vm_words(shape, tiling) == 18 + 8 + 8


def test_a_tile_wholly_in_the_padding_fetches_nothing_but_computes():
    shape, tiling = layer(of=(1, 2, 2), to=(1, 7, 2), kernel=(1, 2), pad=3), design(1, 1, 2, 2)
    batches = counted(shape, tiling)
    assert batches[0][0] == {  # windows at columns -3 and -2
        **moved(weight_fetch=(1, 12), output_write=(1, 2)),  # 2 x 2 x 2 + 4
        "zero_fill_words": 4,
        "mac_calls": 4,
        "mac_elements": 8,
        "epilogues": 2,
        "iterations": 1,
    }
    assert [warm.get("input_fetch_words", 0) for warm, _ in batches] == [0, 0, 2, 4, 2, 0, 0]


def test_a_kernel_that_covers_its_input_is_a_fully_connected_layer():
    shape = layer(of=(2, 3, 3), to=(1, 1, 4), kernel=(2, 3))
    # 2 x 3 x 3 = 18 channels in tiles of 12 and 6: one call of each.
    first = {
        **moved(input_fetch=(1, 12), weight_fetch=(1, 48), partial_write=(1, 8)),
        "mac_calls": 4,
        "mac_elements": 48,
        "iterations": 1,
    }
    last = {
        **moved(input_fetch=(1, 6), weight_fetch=(1, 32), output_write=(1, 4)),  # 6 x 4 + 2 x 4
        "mac_calls": 4,
        "mac_elements": 24,
        "iterations": 1,
        "epilogues": 4,
    }
    tiling = design(1, 1, 4, 12)
    assert counted(shape, tiling) == [(first, first), (last, last | moved(partial_fetch=(1, 8)))]
    assert oracle.exact_vm_words(shape, tiling) == 12 + 48 + 8


# --- depthwise by hand ----------------------------------------------------------------------------------------------


def test_planar_depthwise_deinterleaves_every_box_it_fetches():
    shape = layer("depthwise_conv", of=(3, 5, 3), to=(3, 5, 3), kernel=(3, 3), pad=1)
    tiling = design(3, 3, 2, order="weight", batch=2, vector="planar")
    # Columns 0-2 need a box of 5 x 5 that keeps 3 x 4 = 12 pixels, columns 3-4 one of 5 x 4 that keeps 3 x 3 = 9;
    # never all of N' = 4 channels, so a call per pixel. L = 4: 2 versions x 3 x 4 = 24 weights and 2 of bias a channel.
    # A batch is both map tiles of one channel tile: 15 output pixels x 3 kernel rows = 45 vector calls of 4 a channel.
    two = {
        **moved(input_fetch=(21, 42), weight_fetch=(1, 52), output_write=(15, 30)),
        "zero_fill_words": 48,  # (25 - 12 + 20 - 9) x 2
        "deinterleave_words": 90,  # (25 + 20) x 2
        "mac_calls": 90,
        "mac_elements": 360,
        "epilogues": 30,
    }
    one = {
        **moved(input_fetch=(21, 21), weight_fetch=(1, 26), output_write=(15, 30)),  # with the pad channel
        "zero_fill_words": 24,
        "deinterleave_words": 45,
        "mac_calls": 45,
        "mac_elements": 180,
        "epilogues": 15,
    }
    assert counted(shape, tiling) == [(two, two), (one, one)]
    # even(5 x 5 x 2) + 2 channels x 5 rows x T' = 6; weights 52; two tiles of 9 pixels, 2 wide
    assert oracle.exact_vm_words(shape, tiling) == 50 + 60 + 52 + 36


def test_depthwise_of_mode_channel_multiplies_on_the_processor():
    shape, tiling = layer("depthwise_conv", of=(3, 3, 2), to=(3, 3, 2), kernel=(3, 3), pad=1), design(3, 2, 2)
    # Columns 0-1: box 5 x 4 keeps 3 x 3; column 2: box 5 x 3 keeps 3 x 2. Both channels are N' = M': a call a row.
    first = {
        **moved(input_fetch=(3, 18), weight_fetch=(1, 22), output_write=(3, 12)),  # 9 x 2 + 2 x 2
        "zero_fill_words": 22,  # (20 - 9) x 2
        "depthwise_cpu_taps": 108,  # 9 taps x 6 pixels x 2
        "epilogues": 12,
    }
    second = {
        **moved(input_fetch=(3, 12), output_write=(3, 6)),  # the weights are still there, though the order is output
        "zero_fill_words": 18,  # (15 - 6) x 2
        "depthwise_cpu_taps": 54,
        "epilogues": 6,
    }
    assert counted(shape, tiling) == [(first, first), (second, second | moved(weight_fetch=(1, 22)))]
    assert oracle.exact_vm_words(shape, tiling) == 40 + 22 + 12


@pytest.mark.parametrize("is_tall", [False, True])
def test_one_dimensional_layers_count_alike_both_ways(is_tall):
    of, to, kernel, tile = (1, 6, 3), (1, 3, 3), (1, 4), (1, 2)
    if is_tall:
        of, to, kernel, tile = (6, 1, 3), (3, 1, 3), (4, 1), (2, 1)
    shape = layer("depthwise_conv", of=of, to=to, kernel=kernel, stride=2, pad=1)
    tiling = design(*tile, 1, order="input", batch=2, vector="row")
    # Columns 0-1: box -1 .. 4 keeps 5 of 6; column 2: box 3 .. 6 keeps 3 of 4; one channel of N' = 4: a call per pixel.
    # L = 2 floor(6 / 2) = 6: weights 2 x 6 + 2. Two channels a batch side by side, then one with the pad channel.
    two = {
        **moved(input_fetch=(10, 10), weight_fetch=(2, 28), output_write=(2, 4)),
        "zero_fill_words": 2,
        "mac_calls": 4,
        "mac_elements": 24,
        "epilogues": 4,
    }
    one = {
        **moved(input_fetch=(5, 5), weight_fetch=(1, 14), output_write=(2, 4)),
        "zero_fill_words": 1,
        "mac_calls": 2,
        "mac_elements": 12,
        "epilogues": 2,
    }
    two_of_column_2 = {
        **moved(input_fetch=(6, 6), weight_fetch=(2, 28), output_write=(1, 2)),
        "zero_fill_words": 2,
        "mac_calls": 2,
        "mac_elements": 12,
        "epilogues": 2,
    }
    one_of_column_2 = {
        **moved(input_fetch=(3, 3), weight_fetch=(1, 14), output_write=(1, 2)),
        "zero_fill_words": 1,
        "mac_calls": 1,
        "mac_elements": 6,
        "epilogues": 1,
    }
    expected = [two, one, two_of_column_2, one_of_column_2]
    assert counted(shape, tiling) == [(events, events) for events in expected]
    assert oracle.exact_vm_words(shape, tiling) == 8 + 14 + 4  # T' = 2 floor(8 / 2)


# --- the other operators by hand ------------------------------------------------------------------------------------


def test_pooling_carries_its_sums_from_tile_to_tile():
    shape, tiling = layer("global_avg_pool", of=(4, 3, 3), to=(1, 1, 3), kernel=(4, 3)), design(2, 3, 3)
    fetched = moved(input_fetch=(6, 18)) | {"pool_elements": 18}  # 2 x 3 pixels of 3 of N' = 4 channels
    first, last = fetched | moved(partial_write=(1, 6)), fetched | moved(output_write=(1, 4))
    assert counted(shape, tiling) == [(first, first), (last, last | moved(partial_fetch=(1, 6)))]
    assert oracle.exact_vm_words(shape, tiling) == 18 + 6
    both = moved(input_fetch=(12, 36), output_write=(1, 4)) | {"pool_elements": 36}
    assert counted(shape, design(2, 3, 3, batch=2)) == [(both, both)]


def test_pooling_in_one_map_tile_keeps_no_sums():
    shape, tiling = layer("global_avg_pool", of=(2, 2, 4), to=(1, 1, 4), kernel=(2, 2)), design(2, 2, 4)
    only = moved(input_fetch=(1, 16), output_write=(1, 4)) | {"pool_elements": 16}
    assert counted(shape, tiling) == [(only, only)]
    assert oracle.exact_vm_words(shape, tiling) == 16 + 4


def test_addition_fetches_two_boxes():
    shape, tiling = layer("add", of=(2, 3, 4), to=(2, 3, 4)), design(2, 2, 4, batch=5)
    first = moved(input_fetch=(4, 32), output_write=(2, 16)) | {"add_elements": 16}  # 2 maps x 2 rows of 2 x 4 words
    last = moved(input_fetch=(4, 16), output_write=(2, 8)) | {"add_elements": 8}
    assert counted(shape, tiling) == [(first, first), (last, last)]
    assert oracle.exact_vm_words(shape, tiling) == 32 + 16


def test_relu_is_one_box_in_and_one_out():
    shape, tiling = layer("relu", of=(1, 3, 3), to=(1, 3, 3)), design(1, 3, 2)
    first = moved(input_fetch=(3, 6), output_write=(3, 6)) | {"relu_elements": 6}
    last = moved(input_fetch=(3, 3), output_write=(3, 6)) | {"relu_elements": 3}  # with the pad channel
    assert counted(shape, tiling) == [(first, first), (last, last)]
    assert oracle.exact_vm_words(shape, tiling) == 6 + 6


def test_batch_normalisation_keeps_its_weights():
    shape, tiling = layer("batch_norm", of=(3, 2, 2), to=(3, 2, 2)), design(1, 2, 2, order="weight", batch=2)
    weights = moved(weight_fetch=(1, 8))
    first = moved(input_fetch=(2, 8), output_write=(2, 8)) | {"batch_norm_elements": 8} | weights
    last = moved(input_fetch=(1, 4), output_write=(1, 4)) | {"batch_norm_elements": 4}
    assert counted(shape, tiling) == [(first, first), (last, last | weights)]
    assert oracle.exact_vm_words(shape, tiling) == 4 + 8 + 2 * 4


# --- what holds for any layer ---------------------------------------------------------------------------------------


def runs(pairs):
    """Runs of addresses that advance together by one in NVM and in VM."""
    return sum(1 for at, pair in enumerate(pairs) if at == 0 or pair != tuple(a + 1 for a in pairs[at - 1]))


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.data())
def test_calls_of_a_fetch_are_the_runs_of_addresses(height, width, channels, data):
    """Write down where every word of a box lies in NVM and in VM, and count where either address jumps."""
    rows, cols, chosen = (
        range(start := data.draw(st.integers(low, size - 1)), data.draw(st.integers(start + 1, size - low)))
        for low, size in ((-2, height), (-2, width), (0, oracle.even(channels)))
    )
    shape = layer(of=(height, width, channels), to=(height, width, 1))
    job = oracle.normalised(shape, design(1, 1, 1))
    counts = Counter()
    oracle._fetch_box(counts, job, rows, cols, len(chosen))
    pairs = []
    for y, row in enumerate(rows):
        for x, col in enumerate(cols):
            for z, channel in enumerate(chosen):
                if 0 <= row < job.in_h and 0 <= col < job.in_w:
                    nvm = (row * job.in_w + col) * oracle.even(channels) + channel
                    pairs.append((nvm, (y * len(cols) + x) * len(chosen) + z))
    assert counts["input_fetch_words"] == len(pairs)
    assert counts["zero_fill_words"] == len(rows) * len(cols) * len(chosen) - len(pairs)
    assert counts["input_fetch_calls"] == runs(pairs)


@given(exact_cases.cases())
def test_totals_do_not_depend_on_the_tiling(case):
    shape, tiling = case
    job = oracle.normalised(shape, tiling)
    total = sum((Counter(batch.warm) for batch in oracle.exact_batches(shape, tiling)), Counter())
    n_outputs = shape.out_h * shape.out_w * shape.out_ch
    width = oracle.even(shape.out_ch)
    assert total["output_write_words"] == shape.out_h * shape.out_w * width
    taps = job.kernel_h * job.kernel_w
    if shape.op == "conv":
        assert total["mac_elements"] == n_outputs * taps * oracle.even(job.in_ch)
        assert total["partial_fetch_words"] <= total["partial_write_words"]
    if shape.op == "depthwise_conv" and tiling.vector == "channel":
        assert total["depthwise_cpu_taps"] == n_outputs * taps
    if shape.op in ("conv", "depthwise_conv"):
        assert total["epilogues"] == n_outputs
    else:
        pixels = shape.in_h * shape.in_w * shape.in_ch
        name = {"global_avg_pool": "pool"}.get(shape.op, shape.op)
        assert total[f"{name}_elements"] == pixels


@given(exact_cases.cases())
def test_a_boot_only_adds_fetches_and_leaves_the_same_behind(case):
    job = oracle.normalised(*case)
    warm_tags = {}
    for loop in oracle.innermost_loops(job):
        for steps in oracle.batches_of(job, loop):
            cold_tags = {}
            cold = Counter(oracle._events_of(job, steps, cold_tags))
            warm = Counter(oracle._events_of(job, steps, warm_tags))
            assert cold_tags == warm_tags
            assert warm <= cold
            added = {event for event, count in cold.items() if count > warm[event]}
            assert all("fetch" in event or event in ("zero_fill_words", "deinterleave_words") for event in added)
    first = oracle.exact_batches(*case)[0]
    assert first.warm == first.cold


def test_every_event_of_exact_counting_is_known_and_happens():
    seen = set()
    for case in exact_cases.random_cases(np.random.default_rng(1), 400):
        for batch in oracle.exact_batches(*case):
            seen |= set(batch.cold)
    of_the_boot = {"reboots", "record_read_calls", "record_read_words"}
    assert seen == set(EVENTS) - of_the_boot


def test_random_cases_are_legal_repeat_and_cover_everything():
    drawn = exact_cases.random_cases(np.random.default_rng(7), 600)
    assert drawn == exact_cases.random_cases(np.random.default_rng(7), 600)
    seen = exact_cases.coverage(drawn)
    traits = ("one-dimensional", "rewritten", "several_batches", "strided", "padded")
    labels = [f"ragged:{axis}" for axis in ("h", "w", "out", "in")] + [*traits]
    labels += [f"op:{op}" for op in ORDERS_OF_OP] + [f"order:{order}" for order in ORDERS_OF_OP["conv"]]
    labels += [f"vector:{vector}" for vector in ("channel", "row", "planar")]
    assert min(seen[label] for label in labels) >= 20, seen
    assert set(seen) == set(labels)
    for shape, tiling in drawn:
        assert tiling.order in ORDERS_OF_OP[shape.op]
        if tiling.vector == "row":
            assert shape.op == "conv" or (shape.op, tiling.tile_out) == ("depthwise_conv", 1)
        assert tiling.vector != "planar" or shape.op == "depthwise_conv"


def test_cases_of_given_layers_stay_within_the_bound_of_iterations():
    shapes = [
        layer(of=(32, 32, 3), to=(32, 32, 16), kernel=(3, 3), pad=1),
        layer("depthwise_conv", of=(16, 16, 96), to=(16, 16, 96), kernel=(3, 3), pad=1),
        layer(of=(1, 1, 640), to=(1, 1, 12)),
    ]
    drawn = exact_cases.cases_of_layers(shapes, np.random.default_rng(3), 30)
    assert [shape for shape, _ in drawn] == shapes * 10
    for case in drawn:
        axes = oracle.axes_of(oracle.normalised(*case))
        assert np.prod([len(axis) for axis in axes]) <= exact_cases.MOST_ITERATIONS_OF_LAYER
