from dataclasses import replace

import numpy as np
import pytest
import torch

from models.evaluation import shared_weights as evaluate
from models.evaluation.shared_weights import SharedEvaluator
from models.spaces import Space, Stage, preset
from models.supernet import elastic
from models.supernet.subnet import Subnet
from models.supernet.supernet import SuperNet
from models.threads import threads
from tests.oracles import network_by_network

DEEP = Stage(kernels=(3, 5), channels=(4, 8), depths=(1, 2, 3), residuals=(False, True))


INVERTED = Stage(
    kernels=(1, 3), channels=(4, 6), depths=(1, 2, 3), residuals=(False, True), strides=(2,), expansions=(1, 3),
    blocks=("inverted",), one_kernel=True,
)  # fmt: skip
MIXED = Stage(kernels=(3, 5), channels=(4, 8), depths=(1, 2), strides=(2, 1), blocks=("bottleneck", "conv"))


SPACES = {
    "valid-1d": Space(
        name="valid-1d",
        input_shape=(40, 1, 6),
        n_classes=7,
        padding="valid",
        stages=(Stage(kernels=(1, 3, 5, 7), channels=(4, 8, 16, 24)),) * 3,
    ),
    "deep-1d": Space(
        name="deep-1d",
        input_shape=(16, 1, 3),
        n_classes=4,
        stages=(DEEP, Stage(kernels=(1, 3), channels=(2, 6), strides=(2,))),
    ),
    "inverted-1d": Space(
        name="inverted-1d",
        input_shape=(12, 1, 3),
        n_classes=3,
        stages=(INVERTED,),
        widths_percent=(50, 100),
        heights=(6, 12),
    ),
    "inverted-2d": Space(
        name="inverted-2d",
        input_shape=(8, 6, 3),
        n_classes=3,
        stages=(INVERTED, replace(INVERTED, strides=(1,))),
        widths_percent=(50, 100),
        heights=(6, 8),
    ),
    "mixed-2d": Space(name="mixed-2d", input_shape=(8, 6, 2), n_classes=3, stages=(DEEP, MIXED, MIXED)),
    "dense-1d": Space(
        name="dense-1d",
        input_shape=(9, 1, 2),
        n_classes=3,
        stages=(Stage(kernels=(1,), channels=(4, 7), blocks=("dense",)),) * 2,
    ),
    "deep-2d": Space(name="deep-2d", input_shape=(8, 6, 2), n_classes=3, stages=(DEEP,)),
    "valid-2d": Space(
        name="valid-2d",
        input_shape=(9, 8, 1),
        n_classes=3,
        padding="valid",
        stages=(Stage(kernels=(1, 3, 4), channels=(3, 5)), Stage(kernels=(2, 5), channels=(2, 4))),
    ),
}


