"""Networks trained with weights of their own: they learn, the same in every process, and validation only chooses."""

from __future__ import annotations

import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import models.training.finetune
from models.data import Augmentation, Split, synthetic
from models.evaluation.accuracy import correct
from models.spaces import Space, Stage
from models.supernet.subnet import Subnet
from models.supernet.supernet import SuperNet
from models.training.finetune import FinetuneJob, run_job, soft_labels
from models.training.settings import FinetuneSettings, StandaloneSettings

SPACE = Space(
    name="tiny",
    input_shape=(24, 1, 3),
    n_classes=3,
    stages=(Stage(kernels=(3, 5), channels=(4, 8)), Stage(kernels=(3,), channels=(4, 6), residuals=(False,))),
)
SETTINGS = FinetuneSettings(epochs=3, batch_size=8, validate_every=0)


@pytest.fixture(scope="module")
def data():
    return synthetic(np.random.default_rng(0), input_shape=(24, 1, 3), n_classes=3, n_per_class=10)


@pytest.fixture(scope="module")
def job(data):
    supernet, train = SuperNet(SPACE, 0), data.split("train")
    inputs = torch.from_numpy(train.inputs)
    arch = SPACE.decode("k3c8-k3c6")
    start = Subnet.inherit(supernet, arch, supernet.batch_statistics(inputs, SPACE.graph(arch)))
    statistics = supernet.batch_statistics(inputs, SPACE.graph(SPACE.largest))
    return FinetuneJob(
        space=SPACE,
        arch=arch,
        start=start.state_bytes(),
        train=train,
        val=data.split("val"),
        augmentation=Augmentation(mixing=0.1, noise=0.1),
        teacher=soft_labels(supernet, SPACE.largest, statistics, train),
        settings=SETTINGS,
        seed=0,
    )


@pytest.fixture(scope="module")
def alone(job):
    settings = StandaloneSettings(epochs=30, batch_size=8, learning_rate=1e-2, label_smoothing=0.0)
    return replace(job, start=None, teacher=None, augmentation=Augmentation(), settings=settings)


def network(job, result):
    return Subnet.from_bytes(job.space, job.arch, result.weights)


def test_fine_tuning_learns(job):
    settings = replace(SETTINGS, epochs=30, learning_rate=1e-2, distillation=0.0, label_smoothing=0.0)
    result = run_job(replace(job, settings=settings))
    before = Subnet.from_bytes(SPACE, job.arch, job.start)
    assert result.losses.shape == (30,)
    assert result.losses[-1] < 0.8 * result.losses[0]
    assert correct(network(job, result), job.train).mean() > correct(before, job.train).mean() + 0.2


def test_training_that_diverges_is_told(job):
    settings = replace(job.settings, learning_rate=1e30)
    with pytest.raises(ValueError, match=r"learning_rate must be lower than 1e\+30: .* diverged in epoch \d+, .* nan"):
        run_job(replace(job, settings=settings))


def test_training_alone_learns_from_random_weights(alone):
    result = run_job(alone)
    before = Subnet(SPACE, alone.arch, seed=alone.seed).eval()
    assert correct(network(alone, result), alone.train).mean() > correct(before, alone.train).mean() + 0.2


def test_random_weights_are_those_of_the_seed(alone):
    # a learning rate of 1e-12 moves no weight by more than a few 1e-12
    still = replace(alone, settings=StandaloneSettings(epochs=1, batch_size=8, learning_rate=1e-12), seed=3)
    own, drawn = network(still, run_job(still)), Subnet(SPACE, alone.arch, seed=3)
    for weight, expected in zip(own.parameters(), drawn.parameters(), strict=True):
        torch.testing.assert_close(weight, expected, rtol=0, atol=1e-6)


def test_result_is_measured_on_the_weights_it_carries(job):
    result = run_job(job)
    np.testing.assert_array_equal(result.right_val, correct(network(job, result), job.val))
    assert result.accuracy_val == result.right_val.mean()


def test_same_job_gives_the_same_bytes_and_another_seed_others(job, alone):
    short = replace(alone, settings=replace(alone.settings, epochs=2))
    for one in (job, short):
        first, second = run_job(one), run_job(one)
        assert first.weights == second.weights != run_job(replace(one, seed=1)).weights
        np.testing.assert_array_equal(first.losses, second.losses)


@pytest.mark.slow
def test_job_gives_the_same_bytes_in_another_process(job):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(run_job, job).result().weights == run_job(job).weights


def test_job_and_result_survive_pickling(job):
    result = run_job(pickle.loads(pickle.dumps(job)))
    assert pickle.loads(pickle.dumps(result)).weights == run_job(job).weights


def test_last_epoch_is_kept_where_validation_is_not_asked_for(job, data):
    result = run_job(job)
    assert result.epoch == 3
    assert run_job(replace(job, val=data.split("test"))).weights == result.weights
    np.testing.assert_array_equal(np.isnan(result.accuracies_val), [True, True, False])


def test_validations_are_as_often_as_asked_and_at_the_end():
    settings = FinetuneSettings(epochs=7, validate_every=3)
    assert [epoch for epoch in range(1, 8) if settings.is_validated(epoch)] == [3, 6, 7]
    assert [epoch for epoch in range(1, 8) if replace(settings, validate_every=0).is_validated(epoch)] == [7]


