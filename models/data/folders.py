"""Files of a data set in the folder of a user, and a digest of their content.

Messages on missing files name the data set, the folder, the expected files, and the remedy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Layout of a data set on disk.

    Attributes:
        name: Name of the data set in a config.
        folders: Possible names of the folder; a user may give the folder or its parent.
        marker: A file in every such folder, as a path below it.
        expected: Description of the expected files.
        remedy: Advice where they are missing.
        also: Alternatives to `marker`.
    """

    name: str
    folders: tuple[str, ...]
    marker: str
    expected: str
    remedy: str
    also: tuple[str, ...] = ()

    def wrong(self, what: str) -> ValueError:
        """Return the error that says `what` is wrong with this data set."""
        return ValueError(f"data set {self.name!r}: {what}")

    def missing(self, directory: Path, reason: str) -> ValueError:
        """Return the error for a folder without the files."""
        return self.wrong(f"looked in {directory}: {reason}; expected {self.expected}. {self.remedy}")

    def find(self, directory: Path | None) -> Path:
        """Return the folder with the files: `directory` itself or one of `folders` in it.

        Raises:
            ValueError: No folder is named, or neither has the files.
        """
        if directory is None:
            raise self.wrong(f"needs a folder, and none is named; expected {self.expected}. {self.remedy}")
        if not directory.is_dir():
            raise self.missing(directory, "it is a file" if directory.exists() else "no such folder")
        for candidate in (directory, *(directory / folder for folder in self.folders)):
            if any((candidate / marker).exists() for marker in (self.marker, *self.also)):
                return candidate
        raise self.missing(directory, f"no {self.marker} in it or in {' or '.join(self.folders)} below it")

    def file(self, folder: Path, relative: str) -> Path:
        """Return a file of the folder.

        Raises:
            ValueError: It is not there.
        """
        path = folder / relative
        if not path.is_file():
            raise self.missing(folder, f"no {relative} in it")
        return path

    def check_labels(self, where: Path | str, labels: NDArray[np.int64], n_classes: int) -> None:
        """Check that labels are from 0 to `n_classes` - 1.

        Raises:
            ValueError: A label is outside; the first is named with its position.
        """
        wrong = np.flatnonzero((labels < 0) | (labels >= n_classes))
        if len(wrong):
            raise self.wrong(
                f"{where} must have labels from 0 to {n_classes - 1}, not {labels[wrong[0]]} at sample {wrong[0]}: "
                f"damaged. {self.remedy}"
            )


def digest(root: Path, paths: Iterable[Path]) -> str:
    """Return a digest of names below `root`, sizes and bytes of files, in any order; it reads every byte."""
    whole = hashlib.blake2b(digest_size=16)
    for path in sorted(paths):
        whole.update(f"{path.relative_to(root).as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                whole.update(chunk)
    return whole.hexdigest()
