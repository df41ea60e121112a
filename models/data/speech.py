"""Spoken words in the layout of Speech Commands: one folder per word, WAV files of about a second, two lists of files.

`testing_list.txt` tests. In fold 0 `validation_list.txt` validates; in folds 1-4 as many other speakers do, and those
of the list train. The part of a file name before `_nohash_` identifies the speaker, who is in one split only: where the
lists put a speaker into two, the recordings stay out of training and validation. Features come from `models.data.mfcc`,
computed when a split is built.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data.augmentation import Augmentation
from models.data.dataset import DataSet, Split
from models.data.folders import Layout, digest
from models.data.normalisation import Normalisation
from models.data.wav import one_second, read_wav

TESTING, VALIDATION = "testing_list.txt", "validation_list.txt"
"""Files that list recordings as `word/file.wav`, one per line."""

N_OTHER_FOLDS = 4
"""Folds whose validating speakers are drawn from those that fold 0 trains on. [1]"""

SPLIT_SEED = 49
"""Orders the speakers for folds 1-4, the same on every machine."""

INPUT_SHAPE = (49, 10, 1)
"""Frames, coefficients and channels of a sample. [1]"""

SOURCE = "a folder in the layout of Speech Commands (P. Warden, arXiv:1804.03209); files as given by the user"
LICENCE = "as the files' source states it"

RAW = (
    "cepstral coefficients of a second of sound, as models/data/mfcc.py of EbbNAS computes them, frames by coefficients"
)
"""Description of a sample before normalisation."""

LAYOUT = Layout(
    name="speech",
    folders=("speech_commands_v0.02", "speech"),
    marker=TESTING,
    expected=f"one folder of .wav files per word, {VALIDATION} and {TESTING}",
    remedy="Name the folder that holds the words' folders with --data-dir or data.dir",
)

_BATCH = 64

Features = Callable[[NDArray[np.int16]], NDArray[np.float32]]
"""From recordings `(n, N_SAMPLES)` to features `(n, 49, 10)`."""


def load_speech(fold: int, directory: Path | None = None, *, features: Features | None = None) -> DataSet:
    """Return the data set of one fold; every file is read once for its format and hash, none is decoded.

    Args:
        fold: Number of the group of speakers who validate, 0 to 4.
        directory: Folder with the words' folders and the lists, or its parent.
        features: Function from recordings to features; `models.data.mfcc.mfcc` where None.

    Raises:
        ValueError: A file is missing or has another format, words are fewer than two, or a split is empty.
    """
    folder = LAYOUT.find(directory)
    files = sorted(path for path in folder.glob("*/*.wav") if not path.parent.name.startswith("_"))
    words = tuple(sorted({path.parent.name for path in files}))
    if len(words) < 2:
        raise LAYOUT.missing(folder, f"{len(words)} folders with .wav files in it")
    roles = _roles(folder, files, words, fold)
    for path in files:
        _samples(path, header_only=True)
    label_of = {word: label for label, word in enumerate(words)}

    @cache
    def raw(name: str) -> NDArray[np.float32]:
        return _features([files[index] for index in roles[name]], features)

    @cache
    def statistics() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        mean, spread = (getattr(raw("train"), what)(axis=(0, 1), dtype=np.float64) for what in ("mean", "std"))
        return mean, np.where(spread > 0, spread, 1)

    def build(name: str) -> Split:
        mean, spread = statistics()
        return Split(
            inputs=((raw(name) - mean) / spread).astype(np.float32)[:, None],
            labels=np.array([label_of[files[index].parent.name] for index in roles[name]], dtype=np.int64),
            groups=roles[name],
        )

    def normalisation() -> Normalisation:
        mean, spread = statistics()
        return Normalisation(mean=mean[None, None], spread=spread[None, None], raw=RAW)

    return DataSet(
        name="speech",
        n_classes=len(words),
        input_shape=INPUT_SHAPE,
        class_names=words,
        source=SOURCE,
        licence=LICENCE,
        fingerprint=f"speech-{digest(folder, [*files, folder / TESTING, folder / VALIDATION])}-fold{fold}",
        augmentation=Augmentation(noise=0.1, shift=5, shift_width=0),
        build=build,
        build_normalisation=normalisation,
    )


def speaker(path: Path) -> str:
    """Return the speaker of a file: its name before `_nohash_`, or the whole name without it."""
    return path.stem.split("_nohash_")[0]


def _roles(folder: Path, files: list[Path], words: tuple[str, ...], fold: int) -> dict[str, NDArray[np.int64]]:
    """Return the positions in `files` of the recordings of each split, rising."""
    testing, listed = (_listed(folder, name, files, words) for name in (TESTING, VALIDATION))
    speakers = [speaker(path) for path in files]
    test_speakers = {speakers[index] for index in testing}
    validating = {speakers[index] for index in listed} - test_speakers
    if fold:
        validating = _others(sorted(set(speakers) - test_speakers - validating), len(validating), fold)
        listed = {index for index, who in enumerate(speakers) if who in validating}
    rest = set(range(len(files))) - testing - listed
    roles = {
        "train": [index for index in rest if speakers[index] not in test_speakers | validating],
        "val": [index for index in listed if speakers[index] not in test_speakers],
        "test": list(testing),
    }
    for name, members in roles.items():
        if not members:
            raise LAYOUT.wrong(f"{folder}: fold {fold} leaves split {name} without a recording; fold 0 uses the lists")
    return {name: np.array(sorted(members), dtype=np.int64) for name, members in roles.items()}


def _others(speakers: list[str], n: int, fold: int) -> set[str]:
    """Return the `n` speakers, or as many as four folds allow, who validate in one of folds 1-4."""
    order = np.random.default_rng(SPLIT_SEED).permutation(speakers).tolist()
    n = min(n, len(order) // N_OTHER_FOLDS)
    return set(order[(fold - 1) * n : fold * n])


def _listed(folder: Path, name: str, files: list[Path], words: tuple[str, ...]) -> set[int]:
    """Return the positions of the files in a list; it may name words without a folder."""
    position = {path.relative_to(folder).as_posix(): index for index, path in enumerate(files)}
    lines = LAYOUT.file(folder, name).read_text(encoding="utf-8", errors="replace").split()
    known = [line for line in lines if line.split("/")[0] in words]
    for line in known:
        if line not in position:
            raise LAYOUT.missing(folder, f"no {line}, which {name} lists")
    return {position[line] for line in known}


def _features(files: list[Path], features: Features | None) -> NDArray[np.float32]:
    if features is None:
        from models.data.mfcc import mfcc  # torch, which only those who build a split need

        features = mfcc
    batches = (files[start : start + _BATCH] for start in range(0, len(files), _BATCH))
    return np.concatenate([features(np.stack([one_second(_samples(path)) for path in batch])) for batch in batches])


def _samples(path: Path, *, header_only: bool = False) -> NDArray[np.int16]:
    try:
        return read_wav(path, header_only=header_only)
    except ValueError as error:
        raise LAYOUT.wrong(f"{error}; convert or remove it") from None