@pytest.mark.parametrize(
    ("found", "kept"), [([0.5, 0.7, 0.6, 0.2], 2), ([0.5, 0.7, 0.7, 0.2], 3), ([0.1, 0.1, 0.1, 0.1], 4)]
)
def test_best_epoch_is_kept_and_the_latest_of_equals(job, monkeypatch, found, kept):
    answers = iter(found)
    monkeypatch.setattr(models.training.finetune._Training, "validate", lambda training: next(answers))
    result = run_job(replace(job, settings=replace(SETTINGS, epochs=4, validate_every=1)))
    np.testing.assert_array_equal(result.accuracies_val, found)
    assert result.epoch == kept
    # the weights are those of that epoch, not of the last
    answers = iter([1.0 if epoch == kept else 0.0 for epoch in range(1, 5)])
    again = run_job(replace(job, settings=replace(SETTINGS, epochs=4, validate_every=1)))
    assert again.weights == result.weights


def test_validating_does_not_disturb_training(job):
    often = run_job(replace(job, settings=replace(SETTINGS, validate_every=1)))
    np.testing.assert_array_equal(often.losses, run_job(job).losses)


def test_kept_epoch_has_the_best_of_the_accuracies_found(job):
    result = run_job(replace(job, settings=replace(SETTINGS, epochs=8, learning_rate=0.05, validate_every=1)))
    assert result.accuracies_val[result.epoch - 1] == np.max(result.accuracies_val) == result.accuracy_val


def test_bytes_train_as_their_normalised_values_do(job):
    raw = np.random.default_rng(0).integers(0, 256, size=job.train.inputs.shape, dtype=np.uint8)
    mean, spread = np.full(3, 128, dtype=np.float32), np.full(3, 64, dtype=np.float32)
    labels, groups = job.train.labels, job.train.groups
    as_bytes = Split(inputs=raw, labels=labels, groups=groups, mean=mean, spread=spread)
    as_floats = Split(inputs=as_bytes.take(slice(None)), labels=labels, groups=groups)
    assert run_job(replace(job, train=as_bytes)).weights == run_job(replace(job, train=as_floats)).weights


def test_teacher_is_listened_to_as_far_as_asked(job):
    swapped = replace(job, teacher=np.roll(job.teacher, 1, axis=1))
    deaf, obedient = (replace(SETTINGS, epochs=1, distillation=share) for share in (0.0, 1.0))
    assert run_job(replace(job, settings=deaf)).weights == run_job(replace(swapped, settings=deaf)).weights
    assert run_job(replace(job, teacher=None, settings=deaf)).weights == run_job(replace(job, settings=deaf)).weights
    assert run_job(replace(job, settings=obedient)).weights != run_job(replace(swapped, settings=obedient)).weights


def test_augmentation_of_the_job_is_what_varies_samples(job):
    assert run_job(replace(job, augmentation=Augmentation())).weights != run_job(job).weights


def first_maps(job, subnet):
    """The first layer's maps before normalisation, `(n, out_ch, time)`."""
    return F.conv1d(torch.from_numpy(job.train.inputs), subnet.layers["s0_b0_conv"].weight, padding=1).detach()


@pytest.mark.parametrize(("budget_bytes", "n_passes"), [(100_000_000, 1), (8000, 3)])
def test_running_statistics_are_those_of_the_training_split(job, monkeypatch, budget_bytes, n_passes):
    # 30 samples of 8 x 24 values of 4 bytes are 23,040 bytes: 3 passes of every third sample within 8,000 bytes
    monkeypatch.setattr(models.training.finetune, "_MAP_BUDGET_BYTES", budget_bytes)
    subnet = network(job, run_job(job))
    passes = [first_maps(job, subnet)[number::n_passes] for number in range(n_passes)]
    mean, variance = subnet.moments("s0.b0.conv")
    np.testing.assert_allclose(mean, np.mean([x.mean(dim=(0, 2)) for x in passes], axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(variance, np.mean([x.var(dim=(0, 2), correction=0) for x in passes], axis=0), rtol=1e-4)


def test_soft_labels_are_the_probabilities_of_the_teacher(job):
    np.testing.assert_allclose(job.teacher.sum(axis=1), 1, rtol=1e-5)
    assert job.teacher.dtype == np.float32


def test_soft_labels_do_not_depend_on_how_many_are_asked_at_a_time(job, monkeypatch):
    supernet = SuperNet(SPACE, 0)
    statistics = supernet.batch_statistics(torch.from_numpy(job.train.inputs), SPACE.graph(SPACE.largest))
    asked, whole = [], Split.take
    monkeypatch.setattr(models.training.finetune, "_TEACHER_BATCH", 7)
    monkeypatch.setattr(Split, "take", lambda split, index: asked.append(index) or whole(split, index))
    np.testing.assert_allclose(soft_labels(supernet, SPACE.largest, statistics, job.train), job.teacher, rtol=1e-4)
    assert asked == [slice(start, start + 7) for start in (0, 7, 14, 21, 28)]


def test_no_thread_setting_is_left_behind(job):
    before = torch.get_num_threads()
    run_job(job)
    assert torch.get_num_threads() == before


def test_teacher_of_other_samples_is_refused(job):
    with pytest.raises(ValueError, match=r"teacher must have shape \(30, 3\), not \(29, 3\)"):
        replace(job, teacher=job.teacher[1:])


def test_distillation_without_a_teacher_is_refused(job):
    with pytest.raises(ValueError, match=r"distillation must be 0 without a teacher, not 0\.5"):
        replace(job, teacher=None)


def test_weights_of_another_network_are_refused(job):
    with pytest.raises(ValueError, match="weights must be of network"):
        run_job(replace(job, arch=SPACE.smallest))


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("epochs", 1.5, "whole number"),
        ("learning_rate", -1.0, "above 0"),
        ("distillation", 1.5, "at most 1"),
        ("warm_up", 1.0, "below 1"),
        ("validate_every", -1, "whole number of at least 0"),
    ],
)
def test_settings_outside_their_range_are_refused(field, value, rule):
    with pytest.raises(ValueError, match=f"{field} must be .*{rule}"):
        FinetuneSettings(**{field: value})
