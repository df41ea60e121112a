"""Training one network with weights of its own: fine-tuned from inherited ones, or alone from random ones.

Targets are the labels, mixed with the probabilities of a teacher if given. Jobs and results hold plain arrays and
bytes, so a process pool can pickle them. The weights averaged over the last steps, with statistics of the training
split, are evaluated and returned. With `validate_every` above 0 the best epoch on the validation split is kept; the
test split is never used.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from models.data import Augmentation, Split
from models.evaluation.accuracy import correct
from models.spaces import Archs, Space
from models.supernet.subnet import Subnet
from models.supernet.supernet import Statistics, SuperNet
from models.supernet.training_pass import dense, training_scores
from models.threads import threads
from models.training.augment import vary
from models.training.optim import (
    AdamW,
    average_into,
    batches,
    cosine_with_warm_up,
    precision,
    require_convergence,
    smooth_targets,
    soft_loss,
)
from models.training.settings import FinetuneSettings

N_CALIBRATION = 4096
"""Largest number of training samples for running statistics. [1]"""

_TEACHER_BATCH = 1024
_MAP_BUDGET_BYTES = 100_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class FinetuneJob:
    """One network to train; picklable.

    Attributes:
        space: The space of the network.
        arch: Its architecture, `(n_genes,)`.
        start: Its inherited weights, `Subnet.state_bytes()`; None for random ones drawn from `seed`.
        train: Training split.
        val: Validation split.
        augmentation: Variation of training samples.
        teacher: Probabilities of the teacher for each training sample, `(n_train, n_classes)`; None to learn from the
            labels alone.
        settings: Settings of the training.
        seed: Seed of batches and augmentation, and of the weights where `start` is None.
        device: `"cpu"`, or `"cuda"` for mixed precision; results are reproducible to the byte on the CPU only.

    Raises:
        ValueError: `teacher` does not fit the training split, or is missing where `distillation` is above 0.
    """

    space: Space
    arch: Archs
    start: bytes | None
    train: Split
    val: Split
    augmentation: Augmentation
    teacher: NDArray[np.float32] | None
    settings: FinetuneSettings
    seed: int
    device: str = "cpu"

    def __post_init__(self) -> None:
        expected = (len(self.train), self.space.n_classes)
        if self.teacher is not None and self.teacher.shape != expected:
            raise ValueError(f"teacher must have shape {expected}, not {self.teacher.shape}")
        if self.teacher is None and self.settings.distillation > 0:
            raise ValueError(f"distillation must be 0 without a teacher, not {self.settings.distillation:g}")


@dataclass(frozen=True, kw_only=True, eq=False)
class FinetuneResult:
    """A trained network; picklable.

    Attributes:
        weights: `Subnet.state_bytes()` of the network.
        epoch: Epoch of the weights, counted from 1. [1]
        losses: Mean training loss of each epoch, `(epochs,)`.
        accuracies_val: Accuracy on the validation split after each epoch, NaN without validation, `(epochs,)`. [1]
        right_val: Whether each validation sample is classified correctly, `(n_val,)`.
    """

    weights: bytes
    epoch: int
    losses: NDArray[np.float64]
    accuracies_val: NDArray[np.float64]
    right_val: NDArray[np.bool_]

    @property
    def accuracy_val(self) -> float:
        """Accuracy of the weights on the validation split: `finetuned` or stand-alone, by the job. [1]"""
        return float(self.right_val.mean())


def soft_labels(supernet: SuperNet, arch: Archs, statistics: Statistics, split: Split) -> NDArray[np.float32]:
    """Return the class probabilities of a network of the supernet, the teacher of a `FinetuneJob`.

    Args:
        supernet: The shared weights.
        arch: Architecture of the teacher, usually `space.largest`, `(n_genes,)`.
        statistics: Its recalibrated statistics.
        split: The samples, read batch by batch.

    Returns:
        Class probabilities, `(n, n_classes)`.
    """
    graph = supernet.space.graph(arch)
    answer = np.empty((len(split), supernet.space.n_classes), dtype=np.float32)
    with threads(1), torch.inference_mode():
        for start in range(0, len(split), _TEACHER_BATCH):
            rows = slice(start, start + _TEACHER_BATCH)
            scores = supernet(torch.from_numpy(split.take(rows)), graph, statistics)
            answer[rows] = F.softmax(scores, dim=1).numpy()
    return answer


def run_job(job: FinetuneJob) -> FinetuneResult:
    """Train one network, on one thread; the same job gives the same bytes in any process.

    Raises:
        ValueError: `job.start` does not hold weights of this network.
    """
    settings = job.settings
    losses, accuracies = np.zeros(settings.epochs), np.full(settings.epochs, np.nan)
    weights, kept, best = b"", 0, -1.0
    with threads(1):
        training = _Training(job)
        for epoch in range(1, settings.epochs + 1):
            losses[epoch - 1] = training.run_epoch(epoch)
            if settings.is_validated(epoch):
                accuracies[epoch - 1] = found = training.validate()
                if found >= best:
                    weights, kept, best = training.averaged.state_bytes(), epoch, found
        right = correct(Subnet.from_bytes(job.space, job.arch, weights), job.val)
    return FinetuneResult(weights=weights, epoch=kept, losses=losses, accuracies_val=accuracies, right_val=right)


class _Training:
    """State of a running job.

    Attributes:
        trained: Weights that the steps change.
        averaged: Their moving average, which is evaluated and returned.
    """

    def __init__(self, job: FinetuneJob) -> None:
        if job.start is None:
            self.trained = Subnet(job.space, job.arch, seed=job.seed).eval()
        else:
            self.trained = Subnet.from_bytes(job.space, job.arch, job.start)
        self.trained.to(job.device)
        self.averaged = copy.deepcopy(self.trained).requires_grad_(False)
        self._job = job
        self._targets = _targets(job).to(job.device)
        self._generator = torch.Generator().manual_seed(job.seed)
        self._optimiser = AdamW(self.trained.parameters(), weight_decay=job.settings.weight_decay)

    def run_epoch(self, epoch: int) -> float:
        """Train for one epoch, counted from 1, and return its mean loss."""
        job, settings, optimiser = self._job, self._job.settings, self._optimiser
        chosen = list(batches(len(job.train), settings.batch_size, self._generator))
        total = torch.zeros((), dtype=torch.float64, device=job.device)
        for step, batch in enumerate(chosen, start=1):
            x = vary(dense(job.train.take(batch.numpy())), job.augmentation, self._generator).to(job.device)
            optimiser.clear()
            with precision(job.device):
                scores = training_scores(self.trained.layers, self.trained.graph, x)
            loss = soft_loss(scores.float(), self._targets[batch.to(job.device)])
            loss.backward()
            progress = (epoch - 1 + step / len(chosen)) / settings.epochs
            optimiser.step(settings.learning_rate * cosine_with_warm_up(progress, settings.warm_up))
            averaged = list(self.averaged.parameters())
            average_into(averaged, optimiser.weights, decay=settings.averaging, n_steps=optimiser.n_steps)
            total += loss.detach()
        require_convergence(epoch, float(total), settings.learning_rate)
        return float(total) / len(chosen)

    def validate(self) -> float:
        """Return the accuracy of the averaged weights on the validation split, after recalibration. [1]"""
        _recalibrate(self.averaged, self._job.train)
        return float(correct(self.averaged, self._job.val).mean())


def _targets(job: FinetuneJob) -> Tensor:
    """Return the targets: labels mixed with the teacher's probabilities, `(n_train, n_classes)`."""
    labels = smooth_targets(torch.from_numpy(job.train.labels), job.space.n_classes, job.settings.label_smoothing)
    if job.teacher is None:
        return labels
    return torch.lerp(labels, torch.from_numpy(job.teacher), job.settings.distillation)


def _recalibrate(subnet: Subnet, train: Split) -> None:
    """Set the running statistics from training samples, and switch to evaluation mode.

    One pass if the maps fit in memory; otherwise the mean over passes, each on samples spread over the whole split.
    """
    device, momentum = next(subnet.parameters()).device, subnet.momentum
    index = np.arange(len(train))[train.at_most(N_CALIBRATION)]
    layers = subnet.space.network(subnet.arch).layers
    map_bytes = 4 * max(layer.out_h * layer.out_w * layer.out_ch for layer in layers)
    n_passes = -(-len(index) * map_bytes // _MAP_BUDGET_BYTES)
    subnet.train()
    with torch.no_grad():
        for number in range(n_passes):
            subnet.momentum = 1 / (number + 1)
            subnet(torch.from_numpy(train.take(index[number::n_passes])).to(device))
    subnet.momentum = momentum
    subnet.eval()
