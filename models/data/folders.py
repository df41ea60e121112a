"""Finding the files of a data set in the folder a user names, and a digest of what is in them.

Every message names the data set, the folder looked in, what was expected there, and what to do.
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
    """What a data set looks like on disk.

    Attributes:
        name: The data set, as a config calls it.
        folders: What the folder may be called; a user may name it or the one it lies in.
        marker: A file that is in every such folder, as a path below it.
        expected: What is expected there, in words.
        remedy: What to do where it is not, in words.
        also: Other files that do as well as `marker`.
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
        """Demand classes from 0 to `n_classes` - 1.

        Raises:
            ValueError: One is none; the first is named with its position.
        """
        wrong = np.flatnonzero((labels < 0) | (labels >= n_classes))
        if len(wrong):
            raise self.wrong(
                f"{where} must have labels from 0 to {n_classes - 1}, not {labels[wrong[0]]} at sample {wrong[0]}: "
                f"damaged. {self.remedy}"
            )


def digest(root: Path, paths: Iterable[Path]) -> str:
    """Digest of the names below `root`, sizes and bytes of files, whatever order they come in; reads every byte."""
    whole = hashlib.blake2b(digest_size=16)
    for path in sorted(paths):
        whole.update(f"{path.relative_to(root).as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                whole.update(chunk)
    return whole.hexdigest()
