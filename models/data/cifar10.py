"""CIFAR-10: 60,000 colour images of 32 x 32 in ten classes, from the official binary version.

A record is one byte of label and 3,072 of pixels, red then green then blue, row by row. Nine tenths of the training
batches train, one tenth, selected by `fold`, validates, with equal shares of the classes. Samples stay bytes: 135 MB
for training.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data.augmentation import Augmentation
from models.data.dataset import DataSet, Split
from models.data.folders import Layout, digest
from models.data.images import all_but, byte_statistics, stratified_parts

N_RECORDS = 10_000
"""Images of a batch file. [1]"""

N_CLASSES, CHANNELS, SIZE = 10, 3, 32
"""Classes, and channels and side of an image. [1]"""

N_PARTS = 10
"""Parts of the training batches; one of them validates. [1]"""

SPLIT_SEED = 10
"""Deals the training batches into parts, the same on every machine."""

RECORD_BYTES = 1 + CHANNELS * SIZE * SIZE
"""Bytes of a label and its image. [B]"""

TRAINING = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST, NAMES = "test_batch.bin", "batches.meta.txt"
"""Files of the binary version."""

SOURCE = "A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; files as given by the user"
LICENCE = "none stated by the source"

LAYOUT = Layout(
    name="cifar10",
    folders=("cifar-10-batches-bin",),
    marker=TRAINING[0],
    expected=f"the binary version's {TRAINING[0]} to {TRAINING[-1]}, {TEST} and {NAMES}",
    remedy="Unpack the binary version of CIFAR-10 and name its folder with --data-dir or data.dir",
)

_CHUNK = 1_000


def load_cifar10(fold: int, directory: Path | None = None) -> DataSet:
    """Return the data set of one fold; until its split is taken, the test batch is read only for its hash.

    Args:
        fold: Number of the tenth of the training batches that validates, 0 to 4.
        directory: The folder `cifar-10-batches-bin`, or its parent.

    Raises:
        ValueError: A file is missing, or has another size than the binary version's.
    """
    folder = find_cifar10(directory)
    files = [LAYOUT.file(folder, name) for name in (*TRAINING, TEST)]
    for path in files:
        _check_size(path)
    names = _class_names(LAYOUT.file(folder, NAMES))
    training, test = files[:-1], files[-1]

    @cache
    def parts() -> list[NDArray[np.int64]]:
        return stratified_parts(np.concatenate([_labels(path) for path in training]), N_PARTS, SPLIT_SEED)

    @cache
    def statistics() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return byte_statistics(_chunks(training, all_but(parts(), fold)))

    def build(name: str) -> Split:
        if name == "test":
            return _split([test], np.arange(N_RECORDS), len(training) * N_RECORDS, statistics())
        chosen = parts()[fold] if name == "val" else all_but(parts(), fold)
        return _split(training, chosen, 0, statistics())

    return DataSet(
        name="cifar10",
        n_classes=N_CLASSES,
        input_shape=(SIZE, SIZE, CHANNELS),
        class_names=names,
        source=SOURCE,
        licence=LICENCE,
        fingerprint=f"cifar10-{digest(folder, files)}-fold{fold}",
        augmentation=Augmentation(shift=4, flip=True),
        build=build,
    )


def find_cifar10(directory: Path | None) -> Path:
    """Return the folder with the binary version's files.

    Raises:
        ValueError: No folder is named, or the files are missing; the message recognises the version for Python.
    """
    try:
        return LAYOUT.find(directory)
    except ValueError:
        for place in () if directory is None else (directory, directory / "cifar-10-batches-py"):
            if (place / "data_batch_1").exists():
                raise LAYOUT.missing(place, "the version for Python is there, whose pickles are never read") from None
        raise


def _check_size(path: Path) -> None:
    size, whole = path.stat().st_size, N_RECORDS * RECORD_BYTES
    if size != whole:
        raise LAYOUT.wrong(
            f"{path} must have {whole:,} bytes ({N_RECORDS:,} records of {RECORD_BYTES:,}), not {size:,}: "
            f"{'truncated' if size < whole else 'not a batch of the binary version'}. {LAYOUT.remedy}"
        )


def _class_names(path: Path) -> tuple[str, ...]:
    names = tuple(path.read_text(encoding="utf-8", errors="replace").split())
    if len(names) != N_CLASSES:
        raise LAYOUT.wrong(f"{path} must name {N_CLASSES} classes, one per line, not {len(names)}. {LAYOUT.remedy}")
    return names


def _records(path: Path) -> NDArray[np.uint8]:
    """Return the records of a file, mapped, `(N_RECORDS, RECORD_BYTES)`."""
    return np.memmap(path, dtype=np.uint8, mode="r", shape=(N_RECORDS, RECORD_BYTES))


def _labels(path: Path) -> NDArray[np.int64]:
    labels = _records(path)[:, 0].astype(np.int64)
    LAYOUT.check_labels(path, labels, N_CLASSES)
    return labels


def _chunks(files: list[Path], chosen: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
    """Yield the chosen images of the files counted through, rising, some at a time, `(n, CHANNELS, SIZE, SIZE)`."""
    for number, path in enumerate(files):
        own = chosen[(chosen >= number * N_RECORDS) & (chosen < (number + 1) * N_RECORDS)] - number * N_RECORDS
        records = _records(path)
        for start in range(0, len(own), _CHUNK):
            yield records[own[start : start + _CHUNK], 1:].reshape(-1, CHANNELS, SIZE, SIZE)


def _split(
    files: list[Path], chosen: NDArray[np.int64], offset: int, statistics: tuple[NDArray[np.float32], ...]
) -> Split:
    """Return the chosen images as a split; `offset` keeps `groups` of different files apart."""
    inputs = np.empty((len(chosen), CHANNELS, SIZE, SIZE), dtype=np.uint8)
    done = 0
    for chunk in _chunks(files, chosen):
        inputs[done : done + len(chunk)] = chunk
        done += len(chunk)
    labels = np.concatenate([_labels(path) for path in files])[chosen]
    mean, spread = statistics
    return Split(inputs=inputs, labels=labels, groups=chosen + offset, mean=mean, spread=spread)
