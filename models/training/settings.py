"""Settings of all trainings with their default recipes, free of torch: config files take their defaults from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from energy.validation import require_choice, require_int, require_number

DRAWS = ("by gene", "by size")
"""Ways to draw random networks."""


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Settings common to all trainings; each kind has its own defaults.

    Attributes:
        epochs: Passes over the training split. [1]
        batch_size: Samples per step. [1]
        learning_rate: Largest step size of AdamW. [1]
        warm_up: Share of all steps in which the step size rises. [1]
        weight_decay: Weight decay of AdamW. [1]
        label_smoothing: Probability taken from the label and spread over all classes. [1]
        averaging: Decay per step of the averaged weights; with 0 they equal the trained ones. [1]

    Raises:
        ValueError: A value is outside its range.
    """

    epochs: int
    batch_size: int = 128
    learning_rate: float
    warm_up: float
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    averaging: float

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            require_int(name, getattr(self, name))
        require_number("learning_rate", self.learning_rate, above=0)
        require_number("weight_decay", self.weight_decay, least=0)
        for name in ("warm_up", "label_smoothing", "averaging"):
            require_number(name, getattr(self, name), least=0)
            if getattr(self, name) >= 1:
                raise ValueError(f"{name} must be below 1, not {getattr(self, name):g}")


@dataclass(frozen=True, kw_only=True)
class SupernetSettings(TrainingSettings):
    """Settings of training shared weights; the defaults were chosen on validation (`watch`, `conv1d-3`, fold 0).

    Attributes:
        n_random: Random networks per step beside the largest and the smallest. [1]
        draw: Way to draw random networks: `"by gene"`, each gene on its own, or `"by size"`, as many small and large
            networks as medium ones (`Space.sample_all_sizes`).
        opening: Share of all steps in which random networks spread from the largest into the whole space: each gene is
            that of the largest network with a probability that falls from 1 to 0. [1]
        distillation: Weight of the teacher's probabilities in the targets of the largest network. [1]
        log_every: Epochs between validations; the last epoch is always validated. [1]
        n_threads: Threads of torch, on which results depend. [1]

    Raises:
        ValueError: A value is outside its range.
    """

    epochs: int = 40
    batch_size: int = 64
    learning_rate: float = 1e-2
    warm_up: float = 0.05
    averaging: float = 0.99
    n_random: int = 2
    draw: Literal["by gene", "by size"] = "by gene"
    opening: float = 0.0
    distillation: float = 0.5
    log_every: int = 5
    n_threads: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("log_every", "n_threads"):
            require_int(name, getattr(self, name))
        require_int("n_random", self.n_random, least=0)
        require_choice("draw", self.draw, DRAWS)
        for name in ("opening", "distillation"):
            require_number(name, getattr(self, name), least=0, most=1)


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings(TrainingSettings):
    """Settings of fine-tuning one network; the defaults were chosen on validation (`watch`, `conv1d-3`, fold 0).

    Attributes:
        distillation: Weight of the teacher's probabilities in the targets; the rest is the label. [1]
        validate_every: Epochs between validations, the last epoch included; the best validated epoch is kept, the
            latest of equals. With 0 the last epoch is kept regardless of its accuracy. [1]

    Raises:
        ValueError: A value is outside its range.
    """

    epochs: int = 16
    batch_size: int = 64
    learning_rate: float = 8e-3
    warm_up: float = 0.1
    averaging: float = 0.98
    distillation: float = 0.5
    validate_every: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        require_int("validate_every", self.validate_every, least=0)
        require_number("distillation", self.distillation, least=0, most=1)

    def is_validated(self, epoch: int) -> bool:
        """Return whether the weights after an epoch, counted from 1, are validated and may be kept."""
        return epoch == self.epochs or (self.validate_every > 0 and epoch % self.validate_every == 0)


@dataclass(frozen=True, kw_only=True)
class StandaloneSettings(FinetuneSettings):
    """Settings of training one network alone: from random weights, on the labels, keeping the last epoch.

    No epoch is chosen on validation, which would raise the accuracy that inherited accuracies are compared with. The
    recipe was tuned on `watch` with `conv1d-3`, people pooled over the folds: the largest network alone reaches 84.0 %,
    and 84.3 % with twice the epochs (mean of two seeds).
    """

    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 1.6e-2
    warm_up: float = 0.05
    distillation: float = 0.0
    validate_every: int = 0
