"""Training of networks with weights of their own, in a pool of processes: fine-tuned, or from random weights.

Each training is a small stage of its own, written by the process that did it: a kill loses only the trainings under
way, and runs share them. Workers load the samples themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.config.sections import DataSection
from experiments.parallel.pool import run_tasks
from experiments.parallel.progress import Reporter
from experiments.pipeline.samples import data_of
from experiments.storage.cache import StageFolder, Store
from experiments.storage.files import file_digest, write_array, write_bytes
from models.data import DataSet
from models.spaces import Archs, Space
from models.training.finetune import FinetuneJob, FinetuneResult, run_job
from models.training.settings import FinetuneSettings

_WEIGHTS, _RIGHT = "weights.safetensors", "right_val.npy"


@dataclass(frozen=True, kw_only=True, eq=False)
class Training:
    """Network to train and the place of its result; picklable.

    Attributes:
        folder: Its stage, named `finetune` or `standalone`.
        data: The data set and fold; only training and validation split are opened.
        space: The space of the network.
        arch: The network, `(n_genes,)`.
        settings: The settings of the training.
        seed: Seed of weights, batches and augmentation.
        start: Weights to start from, safetensors; None for random weights.
        teacher: Answers of the teacher, `(n_train, n_classes)`; None to learn from labels alone.
        device: Device of torch.
    """

    folder: StageFolder
    data: DataSection
    space: Space
    arch: Archs
    settings: FinetuneSettings
    seed: int
    start: bytes | None = None
    teacher: NDArray[np.float32] | None = None
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """Result of a training in the cache.

    Attributes:
        weights: Weights of the network, safetensors.
        epoch: The epoch of these weights, counted from 1. [1]
        right_val: Which validation samples are right, `(n_val,)`.
    """

    weights: bytes
    epoch: int
    right_val: NDArray[np.bool_]

    @property
    def accuracy_val(self) -> float:
        """Accuracy on the validation split. [1]"""
        return float(self.right_val.mean())


def training_folder(
    store: Store,
    name: str,
    *,
    data: DataSet,
    space: Space,
    arch: Archs,
    settings: FinetuneSettings,
    seed: int,
    device: str = "cpu",
    shared_weights: str | None = None,
) -> StageFolder:
    """Return the stage of one training.

    Args:
        store: The cache.
        name: `finetune` or `standalone`.
        data: The data set and fold.
        space: The space of the network.
        arch: The network, `(n_genes,)`.
        settings: How it is trained.
        seed: Of weights, batches and augmentation.
        device: Where it is trained.
        shared_weights: Key of the shared weights that start or teach it; None where they do neither.
    """
    network = {
        "name": f"{space.name} {space.encode(arch)}",
        "input": list(space.network(arch).input_shape),
        "layers": list(space.graph(arch)),
    }
    reads = {
        "data": data.fingerprint,
        "augmentation": data.augmentation,
        "network": network,
        "settings": settings,
        "seed": seed,
        "device": device,
        "shared_weights": shared_weights,
    }
    return store.stage(name, reads)


def is_trained(folder: StageFolder) -> bool:
    """Return whether a training is done and its files are whole."""
    result = folder.result()
    if result is None or not all(isinstance(result.get(count), int) for count in ("epoch", "n_val")):
        return False
    return all(
        (folder.path / name).exists() and file_digest(folder.path / name) == digest
        for name, digest in ((_WEIGHTS, result.get("weights_sha256")), (_RIGHT, result.get("right_val_sha256")))
    )


def read_trained(folder: StageFolder) -> Trained:
    """Return the result of a training that is done."""
    result = folder.result()
    assert result is not None
    packed = np.load(folder.path / _RIGHT, allow_pickle=False)
    return Trained(
        weights=(folder.path / _WEIGHTS).read_bytes(),
        epoch=result["epoch"],
        right_val=np.unpackbits(packed, count=result["n_val"]).astype(bool),
    )


def train_all(
    title: str,
    trainings: Sequence[Training],
    n_processes: int,
    reporter: Reporter,
    log: Callable[[dict[str, Any]], None],
) -> None:
    """Do all trainings.

    Args:
        title: Title of the progress.
        trainings: The trainings; those of a fold stand together, as a worker keeps the data set of the one before.
        n_processes: Most worker processes. [1]
        reporter: Shows the progress.
        log: Adds one entry per training to the log.
    """
    if not trainings:
        return
    with reporter.task(title, len(trainings)) as progress:
        for position, accuracy in run_tasks(_train, trainings, n_processes):
            training = trainings[position]
            name = training.space.encode(training.arch)
            kind = training.folder.name
            log({"stage": kind, "network": name, "fold": training.data.fold, "seed": training.seed, **accuracy})
            progress.advance(f"{name} {next(iter(accuracy.values())):.3f}")


def _train(training: Training) -> dict[str, float]:
    """Train one network into its folder and return its accuracy; runs in a worker."""
    folder = training.folder
    with folder.locked():
        if not is_trained(folder):
            _write(training, run_job(_job(training)))
    return {_accuracy_name(folder): read_trained(folder).accuracy_val}


def _job(training: Training) -> FinetuneJob:
    data = data_of(training.data)
    return FinetuneJob(
        space=training.space,
        arch=training.arch,
        start=training.start,
        train=data.split("train"),
        val=data.split("val"),
        augmentation=data.augmentation,
        teacher=training.teacher,
        settings=training.settings,
        seed=training.seed,
        device=training.device,
    )


def _write(training: Training, done: FinetuneResult) -> None:
    folder = training.folder
    write_bytes(folder.path / _WEIGHTS, done.weights)
    write_array(folder.path / _RIGHT, np.packbits(done.right_val))
    folder.finish(
        {
            "network": training.space.encode(training.arch),
            "fold": training.data.fold,
            "seed": training.seed,
            "settings": asdict(training.settings),
            _accuracy_name(folder): done.accuracy_val,
            "epoch": done.epoch,
            "n_val": len(done.right_val),
            "losses": done.losses.tolist(),
            "accuracies_val": [None if np.isnan(value) else value for value in done.accuracies_val.tolist()],
            "weights_sha256": file_digest(folder.path / _WEIGHTS),
            "right_val_sha256": file_digest(folder.path / _RIGHT),
        }
    )


def _accuracy_name(folder: StageFolder) -> str:
    return {"finetune": "accuracy_finetuned_val", "standalone": "accuracy_standalone_val"}[folder.name]
