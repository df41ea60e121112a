"""Compilation of the inner loops beside the first tests, of which a fresh clone has no machine code.

The process that starts the workers of pytest-xdist also starts `python -m energy.precompile`, which holds a file lock
until it ends, in whichever way. Tests that need no machine code come first; the others wait for the lock. With machine
code on disk, without workers, or on a system without file locks, tests run as ever.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("tests/unit", "tests/property")
"""Folders in which tests that need no machine code are looked for."""

_NEEDS_MACHINE_CODE = re.compile(
    r"^\s*(from|import) (energy\.(counting|scheduling|costing|simulation|planning|jit|precompile)|evo|experiments)",
    re.MULTILINE,
)
Item = TypeVar("Item")


class Compilation(NamedTuple):
    """Running compilation and the file that it locks until it ends."""

    process: subprocess.Popen[bytes]
    lock: Path

    def end(self) -> None:
        """Wait for the end and remove the file."""
        self.process.wait()
        self.lock.unlink()


def start() -> Compilation | None:
    """Start the compilation; None where the machine code lies on disk already or the system has no file locks."""
    from energy.precompile import is_precompiled

    if fcntl is None or is_precompiled():
        return None
    path = Path(tempfile.mkstemp(prefix="precompiling-")[1])
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        command = [sys.executable, "-m", "energy.precompile"]
        null = subprocess.DEVNULL
        # The child inherits the lock with the file and keeps it after this process has closed its own.
        child = subprocess.Popen(command, cwd=ROOT, pass_fds=[file.fileno()], stdout=null, stderr=null)
    return Compilation(child, path)


def wait(path: Path) -> None:
    """Wait until the compilation that locks this file has ended."""
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)


def needs_machine_code(path: Path) -> bool:
    """Return whether tests of a file may call compiled functions."""
    is_of_folders = any(path.is_relative_to(ROOT / folder) for folder in FOLDERS)
    return not is_of_folders or _NEEDS_MACHINE_CODE.search(path.read_text(encoding="utf-8")) is not None


def in_halves(first: list[Item], then: list[Item]) -> list[Item]:
    """Return all items so that each half begins with its part of `first`: two workers start with one half each."""
    n_first = (len(first) + 1) // 2
    n_then = max((len(first) + len(then) + 1) // 2 - n_first, 0)
    return [*first[:n_first], *then[:n_then], *first[n_first:], *then[n_then:]]


def ordered(items: list[Any]) -> list[Any]:
    """Return tests in halves that begin with those that need no machine code."""
    needs = {path: needs_machine_code(path) for path in {item.path for item in items}}
    return in_halves([i for i in items if not needs[i.path]], [i for i in items if needs[i.path]])
