"""Accuracies of given networks: by a run's shared weights, from a table, or by the synthetic formula."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evo.synthetic_accuracy import SyntheticAccuracy
from experiments.parallel.progress import Reporter
from experiments.storage.tables import read_table
from models.spaces import Archs, Space

Accuracies = NDArray[np.float64]

STATED = SyntheticAccuracy.kind
"""Value of `--accuracies` for the synthetic formula."""

_NETWORKS_PER_STEP = 20_000


class GivenAccuracies(NamedTuple):
    """Kind of the accuracies of networks, and the accuracies, `(n,)`. [1]"""

    kind: str
    accuracies: Accuracies


def accuracies_of(source: str, archs: Archs, names: Sequence[str], space: Space) -> GivenAccuracies:
    """Return the accuracies of networks and their kind.

    Args:
        source: A run's folder, or a table in CSV or Parquet.
        archs: Networks, `(n, n_genes)`.
        names: Their text forms, `(n,)`.
        space: Their space.

    Raises:
        ValueError: The run has another space, or the table lacks a column or a network.
    """
    path = Path(source)
    if path.is_dir():
        return GivenAccuracies("inherited_val", _by_run(path, archs, space))
    known = _read_accuracies(path)
    for name in names:
        if name not in known:
            raise ValueError(f"{path}: architecture {name!r} is missing")
    return GivenAccuracies("given", np.array([known[name] for name in names]))


def _by_run(path: Path, archs: Archs, space: Space) -> Accuracies:
    from experiments.config.read import read_config
    from experiments.pipeline.run import Run

    run = Run.of(read_config(str(path)), source=str(path), root=path.resolve().parent.parent)
    own = run.work.space
    if [own.name, own.stages, own.padding] != [space.name, space.stages, space.padding]:
        raise ValueError(f"--accuracies must be a run of space {space.name!r}, not of {own.name!r}")
    stages = run.trained_stages(Reporter())
    source = stages.accuracies(stages.evaluator(stages.supernet()))
    steps = range(0, len(archs), _NETWORKS_PER_STEP)
    return np.concatenate([source.evaluate(archs[start : start + _NETWORKS_PER_STEP]) for start in steps])


def networks_of(path: Path, space: Space) -> Archs:
    """Return the networks that a table lists in its column `architecture`, each once, `(n, n_genes)`.

    Args:
        path: CSV or Parquet.
        space: Their space.

    Raises:
        ValueError: The column is missing or empty, or a network in it is not in the space.
    """
    archs = []
    for number, row in enumerate(_read_rows(path), start=1):
        if row.get("architecture") is None:
            raise ValueError(f"{path}: row {number} must have architecture: {dict(row)}")
        try:
            archs.append(space.decode(str(row["architecture"])))
        except ValueError as error:
            raise ValueError(f"{path}: row {number}: {error}") from None
    if not archs:
        raise ValueError(f"{path}: must list at least one network in a column architecture")
    return np.unique(np.array(archs), axis=0)


def _read_rows(path: Path) -> Sequence[Mapping[str, Any]]:
    if path.suffix == ".parquet":
        return read_table(path)
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _read_accuracies(path: Path) -> dict[str, float]:
    known: dict[str, float] = {}
    for number, row in enumerate(_read_rows(path), start=1):
        try:
            known[str(row["architecture"])] = value = float(row["accuracy"])
        except (KeyError, TypeError, ValueError):
            message = f"row {number} must have architecture and accuracy, a number: {dict(row)}"
            raise ValueError(f"{path}: {message}") from None
        if not 0 <= value <= 1:
            raise ValueError(f"{path}: accuracy of row {number} must be from 0 to 1, not {value:g}")
    return known
