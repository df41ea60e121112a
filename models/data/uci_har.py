"""Human activity recognition with a smartphone: nine channels at 50 Hz, six activities, 30 persons, from text files.

A line of an `Inertial Signals` file is one window of 128 steps of one channel; windows overlap by half. The official
test persons test. Every fifth of the training persons in rising order, from number `fold` on, validates.
"""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.data.augmentation import Augmentation
from models.data.dataset import DataSet, Split
from models.data.folders import Layout, digest
from models.data.normalisation import Normalisation
from models.data.windows import Normaliser

WINDOW = 128
"""Steps of a window. [1]"""

CHANNELS = tuple(f"{sensor}_{axis}" for sensor in ("body_acc", "body_gyro", "total_acc") for axis in "xyz")
"""Channels in the order of `inputs`."""

N_CLASSES = 6
"""Activities. [1]"""

N_GROUPS = 5
"""Groups of the training persons; one of them validates. [1]"""

_BEYOND = 1e9
"""Bound above every acceleration, rotation and person number in the files."""

NAMES = "activity_labels.txt"
"""File with the number and name of each activity."""

SOURCE = (
    "UCI machine learning repository, Human Activity Recognition Using Smartphones; Anguita, Ghio, Oneto, Parra, "
    "Reyes-Ortiz, ESANN 2013; files as given by the user"
)
LICENCE = "as the repository states it"

RAW = f"window of {WINDOW} steps at 50 Hz of {', '.join(CHANNELS)}, as in the files of the source"
"""Description of a sample before normalisation."""

LAYOUT = Layout(
    name="uci-har",
    folders=("UCI HAR Dataset",),
    marker="train/Inertial Signals",
    expected=f"{NAMES}, and in train and test the text files y_*, subject_* and Inertial Signals/*",
    remedy="Unpack the archive of the data set and name the folder 'UCI HAR Dataset' with --data-dir or data.dir",
)


class Windows(NamedTuple):
    """Windows of one part of the data.

    Attributes:
        windows: Steps of each channel in the source's units, `(n, 9, 128)`.
        labels: Activity of each window from 0, `(n,)`.
        groups: Number of the recording of each window, `(n,)`.
    """

    windows: NDArray[np.float32]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]


def load_uci_har(fold: int, directory: Path | None = None) -> DataSet:
    """Return the data set of one fold; test files are checked for sizes and persons, and read when the split is built.

    Args:
        fold: Number of the group of training persons who validate, 0 to 4.
        directory: The folder `UCI HAR Dataset`, or its parent.

    Raises:
        ValueError: A file is missing or damaged, or training persons are fewer than five.
    """
    folder = LAYOUT.find(directory)
    files = [LAYOUT.file(folder, name) for part in ("train", "test") for name in _files(part)]
    names = LAYOUT.file(folder, NAMES)
    persons, testing = (_integers(folder / f"{part}/subject_{part}.txt") for part in ("train", "test"))
    known = np.unique(persons)
    if len(both := np.intersect1d(known, testing)):
        raise LAYOUT.wrong(f"{folder}/test/subject_test.txt must name nobody who trains, not person {both[0]}")
    _check_sizes(folder, "test", len(testing))
    if len(known) < N_GROUPS:
        raise LAYOUT.wrong(f"{folder}/train/subject_train.txt must name at least {N_GROUPS} persons, not {len(known)}")
    validating = np.isin(persons, known[fold::N_GROUPS])

    @cache
    def training() -> Windows:
        return _part(folder, "train")

    @cache
    def normaliser() -> Normaliser:
        steps = training().windows[~validating].transpose(0, 2, 1).reshape(-1, len(CHANNELS))
        return Normaliser.of([steps.astype(np.float64)])

    def build(name: str) -> Split:
        windows, labels, groups = _part(folder, "test") if name == "test" else training()
        if name != "test":
            chosen = validating if name == "val" else ~validating
            windows, labels, groups = windows[chosen], labels[chosen], groups[chosen]
        inputs = np.ascontiguousarray(normaliser()(windows.transpose(0, 2, 1)).transpose(0, 2, 1))
        return Split(inputs=inputs, labels=labels, groups=groups)

    def normalisation() -> Normalisation:
        found = normaliser()
        return Normalisation.by_channel(found.mean, found.spread, n_axes=2, raw=RAW)

    return DataSet(
        name="uci-har",
        n_classes=N_CLASSES,
        input_shape=(WINDOW, 1, len(CHANNELS)),
        class_names=_class_names(names),
        source=SOURCE,
        licence=LICENCE,
        fingerprint=f"uci-har-{digest(folder, [*files, names])}-fold{fold}",
        augmentation=Augmentation(mixing=0.1),
        build=build,
        build_normalisation=normalisation,
    )


