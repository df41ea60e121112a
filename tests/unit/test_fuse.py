"""Rewriting before counting: what is merged and what stays, and that the rewritten layers compute the same."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.networks.fuse import fused, merged_layers, normalised, readers_of
from energy.networks.shapes import NETWORK_INPUT, LayerShape, NetworkShape
from tests.conftest import ROOT

EXAMPLE = ROOT / "experiments" / "designs" / "examples" / "tinas2025_har.json"


def merged_names(network):
    names = network.layer_names
    return {names[removed]: names[home] for removed, home in merged_layers(network).items()}


def layer(op, size=(6, 1), channels=(4, 4), kernel=(1, 1), stride=1, pad=0):
    """A layer whose output size follows from the rest."""
    out = []
    for length, taps in zip(size, kernel, strict=True):
        step, border = stride if length > 1 else 1, pad if taps > 1 else 0
        out.append((length + 2 * border - taps) // step + 1)
    if op == "global_avg_pool":
        out = [1, 1]
    return LayerShape(
        op=op,
        in_h=size[0],
        in_w=size[1],
        in_ch=channels[0],
        out_h=out[0],
        out_w=out[1],
        out_ch=channels[1],
        kernel_h=kernel[0],
        kernel_w=kernel[1],
        stride=stride,
        pad=pad,
    )


def graph(*rows):
    """A network of 4-channel layers given as (name, op, names of its inputs)."""
    index = {"input": NETWORK_INPUT, **{name: i for i, (name, *_) in enumerate(rows)}}
    return NetworkShape(
        name="net",
        layers=tuple(layer(op) for _, op, *_ in rows),
        layer_names=tuple(name for name, *_ in rows),
        inputs=tuple(tuple(index[source] for source in sources) for _, _, *sources in rows),
    )


def shipped_network():
    return NetworkShape.from_dict(json.loads(EXAMPLE.read_text(encoding="utf-8"))["network"])


@st.composite
def networks(draw):
    """Random legal graphs: chains, branches and residuals of all operators."""
    layers, inputs = [], []
    shapes = {NETWORK_INPUT: (draw(st.integers(2, 9)), draw(st.sampled_from((1, 5))), draw(st.integers(1, 5)))}
    for index in range(draw(st.integers(1, 12))):
        source = index - 1 if draw(st.integers(0, 3)) else draw(st.integers(NETWORK_INPUT, index - 1))
        source = source if index else NETWORK_INPUT
        height, width, channels = shapes[source]
        twins = [other for other, shape in shapes.items() if shape == shapes[source]]
        op = draw(st.sampled_from(("conv", "conv", "depthwise_conv", "batch_norm", "relu", "relu", "add")))
        taps = draw(st.sampled_from((1, 3))) if "conv" in op else 1
        made = layer(
            op,
            (height, width),
            (channels, draw(st.integers(1, 6)) if op == "conv" else channels),
            (taps, min(taps, width)),
            draw(st.integers(1, 2)) if "conv" in op else 1,
            taps // 2,
        )
        layers.append(made)
        inputs.append((source, draw(st.sampled_from(twins))) if op == "add" else (source,))
        shapes[index] = (made.out_h, made.out_w, made.out_ch)
    return NetworkShape(
        name="random",
        layers=tuple(layers),
        layer_names=tuple(f"layer_{i}" for i in range(len(layers))),
        inputs=tuple(inputs),
    )


def test_batch_norm_and_relu_merge_into_the_convolution_before_them():
    network = graph(
        ("a", "conv", "input"), ("n", "batch_norm", "a"), ("r", "relu", "n"), ("b", "depthwise_conv", "r"),
        ("s", "relu", "b"), ("c", "conv", "s"),
    )  # fmt: skip
    expected = graph(("a", "conv", "input"), ("b", "depthwise_conv", "a"), ("c", "conv", "b"))
    assert fused(network) == expected
    assert merged_names(network) == {"n": "a", "r": "a", "s": "b"}


def test_inputs_of_a_residual_name_the_merged_layer():
    network = graph(
        ("a", "conv", "input"), ("n", "batch_norm", "a"), ("b", "conv", "n"), ("m", "batch_norm", "b"),
        ("sum", "add", "n", "m"), ("r", "relu", "sum"), ("c", "conv", "r"),
    )  # fmt: skip
    expected = graph(
        ("a", "conv", "input"), ("b", "conv", "a"), ("sum", "add", "a", "b"), ("r", "relu", "sum"), ("c", "conv", "r")
    )
    assert fused(network) == expected


@pytest.mark.parametrize(
    "rows",
    [
        (("r", "relu", "input"), ("a", "conv", "r")),
        (("n", "batch_norm", "input"), ("r", "relu", "n"), ("a", "conv", "r")),
        (("a", "conv", "input"), ("sum", "add", "a", "input"), ("n", "batch_norm", "sum"), ("r", "relu", "n")),
        (("a", "conv", "input"), ("r", "relu", "a"), ("sum", "add", "a", "r")),
        (("a", "conv", "input"), ("n", "batch_norm", "a"), ("r", "relu", "a"), ("sum", "add", "n", "r")),
        (("a", "conv", "input"), ("r", "relu", "a"), ("n", "batch_norm", "r")),
        (("p", "global_avg_pool", "input"),),
    ],
    ids=["on the input", "after the input", "after an add", "beside an add", "two readers", "relu first", "no conv"],
)
def test_what_no_convolution_can_do_stays(rows):
    if rows[0][1] == "global_avg_pool":
        network = NetworkShape(
            name="net", layers=(layer("global_avg_pool"),), layer_names=("p",), inputs=((NETWORK_INPUT,),)
        )
    else:
        network = graph(*rows)
    assert fused(network) == network
    assert merged_names(network) == {}


def test_what_reads_a_map_twice_is_listed_twice():
    network = graph(("a", "conv", "input"), ("sum", "add", "a", "a"), ("b", "add", "sum", "input"))
    assert readers_of(network) == ((1, 1), (2,), (), (0, 2))


def test_the_shipped_network_keeps_its_convolutions_and_residuals_only():
    network = shipped_network()
    merged = fused(network)
    kept = [index for index, shape in enumerate(network.layers) if shape.op not in ("batch_norm", "relu")]
    assert (len(network.layers), len(merged.layers)) == (55, 24)
    assert merged.layers == tuple(network.layers[index] for index in kept)
    assert merged.layer_names == tuple(network.layer_names[index] for index in kept)


@given(networks())
def test_merging_twice_is_merging_once(network):
    assert fused(fused(network)) == fused(network)


def expressions(network, tail):
    """What every layer computes, written out; `tail` are operators that follow inside a layer."""
    found = {NETWORK_INPUT: "x"}
    for index, (shape, name) in enumerate(zip(network.layers, network.layer_names, strict=True)):
        own = name if "conv" in shape.op else shape.op
        found[index] = f"{own}({','.join(found[source] for source in network.inputs[index])})"
        for op in tail.get(name, ()):
            found[index] = f"{op}({found[index]})"
    return {name: found[index] for index, name in enumerate(network.layer_names)}


@given(networks())
def test_a_merged_network_computes_the_same(network):
    merged = fused(network)
    homes = merged_names(network)
    op_of = dict(zip(network.layer_names, (shape.op for shape in network.layers), strict=True))
    tail = {}
    for removed, home in homes.items():  # in the order in which they run
        tail.setdefault(home, []).append(op_of[removed])
    before, after = expressions(network, {}), expressions(merged, tail)
    last_of = {name: name for name in merged.layer_names} | {home: removed for removed, home in homes.items()}
    assert after == {name: before[last_of[name]] for name in merged.layer_names}
    # An epilogue is a scale, a shift and a ReLU, in this order.
    assert all(ops == sorted(ops) for ops in tail.values())
    assert merged.n_macs == network.n_macs


def convolved(shape, image, weights):
    """Naive convolution; image (H, W, N), weights (Kh, Kw, N, M)."""
    pads = [(shape.pad_of(axis),) * 2 for axis in ("h", "w")]
    image = np.pad(image, [*pads, (0, 0)])
    steps = [shape.stride if size > 1 else 1 for size in (shape.in_h, shape.in_w)]
    out = np.zeros((shape.out_h, shape.out_w, shape.out_ch), dtype=np.int64)
    for row, column in np.ndindex(shape.out_h, shape.out_w):
        top, left = row * steps[0], column * steps[1]
        window = image[top : top + shape.kernel_h, left : left + shape.kernel_w]
        out[row, column] = np.tensordot(window, weights, axes=3)
    return out


@given(
    size=st.tuples(st.integers(1, 7), st.integers(1, 3)),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 3)),
    stride=st.integers(1, 3),
    pad=st.integers(0, 2),
)
def test_a_normalised_convolution_computes_the_same(size, channels, kernel, stride, pad):
    kernel = tuple(min(taps, length + (2 * pad if taps > 1 else 0)) for taps, length in zip(kernel, size, strict=True))
    shape = layer("conv", size, channels, kernel, stride, pad)
    rng = np.random.default_rng(0)
    image = rng.integers(-9, 9, (shape.in_h, shape.in_w, shape.in_ch))
    weights = rng.integers(-9, 9, (shape.kernel_h, shape.kernel_w, shape.in_ch, shape.out_ch))
    other, is_turned = normalised(shape)
    turn = (lambda array: array.swapaxes(0, 1)) if is_turned else (lambda array: array)
    sizes = (other.kernel_h, other.kernel_w, other.in_ch, other.out_ch)
    got = convolved(other, turn(image).reshape(other.in_h, other.in_w, other.in_ch), turn(weights).reshape(sizes))
    np.testing.assert_array_equal(turn(got), convolved(shape, image, weights))
    assert normalised(other) == (other, False)
    assert (other.n_macs, other.n_parameters) == (shape.n_macs, shape.n_parameters)


def test_a_kernel_that_covers_its_input_becomes_a_linear_layer():
    shape = layer("conv", (4, 3), (5, 7), (4, 3), stride=2)
    # 4 x 3 x 5 = 60 channels
    assert normalised(shape) == (layer("conv", (1, 1), (60, 7)), False)
    upright = layer("conv", (4, 1), (5, 7), (4, 1))
    assert normalised(upright) == (layer("conv", (1, 1), (20, 7)), False)


def test_a_padded_kernel_of_the_size_of_its_input_stays():
    shape = layer("conv", (3, 3), (5, 7), (3, 3), pad=1)
    assert normalised(shape) == (shape, False)


def test_padding_that_holds_for_no_axis_is_no_padding():
    shape = layer("conv", (1, 1), (5, 7), (1, 1), stride=2, pad=1)
    assert normalised(shape) == (shape, False)
    assert normalised(layer("depthwise_conv", (4, 3), (5, 5), (4, 3)))[0].op == "depthwise_conv"
    assert normalised(layer("depthwise_conv", (4, 3), (5, 5), (4, 3)))[0].in_ch == 5


@pytest.mark.parametrize("op", ["conv", "depthwise_conv", "batch_norm", "relu", "add", "global_avg_pool"])
def test_an_upright_layer_is_turned_and_a_flat_one_stays(op):
    kernel = (3, 1) if "conv" in op else (1, 1)
    upright = layer(op, (8, 1), (4, 4), kernel, stride=2 if "conv" in op else 1, pad=kernel[0] // 2)
    flat = layer(op, (1, 8), (4, 4), kernel[::-1], stride=upright.stride, pad=upright.pad)
    assert normalised(upright) == (flat, True)
    assert normalised(flat) == (flat, False)


def test_pooling_is_turned_whatever_its_kernel_says():
    upright = replace(layer("global_avg_pool", (8, 1)), kernel_h=8, kernel_w=3)
    turned, is_turned = normalised(upright)
    assert (turned.in_h, turned.in_w, is_turned) == (1, 8, True)


def test_a_square_kernel_on_an_upright_map_is_not_turned():
    shape = layer("conv", (6, 1), (2, 2), (3, 3), pad=1)
    assert (shape.out_h, shape.out_w) == (6, 1)
    assert normalised(shape) == (shape, False)


def test_a_layer_that_grows_in_width_is_not_turned():
    shape = layer("conv", (6, 1), (2, 2), (1, 2), pad=1)
    assert (shape.out_h, shape.out_w) == (6, 2)
    assert normalised(shape) == (shape, False)


def test_a_padded_kernel_on_a_single_pixel_is_turned_to_lie_along_its_width():
    upright, flat = (layer("conv", (1, 1), (2, 2), kernel, pad=1) for kernel in ((3, 1), (1, 3)))
    assert normalised(upright) == (flat, True)
    assert normalised(flat) == (flat, False)
