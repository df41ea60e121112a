"""Networks from torch modules: our own give back their layers, others are followed or refused in one line."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from models.exchange.convert import convert
from models.exchange.read_torch import read_torch
from models.spaces import preset
from models.supernet.subnet import Subnet


def ops(module, shape, *, fuse=True):
    network = convert(read_torch(module, shape, "net"), fuse=fuse).network
    return [layer.op for layer in network.layers], network


def refusal(module, shape):
    with pytest.raises(ValueError, match=r".") as caught:
        convert(read_torch(module, shape, "net"))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["conv1d-3", "conv2d-5", "fc-4", "mbconv1d", "mbconv2d", "ebb1d", "ebb2d"])
def test_a_network_of_our_spaces_gives_exactly_its_layers(name):
    space = preset(name)
    height, width, channels = space.input_shape
    shape = (channels, height) if width == 1 else (channels, height, width)
    arch = space.sample(np.random.default_rng(0), 1)[0]
    expected = space.network(arch)
    found = convert(read_torch(Subnet(space, arch), shape, "net")).network
    assert found.layers == expected.layers
    assert found.inputs == expected.inputs


class Residual(nn.Module):
    """Everything in place that torch allows: the skip connection reads what the ReLU has made of its map."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding="same"), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.body = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = self.stem(x / 255)
        skip = self.body(x)
        F.relu_(skip)
        x = F.dropout(skip + x, training=self.training)
        return self.head(F.adaptive_avg_pool2d(x, 1).view(x.size(0), -1)).softmax(1)


def test_branches_and_what_happens_in_place_are_followed():
    found, network = ops(Residual(), (3, 16, 16))
    assert found == ["conv", "depthwise_conv", "add", "global_avg_pool", "conv"]
    assert network.inputs == ((-1,), (0,), (1, 0), (2,), (3,))
    assert network.layer_names[:2] == ("stem.0", "body")
    assert network.layers[0].pad == 1
    found, network = ops(Residual(), (3, 16, 16), fuse=False)
    assert found == ["conv", "batch_norm", "relu", "depthwise_conv", "relu", "add", "global_avg_pool", "conv"]
    assert network.inputs[5] == (4, 2)


def test_dense_layers_cover_the_map_they_read():
    module = nn.Sequential(nn.Conv1d(6, 8, 5, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(496, 3))
    found, network = ops(module, (6, 128))
    # (128 - 5) // 2 + 1 = 62, and 8 x 62 = 496
    assert found == ["conv", "conv"]
    assert (network.layers[1].kernel_h, network.layers[1].in_ch, network.layers[1].out_ch) == (62, 8, 3)
    assert network.n_parameters == sum(values.numel() for values in module.parameters())


class Product(nn.Module):
    """A product with a weight and a bias, spelled out."""

    def __init__(self):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(6, 3)), nn.Parameter(torch.zeros(3))

    def forward(self, x):
        return x @ self.weight + self.bias


def test_a_product_with_a_weight_is_a_fully_connected_layer():
    found, network = ops(Product(), (6,))
    assert (found, network.layers[0].out_ch) == (["conv"], 3)


class Pair(nn.Module):
    def forward(self, x):
        return x.relu(), x


class Looks(nn.Module):
    def forward(self, x):
        return x.relu() if x.sum() > 0 else x


class Halves(nn.Module):
    def forward(self, x):
        one, other = x.chunk(2, dim=1)
        return one + other


class Squeezed(nn.Module):
    def forward(self, x):
        return x.relu().mean(dim=2, keepdim=True).squeeze()


@pytest.mark.parametrize(
    ("module", "shape", "message"),
    [
        (Halves(), (6, 8), "operator chunk is not supported"),
        (Squeezed(), (6, 8), "a reshape must flatten 6x1 or keep its channels, not make one without the batch"),
        (nn.MaxPool1d(2), (6, 8), "operator max_pool1d is not supported; supported are adaptive_avg_pool1d,"),
        (nn.Conv1d(6, 4, 3, groups=2), (6, 8), "groups must be 1, or the 6 channels of its input (depthwise), not 2"),
        (nn.Conv1d(6, 4, 3, dilation=2), (6, 8), "dilation must be 1, not 2"),
        (nn.Conv1d(6, 4, 2, padding="same"), (6, 8), "padding must be the same on both sides of an axis, not 0 and 1"),
        (nn.AvgPool1d(2), (6, 8), "an average pooling must cover its whole map 8 without padding, not 2 of it"),
        (nn.AdaptiveAvgPool1d(2), (6, 8), "its output size must be 1, not 2"),
        (nn.Linear(8, 3), (6, 8), "a fully connected layer must read one axis of features, not 6x8"),
        (nn.ReLU6(), (6, 8), "operator hardtanh is not supported"),
        (nn.Conv1d(6, 4, 3), (3, 8), "--input 3x8 must suit the module, and it says: Given groups=1, weight of size"),
        (Pair(), (6, 8), "net: the module must give one tensor that depends on its input, and nothing else"),
        (Looks(), (6, 8), "net: torch.export must be able to trace the module: "),
    ],
)
def test_what_the_cost_model_does_not_have_is_refused_in_one_line(module, shape, message):
    assert message in refusal(module, shape)
