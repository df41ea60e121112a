"""Training the shared weights of a space: sandwich rule with in-place distillation (Yu and Huang, arXiv 1903.05134).

Every step trains the largest network on the labels, and the smallest and some random ones on what the largest answers.
The weights handed out are averaged over the last steps. `run_epoch` is the unit of work: between two of them `state`
holds everything, and a restored trainer goes on bit for bit.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor
from torch.nn import functional as F

from energy.checks import require_int
from models.data import Split
from models.learning import (
    AdamW,
    Augmentation,
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
from models.supernet import SuperNet

N_CALIBRATION = 512
"""Training samples that normalise a network for the figures of the log. [1]"""

_HEADER_LENGTH_BYTES = 8


@dataclass(frozen=True, kw_only=True)
class SupernetSettings(TrainingSettings):
    """How shared weights are trained; the defaults were chosen on validation (`watch`, `conv1d-3`, fold 0).

    Attributes:
        n_random: Random networks a step beside the largest and the smallest. [1]
        log_every: Epochs from one validation to the next; the last epoch is always validated. [1]
        n_threads: Threads of torch, on which results depend. [1]

    Raises:
        ValueError: A value is outside its range.
    """

    epochs: int = 45
    learning_rate: float = 4e-3
    warm_up: float = 0.05
    averaging: float = 0.99
    augmentation: Augmentation = field(default_factory=lambda: Augmentation(mixing=0.1))
    n_random: int = 2
    log_every: int = 5
    n_threads: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("log_every", "n_threads"):
            require_int(name, getattr(self, name))
        require_int("n_random", self.n_random, least=0)


@dataclass(frozen=True, kw_only=True)
class EpochLog:
    """What one epoch did.

    Attributes:
        epoch: Epochs done, this one included. [1]
        loss: Mean loss of the largest network on the training split.
        loss_smallest: The same of the smallest, against what the largest answers.
        learning_rate: Step size at its end. [1]
        accuracy_inherited_val_largest: Of the handed-out weights, recalibrated; NaN in epochs without validation.
        accuracy_inherited_val_smallest: The same for the smallest network.
    """

    epoch: int
    loss: float
    loss_smallest: float
    learning_rate: float
    accuracy_inherited_val_largest: float
    accuracy_inherited_val_smallest: float


class SupernetTrainer:
    """Trains the shared weights of a space, epoch by epoch.

    Attributes:
        epoch: Epochs done. [1]
    """

    def __init__(self, space: Space, train: Split, val: Split, settings: SupernetSettings, seed: int) -> None:
        """Draw the initial weights.

        Args:
            space: The space.
            train: What is learnt from.
            val: What the log's accuracies are measured on; it decides nothing.
            settings: How.
            seed: Of initial weights, batches, random networks and augmentation.

        Raises:
            ValueError: The samples do not have the shape that the space reads.
        """
        height, width, channels = space.input_shape
        expected = (channels, height) if width == 1 else (channels, height, width)
        for name, split in (("train", train), ("val", val)):
            if split.inputs.shape[1:] != expected:
                given = split.inputs.shape[1:]
                raise ValueError(f"samples of {name} must have shape {expected} for space {space.name!r}, not {given}")
        self.epoch = 0
        self._space, self._settings, self._seed = space, settings, seed
        self._inputs, self._labels = dense(train.inputs), torch.from_numpy(train.labels)
        self._calibration = torch.from_numpy(train.inputs[:: -(-len(train) // N_CALIBRATION)])
        self._val_inputs, self._val_labels = torch.from_numpy(val.inputs), torch.from_numpy(val.labels)
        self._trained = SuperNet(space, seed)
        self._averaged: SuperNet = copy.deepcopy(self._trained).requires_grad_(False)
        self._optimiser = AdamW(self._trained.parameters(), weight_decay=settings.weight_decay)
        self._generator = torch.Generator().manual_seed(seed)
        self._rng = np.random.default_rng(seed)

    @property
    def supernet(self) -> SuperNet:
        """The weights to inherit from: averaged over the last steps. Training goes on in a copy."""
        return self._averaged

    def run_epoch(self) -> EpochLog:
        """Train for one epoch.

        Raises:
            ValueError: All epochs are done.
        """
        settings = self._settings
        if self.epoch >= settings.epochs:
            raise ValueError(f"all {settings.epochs} epochs are done")
        with threads(settings.n_threads):
            chosen = list(batches(len(self._labels), settings.batch_size, self._generator))
            losses = np.zeros(2)
            for step, batch in enumerate(chosen):
                progress = (self.epoch + (step + 1) / len(chosen)) / settings.epochs
                learning_rate = settings.learning_rate * warm_cosine(progress, settings.warm_up)
                losses += self._step(batch, learning_rate)
            self.epoch += 1
            largest, smallest = self._validate()
        return EpochLog(
            epoch=self.epoch,
            loss=float(losses[0] / len(chosen)),
            loss_smallest=float(losses[1] / len(chosen)),
            learning_rate=learning_rate,
            accuracy_inherited_val_largest=largest,
            accuracy_inherited_val_smallest=smallest,
        )

    def _step(self, batch: Tensor, learning_rate: float) -> tuple[float, float]:
        """One step of the sandwich rule; losses of the largest and the smallest network."""
        space, settings = self._space, self._settings
        x = settings.augmentation(self._inputs[batch], self._generator)
        self._optimiser.clear()
        scores = training_scores(self._trained.layers, space.graph(space.largest), x)
        loss = soft_loss(scores, smooth_targets(self._labels[batch], space.n_classes, settings.label_smoothing))
        loss.backward()
        teacher = F.softmax(scores.detach(), dim=1)
        students = []
        for arch in (space.smallest, *space.sample(self._rng, settings.n_random)):
            student = soft_loss(training_scores(self._trained.layers, space.graph(arch), x), teacher)
            student.backward()
            students.append(student.item())
        self._optimiser.step(learning_rate)
        averaged = list(self._averaged.parameters())
        average_into(averaged, self._optimiser.weights, decay=settings.averaging, n_steps=self._optimiser.n_steps)
        return loss.item(), students[0]

    def _validate(self) -> tuple[float, float]:
        """Accuracies of the largest and the smallest network on the validation split."""
        if self.epoch % self._settings.log_every and self.epoch < self._settings.epochs:
            return float("nan"), float("nan")
        return self._accuracy(self._space.largest), self._accuracy(self._space.smallest)

    def _accuracy(self, arch: Archs) -> float:
        graph = self._space.graph(arch)
        statistics = self._averaged.batch_statistics(self._calibration, graph)
        with torch.no_grad():
            scores = self._averaged(self._val_inputs, graph, statistics)
        return float((scores.argmax(dim=1) == self._val_labels).double().mean())

    def state(self) -> bytes:
        """Everything that the epochs to come depend on, as safetensors; the same state gives the same bytes."""
        tensors = {"generator": self._generator.get_state()}
        for name, module in self._networks():
            tensors |= {f"{name}.{key}": value.contiguous() for key, value in module.state_dict().items()}
        for name, moments in self._moments():
            tensors |= {f"{name}.{index}": value for index, value in enumerate(moments)}
        progress = {
            "made_by": self._made_by(),
            "epoch": self.epoch,
            "n_steps": self._optimiser.n_steps,
            "rng": self._rng.bit_generator.state,
        }
        return save(tensors, metadata={"progress": json.dumps(progress)})

    def restore(self, state: bytes) -> None:
        """Go on from where `state` was taken, bit for bit.

        Raises:
            ValueError: It is damaged, or of another space, seed or settings; nothing has changed then.
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
        """What a state must agree on before it is restored, as JSON gives it back."""
        space = f"{self._space.name} {self._space.encode(self._space.largest)}"
        return {"space": space, "seed": self._seed, "settings": asdict(self._settings)}


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix and a dot, under the rest of their names."""
    return {key.removeprefix(f"{prefix}."): value for key, value in tensors.items() if key.startswith(f"{prefix}.")}
