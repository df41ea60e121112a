from dataclasses import replace

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.spaces import Space, Stage
from models.supernet.subnet import Subnet
from models.supernet.supernet import SuperNet

STAGE = Stage(kernels=(3, 5), channels=(4, 8), depths=(1, 2, 3), residuals=(False, True))
INVERTED = Stage(
    kernels=(1, 3), channels=(4, 6), depths=(1, 2), residuals=(False, True), strides=(2,), expansions=(1, 3),
    blocks=("inverted",), one_kernel=True,
)  # fmt: skip
MIXED = Stage(kernels=(3, 5), channels=(4, 8), depths=(1, 2), strides=(2, 1), blocks=("bottleneck", "conv"))
STEM = Stage(kernels=(3,), channels=(4,), blocks=("linear",), is_scaled=False)
DENSE = Stage(kernels=(1,), channels=(4, 7), blocks=("dense",))
SUPERNETS = [
    SuperNet(Space(name=name, input_shape=shape, n_classes=5, stages=stages, padding=padding, **more), seed=0)
    for name, shape, padding, stages, more in (
        ("deep-1d", (12, 1, 3), "same", (STAGE, STAGE), {}),
        ("deep-2d", (6, 5, 2), "same", (STAGE, Stage(kernels=(1, 3), channels=(2, 3), strides=(2,))), {}),
        ("valid-2d", (9, 10, 1), "valid", (Stage(kernels=(1, 2, 5), channels=(2, 3)),) * 2, {}),
        ("inverted-1d", (12, 1, 3), "same", (STEM, INVERTED), {"widths_percent": (50, 100), "heights": (6, 12)}),
        ("inverted-2d", (6, 5, 2), "same", (STEM, INVERTED), {"widths_percent": (50, 100), "heights": (5, 6)}),
        ("mixed-2d", (6, 5, 2), "same", (STAGE, MIXED), {}),
        ("dense-1d", (12, 1, 3), "same", (DENSE, DENSE), {}),
        ("dense-2d", (6, 5, 2), "same", (STAGE, DENSE), {}),
    )
]


def rows(space, n, seed):
    height, width, channels = space.input_shape
    size = (height,) if space.n_dims == 1 else (height, width)
    return torch.randn(n, channels, *size, generator=torch.Generator().manual_seed(seed))


cases = given(supernet=st.sampled_from(SUPERNETS), seed=st.integers(0, 2**32 - 1), n=st.integers(2, 5))


def sampled(supernet, seed):
    return supernet.space.sample(np.random.default_rng(seed), 1)[0]


@cases
def test_every_network_answers_a_finite_score_for_each_class(supernet, seed, n):
    space = supernet.space
    with torch.no_grad():
        scores = supernet(rows(space, n, seed % 100), space.graph(sampled(supernet, seed)))
    assert scores.shape == (n, space.n_classes)
    assert scores.isfinite().all()


@cases
def test_maps_have_the_sizes_that_the_cost_model_counts(supernet, seed, n):
    space, arch = supernet.space, sampled(supernet, seed)
    graph, shapes = space.graph(arch), space.network(arch)
    x = rows(space, n, 0)
    for last, layer in enumerate(shapes.layers):
        with torch.no_grad():
            output = supernet(x, replace(graph, nodes=graph.nodes[: last + 1]))
        size = {1: (layer.out_h,), 2: (layer.out_h, layer.out_w)}[space.n_dims]
        assert output.shape == (
            (n, layer.out_ch) if layer.op == "global_avg_pool" or last == len(graph) - 1 else (n, layer.out_ch, *size)
        )


@cases
def test_statistics_of_the_batch_give_the_scores_of_the_batch(supernet, seed, n):
    space = supernet.space
    graph, x = space.graph(sampled(supernet, seed)), rows(space, n, seed % 100)
    with torch.no_grad():
        torch.testing.assert_close(
            supernet(x, graph, supernet.batch_statistics(x, graph)), supernet(x, graph), rtol=1e-4, atol=1e-4
        )


@cases
def test_with_statistics_a_row_does_not_depend_on_the_others(supernet, seed, n):
    space = supernet.space
    graph, x = space.graph(sampled(supernet, seed)), rows(space, n, seed % 100)
    with torch.no_grad():
        statistics = supernet.batch_statistics(rows(space, 8, 1), graph)
        torch.testing.assert_close(supernet(x[:1], graph, statistics), supernet(x, graph, statistics)[:1])


@cases
@settings(max_examples=20)
def test_gradients_reach_the_layers_of_the_network_and_no_others(supernet, seed, n):
    space = supernet.space
    graph = space.graph(sampled(supernet, seed))
    supernet.zero_grad(set_to_none=True)
    supernet(rows(space, n, 0), graph).sum().backward()
    reached = {name.split(".")[1] for name, parameter in supernet.named_parameters() if parameter.grad is not None}
    supernet.zero_grad(set_to_none=True)
    assert reached == {node.slot.replace(".", "_") for node in graph if node.op in ("conv", "depthwise_conv")}


@cases
@settings(max_examples=20)
def test_an_inherited_subnet_answers_as_the_shared_weights_and_survives_its_bytes(supernet, seed, n):
    space, arch = supernet.space, sampled(supernet, seed)
    graph, x = space.graph(arch), rows(space, n, seed % 100)
    statistics = supernet.batch_statistics(rows(space, 8, 1), graph)
    subnet = Subnet.inherit(supernet, arch, statistics)
    with torch.no_grad():
        expected = supernet(x, graph, statistics)
        assert torch.equal(subnet(x), expected)
        assert torch.equal(Subnet.from_bytes(space, arch, subnet.state_bytes())(x), expected)