def random_supernet(space: Space) -> SuperNet:
    """Scales, shifts and biases are random too, of both signs, as after training."""
    supernet = SuperNet(space, seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in supernet.parameters():
            if parameter.dim() == 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
        supernet.layers["head"].bias.mul_(0.1)
    return supernet


def random_rows(space: Space, n: int, seed: int) -> torch.Tensor:
    height, width, channels = space.input_shape
    size = (height,) if space.n_dims == 1 else (height, width)
    return torch.randn(n, channels, *size, generator=torch.Generator().manual_seed(seed)) * 2 + 0.5


def labels_of(supernet: SuperNet, n: int) -> torch.Tensor:
    """What a network in the middle of the space says, so that networks differ in how often they agree."""
    space = supernet.space
    return network_by_network.scores(
        supernet, space.largest // 2, random_rows(space, 20, 2), random_rows(space, n, 3)
    ).argmax(1)


def evaluator_of(supernet: SuperNet, n_calibration: int = 20, n: int = 50) -> SharedEvaluator:
    space = supernet.space
    return SharedEvaluator(
        supernet, random_rows(space, n_calibration, 2), random_rows(space, n, 3), labels_of(supernet, n)
    )


def archs_of(space: Space, n: int = 40) -> np.ndarray:
    return space.enumerate() if space.size <= 100 else space.sample(np.random.default_rng(5), n)


@pytest.fixture(params=SPACES, scope="module")
def supernet(request):
    return random_supernet(SPACES[request.param])


def test_accuracies_equal_those_of_the_networks_one_by_one(supernet):
    space = supernet.space
    archs = archs_of(space)
    slow = network_by_network.accuracies(
        supernet, archs, random_rows(space, 20, 2), random_rows(space, 50, 3), labels_of(supernet, 50)
    )
    fast = evaluator_of(supernet).evaluate(archs)
    assert fast.dtype == np.float64
    assert np.array_equal(fast, slow)
    assert len(set(fast)) > 1  # the comparison has something to distinguish


def test_scores_equal_those_of_the_networks_one_by_one(supernet):
    space = supernet.space
    evaluator = evaluator_of(supernet)
    for arch in archs_of(space, 12)[:12]:
        slow = network_by_network.scores(supernet, arch, random_rows(space, 20, 2), random_rows(space, 50, 3))
        # float32: a depthwise channel of little variance over 20 rows makes rounding larger
        torch.testing.assert_close(evaluator.scores(arch), slow, rtol=1e-4, atol=1e-4)


def test_a_subnet_inherited_with_the_statistics_gives_the_same_scores(supernet):
    space = supernet.space
    evaluator = evaluator_of(supernet)
    for arch in archs_of(space, 6)[:6]:
        subnet = Subnet.inherit(supernet, arch, evaluator.statistics(arch))
        with torch.no_grad():
            scores = subnet(random_rows(space, 50, 3))
        torch.testing.assert_close(scores, evaluator.scores(arch), rtol=1e-5, atol=1e-5)


def test_a_network_scores_the_same_bits_alone_in_any_set_and_in_any_order(supernet):
    archs = archs_of(supernet.space, 24)[:24]
    evaluator = evaluator_of(supernet)
    together = evaluator.evaluate(archs)
    order = np.random.default_rng(6).permutation(len(archs))
    assert np.array_equal(evaluator.evaluate(archs[order]), together[order])
    assert np.array_equal(evaluator.evaluate(archs[:5]), together[:5])
    alone = [evaluator.evaluate(arch[None])[0] for arch in archs]
    assert np.array_equal(alone, together)
    assert np.array_equal(evaluator.evaluate(np.vstack([archs, archs])), np.hstack([together, together]))


def test_scores_inside_a_large_set_are_those_of_the_network_alone_bit_for_bit(supernet, monkeypatch):
    archs = supernet.space.canonical(archs_of(supernet.space, 24)[:24])
    evaluator = evaluator_of(supernet)
    alone = {evaluator.scores(arch).numpy().tobytes() for arch in archs}
    walk, together = SharedEvaluator._walk, set()

    def recording(self, *args):
        for scores in walk(self, *args):
            together.add(scores.numpy().tobytes())
            yield scores

    monkeypatch.setattr(SharedEvaluator, "_walk", recording)
    evaluator.evaluate(archs)
    assert together == alone


def test_blocks_and_chunks_change_no_accuracy(supernet, monkeypatch):
    archs = archs_of(supernet.space)
    whole = evaluator_of(supernet).evaluate(archs)
    monkeypatch.setattr(evaluate, "MAP_BUDGET_BYTES", 25 * evaluator_of(supernet)._bytes_per_row())
    monkeypatch.setattr(evaluate, "CHUNK_NETWORKS", 7)
    blocked = evaluator_of(supernet)
    assert [len(rows) for rows, _ in blocked._blocks] == [20 + 5, 25, 20]
    assert np.array_equal(blocked.evaluate(archs), whole)
    assert torch.equal(blocked.scores(archs[0]).argmax(1), evaluator_of(supernet).scores(archs[0]).argmax(1))


def test_silent_genes_do_not_matter():
    space = SPACES["deep-2d"]
    supernet = random_supernet(space)
    raw = np.random.default_rng(7).integers(0, space.n_options, size=(20, len(space.genes)))
    evaluator = evaluator_of(supernet)
    assert np.array_equal(evaluator.evaluate(raw), evaluator.evaluate(space.canonical(raw)))


def test_all_4096_networks_of_conv1d_3_need_1092_convolutions():
    space = preset("conv1d-3")
    evaluator = evaluator_of(random_supernet(space), n_calibration=2, n=2)
    accuracies = evaluator.evaluate(space.enumerate())
    assert evaluator.n_convolutions == 4 + 64 + 1024  # 4 kernels, times 4 widths x 4 kernels, twice
    assert accuracies.shape == (4096,)


def test_networks_of_unlike_depth_share_their_first_blocks():
    space = SPACES["deep-2d"]
    evaluator = evaluator_of(random_supernet(space))
    evaluator.evaluate(space.enumerate())
    # first block 2 kernels, for pooling and for going on; second 2 x 2 widths x 2 kernels, likewise;
    # third 16, pooled as they are, and 16 more behind an addition. One by one 4 x 1 + 16 x 2 + 32 x 3 = 132.
    assert evaluator.n_convolutions == 2 + 2 + 8 + 8 + 16 + 16


def test_training_the_shared_weights_further_does_not_reach_an_evaluator():
    supernet = random_supernet(SPACES["deep-1d"])
    evaluator, arch = evaluator_of(supernet), supernet.space.largest
    before = evaluator.scores(arch)
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter.mul_(2)
    assert torch.equal(evaluator.scores(arch), before)


@pytest.mark.parametrize(
    "answer",
    [
        lambda evaluator, arch: evaluator.evaluate(arch[None]),
        SharedEvaluator.scores,
        SharedEvaluator.statistics,
    ],
    ids=["evaluate", "scores", "statistics"],
)
def test_every_answer_is_computed_on_the_threads_of_the_evaluator_whatever_torch_uses_outside(answer, monkeypatch):
    used = []

    def convolve(*arguments):
        used.append(torch.get_num_threads())
        return elastic.convolve(*arguments)

    supernet = random_supernet(SPACES["deep-1d"])
    evaluator = evaluator_of(supernet)
    monkeypatch.setattr(evaluate, "convolve", convolve)
    with threads(2):
        answer(evaluator, supernet.space.largest)
    assert set(used) == {1}


@pytest.mark.parametrize(
    ("field", "calibration", "inputs", "labels"),
    [
        ("calibration_inputs must have shape \\(n, 3, 16\\).*\\(0, 3, 16\\)", (0, 3, 16), (5, 3, 16), 5),
        ("inputs must have shape \\(n, 3, 16\\).*\\(5, 3, 17\\)", (4, 3, 16), (5, 3, 17), 5),
        ("labels must have shape \\(5,\\).*\\(6,\\)", (4, 3, 16), (5, 3, 16), 6),
    ],
)
def test_inputs_that_do_not_fit_are_refused(field, calibration, inputs, labels):
    supernet = random_supernet(SPACES["deep-1d"])
    with pytest.raises(ValueError, match=field):
        SharedEvaluator(supernet, np.zeros(calibration), np.zeros(inputs), np.zeros(labels, dtype=np.int64))
