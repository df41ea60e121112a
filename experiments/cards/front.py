"""The card of a run's fronts: fine-tuned networks against the same networks trained alone, from random weights.

Training alone has the epochs, batch size, teacher, seeds and the rule for the kept epoch of fine-tuning, and one
learning rate for all networks: the best on validation on average. Test accuracies are not used for selection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.formatting.table import Table


@dataclass(frozen=True, kw_only=True, eq=False)
class FrontCard:
    """Fine-tuned and stand-alone accuracies of the distinct networks of a run's fronts.

    Attributes:
        networks: Their text forms, `(n,)`.
        on_front: Which are on the front of at least one supply after fine-tuning, `(n,)`.
        finetuned_val, finetuned_test: Fine-tuned accuracy of each, `(n,)`. [1]
        learning_rates: Learning rates of training alone, rising, `(n_rates,)`. [1]
        alone_val, alone_test: Accuracy of each trained alone, the seed that is best on validation, `(n, n_rates)`. [1]
        finetune_learning_rate: Learning rate of fine-tuning. [1]
        n_epochs: Epochs of either training. [1]
        n_seeds: Trainings per network and learning rate. [1]

    Raises:
        ValueError: A network or learning rate is missing, rates do not rise, or arrays differ in length.
    """

    key = "front"

    networks: Sequence[str]
    on_front: NDArray[np.bool_]
    finetuned_val: NDArray[np.float64]
    finetuned_test: NDArray[np.float64]
    learning_rates: Sequence[float]
    alone_val: NDArray[np.float64]
    alone_test: NDArray[np.float64]
    finetune_learning_rate: float
    n_epochs: int
    n_seeds: int

    def __post_init__(self) -> None:
        n, rates = len(self.networks), list(self.learning_rates)
        if not n:
            raise ValueError("networks must be at least one: a run without fronts has no card of them")
        if not rates or rates != sorted(set(rates)):
            raise ValueError(f"learning_rates must be at least one, rising, not {rates}")
        for name in ("on_front", "finetuned_val", "finetuned_test"):
            if getattr(self, name).shape != (n,):
                raise ValueError(f"{name} must have shape ({n},), not {getattr(self, name).shape}")
        for name in ("alone_val", "alone_test"):
            if getattr(self, name).shape != (n, len(rates)):
                raise ValueError(f"{name} must have shape ({n}, {len(rates)}), not {getattr(self, name).shape}")

    @property
    def chosen(self) -> int:
        """Position of the learning rate of training alone: best mean on validation, the smallest of equals."""
        return int(np.round(self.alone_val.mean(axis=0), 12).argmax())

    def difference(self, split: str, *, on_front: bool = False) -> float | None:
        """Return the mean of fine-tuned minus alone at the chosen learning rate. [1]

        Args:
            split: `"val"` or `"test"`.
            on_front: Whether to take only networks on a front; the result is None without one.
        """
        rows = self.on_front if on_front else np.ones(len(self.networks), dtype=bool)
        found = self._differences(split)[rows]
        # Rounded, so that equal accuracies do not give -0.
        return round(float(found.mean()), 12) + 0.0 if len(found) else None

    def _differences(self, split: str) -> NDArray[np.float64]:
        difference: NDArray[np.float64] = (
            getattr(self, f"finetuned_{split}") - getattr(self, f"alone_{split}")[:, self.chosen]
        )
        return difference

    @property
    def is_as_good(self) -> dict[str, bool]:
        """Whether the networks are at least as good fine-tuned as alone, on average, by split."""
        return {split: round(float(self._differences(split).mean()), 12) >= 0 for split in ("val", "test")}

    def to_dict(self) -> dict[str, Any]:
        """Return the card as JSON types, without the single networks."""
        found: dict[str, Any] = {
            "n_networks": len(self.networks),
            "n_on_front": int(self.on_front.sum()),
            "n_epochs": self.n_epochs,
            "n_seeds": self.n_seeds,
            "finetune_learning_rate": self.finetune_learning_rate,
            "learning_rates": list(self.learning_rates),
            "chosen_learning_rate": self.learning_rates[self.chosen],
        }
        for split in ("val", "test"):
            found |= {
                f"mean_accuracy_finetuned_{split}": float(getattr(self, f"finetuned_{split}").mean()),
                f"mean_accuracy_standalone_{split}": getattr(self, f"alone_{split}").mean(axis=0).tolist(),
                f"mean_difference_{split}": self.difference(split),
                f"mean_difference_on_front_{split}": self.difference(split, on_front=True),
                f"is_at_least_as_good_{split}": self.is_as_good[split],
            }
        return found

    def text(self) -> str:
        """Return the card for a person."""
        means = [(self.finetuned_val.mean(), self.finetuned_test.mean())]
        means += zip(self.alone_val.mean(axis=0), self.alone_test.mean(axis=0), strict=True)
        names = [f"fine-tuned, learning rate {self.finetune_learning_rate:g}"]
        names += [f"alone, learning rate {rate:g}" for rate in self.learning_rates]
        names[1 + self.chosen] += " (chosen)"
        rows = [(name, *(f"{100 * mean:.2f} %" for mean in both)) for name, both in zip(names, means, strict=True)]
        n, n_on_front = len(self.networks), int(self.on_front.sum())
        which = {f"all {n}": False, f"the {n_on_front} on a front": True}
        return "\n".join(
            [
                f"Fronts: {n} fine-tuned networks, and the same networks trained alone: teacher, {self.n_epochs} "
                f"epochs and best of {self.n_seeds} {'seed' if self.n_seeds == 1 else 'seeds'} alike",
                "",
                Table(("mean accuracy", "validation", "test"), rows).to_text(),
                "",
                "chosen: one learning rate for all networks alone, by mean validation accuracy",
                *(
                    f"fine-tuned minus alone, {name}: validation {_points(self.difference('val', on_front=only))}, "
                    f"test {_points(self.difference('test', on_front=only))}"
                    for name, only in which.items()
                ),
            ]
        )  # fmt: skip

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per network for `card_front.csv`."""
        return [
            {
                "network": name,
                "on_front": bool(self.on_front[i]),
                "accuracy_finetuned_val": float(self.finetuned_val[i]),
                "accuracy_finetuned_test": float(self.finetuned_test[i]),
                **{
                    f"accuracy_standalone_{split}_{rate:g}": float(getattr(self, f"alone_{split}")[i, column])
                    for split in ("val", "test")
                    for column, rate in enumerate(self.learning_rates)
                },
                "learning_rate": float(self.learning_rates[self.chosen]),
                "difference_val": float(self._differences("val")[i]),
                "difference_test": float(self._differences("test")[i]),
            }
            for i, name in enumerate(self.networks)
        ]


def _points(difference: float | None) -> str:
    return "-" if difference is None else f"{100 * difference:+.2f} points"
