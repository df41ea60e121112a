from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from energy.networks.shapes import NETWORK_INPUT
from models.spaces import Graph, Node, Slot, Space, Stage, shapes
from models.supernet.elastic import (
    ElasticConv,
    ElasticHead,
    centre,
    convolve,
    elastic_layers,
    moments_of,
    resized,
    run_layer,
    slice_weight,
)
from models.supernet.supernet import SuperNet


def hidden(out_ch, kernel, op="conv", **steps):
    return Node(slot="a.b", op=op, inputs=(NETWORK_INPUT,), out_ch=out_ch, kernel=kernel, is_hidden=True, **steps)


def slot(node, in_ch, n_dims):
    """The slot of a layer on a map of 9 steps an axis."""
    graph = Graph(nodes=(node,), input_shape=(9, 9 if n_dims == 2 else 1, in_ch))
    return Slot(node=node, shape=shapes("one", graph).layers[0])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=[1, 2])
def layer(request):
    return ElasticConv(slot(hidden(6, 5), 4, request.param), request.param, generator())


def test_a_slice_is_leading_channels_and_the_centre_of_the_kernel(layer):
    part = slice_weight(layer.weight, hidden(2, 3), 3)
    taps = (slice(1, 4),) * (layer.weight.dim() - 2)
    assert torch.equal(part, layer.weight[(slice(0, 2), slice(0, 3), *taps)])


def test_a_slice_shares_memory_with_the_largest(layer):
    part = slice_weight(layer.weight, hidden(2, 3), 3)
    with torch.no_grad():
        layer.weight.fill_(7.0)
    assert (part == 7).all()


def test_the_largest_slice_is_the_whole_weight(layer):
    assert torch.equal(slice_weight(layer.weight, hidden(6, 5), 4), layer.weight)


def test_an_even_kernel_in_an_even_one_lies_in_the_middle():
    assert centre(torch.arange(6.0).view(1, 1, 6), (2,)).flatten().tolist() == [2, 3]


def test_gradients_reach_the_sliced_part_only(layer):
    n_dims = layer.weight.dim() - 2
    x = torch.randn(4, 3, *(7,) * n_dims, generator=generator(1))
    layer(x, hidden(2, 3, pad=1), None).square().sum().backward()
    touched = layer.weight.grad != 0
    inside = torch.zeros_like(touched)
    inside[(slice(0, 2), slice(0, 3), *(slice(1, 4),) * n_dims)] = True
    assert torch.equal(touched, inside)
    assert (layer.scale.grad[2:] == 0).all()
    assert (layer.shift.grad[2:] == 0).all()
    assert (layer.scale.grad[:2] != 0).all()


def test_leading_channels_do_not_depend_on_how_many_are_kept(layer):
    x = torch.randn(5, 4, *(6,) * (layer.weight.dim() - 2), generator=generator(1))
    few, all_of_them = layer(x, hidden(2, 3, pad=1), None), layer(x, hidden(6, 3, pad=1), None)
    torch.testing.assert_close(few, all_of_them[:, :2])


def test_a_one_dimensional_convolution_is_a_sum_of_products():
    x = torch.tensor([[[1.0, 2, 3, 4]]])
    weight = torch.tensor([[[1.0, 10, 100]]])
    # valid: 1 + 20 + 300, 2 + 30 + 400; padded by 1, every second: 0 + 10 + 200, 2 + 30 + 400
    assert convolve(x, weight, hidden(1, 3)).flatten().tolist() == [321, 432]
    assert convolve(x, weight, hidden(1, 3, stride=2, pad=1)).flatten().tolist() == [210, 432]


def test_an_axis_of_length_1_is_crossed_with_the_middle_tap():
    x = torch.full((1, 1, 1, 3), 2.0)
    weight = torch.arange(9.0).view(1, 1, 3, 3)
    # the middle row 3, 4, 5 times 2: no padding on the axis of length 1
    assert convolve(x, weight, hidden(1, 3)).flatten().tolist() == [24]
    assert convolve(x, weight, hidden(1, 3, stride=2, pad=1)).flatten().tolist() == [18, 14]


def test_a_depthwise_convolution_reads_its_own_channel():
    layer = ElasticConv(slot(hidden(3, 3, op="depthwise_conv"), 3, 1), 1, generator())
    node = hidden(2, 1, op="depthwise_conv")
    x = torch.randn(2, 2, 5, generator=generator(1))
    assert layer.weight.shape == (3, 1, 3)
    torch.testing.assert_close(layer.convolve(x, node), x * layer.weight[:2, 0, 1].view(1, 2, 1))


