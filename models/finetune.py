"""Fine-tuning one network from its inherited weights, taught by the labels and by the supernet's largest network.

A job holds plain arrays and bytes and its result too, so both travel to and from a process pool. Validation is measured
and decides nothing: the weights kept are those after the last epoch, averaged over the last steps, with statistics
of the training split.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from energy.checks import require_number
from models.accuracy import correct
from models.data import Split
from models.learning import (
    AdamW,
    TrainingSettings,
    average_into,
    batches,
    dense,
    smooth_targets,
    soft_loss,
    threads,
    training_scores,
    warm_cosine,
)
from models.spaces import Archs, Space
from models.subnet import Subnet
from models.supernet import Statistics, SuperNet

N_CALIBRATION = 4096
"""Most training samples that the final running statistics are taken from. [1]"""


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings(TrainingSettings):
    """How one network is fine-tuned; the defaults were chosen on validation (`watch`, `conv1d-3`, fold 0).

    Attributes:
        distillation: Share of the teacher's answer in what is learnt, the rest is the label. [1]

    Raises:
        ValueError: A value is outside its range.
    """

    epochs: int = 20
    learning_rate: float = 2e-3
    warm_up: float = 0.1
    averaging: float = 0.98
    distillation: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("distillation", self.distillation, least=0)
        if self.distillation > 1:
            raise ValueError(f"distillation must be at most 1, not {self.distillation:g}")


@dataclass(frozen=True, kw_only=True, eq=False)
class FinetuneJob:
    """One network to fine-tune; picklable.

    Attributes:
        space: The space it is from.
        arch: Which network, `(n_genes,)`.
        start: Its inherited weights, `Subnet.state_bytes()`.
        train: What it learns from.
        val: What it is measured on afterwards.
        teacher: What the teacher answers for each training sample, probabilities `(n_train, n_classes)`.
        settings: How.
        seed: Of batches and augmentation.

    Raises:
        ValueError: `teacher` does not fit the training split.
    """

    space: Space
    arch: Archs
    start: bytes
    train: Split
    val: Split
    teacher: NDArray[np.float32]
    settings: FinetuneSettings
    seed: int

    def __post_init__(self) -> None:
        expected = (len(self.train), self.space.n_classes)
        if self.teacher.shape != expected:
            raise ValueError(f"teacher must have shape {expected}, not {self.teacher.shape}")


@dataclass(frozen=True, kw_only=True, eq=False)
class FinetuneResult:
    """A fine-tuned network; picklable.

    Attributes:
        weights: `Subnet.state_bytes()` of the network.
        losses: Mean training loss of each epoch, `(epochs,)`.
        accuracy_finetuned_val: On the validation split. [1]
    """

    weights: bytes
    losses: NDArray[np.float64]
    accuracy_finetuned_val: float


def soft_labels(
    supernet: SuperNet, arch: Archs, statistics: Statistics, inputs: NDArray[np.float32]
) -> NDArray[np.float32]:
    """What a network of the supernet answers: the teacher of `FinetuneJob`.

    Args:
        supernet: The shared weights.
        arch: Which network, mostly `space.largest`, `(n_genes,)`.
        statistics: Its recalibrated statistics.
        inputs: Samples, `(n, channels, *size)`.

    Returns:
        Class probabilities, `(n, n_classes)`.
    """
    graph = supernet.space.graph(arch)
    with threads(1), torch.inference_mode():
        parts = [
            F.softmax(supernet(part, graph, statistics), dim=1)
            for part in torch.from_numpy(inputs).split(N_CALIBRATION)
        ]
    answer: NDArray[np.float32] = torch.cat(parts).numpy()
    return answer


def run_job(job: FinetuneJob) -> FinetuneResult:
    """Fine-tune one network, on one thread; the same job gives the same bytes in any process.

    Raises:
        ValueError: `job.start` holds no weights of this network.
    """
    with threads(1):
        subnet = Subnet.from_bytes(job.space, job.arch, job.start)
        losses = _train(subnet, job)
        _recalibrate(subnet, torch.from_numpy(job.train.inputs))
        return FinetuneResult(
            weights=subnet.state_bytes(),
            losses=losses,
            accuracy_finetuned_val=float(correct(subnet, job.val).mean()),
        )


def _train(subnet: Subnet, job: FinetuneJob) -> NDArray[np.float64]:
    """Train in place, leave the averaged weights; mean loss of each epoch, `(epochs,)`."""
    settings, generator = job.settings, torch.Generator().manual_seed(job.seed)
    inputs, targets = dense(job.train.inputs), _targets(job)
    weights = list(subnet.parameters())
    averaged = [weight.detach().clone() for weight in weights]
    optimiser = AdamW(weights, weight_decay=settings.weight_decay)
    losses = np.zeros(settings.epochs)
    for epoch in range(settings.epochs):
        chosen = list(batches(len(inputs), settings.batch_size, generator))
        for step, batch in enumerate(chosen):
            progress = (epoch + (step + 1) / len(chosen)) / settings.epochs
            optimiser.clear()
            scores = training_scores(subnet.layers, subnet.graph, settings.augmentation(inputs[batch], generator))
            loss = soft_loss(scores, targets[batch])
            loss.backward()
            optimiser.step(settings.learning_rate * warm_cosine(progress, settings.warm_up))
            average_into(averaged, weights, decay=settings.averaging, n_steps=optimiser.n_steps)
            losses[epoch] += loss.item() / len(chosen)
    with torch.no_grad():
        for weight, average in zip(weights, averaged, strict=True):
            weight.copy_(average)
    return losses


def _targets(job: FinetuneJob) -> Tensor:
    """What is learnt: labels and the teacher's answers, mixed, `(n_train, n_classes)`."""
    labels = smooth_targets(torch.from_numpy(job.train.labels), job.space.n_classes, job.settings.label_smoothing)
    return torch.lerp(labels, torch.from_numpy(job.teacher), job.settings.distillation)


def _recalibrate(subnet: Subnet, inputs: Tensor) -> None:
    """Running statistics of the training samples in one pass, then evaluation mode."""
    momentum, subnet.momentum = subnet.momentum, 1.0
    with torch.no_grad():
        subnet.train()(inputs[:: -(-len(inputs) // N_CALIBRATION)])
    subnet.momentum = momentum
    subnet.eval()
