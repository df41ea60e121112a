"""Training the shared weights of a space: sandwich rule with in-place distillation (Yu and Huang, arXiv 1903.05134).

Every step trains the largest network on the labels, and on the probabilities of a teacher if given, and the smallest
and some random networks on the probabilities of the largest. The resulting weights are averaged over the last steps.
`run_epoch` is the unit of work: between epochs `state` is complete, and on a CPU a restored trainer continues bit for
bit.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor
from torch.nn import functional as F

from models.data import Augmentation, Split
from models.spaces import Archs, Space
from models.supernet.supernet import SuperNet
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
from models.training.settings import SupernetSettings

N_CALIBRATION = 512
"""Training samples that recalibrate a network for the figures of the log. [1]"""

N_VALIDATED = 2048
"""Largest number of validation samples for the figures of the log. [1]"""

N_LOGGED = 4
"""Random networks whose mean accuracy the log records, the same in every epoch. [1]"""

_HEADER_LENGTH_BYTES = 8


@dataclass(frozen=True, kw_only=True)
class EpochLog:
    """Figures of one epoch.

    Attributes:
        epoch: Epochs done, this one included. [1]
        loss: Mean loss of the largest network on the training split.
        loss_smallest: Mean loss of the smallest network against the probabilities of the largest.
        learning_rate: Step size at its end. [1]
        accuracy_inherited_val_largest: Accuracy of the averaged weights, recalibrated; NaN without validation.
        accuracy_inherited_val_smallest: The same for the smallest network.
        accuracy_inherited_val_random: Mean over some random networks, the same in every epoch.
    """

    epoch: int
    loss: float
    loss_smallest: float
    learning_rate: float
    accuracy_inherited_val_largest: float
    accuracy_inherited_val_smallest: float
    accuracy_inherited_val_random: float


class SupernetTrainer:
    """Trainer of the shared weights of a space, epoch by epoch.

    Attributes:
        epoch: Epochs done. [1]
    """

    def __init__(
        self,
        space: Space,
        train: Split,
        val: Split,
        settings: SupernetSettings,
        seed: int,
        *,
        augmentation: Augmentation | None = None,
        teacher: NDArray[np.float32] | None = None,
        device: str = "cpu",
    ) -> None:
        """Draw the initial weights.

        Args:
            space: The space.
            train: Training samples.
            val: Samples of the accuracies in the log, which influence nothing else.
            settings: Settings of the training.
            seed: Seed of initial weights, batches, random networks and augmentation.
            augmentation: Variation of training samples; none where None.
            teacher: Probabilities of a teacher for each training sample, `(n_train, n_classes)`.
            device: `"cpu"`, or `"cuda"` for mixed precision there, whose results differ from run to run.

        Raises:
            ValueError: The shape of the samples is not that of the space, or the teacher does not fit.
        """
        height, width, channels = space.input_shape
        expected = (channels, height) if width == 1 else (channels, height, width)
        for name, split in (("train", train), ("val", val)):
            if split.sample_shape != expected:
                given = split.sample_shape
                raise ValueError(f"samples of {name} must have shape {expected} for space {space.name!r}, not {given}")
        if teacher is not None and teacher.shape != (len(train), space.n_classes):
            raise ValueError(f"teacher must have shape {(len(train), space.n_classes)}, not {teacher.shape}")
        self.epoch = 0
        self._space, self._settings, self._seed, self._device = space, settings, seed, torch.device(device)
        self._augmentation = augmentation or Augmentation()
        self._train, self._labels = train, torch.from_numpy(train.labels)
        self._teacher = None if teacher is None else torch.from_numpy(teacher)
        calibration = train.take(train.at_most(N_CALIBRATION))
        self._calibration = torch.from_numpy(calibration).to(self._device)
        validated = val.at_most(N_VALIDATED)
        self._val_inputs = torch.from_numpy(val.take(validated)).to(self._device)
        self._val_labels = torch.from_numpy(val.labels[validated]).to(self._device)
        self._trained = SuperNet(space, seed).to(self._device)
        self._averaged: SuperNet = copy.deepcopy(self._trained).requires_grad_(False)
        self._optimiser = AdamW(self._trained.parameters(), weight_decay=settings.weight_decay)
        self._generator = torch.Generator().manual_seed(seed)
        self._rng = np.random.default_rng(seed)

    @property
    def supernet(self) -> SuperNet:
        """The weights to inherit from, averaged over the last steps; on a CPU later epochs change them."""
        return self._averaged if self._device.type == "cpu" else copy.deepcopy(self._averaged).cpu()

    def run_epoch(self) -> EpochLog:
        """Train for one epoch.

        Raises:
            ValueError: All epochs are done, or a loss is not finite.
        """
        settings = self._settings
        if self.epoch >= settings.epochs:
            raise ValueError(f"all {settings.epochs} epochs are done")
        with threads(settings.n_threads):
            chosen = list(batches(len(self._labels), settings.batch_size, self._generator))
            losses = np.zeros(2)
            for step, batch in enumerate(chosen):
                progress = (self.epoch + (step + 1) / len(chosen)) / settings.epochs
                learning_rate = settings.learning_rate * cosine_with_warm_up(progress, settings.warm_up)
                losses += self._step(batch, learning_rate, progress)
            require_convergence(self.epoch + 1, losses.sum(), settings.learning_rate)
            self.epoch += 1
            largest, smallest, random = self._validate()
        return EpochLog(
            epoch=self.epoch,
            loss=float(losses[0] / len(chosen)),
            loss_smallest=float(losses[1] / len(chosen)),
            learning_rate=learning_rate,
            accuracy_inherited_val_largest=largest,
            accuracy_inherited_val_smallest=smallest,
            accuracy_inherited_val_random=random,
        )

    def _step(self, batch: Tensor, learning_rate: float, progress: float) -> tuple[float, float]:
        """Train one step by the sandwich rule, and return the losses of the largest and the smallest network."""
        space = self._space
        x = vary(dense(self._train.take(batch.numpy())), self._augmentation, self._generator).to(self._device)
        targets = self._targets(batch).to(self._device)
        self._optimiser.clear()
        scores = self._scores(space.largest, x)
        loss = soft_loss(scores, targets)
        loss.backward()
        answers = F.softmax(scores.detach(), dim=1)
        students = []
        for arch in (space.smallest, *self._random(progress)):
            student = soft_loss(self._scores(arch, x), answers)
            student.backward()
            students.append(student.item())
        self._optimiser.step(learning_rate)
        averaged = list(self._averaged.parameters())
        decay, n_steps = self._settings.averaging, self._optimiser.n_steps
        average_into(averaged, self._optimiser.weights, decay=decay, n_steps=n_steps)
        return loss.item(), students[0]

    def _random(self, progress: float) -> Archs:
        """Return the random networks of a step, `(n_random, n_genes)`, near the largest while the space opens."""
        draw = self._space.sample if self._settings.draw == "by gene" else self._space.sample_all_sizes
        archs = draw(self._rng, self._settings.n_random)
        if progress >= self._settings.opening:
            return archs
        is_largest = self._rng.random(archs.shape) < 1 - progress / self._settings.opening
        return self._space.canonical(np.where(is_largest, self._space.largest, archs))

    def _targets(self, batch: Tensor) -> Tensor:
        """Return the targets of the largest network, class probabilities `(n, n_classes)`."""
        labels = smooth_targets(self._labels[batch], self._space.n_classes, self._settings.label_smoothing)
        return (
            labels if self._teacher is None else torch.lerp(labels, self._teacher[batch], self._settings.distillation)
        )

    def _scores(self, arch: Archs, x: Tensor) -> Tensor:
        with precision(self._device):
            scores = training_scores(self._trained.layers, self._space.graph(arch), x)
        return scores.float()

    def _validate(self) -> tuple[float, float, float]:
        """Return the accuracies of the largest, the smallest and random networks on the validation split."""
        if self.epoch % self._settings.log_every and self.epoch < self._settings.epochs:
            return (float("nan"),) * 3
        drawn = self._space.sample(np.random.default_rng(self._seed), N_LOGGED)
        random = float(np.mean([self._accuracy(arch) for arch in drawn]))
        return self._accuracy(self._space.largest), self._accuracy(self._space.smallest), random

    def _accuracy(self, arch: Archs) -> float:
        graph = self._space.graph(arch)
        with torch.no_grad():
            statistics = self._averaged.batch_statistics(self._calibration, graph)
            parts = self._val_inputs.split(N_CALIBRATION)
            answers = torch.cat([self._averaged(part, graph, statistics).argmax(dim=1) for part in parts])
        return float((answers == self._val_labels).double().mean())

    def state(self) -> bytes:
        """Return all that later epochs depend on, as safetensors; the same state gives the same bytes."""
        tensors = {"generator": self._generator.get_state()}
        for name, module in self._networks():
            tensors |= {f"{name}.{key}": value.cpu().contiguous() for key, value in module.state_dict().items()}
        for name, moments in self._moments():
            tensors |= {f"{name}.{index}": value.cpu() for index, value in enumerate(moments)}
        progress = {
            "made_by": self._made_by(),
            "epoch": self.epoch,
            "n_steps": self._optimiser.n_steps,
            "rng": self._rng.bit_generator.state,
        }
        return save(tensors, metadata={"progress": json.dumps(progress)})

    def restore(self, state: bytes) -> None:
        """Restore the trainer to the moment of `state`, bit for bit.

        Raises:
            ValueError: The state is damaged, or space, seed or settings differ; the trainer is unchanged then.
        """
        try:
            tensors = load(state)
            length = int.from_bytes(state[:_HEADER_LENGTH_BYTES], "little")
            header = json.loads(state[_HEADER_LENGTH_BYTES : _HEADER_LENGTH_BYTES + length])
            progress = json.loads(header["__metadata__"]["progress"])
            made_by = progress["made_by"]
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"state of the trainer is damaged: {error}") from None
        for key, value in self._made_by().items():
            if made_by.get(key) != value:
                raise ValueError(f"state of the trainer must be of {key} {value!r}, not {made_by.get(key)!r}")
        for name, module in self._networks():
            module.load_state_dict(_below(name, tensors))
        for name, moments in self._moments():
            for index, value in enumerate(moments):
                value.copy_(tensors[f"{name}.{index}"])
        self._generator.set_state(tensors["generator"])
        self._rng.bit_generator.state = progress["rng"]
        self.epoch, self._optimiser.n_steps = progress["epoch"], progress["n_steps"]

    def _networks(self) -> tuple[tuple[str, SuperNet], ...]:
        return ("trained", self._trained), ("averaged", self._averaged)

    def _moments(self) -> tuple[tuple[str, list[Tensor]], ...]:
        return ("means", self._optimiser.means), ("squares", self._optimiser.squares)

    def _made_by(self) -> dict[str, Any]:
        """Return the properties that must be equal for a state to be restored, as JSON types."""
        space = f"{self._space.name} {self._space.encode(self._space.largest)}"
        varied = asdict(self._augmentation)
        return {"space": space, "seed": self._seed, "settings": asdict(self._settings), "augmentation": varied}


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a prefix and a dot, keyed by the rest of their names."""
    return {key.removeprefix(f"{prefix}."): value for key, value in tensors.items() if key.startswith(f"{prefix}.")}
