"""The predictor's card: agreement with measured accuracies on held-out networks, beside two baselines.

A baseline is a line through the logarithm of a network's parameters or multiply-accumulates. Each draw splits the
measured networks at random: some are held out, growing parts of the rest are learnt from. Torch-free.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from energy.validation import require_int, require_keys, require_number
from models.predictor.agreement import Agreement, agreement
from models.predictor.gaussian_process import LEAST_NETWORKS, Predictor
from models.predictor.matern import Floats
from models.spaces import Archs, Space

METHODS: Mapping[str, str] = {
    "predictor": "predictor",
    "parameters": "log parameters",
    "macs": "log multiply-accumulates",
}
"""Predictors that the card compares, with their names in tables and figures; the first is the Gaussian process."""

BASELINES = ("parameters", "macs")
"""Predictors of `METHODS` that read one size of a network alone."""

FIGURES: Mapping[str, str] = {
    "kendall_tau": "Kendall tau",
    "spearman_rho": "Spearman rho",
    "rmse": "RMSE",
    "top_precision": "top 10 %",
}
"""Figures of `Agreement` on the card, with their names in tables and figures."""

TRAINING_SIZES = (25, 50, 100, 200, 400, 600)
"""Networks learnt from along the learning curve. [1]"""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PredictorCard:
    """Measured quality of a predictor.

    Attributes:
        space: Name of the space.
        kind: Kind of the predicted accuracies, such as `inherited`.
        split: Split that they were measured on.
        n_networks: Networks measured in all. [1]
        n_held_out: Networks held out in each draw. [1]
        n_training: Networks learnt from, rising, `(n_sizes,)`. [1]
        curves: For each of `METHODS`, for each of `FIGURES`: the figure on held-out networks, `(n_draws, n_sizes)`.
        measured: Accuracies of the networks held out in the first draw, `(n_held_out,)`. [1]
        predicted: Their accuracies by the predictor of the largest size, `(n_held_out,)`. [1]
        deviation: Standard deviation of each prediction, by that predictor, `(n_held_out,)`. [1]
        noise: Standard deviation of the measurement noise that it fits. [1]

    Raises:
        ValueError: The arrays do not fit together.
    """

    key = "predictor"

    space: str
    kind: str
    split: str
    n_networks: int
    n_held_out: int
    n_training: NDArray[np.int64]
    curves: Mapping[str, Mapping[str, Floats]]
    measured: Floats
    predicted: Floats
    deviation: Floats
    noise: float

    def __post_init__(self) -> None:
        require_keys("curves", self.curves, required=METHODS)
        for method, figures in self.curves.items():
            require_keys(f"curves.{method}", figures, required=FIGURES)
            for figure, values in figures.items():
                if values.ndim != 2 or values.shape[1] != len(self.n_training) or not len(values):
                    rule = f"have shape (n_draws, {len(self.n_training)})"
                    raise ValueError(f"curves.{method}.{figure} must {rule}, not {values.shape}")
        for name in ("measured", "predicted", "deviation"):
            if (shape := getattr(self, name).shape) != (self.n_held_out,):
                raise ValueError(f"{name} must have shape ({self.n_held_out},), not {shape}")

    @property
    def n_draws(self) -> int:
        """Number of random splits. [1]"""
        return len(self.curves["predictor"]["kendall_tau"])

    @property
    def beats_both(self) -> bool:
        """Whether, at the largest size, it ranks better than both baselines in every draw."""
        ours = self.curves["predictor"]["kendall_tau"][:, -1]
        return all((ours > self.curves[name]["kendall_tau"][:, -1]).all() for name in BASELINES)

    @property
    def verdict(self) -> str:
        """`beats_both` in words."""
        return f"{'beats' if self.beats_both else 'does NOT beat'} both baselines"

    def summary(self, method: str) -> dict[str, tuple[float, float]]:
        """Return mean and standard deviation over the draws of each of `FIGURES` at the largest size."""
        figures = self.curves[method]
        return {name: (float(figures[name][:, -1].mean()), float(figures[name][:, -1].std())) for name in FIGURES}

    def text(self) -> str:
        """Return the card for a person: verdict, the table of figures, the learning curve."""
        return "\n".join(_lines(self))

    def to_dict(self) -> dict[str, Any]:
        """Return the card as JSON types."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            "verdict": self.verdict,
            "curves": {method: {key: curve[key].tolist() for key in FIGURES} for method, curve in self.curves.items()},
            **{name: getattr(self, name).tolist() for name in _ARRAYS},
        }

    @classmethod
    def from_dict(cls, data: Any) -> PredictorCard:
        """Return the card that `to_dict` wrote.

        Raises:
            ValueError: A key is missing or unknown, or the arrays do not fit together.
        """
        require_keys("card", data, required=(*_PLAIN, *_ARRAYS, "curves"), optional=("verdict",))
        require_keys("curves", data["curves"], required=METHODS)
        require_number("noise", data["noise"], least=0)
        plain: dict[str, Any] = {name: data[name] for name in _PLAIN}
        arrays: dict[str, Any] = {name: np.array(data[name], dtype=dtype) for name, dtype in _ARRAYS.items()}
        return cls(
            **plain,
            **arrays,
            curves={
                method: {figure: np.array(values, dtype=np.float64) for figure, values in figures.items()}
                for method, figures in data["curves"].items()
            },
        )


