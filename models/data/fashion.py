"""Fashion-MNIST: grey images of 28 x 28, ten kinds of clothing.

A balanced subset is built in (`shipped/fashion.md` describes its making); a folder holds the full IDX files. A part of
the training images validates, with equal shares of the classes, selected by `fold`: a fifth of the subset, a tenth of
the full set.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.data.augmentation import Augmentation
from models.data.dataset import DataSet, Split
from models.data.folders import Layout, digest
from models.data.idx import read_idx
from models.data.images import all_but, byte_statistics, stratified_parts

SIZE, N_CLASSES = 28, 10
"""Side of an image, and classes. [1]"""

N_PARTS_SHIPPED, N_PARTS_FULL = 5, 10
"""Parts of the training images of the subset and of the full set; one of them validates. [1]"""

SPLIT_SEED = 28
"""Deals the training images into parts, the same on every machine."""

CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
"""Names of the classes."""

FILE = "fashion.npz"
"""File of the built-in subset."""

SOURCE = "Fashion-MNIST, Zalando Research; Xiao, Rasul, Vollgraf, arXiv:1708.07747"
LICENCE = "MIT, (c) 2017 Zalando SE"

LAYOUT = Layout(
    name="fashion",
    folders=("fashion-mnist",),
    marker="train-images-idx3-ubyte.gz",
    also=("train-images-idx3-ubyte",),
    expected="train- and t10k-images-idx3-ubyte and -labels-idx1-ubyte, plain or .gz",
    remedy="Name the folder with the full set's files, or none to use the built-in subset",
)


class Images(NamedTuple):
    """Images of one part of the data.

    Attributes:
        images: Grey values, `(n, 28, 28)`.
        labels: Class of each image, `(n,)`.
        positions: Position of each image in the source, `(n,)`.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    positions: NDArray[np.int64]


Read = Callable[[str], Images]
"""Reader of the images of `"train"` or `"test"`."""


def load_fashion(fold: int, directory: Path | None = None) -> DataSet:
    """Return the data set of one fold; test images are checked for size, and read when their split is built.

    Args:
        fold: Number of the part of the training images that validates, 0 to 4.
        directory: Folder with the full IDX files; the built-in subset where None.

    Raises:
        ValueError: A file is missing or damaged.
    """
    if directory is None:
        content = (resources.files("models.data") / "shipped" / FILE).read_bytes()
        mark, n_parts = hashlib.sha256(content).hexdigest(), N_PARTS_SHIPPED
        read: Read = lambda name: _shipped(content, name)  # noqa: E731
    else:
        folder = LAYOUT.find(directory)
        files = {(name, kind): _idx_file(folder, name, kind) for name in _PREFIXES for kind in _KINDS}
        mark, n_parts = digest(folder, files.values()), N_PARTS_FULL
        for name in _PREFIXES:
            _check_sizes(files[name, "images"], files[name, "labels"])
        read = lambda name: _full(files[name, "images"], files[name, "labels"])  # noqa: E731
    return DataSet(
        name="fashion",
        n_classes=N_CLASSES,
        input_shape=(SIZE, SIZE, 1),
        class_names=CLASSES,
        source=SOURCE,
        licence=LICENCE,
        fingerprint=f"fashion-{mark}-fold{fold}",
        augmentation=Augmentation(shift=2, flip=True),
        build=_builder(read, fold, n_parts),
    )


def _builder(read: Read, fold: int, n_parts: int) -> Callable[[str], Split]:
    """Return the builder of the splits of one fold, which reads training images once, and test images for `"test"`."""

    @cache
    def training() -> Images:
        return read("train")

    @cache
    def parts() -> list[NDArray[np.int64]]:
        return stratified_parts(training().labels, n_parts, SPLIT_SEED)

    @cache
    def statistics() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return byte_statistics([training().images[all_but(parts(), fold), None]])

    def build(name: str) -> Split:
        images, labels, index = read("test") if name == "test" else training()
        if name != "test":
            chosen = parts()[fold] if name == "val" else all_but(parts(), fold)
            images, labels, index = images[chosen], labels[chosen], index[chosen]
        mean, spread = statistics()
        return Split(inputs=images[:, None], labels=labels, groups=index, mean=mean, spread=spread)

    return build


def _shipped(content: bytes, name: str) -> Images:
    """Return images, labels and positions of one part of the built-in subset; the other part stays compressed."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            images = archive[f"{name}_images"]
            labels, index = (archive[f"{name}_{key}"].astype(np.int64) for key in ("labels", "index"))
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise LAYOUT.wrong(f"the built-in {FILE} is damaged ({error}); install the project again") from None
    return Images(images=images, labels=labels, positions=index)


_PREFIXES = {"train": "train", "test": "t10k"}
_KINDS = {"images": "idx3", "labels": "idx1"}


def _idx_file(folder: Path, name: str, kind: str) -> Path:
    plain = f"{_PREFIXES[name]}-{kind}-{_KINDS[kind]}-ubyte"
    zipped = folder / f"{plain}.gz"
    return zipped if zipped.is_file() else LAYOUT.file(folder, plain)


def _full(images_file: Path, labels_file: Path) -> Images:
    """Return images, labels and positions of two IDX files."""
    images, labels = _read(images_file, 3), _read(labels_file, 1).astype(np.int64)
    LAYOUT.check_labels(labels_file, labels, N_CLASSES)
    return Images(images=images, labels=labels, positions=np.arange(len(labels)))


def _check_sizes(images_file: Path, labels_file: Path) -> None:
    """Check that the files are whole, with one image per label and at least one."""
    shape, n_labels = _read(images_file, 3).shape, len(_read(labels_file, 1))
    if shape != (n_labels, SIZE, SIZE):
        raise LAYOUT.wrong(
            f"{images_file} must have an image of {SIZE} x {SIZE} for each of the {n_labels:,} labels in "
            f"{labels_file.name}, not {' x '.join(f'{size:,}' for size in shape)}. {LAYOUT.remedy}"
        )
    if not n_labels:
        raise LAYOUT.wrong(f"{images_file} must have images, and has none. {LAYOUT.remedy}")


def _read(path: Path, n_axes: int) -> NDArray[np.uint8]:
    try:
        return read_idx(path, n_axes)
    except ValueError as error:
        raise LAYOUT.wrong(f"{error}. {LAYOUT.remedy}") from None
