"""The data sets a config may name: one row each in `DATASETS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from energy.checks import require_choice
from models.data import watch
from models.data.dataset import DataSet
from models.data.synthetic import synthetic

N_FOLDS = 5
"""Ways to give the roles of training, validation and test. [1]"""


@dataclass(frozen=True, kw_only=True)
class DataSetNote:
    """What `ebbnas datasets` says about one data set.

    Attributes:
        name: What a config calls it.
        input_shape: Height, width and channels of a sample, empty where a user decides. [1]
        n_classes: Number of classes, as text since some data sets leave it open.
        status: `shipped`, `generated` or `not built yet`.
        what: What it is, in a few words.
        source: Where it comes from.
        licence: Under what terms.
    """

    name: str
    input_shape: tuple[int, ...]
    n_classes: str
    status: str
    what: str
    source: str
    licence: str


@dataclass(frozen=True, kw_only=True)
class _Row:
    note: DataSetNote
    load: Callable[[int, Path | None], DataSet] | None


def _load_synthetic(fold: int, directory: Path | None) -> DataSet:
    if directory is not None:
        raise ValueError(f"data set 'synthetic' is generated and reads no folder, not {directory}; give none")
    return synthetic(np.random.default_rng(fold))


def _row(
    name: str, input_shape: tuple[int, ...], n_classes: str, what: str, *,
    status: str = "not built yet", source: str = "", licence: str = "",
    load: Callable[[int, Path | None], DataSet] | None = None,
) -> _Row:  # fmt: skip
    note = DataSetNote(
        name=name,
        input_shape=input_shape,
        n_classes=n_classes,
        status=status,
        what=what,
        source=source,
        licence=licence,
    )
    return _Row(note=note, load=load)


_ROWS = (
    _row(
        "watch", (128, 1, 6), "7", "smart-watch shoulder exercises, 3,605 windows of 10 persons",
        status="shipped", source=watch.SOURCE, licence=watch.LICENCE, load=watch.load_watch,
    ),
    _row(
        "synthetic", (128, 1, 6), "7", "waves in noise, for tests only",
        status="generated", source="generated", licence="none needed", load=_load_synthetic,
    ),
    _row("fashion", (28, 28, 1), "10", "Fashion-MNIST", source="Zalando Research", licence="MIT"),
    _row("cifar10", (32, 32, 3), "10", "CIFAR-10 images", source="A. Krizhevsky, 2009", licence="none stated"),
    _row("uci-har", (128, 1, 9), "6", "smartphone activities", source="UCI machine learning repository"),
    _row("speech", (49, 10, 1), "10-35", "keywords, log-mel or MFCC features", source="Speech Commands layout"),
)  # fmt: skip

DATASETS: dict[str, DataSetNote] = {row.note.name: row.note for row in _ROWS}
"""Every data set by name, those to come included."""

_LOADERS = {row.note.name: row.load for row in _ROWS}


def load(name: str, *, fold: int = 0, directory: Path | None = None) -> DataSet:
    """The data set of that name; its splits are built when they are asked for.

    Args:
        name: A key of `DATASETS`.
        fold: From 0 to 4, which part plays which role.
        directory: Folder to read in place of what is shipped.

    Raises:
        ValueError: There is no such data set or fold, it is not built yet, or its folder is missing or damaged.
    """
    require_choice("data set", name, DATASETS)
    if fold not in range(N_FOLDS):
        raise ValueError(f"fold must be a whole number from 0 to {N_FOLDS - 1}, not {fold!r}")
    loader = _LOADERS[name]
    if loader is None:
        ready = ", ".join(known for known, row in _LOADERS.items() if row is not None)
        raise ValueError(f"data set {name!r} is not built yet; those that are: {ready}")
    return loader(fold, directory)


def describe() -> tuple[DataSetNote, ...]:
    """A note on every data set, in the order of the documentation."""
    return tuple(DATASETS.values())
