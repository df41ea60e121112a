"""Data sets for configs, one row each in `DATASETS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from energy.validation import require_choice
from models.data import cifar10, fashion, speech, uci_har, watch
from models.data.dataset import DataSet
from models.data.synthetic import synthetic

NEEDS_FOLDER = "needs --data-dir"
"""Status of a data set that is not built in."""

N_FOLDS = 5
"""Number of folds: assignments of samples to training, validation and test. [1]"""


@dataclass(frozen=True, kw_only=True)
class DataSetNote:
    """Note of `ebbnas datasets` on one data set.

    Attributes:
        name: Name in a config.
        input_shape: Height, width and channels of a sample. [1]
        n_classes: Number of classes, as text since some data sets leave it open.
        status: `shipped`, `generated`, `needs --data-dir`, or whether the folder holds it.
        what: Description in a few words.
        source: Origin of the data.
        licence: Licence of the data.
        expected: Expected files of its folder, empty where it reads none.
        problem: Error of the folder, empty where the folder is valid, not given or not needed.
    """

    name: str
    input_shape: tuple[int, ...]
    n_classes: str
    status: str
    what: str
    source: str
    licence: str
    expected: str = ""
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A data set: its note, its loader, and the finder of its folder, None where it reads none."""

    note: DataSetNote
    load: Callable[[int, Path | None], DataSet]
    find: Callable[[Path], Path] | None


def _load_synthetic(fold: int, directory: Path | None) -> DataSet:
    if directory is not None:
        raise ValueError(f"data set 'synthetic' is generated and reads no folder, not {directory}; give none")
    return synthetic(np.random.default_rng(fold))


def _row(
    name: str, input_shape: tuple[int, ...], n_classes: str, what: str, *, status: str = NEEDS_FOLDER,
    source: str, licence: str, expected: str = "", load: Callable[[int, Path | None], DataSet],
    find: Callable[[Path], Path] | None = None,
) -> _Row:  # fmt: skip
    note = DataSetNote(
        name=name,
        input_shape=input_shape,
        n_classes=n_classes,
        status=status,
        what=what,
        source=source,
        licence=licence,
        expected=expected,
    )
    return _Row(note=note, load=load, find=find)


_ROWS = (
    _row(
        "watch", (128, 1, 6), "7", "smart-watch shoulder exercises, 3,605 windows of 10 persons",
        status="shipped", source=watch.SOURCE, licence=watch.LICENCE, expected=watch.FILE,
        load=watch.load_watch, find=watch.find_watch,
    ),
    _row(
        "fashion", (28, 28, 1), "10", "Fashion-MNIST, 10,500 grey images of clothing; 70,000 in a folder",
        status="shipped", source=fashion.SOURCE, licence=fashion.LICENCE, expected=fashion.LAYOUT.expected,
        load=fashion.load_fashion, find=fashion.LAYOUT.find,
    ),
    _row(
        "cifar10", (32, 32, 3), "10", "CIFAR-10, 60,000 colour images of animals and vehicles",
        source=cifar10.SOURCE, licence=cifar10.LICENCE, expected=cifar10.LAYOUT.expected,
        load=cifar10.load_cifar10, find=cifar10.find_cifar10,
    ),
    _row(
        "uci-har", (128, 1, 9), "6", "smartphone activities, 10,299 windows of 30 persons",
        source=uci_har.SOURCE, licence=uci_har.LICENCE, expected=uci_har.LAYOUT.expected,
        load=uci_har.load_uci_har, find=uci_har.LAYOUT.find,
    ),
    _row(
        "speech", speech.INPUT_SHAPE, "a word each", "spoken words, 49 frames of 10 cepstral coefficients",
        source=speech.SOURCE, licence=speech.LICENCE, expected=speech.LAYOUT.expected,
        load=speech.load_speech, find=speech.LAYOUT.find,
    ),
    _row(
        "synthetic", (128, 1, 6), "7", "waves in noise, for tests only",
        status="generated", source="generated", licence="none needed", load=_load_synthetic,
    ),
)  # fmt: skip

DATASETS: dict[str, DataSetNote] = {row.note.name: row.note for row in _ROWS}
"""Every data set by name."""

_LOADERS = {row.note.name: row.load for row in _ROWS}


def load(name: str, *, fold: int = 0, directory: Path | None = None) -> DataSet:
    """Return the data set with a name; its splits are built on request.

    Args:
        name: A key of `DATASETS`.
        fold: Assignment of samples to splits, 0 to 4.
        directory: Folder to read in place of the built-in data.

    Raises:
        ValueError: Data set or fold is unknown, or the folder is missing or damaged.
    """
    require_choice("data set", name, DATASETS)
    if fold not in range(N_FOLDS):
        raise ValueError(f"fold must be a whole number from 0 to {N_FOLDS - 1}, not {fold!r}")
    return _LOADERS[name](fold, directory)


def describe(directory: Path | None = None) -> tuple[DataSetNote, ...]:
    """Return a note on every data set, in the order of the documentation.

    Args:
        directory: Folder to search for each of them, by file names.
    """
    return tuple(row.note if directory is None else _looked_for(row, directory) for row in _ROWS)


def _looked_for(row: _Row, directory: Path) -> DataSetNote:
    if row.find is None:
        return row.note
    try:
        return replace(row.note, status=f"found in {row.find(directory)}")
    except ValueError as error:
        if row.note.status != NEEDS_FOLDER:
            return row.note
        return replace(row.note, status="not found", problem=str(error))