def _files(part: str) -> list[str]:
    """Return the paths of the files of `"train"` or `"test"`, below the folder."""
    signals = [f"{part}/Inertial Signals/{channel}_{part}.txt" for channel in CHANNELS]
    return [f"{part}/y_{part}.txt", f"{part}/subject_{part}.txt", *signals]


def _part(folder: Path, part: str) -> Windows:
    """Return the windows of `"train"` or `"test"`."""
    label_file, person_file, *signals = (folder / name for name in _files(part))
    labels, persons = _integers(label_file) - 1, _integers(person_file)
    if len(labels) != len(persons) or not len(labels):
        raise LAYOUT.wrong(f"{person_file} must have a person for each of {len(labels):,} labels, not {len(persons):,}")
    LAYOUT.check_labels(f"{label_file}, counted from 0,", labels, N_CLASSES)
    windows = np.empty((len(labels), len(CHANNELS), WINDOW), dtype=np.float32)
    for channel, path in enumerate(signals):
        values = _numbers(path)
        if len(values) != len(labels) * WINDOW:
            raise LAYOUT.wrong(
                f"{path} must have {len(labels) * WINDOW:,} values ({len(labels):,} lines of {WINDOW}), not "
                f"{len(values):,}. {LAYOUT.remedy}"
            )
        windows[:, channel] = values.reshape(-1, WINDOW)
    return Windows(windows=windows, labels=labels, groups=recordings(labels, persons))


def recordings(labels: NDArray[np.int64], persons: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of the recording of each window, `(n,)`, which rises where person or activity changes."""
    is_new = (np.diff(labels, prepend=labels[:1]) != 0) | (np.diff(persons, prepend=persons[:1]) != 0)
    return np.cumsum(is_new, dtype=np.int64)


def _check_sizes(folder: Path, part: str, n_windows: int) -> None:
    """Check that every file of a part has the values of its windows, by counting without parsing."""
    for path, n_values in ((folder / name, 1 if "Signals" not in name else WINDOW) for name in _files(part)):
        n_found = len(path.read_bytes().split())
        if n_found != n_windows * n_values or not n_found:
            rule = f"must have {n_windows * n_values:,} values, {n_values} for each of {n_windows:,} windows, and some"
            raise LAYOUT.wrong(f"{path} {rule}, not {n_found:,}. {LAYOUT.remedy}")


def _numbers(path: Path) -> NDArray[np.float64]:
    """Return all numbers of a text file, in order."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            values = np.fromfile(path, sep=" ")
        except (ValueError, DeprecationWarning):
            raise LAYOUT.wrong(f"{path} must hold numbers and nothing else: damaged. {LAYOUT.remedy}") from None
    if not (np.abs(values) < _BEYOND).all():
        raise LAYOUT.wrong(f"{path} must hold finite numbers below {_BEYOND:g}: damaged. {LAYOUT.remedy}")
    return values


def _integers(path: Path) -> NDArray[np.int64]:
    values = _numbers(path)
    if not (values == np.rint(values)).all():
        raise LAYOUT.wrong(f"{path} must hold whole numbers: damaged. {LAYOUT.remedy}")
    return values.astype(np.int64)


def _class_names(path: Path) -> tuple[str, ...]:
    lines = [line.split() for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    if [line[0] for line in lines] != [str(number) for number in range(1, N_CLASSES + 1)]:
        raise LAYOUT.wrong(f"{path} must number {N_CLASSES} activities from 1, one per line. {LAYOUT.remedy}")
    return tuple(" ".join(line[1:]).lower().replace("_", " ") for line in lines)
