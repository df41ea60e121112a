"""Smart-watch activity: 140 recordings of 10 persons, 7 exercises, 6 channels at 50 Hz; the default data set.

Split by person, never by window: persons pair up, three pairs train, one validates, one tests, and `fold` rotates the
pairs. The data are built in (`shipped/watch.md` describes their making); pickles are never read.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.augmentation import Augmentation
from models.data.dataset import DataSet, Split
from models.data.normalisation import Normalisation
from models.data.windows import Normaliser, windows

FILE = "watch.npz"
"""File of the data, built in or in the folder of a user."""

WINDOW, STRIDE = 128, 64
"""Steps of a window, and from one to the next. [1]"""

DENSE_STRIDE = 16
"""Stride of the denser windows of `DataSet.dense_val`. [1]"""

PAIRS = ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10))
"""Pairs of persons, which share a split; each fold rotates the splits by one pair."""

SOURCE = "Python package seglearn 1.2.5, file seglearn/data/watch_dataset.npy; Burns et al., arXiv:1802.01489"
LICENCE = "BSD-3-Clause, (c) 2018 David M. Burns"

RAW = f"window of {WINDOW} steps at 50 Hz, ax ay az wx wy wz of a wrist in the units of the source"
"""Description of a sample before normalisation."""

_KEYS = ("signal", "offset", "label", "subject", "scale", "classes")


@dataclass(frozen=True, kw_only=True, eq=False)
class Recordings:
    """The recordings of a file, joined.

    Attributes:
        signal: Samples of all, int16 `(n_steps, n_channels)`; times `scale` they are in the source's units.
        offset: First step of each recording and the end of the last, `(n + 1,)`.
        label: Class of each recording, `(n,)`.
        subject: Person of each recording, `(n,)`.
        scale: Value of one step of each channel, `(n_channels,)`.
        classes: One name per class.

    Raises:
        ValueError: The arrays do not fit together.
    """

    signal: NDArray[np.int16]
    offset: NDArray[np.int64]
    label: NDArray[np.int64]
    subject: NDArray[np.int64]
    scale: NDArray[np.float64]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        n = len(self.label)
        rules = {
            "signal must be int16 (n_steps, n_channels)": self.signal.dtype == np.int16 and self.signal.ndim == 2,
            "offset, label and subject must be whole numbers (n,)": all(
                column.ndim == 1 and np.issubdtype(column.dtype, np.integer)
                for column in (self.offset, self.label, self.subject)
            ),
            "offset must rise from 0 to the end of signal": self.offset.shape == (n + 1,)
            and self.offset[0] == 0
            and self.offset[-1] == len(self.signal)
            and bool((np.diff(self.offset) > 0).all()),
            "subject must name one person a recording": self.subject.shape == (n,),
            "label must name classes": bool(((self.label >= 0) & (self.label < len(self.classes))).all()),
            "scale must be finite and above 0 for each channel": self.scale.shape == self.signal.shape[1:]
            and bool((np.isfinite(self.scale) & (self.scale > 0)).all()),
        }
        for rule, is_met in rules.items():
            if not is_met:
                raise ValueError(rule)

    @property
    def n_channels(self) -> int:
        """Channels of every recording, `signal`'s second axis."""
        return int(self.signal.shape[1])

    def of(self, persons: tuple[int, ...]) -> NDArray[np.int64]:
        """Return the indices of the recordings of some persons, rising."""
        return np.flatnonzero(np.isin(self.subject, persons))

    def recording(self, index: int) -> NDArray[np.float64]:
        """Return one recording in the source's units, `(n_steps, n_channels)`."""
        return self.signal[self.offset[index] : self.offset[index + 1]] * self.scale


def persons(fold: int) -> dict[str, tuple[int, ...]]:
    """Return the persons of each split; fold 0 trains on 1-6, validates on 7-8, tests on 9-10."""
    turned = PAIRS[fold:] + PAIRS[:fold]
    return {"train": tuple(sorted(sum(turned[:3], ()))), "val": turned[3], "test": turned[4]}


def load_watch(fold: int, directory: Path | None = None) -> DataSet:
    """Return the data set of one fold.

    Args:
        fold: Assignment of persons to splits, 0 to 4.
        directory: Folder whose `watch.npz` is read in place of the built-in one.

    Raises:
        ValueError: The file is missing or damaged, or a split has no persons.
    """
    content, where = _content(directory)
    recordings = _recordings(content, where)
    roles = persons(fold)
    for name, members in roles.items():
        if not len(recordings.of(members)):
            raise ValueError(f"data set 'watch': split {name} of fold {fold} needs persons {members}, {where} has none")

    def normaliser() -> Normaliser:
        return Normaliser.of([recordings.recording(index) for index in recordings.of(roles["train"])])

    def build(name: str, stride: int = STRIDE) -> Split:
        return _split(recordings, roles[name], normaliser(), stride)

    def normalisation() -> Normalisation:
        found = normaliser()
        return Normalisation.by_channel(found.mean, found.spread, n_axes=2, raw=RAW)

    return DataSet(
        name="watch",
        n_classes=len(recordings.classes),
        input_shape=(WINDOW, 1, recordings.n_channels),
        class_names=recordings.classes,
        source=SOURCE,
        licence=LICENCE,
        fingerprint=f"watch-{hashlib.sha256(content).hexdigest()}-fold{fold}",
        augmentation=Augmentation(mixing=0.1),
        build=build,
        build_dense=lambda: build("val", DENSE_STRIDE),
        build_normalisation=normalisation,
    )


def find_watch(directory: Path) -> Path:
    """Return the folder after checking that it holds the file.

    Raises:
        ValueError: It does not hold the file.
    """
    if not (directory / FILE).is_file():
        raise _missing(directory, f"no readable {FILE} in it" if directory.is_dir() else "no such folder")
    return directory


def _missing(directory: Path, reason: str) -> ValueError:
    return ValueError(
        f"data set 'watch': looked in {directory}: {reason}; expected {FILE} there. "
        "Give the folder that holds it, or no folder to use the built-in data"
    )


def _content(directory: Path | None) -> tuple[bytes, str]:
    """Return the bytes of the file, and its name in messages."""
    if directory is None:
        return (resources.files("models.data") / "shipped" / FILE).read_bytes(), "the built-in file"
    path = directory / FILE
    try:
        return path.read_bytes(), str(path)
    except OSError as error:
        reason = "no such folder" if not directory.is_dir() else f"no readable {FILE} in it ({error.strerror})"
        raise _missing(directory, reason) from None


def _recordings(content: bytes, where: str) -> Recordings:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays: dict[str, NDArray[Any]] = {key: archive[key] for key in _KEYS}
        classes = tuple(str(name) for name in arrays.pop("classes"))
        return Recordings(**arrays, classes=classes)
    except (ValueError, KeyError, TypeError, IndexError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"data set 'watch': {where} is damaged ({error}); expected an .npz without pickles with the arrays "
            f"{', '.join(_KEYS)}. Restore it, or give no folder to use the built-in data"
        ) from None


def _split(recordings: Recordings, members: tuple[int, ...], normalise: Normaliser, stride: int) -> Split:
    chosen = recordings.of(members)
    cut = [windows(normalise(recordings.recording(index)), WINDOW, stride) for index in chosen]
    groups = np.repeat(chosen, [len(one) for one in cut])
    return Split(
        inputs=np.ascontiguousarray(np.concatenate(cut), dtype=np.float32),
        labels=recordings.label[groups],
        groups=groups.astype(np.int64),
    )
