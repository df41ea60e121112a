"""Class probabilities that a teacher of your own gives for every training sample, read from a file."""

from __future__ import annotations

import tokenize
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.config.errors import ConfigError

_TOLERANCE = 1e-3


def read_answers(path: Path, n_train: int, n_classes: int) -> NDArray[np.float32]:
    """Return the class probabilities of a teacher.

    Args:
        path: The file, .npy without pickled objects.
        n_train: Training samples, in the order of the split. [1]
        n_classes: Classes. [1]

    Returns:
        Probabilities, `(n_train, n_classes)`.

    Raises:
        ConfigError: The file is damaged, has another shape, or holds values that are not probabilities.
    """

    def refuse(rule: str) -> ConfigError:
        return ConfigError(str(path), "teacher.file", rule)

    try:
        # Mapped, not read: a damaged header of any size reserves no memory.
        found = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError, OverflowError, SyntaxError, tokenize.TokenError) as error:
        raise refuse(f"must be a .npy file of numbers: {' '.join(str(error).split())}") from None
    if found.dtype.kind != "f":
        raise refuse(f"must hold floating-point numbers, not {found.dtype}")
    if found.shape != (n_train, n_classes):
        raise refuse(f"must have shape {(n_train, n_classes)}, a row for each training sample, not {found.shape}")
    answers = found.astype(np.float64)
    if (answers < 0).any():
        row, column = np.argwhere(answers < 0)[0]
        raise refuse(f"must hold probabilities, not {answers[row, column]:g} in row {row}")
    wrong = ~(np.abs(answers.sum(axis=1) - 1) < _TOLERANCE)
    if wrong.any():
        row = int(wrong.argmax())
        raise refuse(f"must hold probabilities of sum 1 in every row, not {answers[row].sum():g} in row {row}")
    right: NDArray[np.float32] = (answers / answers.sum(axis=1, keepdims=True)).astype(np.float32)
    return right
