"""Networks trained alone: each once, kept one by one, and independent of the shared weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import experiments.pipeline.training
from experiments.config.sections import DataSection
from experiments.parallel.progress import Reporter
from experiments.pipeline.samples import data_of
from experiments.pipeline.standalone import Standalone
from experiments.pipeline.training import Training, is_trained, read_trained, train_all
from experiments.storage.cache import Store
from models.evaluation.accuracy import correct
from models.spaces import Space, Stage
from models.supernet.subnet import Subnet
from models.training.settings import StandaloneSettings

SPACE = Space(
    name="tiny",
    input_shape=(128, 1, 6),
    n_classes=7,
    stages=(Stage(kernels=(1, 3), channels=(4, 8), strides=(2,)), Stage(kernels=(3,), channels=(4, 8), strides=(2,))),
)
ARCHS = np.array([SPACE.smallest, SPACE.largest])
FOLDS = tuple(DataSection(name="synthetic", fold=fold) for fold in (0, 1))
WORK = Standalone(
    data=FOLDS, space=SPACE, archs=ARCHS, seeds=(0, 1), settings=StandaloneSettings(epochs=2, batch_size=28)
)


@pytest.fixture
def store(tmp_path):
    return Store(root=tmp_path)


def train(work, store, log=None):
    entries = [] if log is None else log
    return work.train(store, 1, Reporter(quiet=True), entries.append)


def test_right_windows_are_those_of_the_kept_weights(store):
    right = train(WORK, store)
    assert [part.shape for part in right] == [(2, 2, 84), (2, 2, 84)]
    for part, data in zip(right, FOLDS, strict=True):
        for row, arch in enumerate(ARCHS):
            for column, seed in enumerate(WORK.seeds):
                weights = read_trained(WORK.folder(store, data, arch, seed)).weights
                own = correct(Subnet.from_bytes(SPACE, arch, weights), data_of(data).split("val"))
                np.testing.assert_array_equal(part[row, column], own)


def test_nothing_is_trained_twice_and_only_what_is_missing_at_all(store):
    log = []
    first = train(WORK, store, log)
    assert len(log) == 8
    (WORK.folder(store, FOLDS[1], ARCHS[0], 1).path / "done.json").unlink()
    (WORK.folder(store, FOLDS[0], ARCHS[1], 0).path / "weights.safetensors").write_bytes(b"damaged")
    del log[:]
    again = train(WORK, store, log)
    assert [(entry["fold"], entry["network"], entry["seed"]) for entry in log] == [
        (0, SPACE.encode(ARCHS[1]), 0),
        (1, SPACE.encode(ARCHS[0]), 1),
    ]
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    # more networks and seeds find the trainings that are there
    del log[:]
    train(replace(WORK, archs=ARCHS[::-1], seeds=(1, 0, 2)), store, log)
    assert len(log) == 4


def test_training_that_fails_loses_only_itself(store, monkeypatch):
    calls, whole = [], experiments.pipeline.training.run_job

    def failing(job):
        calls.append(job)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(job)

    monkeypatch.setattr(experiments.pipeline.training, "run_job", failing)
    with pytest.raises(KeyboardInterrupt):
        train(WORK, store)
    train(WORK, store)
    assert len(calls) == 3 + 6


def test_only_training_and_validation_split_are_opened(store):
    train(WORK, store)
    assert set(data_of(FOLDS[1]).opened) == {"train", "val"}


def test_stage_depends_on_data_network_settings_and_seed_and_on_nothing_else(store):
    folder = WORK.folder(store, FOLDS[0], ARCHS[0], 0)
    others = [
        WORK.folder(store, FOLDS[1], ARCHS[0], 0),
        WORK.folder(store, FOLDS[0], ARCHS[1], 0),
        WORK.folder(store, FOLDS[0], ARCHS[0], 1),
        replace(WORK, settings=replace(WORK.settings, epochs=3)).folder(store, FOLDS[0], ARCHS[0], 0),
    ]
    assert len({folder.key, *(other.key for other in others)}) == 5
    same = replace(WORK, archs=ARCHS[:1], seeds=(0,), data=FOLDS[:1], space=replace(SPACE, source="elsewhere"))
    assert same.folder(store, FOLDS[0], ARCHS[0], 0).key == folder.key


def test_accuracy_is_called_what_it_is(store):
    log = []
    arch = ARCHS[0]
    start = Subnet(SPACE, arch).state_bytes()
    folder = store.stage("finetune", {"network": "one"})
    training = Training(
        folder=folder, data=FOLDS[0], space=SPACE, arch=arch, settings=WORK.settings, seed=0, start=start
    )
    train_all("fine-tuning", [training], 1, Reporter(quiet=True), log.append)
    assert is_trained(folder)
    assert log == [
        {
            "stage": "finetune", "network": SPACE.encode(arch), "fold": 0, "seed": 0,
            "accuracy_finetuned_val": read_trained(folder).accuracy_val,
        }
    ]  # fmt: skip
    train(replace(WORK, archs=ARCHS[:1], seeds=(0,), data=FOLDS[:1]), store, log)
    assert "accuracy_standalone_val" in log[1]
