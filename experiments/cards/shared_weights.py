"""The card of the shared weights: inherited against stand-alone accuracy of the same networks, all on validation.

The ceiling is how well training alone agrees with itself: Kendall's tau of one seed with the mean of the others,
averaged over seeds. An estimate from shared weights orders networks better than that only by chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.formatting.table import Table
from models.predictor.agreement import agreement


@dataclass(frozen=True, kw_only=True, eq=False)
class SharedWeightsCard:
    """Inherited and stand-alone accuracies of some networks, people pooled over the folds.

    Attributes:
        networks: Their text forms, `(n,)`.
        n_parameters, n_macs: Size of each network, `(n,)`. [1]
        inherited: Accuracy with shared weights, `(n,)`. [1]
        log_likelihood: Mean log-likelihood of the right class with shared weights, `(n,)`. [1]
        alone: Accuracy of each seed trained alone, `(n, n_seeds)`. [1]
        n_folds: Pooled folds. [1]
        n_samples: Validation samples of all folds. [1]

    Raises:
        ValueError: Networks or seeds are fewer than two, or arrays differ in length.
    """

    key = "shared_weights"

    networks: Sequence[str]
    n_parameters: NDArray[np.int64]
    n_macs: NDArray[np.int64]
    inherited: NDArray[np.float64]
    log_likelihood: NDArray[np.float64]
    alone: NDArray[np.float64]
    n_folds: int
    n_samples: int

    def __post_init__(self) -> None:
        if len(self.networks) < 2 or self.alone.ndim != 2 or self.alone.shape[1] < 2:
            raise ValueError(f"alone must have shape (n, n_seeds), both at least 2, not {self.alone.shape}")
        for name in ("n_parameters", "n_macs", "inherited", "log_likelihood", "alone"):
            if len(getattr(self, name)) != len(self.networks):
                raise ValueError(f"{name} must have {len(self.networks)} rows, not {len(getattr(self, name))}")

    @property
    def mean_alone(self) -> NDArray[np.float64]:
        """Stand-alone accuracy, mean over the seeds, `(n,)`. [1]"""
        mean: NDArray[np.float64] = self.alone.mean(axis=1)
        return mean

    @property
    def ceiling(self) -> float:
        """Kendall's tau of one seed with the mean of the others, averaged over seeds."""
        seeds = range(self.alone.shape[1])
        return float(np.mean([_tau(self.alone[:, s], np.delete(self.alone, s, axis=1).mean(axis=1)) for s in seeds]))

    @property
    def taus(self) -> dict[str, float]:
        """Kendall's tau of each estimate with the mean stand-alone accuracy, by estimate."""
        estimates = {
            "inherited": self.inherited,
            "log_likelihood": self.log_likelihood,
            "parameters": self.n_parameters,
            "macs": self.n_macs,
        }
        return {name: _tau(values, self.mean_alone) for name, values in estimates.items()}

    @property
    def mean_absolute_gap(self) -> float:
        """Mean distance from inherited to mean stand-alone accuracy. [1]"""
        return float(np.abs(self.inherited - self.mean_alone).mean())

    @property
    def mean_gap(self) -> float:
        """Mean of inherited minus mean stand-alone accuracy. [1]"""
        return float((self.inherited - self.mean_alone).mean())

    def to_dict(self) -> dict[str, Any]:
        """Return the card as JSON types, without the single networks."""
        return {
            "n_networks": len(self.networks),
            "n_seeds": self.alone.shape[1],
            "n_folds": self.n_folds,
            "n_samples_val": self.n_samples,
            "ceiling_tau": self.ceiling,
            "tau": self.taus,
            "share_of_ceiling": {name: _share(tau, self.ceiling) for name, tau in self.taus.items()},
            "accuracy_standalone_val": _range(self.mean_alone),
            "accuracy_inherited_val": _range(self.inherited),
            "mean_absolute_gap": self.mean_absolute_gap,
            "mean_gap": self.mean_gap,
        }

    def text(self) -> str:
        """Return the card for a person."""
        labels = {
            "inherited": "inherited accuracy",
            "log_likelihood": "inherited log-likelihood",
            "parameters": "parameter count",
            "macs": "multiply-accumulates",
        }
        share = _percent_of(self.ceiling)
        rows = [("one seed with the others (ceiling)", f"{self.ceiling:.3f}", share(self.ceiling))]
        rows += [(labels[name], f"{tau:.3f}", share(tau)) for name, tau in self.taus.items()]
        return "\n".join(
            [
                f"Shared weights: {len(self.networks)} networks, {self.alone.shape[1]} seeds alone, "
                f"{self.n_folds} folds pooled ({self.n_samples} validation samples)",
                "",
                Table(("order of stand-alone accuracy by", "Kendall tau", "of the ceiling"), rows).to_text(),
                "",
                f"stand-alone validation accuracy  {_span(self.mean_alone)}",
                f"inherited validation accuracy    {_span(self.inherited)}",
                f"inherited minus stand-alone      mean {100 * self.mean_gap:+.1f} points, "
                f"mean distance {100 * self.mean_absolute_gap:.1f} points",
            ]
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per network for `card_networks.csv`."""
        return [
            {
                "network": name,
                "n_parameters": int(self.n_parameters[i]),
                "n_macs": int(self.n_macs[i]),
                "accuracy_inherited_val": float(self.inherited[i]),
                "log_likelihood_inherited_val": float(self.log_likelihood[i]),
                **{f"accuracy_standalone_val_{s}": float(value) for s, value in enumerate(self.alone[i])},
            }
            for i, name in enumerate(self.networks)
        ]


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows that have the same columns as CSV with full precision."""
    lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
    return "\n".join(lines) + "\n"


def _tau(a: NDArray[Any], b: NDArray[Any]) -> float:
    return agreement(a, b).kendall_tau


def _share(tau: float, ceiling: float) -> float | None:
    return tau / ceiling if ceiling > 0 else None


def _percent_of(ceiling: float) -> Any:
    return lambda tau: f"{100 * tau / ceiling:.0f} %" if ceiling > 0 else "-"


def _range(values: NDArray[np.float64]) -> dict[str, float]:
    return {"least": float(values.min()), "mean": float(values.mean()), "most": float(values.max())}


def _span(values: NDArray[np.float64]) -> str:
    return f"{100 * values.min():.1f} to {100 * values.max():.1f} %, mean {100 * values.mean():.1f} %"
