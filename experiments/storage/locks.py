"""Locks between processes; the system releases those of a killed process.

Exclusive locks are `filelock`'s, on every system. Shared marks, which any number of processes set on the folder of a
run, are locks of the folder itself, so that reading leaves no file in it: `filelock` has shared locks only as a data
base beside the folder. Systems without `fcntl` have no such marks.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from filelock import FileLock, Timeout

from experiments.parallel.progress import say

fcntl: ModuleType | None = None
with suppress(ImportError):
    import fcntl


@contextmanager
def locked(path: Path, *, work: str | None = None) -> Iterator[None]:
    """Hold the lock of a file, which is made where it is missing.

    Args:
        path: The file.
        work: The work in a message to a person who has to wait, no message where None.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if work is not None:
            say(f"waiting for another process that works on {work}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Return whether a running process holds the lock of a file; False where that cannot be tested."""
    if not path.exists():
        return False
    try:
        with FileLock(path).acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Mark a folder as in use by this process, beside any number of others."""
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def is_in_use(folder: Path) -> bool:
    """Return whether a running process has marked the folder; False where that cannot be tested."""
    if fcntl is None:
        return False
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
