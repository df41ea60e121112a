"""Fine-tuning one network: better than inherited, the same in every process, and never by looking at validation."""

from __future__ import annotations

import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from models.accuracy import correct
from models.data import synthetic
from models.finetune import FinetuneJob, FinetuneSettings, run_job, soft_labels
from models.learning import Augmentation
from models.spaces import Space, Stage
from models.subnet import Subnet
from models.supernet import SuperNet

SPACE = Space(
    name="tiny",
    input_shape=(24, 1, 3),
    n_classes=3,
    stages=(Stage(kernels=(3, 5), channels=(4, 8)), Stage(kernels=(3,), channels=(4, 6), residuals=(False,))),
)
SETTINGS = FinetuneSettings(epochs=3, batch_size=8, augmentation=Augmentation(mixing=0.1, noise=0.1))


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
        teacher=soft_labels(supernet, SPACE.largest, statistics, train.inputs),
        settings=SETTINGS,
        seed=0,
    )


def network(job, result):
    return Subnet.from_bytes(job.space, job.arch, result.weights)


def test_fine_tuning_learns(job):
    settings = FinetuneSettings(epochs=30, batch_size=8, learning_rate=1e-2, distillation=0.0, label_smoothing=0.0)
    result = run_job(replace(job, settings=settings))
    before = Subnet.from_bytes(SPACE, job.arch, job.start)
    assert result.losses.shape == (30,)
    assert result.losses[-1] < 0.8 * result.losses[0]
    assert correct(network(job, result), job.train).mean() > correct(before, job.train).mean() + 0.2


def test_result_is_measured_on_the_weights_it_carries(job):
    result = run_job(job)
    assert result.accuracy_finetuned_val == correct(network(job, result), job.val).mean()


def test_same_job_gives_the_same_bytes_and_another_seed_others(job):
    one, two = run_job(job), run_job(job)
    assert one.weights == two.weights != run_job(replace(job, seed=1)).weights
    np.testing.assert_array_equal(one.losses, two.losses)


@pytest.mark.slow
def test_job_gives_the_same_bytes_in_another_process(job):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(run_job, job).result().weights == run_job(job).weights


def test_job_and_result_survive_pickling(job):
    result = run_job(pickle.loads(pickle.dumps(job)))
    assert pickle.loads(pickle.dumps(result)).weights == run_job(job).weights


def test_validation_decides_nothing(job, data):
    assert run_job(replace(job, val=data.split("test"))).weights == run_job(job).weights


def test_teacher_is_listened_to_as_far_as_asked(job):
    swapped = replace(job, teacher=np.roll(job.teacher, 1, axis=1))
    deaf = FinetuneSettings(epochs=1, batch_size=8, distillation=0.0)
    obedient = FinetuneSettings(epochs=1, batch_size=8, distillation=1.0)
    assert run_job(replace(job, settings=deaf)).weights == run_job(replace(swapped, settings=deaf)).weights
    assert run_job(replace(job, settings=obedient)).weights != run_job(replace(swapped, settings=obedient)).weights


def test_running_statistics_are_those_of_the_training_split(job):
    subnet = network(job, run_job(job))
    layer = subnet.layers["s0_b0_conv"]
    raw = F.conv1d(torch.from_numpy(job.train.inputs), layer.weight, padding=1).detach()
    mean, variance = subnet.moments("s0.b0.conv")
    np.testing.assert_allclose(mean, raw.mean(dim=(0, 2)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(variance, raw.var(dim=(0, 2), correction=0), rtol=1e-4)


def test_soft_labels_are_the_probabilities_of_the_teacher(job):
    np.testing.assert_allclose(job.teacher.sum(axis=1), 1, rtol=1e-5)
    assert job.teacher.dtype == np.float32


def test_no_thread_setting_is_left_behind(job):
    before = torch.get_num_threads()
    run_job(job)
    assert torch.get_num_threads() == before


def test_teacher_of_other_samples_is_refused(job):
    with pytest.raises(ValueError, match=r"teacher must have shape \(30, 3\), not \(29, 3\)"):
        replace(job, teacher=job.teacher[1:])


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
    ],
)
def test_settings_outside_their_range_are_refused(field, value, rule):
    with pytest.raises(ValueError, match=f"{field} must be .*{rule}"):
        FinetuneSettings(**{field: value})
