"""Generated data set for tests: each class is a wave of its own in noise. Not a measure of real accuracy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from energy.validation import require_int
from models.data.dataset import SPLITS, DataSet, Split

GROUP_SIZE = 3
"""Samples per group, which stands for the overlapping windows of one recording. [1]"""

NOISE = 0.5
"""Standard deviation of the noise on waves of amplitude 1. [1]"""


def synthetic(
    rng: np.random.Generator,
    *,
    input_shape: tuple[int, int, int] = (128, 1, 6),
    n_classes: int = 7,
    n_per_class: int = 12,
) -> DataSet:
    """Return a data set of waves; its splits do not depend on the order in which they are built.

    Args:
        rng: Source of all randomness.
        input_shape: Height, width and channels; width 1 for one-dimensional data. [1]
        n_classes: Number of classes. [1]
        n_per_class: Samples of a class in every split. [1]

    Raises:
        ValueError: A size is not a whole number of at least 1, or classes are fewer than 2.
    """
    require_int("n_per_class", n_per_class)
    height, width, channels = input_shape
    cycles = rng.uniform(1.0, height / 4 + 1.0, size=(n_classes, channels))
    steps = np.linspace(0.0, 2 * np.pi, height, endpoint=False)
    seeds = dict(zip(SPLITS, rng.integers(0, 2**63, size=(len(SPLITS), 2)), strict=True))

    def build(name: str) -> Split:
        own = np.random.default_rng(seeds[name])
        labels = np.repeat(np.arange(n_classes), n_per_class)
        phase = own.uniform(0.0, 2 * np.pi, size=(len(labels), channels, 1))
        waves = np.sin(cycles[labels][:, :, None] * steps + phase)[..., None]
        inputs: NDArray[np.float32] = (
            waves + NOISE * own.standard_normal((len(labels), channels, height, width))
        ).astype(np.float32)
        groups = np.arange(len(labels)) // GROUP_SIZE
        return Split(inputs=inputs[..., 0] if width == 1 else inputs, labels=labels, groups=groups)

    return DataSet(
        name="synthetic",
        n_classes=n_classes,
        input_shape=input_shape,
        class_names=tuple(f"wave {index}" for index in range(n_classes)),
        source="generated",
        licence="none needed",
        fingerprint="synthetic-"
        + "-".join(f"{int(seed):x}" for seed in np.concatenate(list(seeds.values())))
        + f"-{height}x{width}x{channels}-{n_classes}-{n_per_class}",
        build=build,
    )
