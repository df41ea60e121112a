"""Images kept as bytes: stratified parts for validation, and mean and spread without a float copy."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1_000


def stratified_parts(labels: NDArray[np.int64], n_parts: int, seed: int) -> list[NDArray[np.int64]]:
    """Return positions in `n_parts` random parts of equal size, each with its share of every class.

    Args:
        labels: Class of each image, `(n,)`.
        n_parts: Number of parts. [1]
        seed: Seed of the parts; constant for a data set, so that a fold is the same everywhere.

    Returns:
        Positions, rising, one array per part.
    """
    rng = np.random.default_rng(seed)
    parts: list[list[NDArray[np.int64]]] = [[] for _ in range(n_parts)]
    for label in np.unique(labels):
        dealt = np.array_split(rng.permutation(np.flatnonzero(labels == label)), n_parts)
        for part, share in zip(parts, dealt, strict=True):
            part.append(share)
    return [np.sort(np.concatenate(part)) for part in parts]


def all_but(parts: list[NDArray[np.int64]], fold: int) -> NDArray[np.int64]:
    """Return the positions of all parts but number `fold`, rising."""
    return np.sort(np.concatenate(parts[:fold] + parts[fold + 1 :]))


def byte_statistics(batches: Iterable[NDArray[np.uint8]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and spread of each channel over all images, from exact counts of the 256 values.

    Args:
        batches: Images in batches, `(n, channels, *size)` each.

    Returns:
        Mean, and standard deviation or 1 for a constant channel, float32 `(channels,)` each.

    Raises:
        ValueError: No image is given.
    """
    counts: NDArray[np.int64] | int = 0
    for batch in batches:
        for start in range(0, len(batch), _CHUNK):
            images = batch[start : start + _CHUNK]
            counts = counts + np.stack(
                [np.bincount(channel.ravel(), minlength=256) for channel in images.swapaxes(0, 1)]
            )
    if isinstance(counts, int):
        raise ValueError("batches must hold at least one image")
    values, n = np.arange(256), counts.sum(axis=1)
    mean = counts @ values / n
    spread = np.sqrt(np.maximum(counts @ values**2 / n - mean**2, 0))
    return mean.astype(np.float32), np.where(spread > 0, spread, 1).astype(np.float32)
