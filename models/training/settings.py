"""How one network is trained with weights of its own: what fine-tuning and training alone decide, and their recipes."""

from __future__ import annotations

from dataclasses import dataclass

from energy.validation import require_int, require_number
from models.training.optim import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings(TrainingSettings):
    """How one network is fine-tuned; the defaults were chosen on validation (`watch`, `conv1d-3`, fold 0).

    Attributes:
        distillation: Share of the teacher's answer in what is learnt, the rest is the label. [1]
        validate_every: Epochs from one validation to the next, the last epoch included; of those validated the best
            is kept, the latest of equals. With 0 the last epoch is kept whatever it is worth. [1]

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
        """Return whether the weights after an epoch, counted from 1, may be the ones that are kept."""
        return epoch == self.epochs or (self.validate_every > 0 and epoch % self.validate_every == 0)


@dataclass(frozen=True, kw_only=True)
class StandaloneSettings(FinetuneSettings):
    """How one network is trained alone: from random weights, by the labels, the last epoch kept.

    No epoch is chosen on validation: that would raise the accuracy that inherited ones are compared with. The recipe is
    of `watch` with `conv1d-3`, people pooled over the folds: the largest network alone reaches 84.0 % and with twice
    the epochs 84.3 % (mean of two seeds).
    """

    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 1.6e-2
    warm_up: float = 0.05
    distillation: float = 0.0
    validate_every: int = 0
