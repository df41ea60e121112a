"""Shapes of layers and networks: what fits together, what is refused and how the refusal reads."""

import pytest

from energy.networks.shapes import NETWORK_INPUT, LayerShape, NetworkShape


def conv(**changes):
    sizes = dict(in_h=32, in_w=32, in_ch=3, out_h=30, out_w=30, out_ch=8, kernel_h=3, kernel_w=3)
    return LayerShape(op="conv", **{**sizes, **changes})


def row(name, **changes):
    return {"name": name, **conv(**changes).to_dict()}


def chain(*rows, name="net"):
    return {"name": name, "layers": list(rows)}


def test_strided_padded_output_follows_the_floor_rule():
    # (32 + 2 x 1 - 3) / 2 + 1 = 16.5 -> 16
    layer = conv(stride=2, pad=1, out_h=16, out_w=16)
    assert (layer.out_h, layer.pad_of("h"), layer.pad_of("w")) == (16, 1, 1)


def test_a_one_dimensional_layer_is_padded_and_strided_along_its_length_only():
    layer = LayerShape(
        op="conv", in_h=128, in_w=1, in_ch=6, out_h=64, out_w=1, out_ch=4, kernel_h=5, kernel_w=1, stride=2, pad=2
    )
    assert (layer.pad_of("h"), layer.pad_of("w")) == (2, 0)


def test_parameters_and_multiplications_count_what_the_layer_holds():
    assert conv().n_parameters == 3 * 3 * 3 * 8 + 8
    assert conv().n_macs == 3 * 3 * 3 * 8 * 30 * 30
    depthwise = LayerShape(
        op="depthwise_conv", in_h=8, in_w=8, in_ch=4, out_h=6, out_w=6, out_ch=4, kernel_h=3, kernel_w=3
    )
    assert depthwise.n_parameters == 3 * 3 * 4 + 4
    assert depthwise.n_macs == 3 * 3 * 4 * 6 * 6
    norm = LayerShape(op="batch_norm", in_h=8, in_w=8, in_ch=4, out_h=8, out_w=8, out_ch=4, kernel_h=1, kernel_w=1)
    assert (norm.n_parameters, norm.n_macs) == (8, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"op": "convv"}, "op must be one of .* not 'convv'; did you mean 'conv'"),
        ({"in_h": 0}, "in_h must be a whole number of at least 1, not 0"),
        ({"in_ch": 3.0}, "in_ch must be a whole number of at least 1, not 3.0"),
        ({"out_ch": True}, "out_ch must be a whole number of at least 1, not True"),
        ({"pad": -1}, "pad must be a whole number of at least 0, not -1"),
        ({"out_w": 31}, r"out_w of a conv must be .* = 30, not 31"),
        ({"kernel_h": 33}, "kernel_h must be at most the padded input 32, not 33"),
        ({"op": "depthwise_conv"}, "out_ch of a depthwise_conv must equal in_ch 3, not 8"),
        ({"op": "global_avg_pool", "out_ch": 3}, "out_h of a global_avg_pool must be 1, not 30"),
        ({"op": "relu", "out_ch": 3}, "out_h of a relu must be in_h 32, not 30"),
    ],
)
def test_a_shape_that_cannot_be_is_refused_with_field_rule_and_value(changes, message):
    sizes = dict(in_h=32, in_w=32, in_ch=3, out_h=30, out_w=30, out_ch=8, kernel_h=3, kernel_w=3)
    with pytest.raises(ValueError, match=message):
        LayerShape(**{"op": "conv", **sizes, **changes})


def test_layers_follow_each_other_where_a_file_names_no_inputs():
    network = NetworkShape.from_dict(chain(row("a"), row("b", in_h=30, in_w=30, in_ch=8, out_h=28, out_w=28)))
    assert network.inputs == ((NETWORK_INPUT,), (0,))
    assert network.input_shape == (32, 32, 3)


def test_a_graph_survives_being_written_and_read():
    first = row("a", pad=1, out_h=32, out_w=32, out_ch=3)
    second = row("b", pad=1, out_h=32, out_w=32, out_ch=3)
    add = {
        "name": "sum",
        "op": "add",
        **dict(in_h=32, in_w=32, in_ch=3, out_h=32, out_w=32, out_ch=3, kernel_h=1, kernel_w=1),
        "inputs": ["b", "input"],
    }
    network = NetworkShape.from_dict(chain(first, second, add))
    assert network.inputs == ((NETWORK_INPUT,), (0,), (1, NETWORK_INPUT))
    assert NetworkShape.from_dict(network.to_dict()) == network


def test_equal_shapes_are_one_key():
    assert len({conv(), conv(), conv(out_ch=4)}) == 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "network must be an object, not list"),
        ({"layer": []}, "network: unknown key 'layer'; did you mean 'layers'"),
        ({"name": "net"}, "network: key 'layers' is missing"),
        ({"layers": []}, "layers must not be empty"),
        ({"layers": "conv"}, "layers must be a list"),
        ({"layers": [3]}, r"layers\[0\] must be an object, not 3"),
        (
            chain(row("a"), row("b")),
            "layer 'b': in_h x in_w x in_ch must be 30 x 30 x 8 as 'a' gives it, not 32 x 32 x 3",
        ),
        (chain(row("a"), row("a", in_h=30, in_w=30, in_ch=8, out_h=28, out_w=28)), "'a' repeats"),
        (chain({**row("a"), "stried": 1}), "layer 'a': unknown key 'stried'; did you mean 'stride'"),
        (chain({**row("a"), "inputs": ["imput"]}), "inputs name no layer 'imput'; did you mean 'input'"),
        (chain({**row("a"), "inputs": ["a"]}), "inputs must name earlier layers"),
        (chain({**row("a"), "inputs": "input"}), "inputs must be a list of layer names"),
        (chain({**row("a"), "out_h": 29}), "layer 'a': out_h of a conv must be"),
    ],
)
def test_a_network_that_does_not_fit_together_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        NetworkShape.from_dict(data)


def test_an_add_must_name_its_two_inputs():
    add = dict(op="add", in_h=4, in_w=4, in_ch=2, out_h=4, out_w=4, out_ch=2, kernel_h=1, kernel_w=1)
    with pytest.raises(ValueError, match="inputs must be given, a add reads two maps"):
        NetworkShape.from_dict(chain({"name": "sum", **add}))
    with pytest.raises(ValueError, match="inputs of op add must name 2, not 1"):
        NetworkShape.from_dict(chain({"name": "sum", **add, "inputs": ["input"]}))
