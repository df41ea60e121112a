"""Where results lie on disk: the cache of stages, checkpoints, and files that are never half written.

A stage lives in `cache/<stage>-<hash>/`, the hash being of exactly what the stage reads. Every file is written under a
temporary name and renamed, so a process killed at any moment leaves either the old file or the new one.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.parallel.progress import say

SCHEMA = 1
"""Version of everything this program stores; part of every hash."""

LIBRARIES = ("torch", "numpy", "pymoo")
"""Libraries whose versions decide results, part of every stage's hash."""

_TEMPORARY = ".partial"


def digest(value: Any) -> str:
    """Return the hash of a value of JSON types, 12 hexadecimal digits, the same whatever the order of keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def file_digest(path: Path) -> str:
    """Return the hash of a file's content, 64 hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def library_versions() -> Mapping[str, str]:
    """Return the versions of `LIBRARIES` as installed, read once and without importing them."""
    return {name: metadata.version(name) for name in LIBRARIES}


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file or nothing.

    Raises:
        OSError: There is no room, or no right to write; `filename` is the path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}{_TEMPORARY}")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        # A full disk is told without the file that it had no room for.
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        partial.unlink(missing_ok=True)


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write a whole `.npy` file without pickles, or nothing."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_bytes(path, buffer.getvalue())


def write_text(path: Path, content: str) -> None:
    """Write a whole text file or nothing."""
    write_bytes(path, content.encode())


def write_json(path: Path, value: Any) -> None:
    """Write a whole JSON file or nothing."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        ValueError: It is missing or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: must be JSON: {error}") from None
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None


def read_mapping(path: Path) -> dict[str, Any] | None:
    """Return a JSON object of our own, None where it is missing or damaged."""
    try:
        found = read_json(path)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """The last two states of something that takes long, each one file whose name carries the hash of its content.

    Attributes:
        folder: Where they lie.
        name: What their file names begin with.
    """

    folder: Path
    name: str = "checkpoint"

    def save(self, step: int, content: bytes) -> Path:
        """Keep the state after `step`, and the one before it."""
        path = self.folder / f"{self.name}-{step:06d}-{hashlib.sha256(content).hexdigest()[:16]}.bin"
        write_bytes(path, content)
        for _, _, old in self._found()[2:]:
            old.unlink(missing_ok=True)
        return path

    def newest(self, *, most: int | None = None) -> tuple[int, bytes] | None:
        """Return the newest state whose content matches its name, with its step; None where there is none.

        Args:
            most: Ignore states after this step.
        """
        for step, expected, path in self._found():
            if most is None or step <= most:
                try:
                    content = path.read_bytes()
                except OSError:
                    continue
                if hashlib.sha256(content).hexdigest()[:16] == expected:
                    return step, content
                say(f"checkpoint {path.name} is damaged; going on from the one before it")
        return None

    def _found(self) -> list[tuple[int, str, Path]]:
        """Step, expected hash and path of every file, newest first."""
        pattern = re.compile(rf"{re.escape(self.name)}-(\d+)-([0-9a-f]{{16}})\.bin")
        found = []
        for path in self.folder.glob(f"{self.name}-*.bin"):
            if match := pattern.fullmatch(path.name):
                found.append((int(match[1]), match[2], path))
        return sorted(found, reverse=True)


@dataclass(frozen=True, kw_only=True)
class StageFolder:
    """What one stage keeps.

    Attributes:
        name: Name of the stage.
        key: Hash of what it reads.
        path: Its folder.
    """

    name: str
    key: str
    path: Path

    @property
    def checkpoints(self) -> Checkpoints:
        """Its states under way."""
        return Checkpoints(folder=self.path)

    def result(self) -> dict[str, Any] | None:
        """What `finish` recorded, None while the stage is not done."""
        path = self.path / "done.json"
        found = read_mapping(path)
        if found is None and path.exists():
            say(f"{path} is damaged; the stage is done again")
        return found

    def finish(self, result: Mapping[str, Any]) -> None:
        """Record that the stage is done; only now is it used by others."""
        write_json(self.path / "done.json", {"schema": SCHEMA, **result})

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out while this one works on the stage; a killed process lets go by itself."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"waiting for another process that works on {self.path}")
                fcntl.flock(file, fcntl.LOCK_EX)
            for left in self.path.rglob(f"*{_TEMPORARY}"):
                left.unlink(missing_ok=True)
            yield

    def clear(self) -> None:
        """Forget everything but the lock."""
        for path in self.path.glob("*"):
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "lock":
                path.unlink()


@dataclass(frozen=True, kw_only=True)
class Store:
    """The folder that holds `runs/` and `cache/` beside each other."""

    root: Path

    @property
    def runs(self) -> Path:
        """Folder of the runs."""
        return self.root / "runs"

    @property
    def cache(self) -> Path:
        """Folder of the stages."""
        return self.root / "cache"

    def stage(self, name: str, reads: Mapping[str, Any]) -> StageFolder:
        """Return the folder of a stage.

        Args:
            name: Name of the stage.
            reads: Exactly the settings and hashes of inputs that decide its result, JSON types.
        """
        key = digest({"schema": SCHEMA, "stage": name, "libraries": library_versions(), **reads})
        return StageFolder(name=name, key=key, path=self.cache / f"{name}-{key}")


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Mark a folder as worked on, by any number of processes; a killed one's mark goes with it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def is_in_use(folder: Path) -> bool:
    """Return whether a living process has marked the folder; no where there is no folder, or no way to tell."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    finally:
        os.close(handle)
    return False


def append_log(path: Path, entry: Mapping[str, Any]) -> None:
    """Add one line to a `log.jsonl`; a line cut short by a kill is ended first, so that it spoils no other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(entry, allow_nan=False).encode() + b"\n")


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a `log.jsonl`."""
    entries = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return entries
