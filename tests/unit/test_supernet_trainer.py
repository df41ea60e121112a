"""Training shared weights: learns, repeats itself, and goes on after a stop bit for bit."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from models.data import Augmentation, synthetic
from models.spaces import Space, Stage
from models.supernet.supernet import SuperNet
from models.supernet.training_pass import dense, training_scores
from models.training.optim import AdamW, average_into, batches, cosine_with_warm_up, smooth_targets
from models.training.settings import SupernetSettings
from models.training.supernet_trainer import SupernetTrainer

SPACE = Space(
    name="tiny",
    input_shape=(24, 1, 3),
    n_classes=3,
    stages=(
        Stage(kernels=(1, 3), channels=(4, 8)),
        Stage(kernels=(3, 5), channels=(4, 6), depths=(1, 2), residuals=(False, True)),
    ),
)
IMAGES = Space(
    name="images",
    input_shape=(16, 5, 2),
    n_classes=3,
    stages=(Stage(kernels=(1, 3), channels=(4, 8)),),
    padding="valid",
)
SETTINGS = SupernetSettings(epochs=4, batch_size=8, learning_rate=5e-3, log_every=2)
VARIED = Augmentation(mixing=0.1, noise=0.1)


def data(space=SPACE):
    return synthetic(np.random.default_rng(0), input_shape=space.input_shape, n_classes=3, n_per_class=10)


def trainer(*, space=SPACE, settings=SETTINGS, seed=0, augmentation=VARIED, teacher=None):
    splits = data(space)
    return SupernetTrainer(
        space, splits.split("train"), splits.split("val"), settings, seed, augmentation=augmentation, teacher=teacher
    )


def run(one, n_epochs):
    return [one.run_epoch() for _ in range(n_epochs)]


@pytest.mark.parametrize("space", [SPACE, IMAGES])
def test_training_lowers_the_loss(space):
    settings = SupernetSettings(epochs=20, batch_size=30, learning_rate=2e-2, label_smoothing=0.0)
    logs = run(trainer(space=space, settings=settings, augmentation=None), 20)
    assert logs[-1].loss < 0.9 * logs[0].loss
    assert logs[-1].accuracy_inherited_val_largest > 0.5


def test_same_seed_gives_the_same_bytes_and_another_seed_others():
    one, two, other = trainer(), trainer(), trainer(seed=1)
    assert [log.loss for log in run(one, 2)] == [log.loss for log in run(two, 2)]
    run(other, 2)
    assert one.state() == two.state() != other.state()


def test_number_of_threads_of_the_caller_does_not_matter():
    before = torch.get_num_threads()
    one, two = trainer(), trainer()
    run(one, 1)
    torch.set_num_threads(2)
    try:
        run(two, 1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert one.state() == two.state()


@pytest.mark.parametrize("n_before", [0, 1, 3])
def test_restored_trainer_goes_on_bit_for_bit(n_before):
    whole, first, resumed = trainer(), trainer(), trainer()
    run(first, n_before)
    resumed.restore(first.state())
    assert resumed.epoch == n_before
    assert resumed.state() == first.state()
    logs = run(whole, 4)
    rest = run(resumed, 4 - n_before)
    assert [repr(log) for log in rest] == [repr(log) for log in logs[n_before:]]
    assert resumed.state() == whole.state()
    for one, two in zip(resumed.supernet.parameters(), whole.supernet.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_truncated_state_is_refused_and_changes_nothing(share):
    one = trainer()
    run(one, 1)
    state = one.state()
    with pytest.raises(ValueError, match="state of the trainer is damaged"):
        one.restore(state[: int(share * len(state))])
    assert one.state() == state


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"seed": 1}, "seed"),
        ({"settings": SupernetSettings(epochs=5)}, "settings"),
        ({"space": IMAGES}, "space"),
        ({"augmentation": None}, "augmentation"),
    ],
)
def test_state_of_another_training_is_refused(changes, key):
    with pytest.raises(ValueError, match=f"state of the trainer must be of {key} "):
        trainer(**changes).restore(trainer().state())


def test_epochs_beyond_the_last_are_refused():
    one = trainer()
    run(one, 4)
    with pytest.raises(ValueError, match="all 4 epochs are done"):
        one.run_epoch()


def test_training_that_diverges_is_told_and_not_counted():
    one = trainer(settings=replace(SETTINGS, learning_rate=1e30))
    with pytest.raises(ValueError, match=r"learning_rate must be lower than 1e\+30: .* diverged in epoch 1, .* nan"):
        one.run_epoch()
    assert one.epoch == 0


def test_log_holds_validation_every_few_epochs_and_at_the_end():
    settings = SupernetSettings(epochs=5, batch_size=8, log_every=2)
    logs = run(trainer(settings=settings), 5)
    assert [log.epoch for log in logs] == [1, 2, 3, 4, 5]
    assert [not math.isnan(log.accuracy_inherited_val_largest) for log in logs] == [False, True, False, True, True]
    assert logs[-1].learning_rate == 0


def test_weights_handed_out_are_averaged_and_need_no_gradient():
    one = trainer(settings=SupernetSettings(epochs=2, batch_size=8, averaging=0.9))
    before = [weight.clone() for weight in one.supernet.parameters()]
    run(one, 1)
    assert not any(weight.requires_grad for weight in one.supernet.parameters())
    assert not all(torch.equal(*pair) for pair in zip(before, one.supernet.parameters(), strict=True))


def test_every_shared_weight_is_trained():
    one = trainer()
    before = {name: weight.clone() for name, weight in one.supernet.named_parameters()}
    run(one, 1)
    for name, weight in one.supernet.named_parameters():
        assert (weight != before[name]).all(), name


def test_samples_of_another_shape_are_refused():
    splits = data(IMAGES)
    with pytest.raises(ValueError, match=r"samples of train must have shape \(3, 24\) for space 'tiny'"):
        SupernetTrainer(SPACE, splits.split("train"), splits.split("val"), SETTINGS, 0)


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("epochs", 0, "whole number of at least 1, not 0"),
        ("learning_rate", 0.0, "above 0, not 0"),
        ("label_smoothing", 1.0, "below 1, not 1"),
        ("averaging", -0.1, "at least 0, not -0.1"),
        ("n_random", -1, "at least 0, not -1"),
        ("draw", "by sise", "one of by gene, by size, not 'by sise'; did you mean 'by size'"),
    ],
)
def test_settings_outside_their_range_are_refused(field, value, rule):
    with pytest.raises(ValueError, match=f"{field} must be .*{rule}"):
        SupernetSettings(**{field: value})


@pytest.mark.parametrize("space", [SPACE, IMAGES])
def test_training_scores_are_those_of_the_shared_network(space):
    supernet = SuperNet(space, 0)
    inputs = data(space).split("train").inputs
    for arch in (space.largest, space.smallest, *space.sample(np.random.default_rng(1), 3)):
        graph = space.graph(arch)
        fast = training_scores(supernet.layers, graph, dense(inputs))
        np.testing.assert_allclose(
            fast.detach(), supernet(torch.from_numpy(inputs), graph).detach(), rtol=1e-4, atol=1e-5
        )


def test_batches_visit_every_sample_once_and_leave_the_rest_for_later():
    generator = torch.Generator().manual_seed(0)
    found = list(batches(23, 5, generator))
    assert [len(batch) for batch in found] == [5, 5, 5, 5]
    assert len(set(torch.cat(found).tolist())) == 20
    assert [len(batch) for batch in batches(3, 5, generator)] == [3]


def test_learning_rate_rises_then_falls_to_nothing():
    assert cosine_with_warm_up(0.05, 0.1) == pytest.approx(0.5)
    assert cosine_with_warm_up(0.1, 0.1) == 1
    assert cosine_with_warm_up(0.55, 0.1) == pytest.approx(0.5)
    assert cosine_with_warm_up(1.0, 0.1) == 0
    assert cosine_with_warm_up(0.0, 0.0) == 1


def test_smooth_targets_are_probabilities_with_the_label_largest():
    # 4 classes, smoothing 0.2: 0.8 + 0.05 on the label, 0.05 elsewhere
    targets = smooth_targets(torch.tensor([2]), 4, 0.2)
    np.testing.assert_allclose(targets, [[0.05, 0.05, 0.85, 0.05]], rtol=1e-6)


def test_average_starts_at_the_first_weights_and_follows():
    # step 1: decay min(0.5, 1 / 11), so 10 / 11 of the new value 11; then decay 2 / 12: 10 / 6 + 0
    averaged = [torch.zeros(1)]
    average_into(averaged, [torch.tensor([11.0])], decay=0.5, n_steps=1)
    assert averaged[0].item() == pytest.approx(10)
    average_into(averaged, [torch.zeros(1)], decay=0.5, n_steps=2)
    assert averaged[0].item() == pytest.approx(10 / 6)
    average_into(averaged, [torch.zeros(1)], decay=0.0, n_steps=1000)
    assert averaged[0].item() == 0


@pytest.mark.parametrize(("draw", "method"), [("by gene", "sample"), ("by size", "sample_all_sizes")])
def test_random_networks_are_drawn_as_settings_say(draw, method, monkeypatch):
    drawn = []
    original = getattr(Space, method)
    monkeypatch.setattr(Space, method, lambda *arguments: drawn.append(arguments[-1]) or original(*arguments))
    one = trainer(settings=SupernetSettings(epochs=1, batch_size=30, log_every=1000, n_random=3, draw=draw))
    run(one, 1)
    assert 3 in drawn


def test_in_place_teacher_is_the_largest_network():
    settings = SupernetSettings(epochs=1, batch_size=30, n_random=0, learning_rate=1e-9)
    log = run(trainer(settings=settings, augmentation=None), 1)[0]
    inputs = torch.from_numpy(data().split("train").inputs)
    supernet = SuperNet(SPACE, 0)
    teacher = F.softmax(supernet(inputs, SPACE.graph(SPACE.largest)), dim=1)
    expected = F.cross_entropy(supernet(inputs, SPACE.graph(SPACE.smallest)), teacher)
    assert log.loss_smallest == pytest.approx(expected.item(), rel=1e-4)


def test_an_external_teacher_is_mixed_with_the_labels_for_the_largest_network():
    settings = SupernetSettings(epochs=1, batch_size=30, learning_rate=1e-9, label_smoothing=0.0, distillation=0.25)
    teacher = np.tile(np.array([0.5, 0.5, 0.0], dtype=np.float32), (30, 1))
    log = run(trainer(settings=settings, augmentation=None, teacher=teacher), 1)[0]
    split = data().split("train")
    targets = 0.75 * F.one_hot(torch.from_numpy(split.labels), 3) + 0.25 * torch.from_numpy(teacher)
    scores = SuperNet(SPACE, 0)(torch.from_numpy(split.take(slice(None))), SPACE.graph(SPACE.largest))
    assert log.loss == pytest.approx(F.cross_entropy(scores, targets).item(), rel=1e-4)


def test_answers_of_a_teacher_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"teacher must have shape \(30, 3\), not \(30, 2\)"):
        trainer(teacher=np.zeros((30, 2), dtype=np.float32))


def test_first_step_of_adam_is_the_learning_rate_against_the_sign_of_the_gradient():
    # bias-corrected mean / root of square is the sign; decay takes 0.1 x 0.5 of each weight first
    weight = torch.tensor([2.0, -4.0], requires_grad=True)
    optimiser = AdamW([weight], weight_decay=0.5)
    (weight * torch.tensor([3.0, -0.01])).sum().backward()
    optimiser.step(0.1)
    np.testing.assert_allclose(weight.detach(), [2 * 0.95 - 0.1, -4 * 0.95 + 0.1], rtol=1e-5)
    optimiser.clear()
    assert weight.grad is None


@pytest.mark.slow
def test_adam_steps_as_torch_does():
    ours, theirs = (torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).requires_grad_() for _ in range(2))
    one, two = AdamW([ours], weight_decay=0.1), torch.optim.AdamW([theirs], lr=0.02, weight_decay=0.1)
    for _ in range(20):
        for weight in (ours, theirs):
            weight.grad = None
            (weight.sin() ** 2).sum().backward()
        one.step(0.02)
        two.step()
    np.testing.assert_allclose(ours.detach(), theirs.detach(), rtol=1e-5, atol=1e-6)
