"""Deployment: the rules of integer networks, quantisation, weights as they lie in memory, tables of a program."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from energy.counting.rows import design_row, layer_row
from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import read_supply_family
from energy.networks.designs import LayerDesign
from energy.networks.shapes import NETWORK_INPUT, LayerShape, NetworkShape
from energy.scheduling.schedule import Pricer
from models.data import load
from models.deploy.c_source import model_header, model_source
from models.deploy.image import weight_image
from models.deploy.integer import IntegerLayer, IntegerNetwork, channel_load
from models.deploy.program import program
from models.deploy.quantise import folded, map_ranges, quantise
from models.deploy.reference import run
from models.deploy.samples import quantise_input
from models.exchange.deployable import steps_of
from models.spaces import preset
from models.supernet.subnet import Subnet
from tests.support.exported_programs import Case
from tests.support.integer_networks import random_network, random_plan

PIXEL = LayerShape(op="conv", in_h=1, in_w=1, in_ch=2, out_h=1, out_w=1, out_ch=1, kernel_h=1, kernel_w=1)


def pixel_layer(**changes) -> IntegerLayer:
    given = {
        "name": "one", "shape": PIXEL, "reads": (NETWORK_INPUT,), "fraction_bits": 8,
        "weight": np.array([[[[3, -5]]]], dtype=np.int16), "bias": np.array([6], dtype=np.int32), "shift": 2,
    }  # fmt: skip
    return IntegerLayer(**{**given, **changes})


def pixel_network(**changes) -> IntegerNetwork:
    return IntegerNetwork(name="net", layers=(pixel_layer(**changes),), input_shape=(1, 1, 2), input_fraction_bits=8)


def answer(network: IntegerNetwork, *values: int) -> list[int]:
    return run(network, np.array(values, dtype=np.int16).reshape(1, *network.input_shape)).ravel().tolist()


def test_sums_are_rounded_half_up_and_saturated():
    network = pixel_network()
    assert answer(network, 1, 1) == [1]  # (3 - 5 + 6) / 4 = 1
    assert answer(network, 0, 0) == [2]  # 6 / 4 = 1.5, half up
    assert answer(network, 0, 4) == [-3]  # (6 - 20) / 4 = -3.5, half up
    assert answer(network, 32767, -32768) == [32767]
    assert answer(network, -32768, 32767) == [-32768]
    assert answer(pixel_network(has_relu=True), -32768, 32767) == [0]


def test_means_are_rounded_half_up():
    shape = LayerShape(
        op="global_avg_pool", in_h=2, in_w=2, in_ch=1, out_h=1, out_w=1, out_ch=1, kernel_h=1, kernel_w=1
    )
    pool = IntegerLayer(name="pool", shape=shape, reads=(NETWORK_INPUT,), fraction_bits=3)
    network = IntegerNetwork(name="net", layers=(pool,), input_shape=(2, 2, 1), input_fraction_bits=3)
    assert answer(network, 1, 2, 3, 4) == [3]  # 2.5
    assert answer(network, -1, -2, -3, -4) == [-2]  # -2.5
    assert answer(network, 1, 1, 1, 2) == [1]  # 1.25


def test_the_load_of_a_channel_bounds_every_sum():
    weight, bias = np.array([[32766], [-3]], dtype=np.int16), np.array([32768, -32769], dtype=np.int32)
    assert channel_load(weight, bias).tolist() == [32767, 5]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shift": 1}, "shift must be from 2 to 16, not 1"),
        ({"shift": 17}, "shift must be from 2 to 16, not 17"),
        ({"weight": None}, "weight must be int16 (1, 1, 1, 2), not None"),
        ({"weight": np.zeros((1, 1, 1, 2))}, "weight must be int16 (1, 1, 1, 2), not ('float64', (1, 1, 1, 2))"),
        ({"bias": np.zeros(2, dtype=np.int32)}, "bias must be int32 (1,), not ('int32', (2,))"),
        ({"bias": np.array([2**30], dtype=np.int32)}, "of a channel must be at most 32767, not 32776"),
        ({"lifts": (15, 0)}, "lifts must be at most 14, not 15"),
    ],
)
def test_a_layer_that_could_overflow_or_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match="layer 'one'") as error:
        pixel_layer(**changes)
    assert message in str(error.value)


def test_operators_without_an_integer_form_are_refused():
    relu = LayerShape(op="relu", in_h=1, in_w=1, in_ch=2, out_h=1, out_w=1, out_ch=2, kernel_h=1, kernel_w=1)
    with pytest.raises(ValueError, match=r"op must be one of conv, .* to be deployed, not 'relu'"):
        pixel_layer(shape=relu, weight=None, bias=None)


def test_samples_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"samples must be int16 \('n', 1, 1, 2\), not int16 \(3, 1, 1, 3\)"):
        run(pixel_network(), np.zeros((3, 1, 1, 3), dtype=np.int16))


# --- quantisation ---------------------------------------------------------------------------------------------------


def trained_like(name: str, seed: int) -> Subnet:
    """A random network of a space whose statistics are those of the synthetic data."""
    space = preset(name).for_data((128, 1, 6), 7)
    arch = space.sample(np.random.default_rng(seed), 1)[0]
    subnet = Subnet(space, arch, seed=seed, momentum=1.0)
    subnet.train()
    with torch.no_grad():
        subnet(torch.from_numpy(load("synthetic").split("train").take(slice(None))))
    return subnet.eval()


@pytest.mark.parametrize(
    ("name", "seed"), [("conv1d-3", 0), ("conv1d-3", 1), ("mbconv1d", 0), ("ebb1d", 0), ("ebb1d", 1)]
)
def test_an_integer_network_answers_almost_as_the_one_it_is_made_of(name, seed):
    subnet, train = trained_like(name, seed), load("synthetic").split("train")
    network = quantise(subnet, train)
    samples = train.take(slice(None))
    with torch.no_grad():
        scores = subnet(torch.from_numpy(samples)).numpy()
    found = (
        run(network, quantise_input(network, samples)).reshape(len(scores), -1)
        * 2.0 ** -network.layers[-1].fraction_bits
    )
    assert np.abs(found - scores).max() < 0.03 * np.abs(scores).max()
    assert (found.argmax(axis=1) == scores.argmax(axis=1)).mean() > 0.95


def test_maps_use_the_range_of_a_word_and_weights_all_but_a_bit_of_what_is_safe():
    subnet, train = trained_like("conv1d-3", 3), load("synthetic").split("train")
    network = quantise(subnet, train)
    ranges = map_ranges(subnet, train)
    assert 2**14 <= ranges[-1] * 2.0**network.input_fraction_bits <= 2**15
    for layer, largest in zip(network.layers, ranges[:-1], strict=True):
        if layer.weight is not None and layer.bias is not None:
            assert 2**14 - 100 <= channel_load(layer.weight, layer.bias).max() <= 2**15
            assert largest * 2.0**layer.fraction_bits < 2**15


def test_the_name_and_the_shape_are_those_of_the_design():
    subnet = trained_like("ebb1d", 2)
    network = quantise(subnet, load("synthetic").split("train"))
    planned = subnet.space.network(subnet.arch)
    assert (network.shape.layers, network.shape.layer_names, network.shape.inputs) == (
        planned.layers, planned.layer_names, planned.inputs
    )  # fmt: skip


def test_folding_batch_norm_changes_no_output():
    step = steps_of(trained_like("conv1d-3", 4))[0]
    kernels, bias = folded(step)
    x = np.random.default_rng(0).normal(size=(step.shape.kernel_h, 1, step.shape.in_ch))
    plain = np.einsum("oik,ki->o", step.weight.astype(float), x[:, 0])
    norm = step.norm
    expected = (plain - norm.mean) / np.sqrt(norm.variance + norm.epsilon) * norm.scale + norm.shift
    assert np.allclose(np.einsum("oyxi,yxi->o", kernels, x) + bias, expected, atol=1e-5)


# --- weights in memory, tables --------------------------------------------------------------------------------------


def rows_of(shape: LayerShape, design: LayerDesign):
    row = np.array(layer_row(shape)[0], dtype=np.int64)
    return row, np.array(design_row(shape, design), dtype=np.int64)


def design(**changes) -> LayerDesign:
    given = {"tile_h": 1, "tile_w": 1, "tile_out": 2, "tile_in": 2, "order": "output", "batch": 1, "vector": "channel"}
    return LayerDesign(**{**given, **changes})


def test_a_weight_tile_is_contiguous_and_the_bias_stands_behind_the_last_of_its_channels():
    shape = LayerShape(op="conv", in_h=1, in_w=1, in_ch=3, out_h=1, out_w=1, out_ch=3, kernel_h=1, kernel_w=1)
    weight = np.arange(1, 10, dtype=np.int16).reshape(3, 1, 1, 3)
    layer = IntegerLayer(
        name="x", shape=shape, reads=(NETWORK_INPUT,), fraction_bits=0, shift=2, weight=weight,
        bias=np.array([70_000, -1, 2], dtype=np.int32),
    )  # fmt: skip
    image = weight_image(layer, *rows_of(shape, design())).tolist()
    # Tiles (m, n) of 2 x 2 channels; the fourth input channel is a pad channel.
    first = [1, 2, 4, 5, 3, 0, 6, 0, 70_000 - 65_536, 1, -1, -1]
    assert image == [*first, 7, 8, 9, 0, 2, 0]


def test_rows_of_single_channels_are_stored_twice():
    shape = LayerShape(op="depthwise_conv", in_h=1, in_w=5, in_ch=2, out_h=1, out_w=3, out_ch=2, kernel_h=1, kernel_w=3)
    layer = IntegerLayer(
        name="x", shape=shape, reads=(NETWORK_INPUT,), fraction_bits=0, shift=2,
        weight=np.array([[[1, 2, 3]], [[4, 5, 6]]], dtype=np.int16), bias=np.array([7, 8], dtype=np.int32),
    )  # fmt: skip
    image = weight_image(layer, *rows_of(shape, design(vector="planar"))).tolist()
    assert image == [1, 2, 3, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 4, 5, 6, 7, 0, 8, 0]


def test_a_program_places_what_the_model_counts():
    pricer = Pricer(replace(read_device("msp430fr5994-tinas2025"), vm_bytes=30_000))
    supply = read_supply_family("tinas2025").supply(1e-3)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        network = random_network(rng)
        plan = random_plan(rng, network.shape)
        made = program(network, plan, pricer, Scenarios.of([supply]), "greedy")
        assert 2 * made.placement.total_words == pricer.nvm_bytes(network.shape, plan)
        assert 2 * made.vm_words == max(
            pricer.vm_bytes(layer, one) for layer, one in zip(network.shape.layers, plan, strict=True)
        )
        sequence = pricer.sequence(network.shape, plan)
        for table, energies, first in zip(
            made.layers, made.energies, np.cumsum([0] + [t.batches for t in made.layers]), strict=False
        ):
            loops = np.arange(table.batches) // table.loop_batches
            rows = energies.first_rows[loops // table.second_level]
            rows = energies.second_rows[rows, loops % table.second_level]
            kinds = energies.kinds[rows, np.arange(table.batches) % table.loop_batches]
            own = slice(first, first + table.batches)
            assert np.array_equal(energies.energies_nj[kinds, 0], sequence.warm_nj[own])
            assert np.array_equal(energies.energies_nj[kinds, 1], sequence.cold_nj[own])


def test_the_same_design_is_the_same_text():
    made = Case.random(3).program()
    assert (model_header(made), model_source(made)) == (model_header(made), model_source(made))
    assert max(len(line) for line in model_source(made).splitlines()) <= 130


def chain(*layers: LayerShape) -> IntegerNetwork:
    rng = np.random.default_rng(0)
    shape = NetworkShape(
        name="chain", layers=layers, layer_names=tuple(f"l{i}" for i in range(len(layers))),
        inputs=tuple((i - 1,) for i in range(len(layers))),
    )  # fmt: skip
    made = [
        IntegerLayer(
            name=f"l{i}", shape=one, reads=(i - 1,), fraction_bits=0, shift=4,
            bias=np.zeros(one.out_ch, dtype=np.int32),
            weight=rng.integers(-9, 9, (one.out_ch, one.kernel_h, one.kernel_w, one.in_ch)).astype(np.int16),
        )
        for i, one in enumerate(layers)
    ]  # fmt: skip
    return IntegerNetwork(name="chain", layers=tuple(made), input_shape=shape.input_shape, input_fraction_bits=0)


def exported_program(network: IntegerNetwork, **changes):
    pricer = Pricer(replace(read_device("msp430fr5994-tinas2025"), vm_bytes=60_000))
    supply = read_supply_family("tinas2025").supply(1e-2)
    plan = tuple(design(**{"tile_out": 1, **changes}) for _ in network.layers)
    return program(network, plan, pricer, Scenarios.of([supply]), "greedy")


def conv(in_h, in_w, in_ch, out_ch, kernel=1) -> LayerShape:
    return LayerShape(
        op="conv", in_h=in_h, in_w=in_w, in_ch=in_ch, out_h=in_h - kernel + 1, out_w=in_w - kernel + 1, out_ch=out_ch,
        kernel_h=kernel, kernel_w=kernel,
    )  # fmt: skip


def test_a_map_with_pad_channels_cannot_be_covered_by_a_kernel():
    assert exported_program(chain(conv(2, 2, 1, 2, kernel=2))).input_words == 1
    assert exported_program(chain(conv(2, 2, 1, 2), conv(2, 2, 2, 1, kernel=2))).input_words == 2
    with pytest.raises(ValueError, match=r"layer 'l1': a kernel that covers a map .* even number of channels .* not 3"):
        exported_program(chain(conv(2, 2, 1, 3), conv(2, 2, 3, 1, kernel=2)))


def test_what_the_engine_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="volatile memory must be at most 32767 words to be exported, not"):
        exported_program(chain(conv(200, 200, 1, 1)), tile_h=200, tile_w=200)
    with pytest.raises(ValueError, match="layer 'l0': in_w must be below 32,768 to be exported, not 40,000"):
        exported_program(chain(conv(1, 40_000, 2, 1)))
    with pytest.raises(ValueError, match="layer 'l0': inner must be below 65,536 to be exported, not 90,000"):
        exported_program(chain(conv(300, 300, 2, 1)), order="weight", batch=1)


def test_padding_counts_with_the_longest_axis():
    shape = LayerShape(
        op="conv", in_h=1, in_w=32_766, in_ch=2, out_h=1, out_w=32_766, out_ch=1, kernel_h=1, kernel_w=5, pad=2
    )
    with pytest.raises(ValueError, match="layer 'l0': in_w and pad together must be below 32,768 to be exported, not"):
        exported_program(chain(shape))


def test_a_network_without_weights_is_refused():
    shape = LayerShape(
        op="global_avg_pool", in_h=2, in_w=2, in_ch=2, out_h=1, out_w=1, out_ch=2, kernel_h=1, kernel_w=1
    )
    pool = IntegerLayer(name="pool", shape=shape, reads=(NETWORK_INPUT,), fraction_bits=3)
    network = IntegerNetwork(name="net", layers=(pool,), input_shape=(2, 2, 2), input_fraction_bits=3)
    with pytest.raises(ValueError, match="network 'net' must have weights to be exported, and has none"):
        exported_program(network)


def test_names_do_not_end_the_comments_that_they_stand_in():
    case = Case.random(3)
    made = replace(case, network=replace(case.network, name="a */ b /* c")).program()
    assert "a * / b / * c" in model_header(made)