def test_moments_are_the_mean_and_the_biased_variance():
    mean, variance = moments_of(torch.tensor([[[1.0, 3.0]], [[5.0, 7.0]]]))
    # mean (1 + 3 + 5 + 7) / 4 = 4, variance (9 + 1 + 1 + 9) / 4 = 5
    assert (mean.item(), variance.item()) == pytest.approx((4, 5))


def test_moments_hold_where_the_mean_is_large_beside_the_deviation():
    raw = torch.randn(64, 3, 9, 5, generator=generator()) + torch.tensor([0.0, 50.0, -100.0]).view(1, 3, 1, 1)
    mean, variance = moments_of(raw)
    exact = raw.double().transpose(0, 1).flatten(1)
    torch.testing.assert_close(mean.double(), exact.mean(1), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(variance.double(), exact.var(1, correction=0), rtol=1e-4, atol=0)


def test_moments_of_a_single_value_are_refused():
    with pytest.raises(ValueError, match="more than 1 value"):
        moments_of(torch.ones(1, 2, 1))


def test_given_moments_replace_those_of_the_batch(layer):
    x = torch.randn(3, 4, *(5,) * (layer.weight.dim() - 2), generator=generator(1))
    node = hidden(6, 1)
    raw = layer.convolve(x, node)
    expected = (raw / (4 + 1e-5) ** 0.5).relu()
    torch.testing.assert_close(layer(x, node, (torch.zeros(6), torch.full((6,), 4.0))), expected)


def test_a_head_reads_the_leading_features():
    node = Node(slot="head", op="conv", inputs=(0,), out_ch=3)
    head = ElasticHead(slot(replace(node, inputs=(NETWORK_INPUT,)), 8, 1), generator())
    features = torch.randn(2, 5, generator=generator(1))
    torch.testing.assert_close(head(features, node), features @ head.weight[:, :5].T + head.bias)


def test_pooling_means_over_all_axes():
    node = Node(slot="pool", op="global_avg_pool", inputs=(0,), out_ch=1)
    layers = elastic_layers([], 2, generator())
    assert run_layer(layers, node, [torch.tensor([[[[1.0, 2], [3, 6]]]])], None).tolist() == [[3.0]]


def test_the_same_seed_gives_the_same_weights_whatever_torch_drew_before():
    space = Space(name="s", input_shape=(8, 1, 2), n_classes=3, stages=(Stage(kernels=(1, 3), channels=(2, 4)),))
    first = SuperNet(space, seed=5).state_dict()
    torch.rand(10)
    again, other = SuperNet(space, seed=5).state_dict(), SuperNet(space, seed=6).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["layers.head.weight"], other["layers.head.weight"])


def test_initial_weights_keep_the_scale_of_the_map():
    layer = ElasticConv(slot(hidden(64, 5), 32, 1), 1, generator())
    raw = layer.convolve(F.relu(torch.randn(16, 32, 40, generator=generator(1))), hidden(64, 5))
    # He: the variance of the sum is 2 / fan_in x fan_in x E[relu(x)^2] = 2 x 1/2 = 1
    assert raw.var().item() == pytest.approx(1, rel=0.1)


def test_a_linear_layer_keeps_what_is_below_zero():
    layer = ElasticConv(slot(hidden(6, 1), 4, 1), 1, generator())
    x = torch.randn(3, 4, 5, generator=generator(1))
    moments = (torch.zeros(6), torch.ones(6))
    linear = layer(x, hidden(6, 1, is_linear=True), moments)
    assert (linear < 0).any()
    torch.testing.assert_close(layer(x, hidden(6, 1), moments), linear.relu())


@pytest.mark.parametrize("n_dims", [1, 2])
def test_a_layer_that_covers_its_map_is_a_product_with_all_of_it(n_dims):
    node = hidden(3, 1, covers_map=True)
    layer = ElasticConv(slot(node, 2, n_dims), n_dims, generator())
    x = torch.randn(4, 2, *(9,) * n_dims, generator=generator(1))
    raw = layer.convolve(x, node)
    assert raw.shape == (4, 3, *(1,) * n_dims)
    torch.testing.assert_close(raw.flatten(1), x.flatten(1) @ layer.weight.flatten(1).T)


def test_half_the_height_is_the_mean_of_neighbours():
    x = torch.tensor([[[1.0, 3, 5, 9]]])
    assert resized(x, (2, 1, 1)).tolist() == [[[2.0, 7.0]]]
    assert resized(x.unsqueeze(2), (2, 1, 1)).tolist() == [[[[2.0, 7.0]]]]


def test_maps_of_the_right_size_are_left_alone():
    x = torch.ones(2, 3, 4, 5)
    assert resized(x, (4, 5, 3)) is x