_PLAIN = ("space", "kind", "split", "n_networks", "n_held_out", "noise")
_ARRAYS: Mapping[str, type] = {"n_training": int, "measured": float, "predicted": float, "deviation": float}


def predictor_card(
    space: Space,
    archs: Archs,
    accuracies: ArrayLike,
    rng: np.random.Generator,
    *,
    n_held_out: int = 200,
    n_draws: int = 5,
    sizes: Sequence[int] = TRAINING_SIZES,
    kind: str = "inherited",
    split: str = "val",
) -> PredictorCard:
    """Measure the predictor on networks whose accuracies are known.

    Args:
        space: Their space.
        archs: Distinct networks, drawn at random, canonical or not, `(n, n_genes)`.
        accuracies: Their accuracies, `(n,)`. [1]
        rng: Source of the splits.
        n_held_out: Networks held out in each draw. [1]
        n_draws: Random splits. [1]
        sizes: Numbers of networks to learn from, at most the number not held out. [1]
        kind: Kind of the accuracies.
        split: Split that they were measured on.

    Raises:
        ValueError: Networks repeat, are too few, or do not fit the accuracies.
    """
    archs, values = space.canonical(archs), np.asarray(accuracies, dtype=np.float64)
    require_int("n_draws", n_draws)
    _check(archs, values, n_held_out)
    for size in sizes:
        require_int("sizes", size, least=LEAST_NETWORKS)
    n_training = sorted({min(size, len(archs) - n_held_out) for size in sizes})
    counts = np.log(_counts(space, archs))
    found: list[list[list[Agreement]]] = []
    first: dict[str, Any] = {}
    for _ in range(n_draws):
        order = rng.permutation(len(archs))
        held, rest = order[:n_held_out], order[n_held_out:]
        found.append([])
        for train in (rest[:size] for size in n_training):
            predictor = Predictor.fit(space, archs[train], values[train], split=split)
            predicted, deviation = predictor.predict(archs[held])
            baselines = [_line(column[train], values[train], column[held]) for column in counts.T]
            found[-1].append([agreement(guess, values[held]) for guess in (predicted, *baselines)])
        first = first or dict(measured=values[held], predicted=predicted, deviation=deviation, noise=predictor.noise)
    return PredictorCard(
        space=space.name,
        kind=kind,
        split=split,
        n_networks=len(archs),
        n_held_out=n_held_out,
        n_training=np.array(n_training),
        curves={method: _figures(found, index) for index, method in enumerate(METHODS)},
        **first,
    )


def _check(archs: Archs, values: Floats, n_held_out: int) -> None:
    if values.shape != (len(archs),):
        raise ValueError(f"accuracies must have shape ({len(archs)},) as archs have rows, not {values.shape}")
    n_repeated = len(archs) - len(np.unique(archs, axis=0))
    if n_repeated:
        raise ValueError(f"archs must be distinct, or held-out networks are known: {n_repeated} of {len(archs)} repeat")
    require_int("n_held_out", n_held_out, least=2)
    if len(archs) < n_held_out + LEAST_NETWORKS:
        rule = f"at least n_held_out + {LEAST_NETWORKS} = {n_held_out + LEAST_NETWORKS} networks"
        raise ValueError(f"archs must be {rule}, not {len(archs)}; evaluate more or hold out fewer")


def _figures(found: Sequence[Sequence[Sequence[Agreement]]], index: int) -> dict[str, Floats]:
    """Return each of `FIGURES` of one method, `(n_draws, n_sizes)`, from agreements by draw, size and method."""
    return {
        figure: np.array([[getattr(methods[index], figure) for methods in draw] for draw in found])
        for figure in FIGURES
    }


def _counts(space: Space, archs: Archs) -> Floats:
    """Return parameters and multiply-accumulates of each network, `(n, 2)`. [1]"""
    networks = (space.network(arch) for arch in archs)
    return np.array([(network.n_parameters, network.n_macs) for network in networks], dtype=np.float64)


def _line(known: Floats, accuracies: Floats, at: Floats) -> Floats:
    """Return the line of least squares through `(known, accuracies)` at `at`; flat where `known` is constant."""
    centred = known - known.mean()
    spread = float(centred @ centred)
    slope = float(centred @ accuracies) / spread if spread > 0 else 0.0
    return np.asarray(accuracies.mean() + slope * (at - known.mean()))


def _lines(card: PredictorCard) -> Iterator[str]:
    yield f"Predictor of accuracy_{card.kind}_{card.split} in space {card.space}: {card.verdict}."
    yield (
        f"{card.n_networks} networks measured; learnt from {card.n_training[-1]}, "
        f"evaluated on {card.n_held_out} others; "
        f"mean and standard deviation of {card.n_draws} random draws."
    )
    yield f"{'':26}" + "".join(f"{title:>17}" for title in FIGURES.values())
    for method, title in METHODS.items():
        cells = (f"{mean:.3f} +- {deviation:.3f}" for mean, deviation in card.summary(method).values())
        yield f"{title:26}" + "".join(f"{cell:>17}" for cell in cells)
    yield "Kendall tau by networks learnt from:"
    yield f"{'':26}" + "".join(f"{size:>8}" for size in card.n_training)
    for method, title in METHODS.items():
        taus = card.curves[method]["kendall_tau"].mean(axis=0)
        yield f"{title:26}" + "".join(f"{tau:>8.3f}" for tau in taus)
    yield f"The predictor takes {100 * card.noise:.1f} points (standard deviation) of what it learnt from for chance."
