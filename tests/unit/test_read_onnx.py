"""Networks from ONNX files: what becomes a layer, what vanishes, and what is refused, with files made node by node."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from energy.networks.shapes import LayerShape
from models.exchange.convert import convert
from models.exchange.read_onnx import read_onnx


def node(operator, inputs, output, **settings):
    return helper.make_node(operator, inputs, [output], name=f"the_{output}", **settings)


@pytest.fixture
def write(tmp_path):
    """Writes a file of these nodes from `x` to `y`, with weights of zeros of these shapes, and gives its path."""

    def written(nodes, weights, shape=(1, 6, 128), constants=(), opset=17, n_inputs=1):
        names = ["x", "x2"][:n_inputs]
        sources = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in names]
        result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
        zeros = [numpy_helper.from_array(np.zeros(sizes, np.float32), name) for name, sizes in weights.items()]
        whole = [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in dict(constants).items()]
        graph = helper.make_graph(nodes, "g", sources, [result], [*zeros, *whole])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        path = tmp_path / "net.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return written


def layers(path, shape=None, *, fuse=True):
    network = convert(read_onnx(path, shape), fuse=fuse).network
    return [(layer.op, layer.out_h, layer.out_w, layer.out_ch) for layer in network.layers], network.inputs


def refusal(path, shape=None):
    with pytest.raises(ValueError, match=r".") as caught:
        convert(read_onnx(path, shape))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_convolution_along_one_axis_has_height_and_width_1(write):
    path = write([node("Conv", ["x", "w"], "y", strides=[2], pads=[3, 3])], {"w": (8, 6, 7)})
    network = convert(read_onnx(path, None)).network
    # (128 + 2 x 3 - 7) / 2 + 1 = 64
    expected = LayerShape(
        op="conv", in_h=128, in_w=1, in_ch=6, out_h=64, out_w=1, out_ch=8, kernel_h=7, kernel_w=1, stride=2, pad=3
    )
    assert (network.layers, network.layer_names, network.name) == ((expected,), ("the_y",), "net")


def test_batch_norm_and_relu_become_part_of_the_convolution_or_layers_of_their_own(write):
    weights = {"w": (8, 6, 3), **dict.fromkeys("smbv", (8,))}
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("BatchNormalization", ["c", "s", "b", "m", "v"], "n"),
        node("Relu", ["n"], "y"),
    ]
    path = write(nodes, weights)
    assert layers(path)[0] == [("conv", 126, 1, 8)]
    assert [op for op, *_ in layers(path, fuse=False)[0]] == ["conv", "batch_norm", "relu"]


def test_a_residual_add_reads_two_layers(write):
    nodes = [
        node("Conv", ["x", "w"], "c", pads=[1, 1]),
        node("Relu", ["c"], "r"),
        node("Conv", ["r", "w2"], "d", pads=[1, 1]),
        node("Add", ["d", "r"], "y"),
    ]
    found, inputs = layers(write(nodes, {"w": (6, 6, 3), "w2": (6, 6, 3)}))
    assert [op for op, *_ in found] == ["conv", "conv", "add"]
    assert inputs == ((-1,), (0,), (1, 0))


def test_a_fully_connected_layer_behind_a_flattened_map_covers_it(write):
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Flatten", ["c"], "f"),
        node("Gemm", ["f", "v", "b"], "g", transB=1),
        node("Dropout", ["g"], "d"),
        node("Softmax", ["d"], "y"),
    ]
    converted = convert(read_onnx(write(nodes, {"w": (4, 6, 3), "v": (5, 504), "b": (5,)}), None))
    dense = converted.network.layers[1]
    assert (dense.op, dense.kernel_h, dense.kernel_w, dense.in_ch, dense.out_ch) == ("conv", 126, 1, 4, 5)
    assert converted.notes == ("Softmax behind the last layer is left out: the largest score stays the largest",)


def test_a_product_with_a_constant_added_behind_it_is_one_layer(write):
    nodes = [node("Flatten", ["x"], "f"), node("MatMul", ["f", "w"], "m"), node("Add", ["b", "m"], "y")]
    assert layers(write(nodes, {"w": (768, 5), "b": (5,)})) == ([("conv", 1, 1, 5)], ((-1,),))


def test_a_reshape_whose_sizes_are_computed_is_followed(write):
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Shape", ["c"], "s"),
        node("Gather", ["s", "zero"], "n", axis=0),
        node("Unsqueeze", ["n", "axes"], "n1"),
        node("Concat", ["n1", "minus"], "target", axis=0),
        node("Reshape", ["c", "target"], "f"),
        node("Gemm", ["f", "v"], "y"),
    ]
    constants = {"zero": 0, "axes": [0], "minus": [-1]}
    found, _ = layers(write(nodes, {"w": (4, 6, 3), "v": (504, 5)}, ("batch", 6, 128), constants))
    assert found == [("conv", 126, 1, 4), ("conv", 1, 1, 5)]


@pytest.mark.parametrize(
    ("pool", "opset", "constants"),
    [
        (node("GlobalAveragePool", ["c"], "y"), 17, {}),
        (node("AveragePool", ["c"], "y", kernel_shape=[30, 30]), 17, {}),
        (node("ReduceMean", ["c"], "y", axes=[-1, -2], keepdims=0), 17, {}),
        (node("ReduceMean", ["c", "axes"], "y"), 18, {"axes": [2, 3]}),
    ],
    ids=["global", "of the whole map", "mean of axes", "mean of axes as an input"],
)
def test_every_spelling_of_the_mean_of_a_map_is_global_average_pooling(write, pool, opset, constants):
    path = write([node("Conv", ["x", "w"], "c"), pool], {"w": (4, 3, 3, 3)}, (1, 3, 32, 32), constants, opset)
    assert layers(path)[0] == [("conv", 30, 30, 4), ("global_avg_pool", 1, 1, 4)]


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_automatic_padding_is_worked_out(write, mode):
    path = write([node("Conv", ["x", "w"], "y", auto_pad=mode)], {"w": (4, 3, 5, 5)}, (1, 3, 32, 32))
    layer = convert(read_onnx(path, None)).network.layers[0]
    assert (layer.pad, layer.out_h) == ((0, 28) if mode == "VALID" else (2, 32))


def test_a_depthwise_convolution_has_as_many_groups_as_channels(write):
    path = write([node("Conv", ["x", "w"], "y", group=6)], {"w": (6, 1, 3)})
    assert layers(path)[0] == [("depthwise_conv", 126, 1, 6)]


def test_what_prepares_the_input_vanishes_and_is_said(write):
    nodes = [
        node("Transpose", ["x"], "t", perm=[0, 2, 1]),
        node("Sub", ["t", "m"], "s"),
        node("Div", ["s", "m"], "d"),
        node("Conv", ["d", "w"], "y"),
    ]
    converted = convert(read_onnx(write(nodes, {"m": (6, 1), "w": (4, 6, 3)}, (1, 128, 6)), None))
    assert converted.network.input_shape == (128, 1, 6)
    assert converted.notes[0].startswith("the input is prepared by Transpose, Sub, Div: not counted")


def test_sizes_that_the_file_leaves_open_are_asked_for_and_must_fit_the_rest(write):
    path = write([node("Conv", ["x", "w"], "y")], {"w": (4, 6, 3)}, ("n", 6, "length"))
    assert "--input must be given, such as 6x128: input 'x' of the file is 6x?" in refusal(path)
    assert layers(path, (6, 64))[0] == [("conv", 62, 1, 4)]
    assert "--input must be 6x? as input 'x' of the file is, not 3x64" in refusal(path, (3, 64))
    assert "--input must be 6x? as input 'x' of the file is, not 6x64x1" in refusal(path, (6, 64, 1))


def test_weights_that_do_not_fit_the_input_are_one_line(write):
    path = write([node("Conv", ["x", "w"], "y")], {"w": (4, 6, 3)}, ("n", "channels", "length"))
    assert "node 'the_y': the shape of 'y' must be known before it runs, and is not; does it fit an input of 6x2?" in (
        refusal(path, (6, 2))
    )
    assert "'the_y' (Conv): its input must have 6 channels, as its weights do, not 3" in refusal(path, (3, 64))
    path = write([node("Flatten", ["x"], "f"), node("MatMul", ["f", "w"], "y")], {"w": (12, 4)}, ("n", 6, "length"))
    assert "the shapes of its values do not fit an input of 6x3" in refusal(path, (6, 3))
    assert layers(path, (6, 2))[0] == [("conv", 1, 1, 4)]


CONV = {"w": (4, 6, 3)}
IMAGE = (1, 6, 32, 32)


@pytest.mark.parametrize(
    ("nodes", "weights", "shape", "message"),
    [
        ([node("MaxPool", ["x"], "y", kernel_shape=[2])], {}, (1, 6, 8), "'the_y': operator MaxPool is not supported; "
         "supported are Add, ArgMax, AveragePool, BatchNormalization, Cast, Conv,"),
        ([node("Conv", ["x", "w"], "y", group=2)], {"w": (4, 3, 3)}, (1, 6, 8),
         "'the_y' (Conv): groups must be 1, or the 6 channels of its input (depthwise), not 2"),
        ([node("Conv", ["x", "w"], "y", group=6)], {"w": (12, 1, 3)}, (1, 6, 8),
         "'the_y' (Conv): a depthwise convolution must keep its 6 channels, not make 12 of them"),
        ([node("Conv", ["x", "w"], "y", dilations=[2])], CONV, (1, 6, 8), "(Conv): dilation must be 1, not 2"),
        ([node("Conv", ["x", "w"], "y", pads=[2, 0])], CONV, (1, 6, 8),
         "(Conv): padding must be the same on both sides of an axis, not 2 and 0"),
        ([node("Conv", ["x", "w"], "y", strides=[1, 2])], {"w": (4, 6, 3, 3)}, IMAGE,
         "(Conv): stride must be the same on both axes, not 1 and 2"),
        ([node("Conv", ["x", "w"], "y", pads=[1, 0, 1, 0])], {"w": (4, 6, 3, 3)}, IMAGE,
         "(Conv): padding must be the same on both axes, not 0 and 1"),
        ([node("Conv", ["x", "w"], "y", pads=[1, 1])], {"w": (4, 6, 1)}, (1, 6, 8),
         "(Conv): padding must be 0 on an axis whose kernel is 1, not 1"),
        ([node("Conv", ["x", "w"], "y")], {"w": (4, 6, 1, 1, 1)}, (1, 6, 4, 4, 4),
         "(Conv): a map must have channels and 1 or 2 axes, not 6x4x4x4"),
        ([node("AveragePool", ["x"], "y", kernel_shape=[2], strides=[2])], {}, (1, 6, 8),
         "(AveragePool): an average pooling must cover its whole map 8 without padding, not 2 of it"),
        ([node("ReduceMean", ["x"], "y", axes=[1])], {}, (1, 6, 8),
         "(ReduceMean): a mean must be over axes 1 of the map, all but the channels, not over 0"),
        ([node("MatMul", ["x", "w"], "y")], {"w": (8, 3)}, (1, 6, 8),
         "(MatMul): a fully connected layer must read one axis of features, not 6x8"),
        ([node("Gemm", ["x", "w"], "y", transA=1)], {"w": (1, 3)}, (1, 6), "(Gemm): transA must be 0, not 1"),
        ([node("Relu", ["x"], "r"), node("Mul", ["r", "w"], "y")], {"w": (1,)}, (1, 6, 8),
         "'the_y' (Mul) is supported on the network's input alone, not behind a layer"),
        ([node("Relu", ["x"], "r"), node("Add", ["r", "w"], "y")], {"w": (1,)}, (1, 6, 8),
         "'the_y' (Add): a constant must be added right after a layer with weights"),
        ([node("Conv", ["x", "v"], "r"), node("Add", ["r", "w"], "y")], {"v": (8, 6, 1), "w": (8,)}, (1, 6, 8),
         None),
        ([node("Conv", ["x", "v"], "r"), node("Add", ["r", "w"], "y")], {"v": (4, 6, 1), "w": (8,)}, (1, 6, 8),
         "'the_y' (Add): a constant that is added must have one number per channel, 4, not 8"),
        ([node("Relu", ["x"], "r"), node("Mul", ["r", "x"], "y")], {}, (1, 6, 8),
         "'the_y' (Mul) must be given one map and constants, not 2 maps"),
        ([node("Relu", ["x"], "r"), node("GlobalAveragePool", ["r"], "p"), node("Add", ["r", "p"], "y")], {}, (1, 6, 8),
         "'the_y' (Add): the maps to add must have one shape, not 6x8 and 6x1"),
        ([node("Relu", ["x"], "r"), node("Softmax", ["r"], "s"), node("Relu", ["s"], "y")], {}, (1, 6, 8),
         "'the_y' (Relu) must not read what Softmax gives: that is for the end alone"),
        ([node("Softmax", ["x"], "y")], {}, (1, 6), "(Softmax) is supported behind the last layer alone"),
        ([node("Flatten", ["x"], "y")], {}, (1, 6, 8), "network 'net' must have at least one layer that computes"),
        ([node("Relu", ["ghost"], "y")], {}, (1, 6), "value 'ghost' must be given by a node, and is not"),
    ],
)  # fmt: skip
def test_what_the_cost_model_does_not_have_is_refused_in_one_line(write, nodes, weights, shape, message):
    path = write(nodes, weights, shape)
    if message is None:
        assert layers(path)[0] == [("conv", 8, 1, 8)]
    else:
        assert message in refusal(path)


def test_a_reshape_that_mixes_channels_is_refused(write):
    nodes = [node("Relu", ["x"], "r"), node("Reshape", ["r", "to"], "y")]
    path = write(nodes, {}, (1, 6, 8), {"to": [1, 3, 16]})
    assert "'the_y' (Reshape): a reshape must flatten 6x8 or keep its channels, not make 3x16" in refusal(path)


def test_a_map_that_was_reshaped_is_not_convolved(write):
    nodes = [node("Relu", ["x"], "r"), node("Reshape", ["r", "to"], "f"), node("Conv", ["f", "w"], "y")]
    path = write(nodes, {"w": (4, 6, 3)}, (1, 6, 8, 8), {"to": [1, 6, 64]})
    assert "'the_y' (Conv) must read a map as its layer gives it, 6x8x8, not reshaped to 6x64" in refusal(path)


def test_two_inputs_are_refused(write):
    path = write([node("Add", ["x", "x2"], "y")], {}, n_inputs=2)
    assert "must have one input and one output, not 2 inputs and 1 outputs" in refusal(path)


def test_names_that_repeat_or_are_reserved_are_told_apart(write):
    nodes = [node("Relu", ["x"], "r"), node("Relu", ["r"], "s"), node("Relu", ["s"], "y")]
    for one, name in zip(nodes, ("input", "same", "same"), strict=True):
        one.name = name
    assert convert(read_onnx(write(nodes, {}), None)).network.layer_names == ("input_2", "same", "same_2")


@pytest.mark.parametrize("content", [b"no ONNX at all", b"", onnx.ModelProto().SerializeToString(), b"\x80\x04K\x01."])
def test_a_file_of_another_kind_is_one_line(tmp_path, content):
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    assert f"{path}: must be an ONNX file" in refusal(path)


def test_without_the_package_the_line_says_what_to_install(write, monkeypatch):
    path = write([node("Relu", ["x"], "y")], {})
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert "needs the package onnx: pip install 'ebbnas[onnx]'" in refusal(path)
