"""The cache: a folder for each stage, with its checkpoints and its result.

A stage lives in `cache/<stage>-<key>/`; the key is the hash of everything that decides its result.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from experiments.parallel.progress import say
from experiments.storage.files import TEMPORARY, read_mapping, write_bytes, write_json
from experiments.storage.keys import RESULT_STAGES, SCHEMA, STAGE_CODE, result_key
from experiments.storage.locks import locked
from experiments.storage.sources import code_digest


class Checkpoint(NamedTuple):
    """A saved state: the step after which it was saved, and its content."""

    step: int
    content: bytes


class _File(NamedTuple):
    """A file of a checkpoint: its step, the expected hash of its content, its path."""

    step: int
    expected: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """The last two states of something that takes long, each in a file whose name holds the hash of its content.

    Attributes:
        folder: Folder of the files.
        name: First part of their names.
    """

    folder: Path
    name: str = "checkpoint"

    def save(self, step: int, content: bytes) -> Path:
        """Write the state after `step`; keep the one before it and remove older ones."""
        path = self.folder / f"{self.name}-{step:06d}-{_content_hash(content)}.bin"
        write_bytes(path, content)
        for old in self._files()[2:]:
            old.path.unlink(missing_ok=True)
        return path

    def newest(self, *, most: int | None = None) -> Checkpoint | None:
        """Return the newest state whose content matches its name; None without one.

        Args:
            most: Ignore states after this step.
        """
        for file in self._files():
            if most is None or file.step <= most:
                try:
                    content = file.path.read_bytes()
                except OSError:
                    continue
                if _content_hash(content) == file.expected:
                    return Checkpoint(file.step, content)
                say(f"checkpoint {file.path.name} is damaged; using the one before it")
        return None

    def _files(self) -> list[_File]:
        """Return the files, newest first."""
        pattern = re.compile(rf"{re.escape(self.name)}-(\d+)-([0-9a-f]{{16}})\.bin")
        matches = [(pattern.fullmatch(path.name), path) for path in self.folder.glob(f"{self.name}-*.bin")]
        return sorted((_File(int(match[1]), match[2], path) for match, path in matches if match), reverse=True)


def _content_hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class StageFolder:
    """Folder of one stage.

    Attributes:
        name: Name of the stage.
        key: Key of its result.
        path: Its folder.
    """

    name: str
    key: str
    path: Path

    @property
    def checkpoints(self) -> Checkpoints:
        """Its saved states."""
        return Checkpoints(folder=self.path)

    def result(self) -> dict[str, Any] | None:
        """Return the record of `finish`, None while the stage is not done."""
        path = self.path / "done.json"
        found = read_mapping(path)
        if found is None and path.exists():
            say(f"{path} is damaged; the stage is repeated")
        return found

    def finish(self, result: Mapping[str, Any]) -> None:
        """Record that the stage is done; others use it from now on."""
        write_json(self.path / "done.json", {"schema": SCHEMA, **result})

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out while this one works on the stage."""
        with locked(self.path / "lock", work=str(self.path)):
            for left in self.path.rglob(f"*{TEMPORARY}"):
                left.unlink(missing_ok=True)
            yield

    def clear(self) -> None:
        """Remove everything but the lock."""
        for path in self.path.glob("*"):
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "lock":
                path.unlink()


@dataclass(frozen=True, kw_only=True)
class Store:
    """The folder that holds `runs/` and `cache/` beside each other.

    Attributes:
        root: The folder.
        code: Digests of code by stage, in place of those of the present code.
    """

    root: Path
    code: Mapping[str, str] = field(default_factory=dict)

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
            name: Name of the stage, one of `STAGE_CODE`.
            reads: The inputs that decide its result, as `result_key` takes them.
        """
        key = self.key(name, reads)
        return StageFolder(name=name, key=key, path=self.cache / f"{name}-{key}")

    def key(self, name: str, reads: Mapping[str, Any]) -> str:
        """Return the key of a stage, or of another result of the code of `STAGE_CODE`."""
        return result_key(name, reads, self.code_of(name))

    def code_of(self, name: str) -> str:
        """Return the digest of the code that computes a stage."""
        return self.code.get(name) or code_digest(STAGE_CODE[name], self.cache / "code.json")

    def present_code(self) -> dict[str, str]:
        """Return the digests of the code of a run's stages, for its manifest."""
        return {name: self.code_of(name) for name in RESULT_STAGES}

    def changed_code(self, manifest: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the stages of a run that other code than the present has computed; all where it recorded none."""
        code = manifest.get("code")
        recorded = code if isinstance(code, Mapping) else {}
        return tuple(name for name, present in self.present_code().items() if recorded.get(name) != present)
