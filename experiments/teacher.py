"""A teacher of one's own: what it answers for every training sample, read from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.config import ConfigError

_TOLERANCE = 1e-3


def read_answers(path: Path, n_train: int, n_classes: int) -> NDArray[np.float32]:
    """Class probabilities of a teacher.

    Args:
        path: The file, .npy without pickled objects.
        n_train: Training samples, in the order of the split. [1]
        n_classes: Classes. [1]

    Returns:
        Probabilities, `(n_train, n_classes)`.

    Raises:
        ConfigError: It is damaged, has another shape, or holds something else than probabilities.
    """

    def refuse(rule: str) -> ConfigError:
        return ConfigError(str(path), "teacher.file", rule)

    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise refuse(f"must be a .npy file of numbers: {error}") from None
    if not isinstance(found, np.ndarray) or found.dtype.kind != "f":
        raise refuse(f"must hold floating-point numbers, not {getattr(found, 'dtype', 'an archive')}")
    if found.shape != (n_train, n_classes):
        raise refuse(f"must have shape {(n_train, n_classes)}, a row for each training sample, not {found.shape}")
    answers = found.astype(np.float64)
    wrong = ~((answers >= 0).all(axis=1) & (np.abs(answers.sum(axis=1) - 1) < _TOLERANCE))
    if wrong.any():
        row = int(wrong.argmax())
        raise refuse(f"must hold probabilities of sum 1 in every row, not {answers[row].sum():g} in row {row}")
    right: NDArray[np.float32] = (answers / answers.sum(axis=1, keepdims=True)).astype(np.float32)
    return right
