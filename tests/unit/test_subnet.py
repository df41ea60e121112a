import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch.nn import functional as F

from models.spaces import Space, Stage
from models.supernet.subnet import Subnet
from models.supernet.supernet import SuperNet

STAGE = Stage(kernels=(3, 5), channels=(4, 8), depths=(1, 2, 3), residuals=(False, True))
SPACES = {
    1: Space(name="deep-1d", input_shape=(16, 1, 3), n_classes=4, stages=(STAGE,)),
    2: Space(name="deep-2d", input_shape=(7, 6, 2), n_classes=3, stages=(STAGE,)),
}


def rows(space, n=12, seed=1):
    height, width, channels = space.input_shape
    size = (height,) if space.n_dims == 1 else (height, width)
    return torch.randn(n, channels, *size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=SPACES)
def supernet(request):
    return SuperNet(SPACES[request.param], seed=0)


def inherited(supernet, arch):
    graph = supernet.space.graph(arch)
    statistics = supernet.batch_statistics(rows(supernet.space, 30, seed=2), graph)
    return Subnet.inherit(supernet, arch, statistics), graph, statistics


def test_an_inherited_subnet_answers_what_the_shared_weights_answer(supernet):
    x = rows(supernet.space)
    for arch in supernet.space.enumerate()[::5]:
        subnet, graph, statistics = inherited(supernet, arch)
        assert not subnet.training
        with torch.no_grad():
            assert torch.equal(subnet(x), supernet(x, graph, statistics))


def test_an_inherited_subnet_owns_exactly_the_weights_of_its_network(supernet):
    for arch in supernet.space.enumerate()[::7]:
        subnet, _, _ = inherited(supernet, arch)
        # A layer's bias stands for the shift once it is deployed; scales are folded into the weights.
        n_scales = sum(parameter.numel() for name, parameter in subnet.named_parameters() if name.endswith("scale"))
        n_own = sum(parameter.numel() for parameter in subnet.parameters())
        assert n_own - n_scales == supernet.space.network(arch).n_parameters


def test_training_an_inherited_subnet_leaves_the_shared_weights_alone(supernet):
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    subnet, _, _ = inherited(supernet, supernet.space.largest)
    with torch.no_grad():
        for parameter in subnet.parameters():
            parameter.zero_()
    assert all(torch.equal(tensor, before[name]) for name, tensor in supernet.state_dict().items())


def test_in_training_mode_it_normalises_with_the_batch(supernet):
    arch, x = supernet.space.largest, rows(supernet.space)
    subnet, graph, _ = inherited(supernet, arch)
    with torch.no_grad():
        torch.testing.assert_close(subnet.train()(x), supernet(x, graph))


def test_running_statistics_move_towards_the_batch_by_the_momentum(supernet):
    arch, x = supernet.space.largest, rows(supernet.space)
    batch = supernet.batch_statistics(x, supernet.space.graph(arch))
    subnet, graph, start = inherited(supernet, arch)
    subnet.momentum = 0.25
    subnet.train()(x)
    for node in graph:
        if node.is_hidden:
            for moved, begin, end in zip(subnet.moments(node.slot), start[node.slot], batch[node.slot], strict=True):
                torch.testing.assert_close(moved, 0.75 * begin + 0.25 * end)


def test_evaluation_leaves_running_statistics_alone(supernet):
    subnet, _, _ = inherited(supernet, supernet.space.smallest)
    before = subnet.state_bytes()
    subnet(rows(supernet.space))
    assert subnet.state_bytes() == before


def test_a_few_steps_of_training_lower_the_loss(supernet):
    subnet = Subnet(supernet.space, supernet.space.largest, seed=1).train()
    x = rows(supernet.space)
    labels = torch.arange(len(x)) % supernet.space.n_classes
    optimiser = torch.optim.SGD(subnet.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(20):
        loss = F.cross_entropy(subnet(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_bytes_bring_back_the_same_network(supernet):
    x = rows(supernet.space)
    for arch in supernet.space.enumerate()[::11]:
        subnet, _, _ = inherited(supernet, arch)
        data = subnet.state_bytes()
        again = Subnet.from_bytes(supernet.space, arch, data)
        assert torch.equal(again(x), subnet(x))
        assert again.state_bytes() == data


def test_the_spelling_of_silent_genes_does_not_matter():
    space = SPACES[1]
    arch = space.largest.copy()
    arch[0] = 0  # depth 1 silences the kernels of blocks 1 and 2 and the residual
    subnet = Subnet(space, arch)
    assert np.array_equal(subnet.arch, space.canonical(arch[None])[0])
    assert Subnet.from_bytes(space, space.canonical(arch[None])[0], subnet.state_bytes()).name == subnet.name


def test_a_subnet_survives_the_way_to_another_process():
    subnet = Subnet(SPACES[1], SPACES[1].largest, seed=3)
    assert pickle.loads(pickle.dumps(subnet)).state_bytes() == subnet.state_bytes()


def test_seeds_give_different_random_weights():
    space = SPACES[1]
    states = {Subnet(space, space.largest, seed=seed).state_bytes() for seed in (0, 0, 1)}
    assert len(states) == 2


DATA = Subnet(SPACES[1], SPACES[1].largest).state_bytes()


@pytest.mark.parametrize("data", [b"", b"abc", DATA[:-1], DATA[:200], DATA[:8], b"\xff" * 64], ids=len)
def test_damaged_bytes_are_refused_in_one_line(data):
    with pytest.raises(ValueError, match=r"'deep-1d k5.5.5c8d3r1' must be whole safetensors data") as caught:
        Subnet.from_bytes(SPACES[1], SPACES[1].largest, data)
    assert "\n" not in str(caught.value)


def test_bytes_of_another_network_are_refused_though_its_weights_would_fit():
    space = SPACES[1]
    without_residual = space.decode("k5.5.5c8d3r0")
    with pytest.raises(ValueError, match=r"'deep-1d k5.5.5c8d3r0', not of 'deep-1d k5.5.5c8d3r1'"):
        Subnet.from_bytes(space, without_residual, DATA)


def test_bytes_with_other_shapes_or_without_a_name_are_refused():
    space = SPACES[1]
    subnet = Subnet(space, space.largest)
    with pytest.raises(ValueError, match="not of 'unknown'"):
        Subnet.from_bytes(space, space.largest, save({"a": torch.zeros(1)}))
    with pytest.raises(ValueError, match="shapes of its layers"):
        Subnet.from_bytes(space, space.largest, save({"a": torch.zeros(1)}, metadata={"network": subnet.name}))


def test_a_momentum_below_zero_is_refused():
    with pytest.raises(ValueError, match=r"momentum must be at least 0, not -0\.1"):
        Subnet(SPACES[1], SPACES[1].largest, momentum=-0.1)
