"""Machine code of this package on disk, in a folder named after the hash of all its sources.

The cache of numba sees a change only in the file of a function, not in those that it calls; the hash sees every
change, in sub-folders too. Each compiled function has its own `FunctionFiles`: settings of numba, which other packages
share, stay as they are, and importing writes and deletes nothing. The first folder that can be used is taken:
`NUMBA_CACHE_DIR` where it is set, the package's own `__pycache__`, the user's cache folder, a private temporary folder.
Without any, machine code is kept in memory alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numba
from numba.core import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache, NullCache
from numba.misc.appdirs import AppDirs

_settings: Any = config
_folders: Any = AppDirs

_PACKAGE = Path(__file__).parent
_PREFIX = "compiled-"
_MARKER = "precompiled"
_UNUSED_S = 30 * 86400.0
"""Time without use after which the machine code of other sources may be removed. [s]"""


def sources_digest(package: Path) -> str:
    """Return the hash of the sources below a folder and of the versions of Python and numba, empty without sources."""
    sources = sorted(package.rglob("*.py"))
    digest = hashlib.sha256(f"{sys.implementation.cache_tag} numba {numba.__version__}".encode())
    for path in sources:
        content = path.read_bytes()
        digest.update(f"\n{path.relative_to(package).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest() if sources else ""


_DIGEST = sources_digest(_PACKAGE)
"""Hash of the sources as they were imported; a file that changes later must not change the name of the folder."""


@cache
def cache_folder() -> Path | None:
    """Return the folder with the machine code of these sources, made where it is missing; None where none can be."""
    if not _DIGEST or _settings.DISABLE_JIT:
        return None
    for root in _roots():
        folder = root / f"{_PREFIX}{_DIGEST[:16]}"
        if (folder / _MARKER).exists() or _can_write(folder):
            with suppress(OSError):
                os.utime(folder)  # the time of the last use
            return folder
    return None


def precompiled_marker() -> Path | None:
    """Return the file whose presence says that all inner loops are compiled; None without a cache folder."""
    folder = cache_folder()
    return None if folder is None else folder / _MARKER


def remove_unused() -> None:
    """Remove the machine code of other sources that no process has used for a month."""
    current = cache_folder()
    if current is None:
        return
    used_s = current.stat().st_mtime
    for folder in current.parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if folder.stat().st_mtime < used_s - _UNUSED_S:
                shutil.rmtree(folder, ignore_errors=True)


def _roots() -> Iterator[Path]:
    """Yield the folders that may hold the machine code, the best first."""
    if _settings.CACHE_DIR:
        yield Path(_settings.CACHE_DIR) / "ebbnas"
    yield _PACKAGE / "__pycache__"
    of_user = Path(_folders(appname="ebbnas", appauthor=False).user_cache_dir)
    if of_user.is_absolute():  # without a home it is not
        yield of_user
    with suppress(OSError):
        if (private := _private_folder(Path(tempfile.gettempdir()))) is not None:
            yield private


def _private_folder(shared: Path) -> Path | None:
    """Return a folder of this user alone in a shared one; None where another user could write into it.

    Machine code is loaded and run, so it must not come from anyone else.
    """
    if not hasattr(os, "getuid"):
        return None
    folder = shared / f"ebbnas-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    is_private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return folder if is_private else None


def _can_write(folder: Path) -> bool:
    """Return whether files can be written in a folder, which is made where it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


class FunctionFiles:
    """Cache of one compiled function as numba's dispatcher uses it; looks for its folder at the first call.

    A cache that cannot be written, say on a full disk, is no error: the function is compiled again next time.
    """

    def __init__(self, function: Callable[..., object]) -> None:
        """Take the function before its compilation."""
        self._function = function

    @cached_property
    def _files(self) -> Any:
        files: Any = _FolderCache
        return NullCache() if cache_folder() is None else files(self._function)

    @property
    def cache_path(self) -> str | None:
        """Folder of the function's files."""
        path: str | None = self._files.cache_path
        return path

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """Return the stored machine code of a signature, None where it is missing or cannot be read."""
        with suppress(OSError):
            return self._files.load_overload(signature, target_context)
        return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Store the machine code of a signature."""
        with suppress(OSError):
            self._files.save_overload(signature, compiled)

    def flush(self) -> None:
        """Forget what is stored."""
        with suppress(OSError):
            self._files.flush()


class _FolderLocator:
    """Place of the files of one function, with the methods of numba's locators, whose names differ by version."""

    def __init__(self, function: Any, source: str) -> None:
        self._py_file = source  # the name by which numba warns
        self._line = function.__code__.co_firstlineno
        self._path = (cache_folder() or _PACKAGE) / Path(source).parent.relative_to(_PACKAGE)

    @classmethod
    def from_function(cls, function: Callable[..., object], source: str) -> _FolderLocator:
        """Return the place without a look whether it can be written: files may be there to read alone."""
        return cls(function, source)

    def ensure_cache_path(self) -> None:
        """Make the folder."""
        self._path.mkdir(parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        """Return the folder, one for each sub-package."""
        return str(self._path)

    def get_source_stamp(self) -> str:
        """Return the digest in the name of the folder, which covers the source already."""
        return _DIGEST

    def get_disambiguator(self) -> str:
        """Return the line of the function, which differs between functions of one name."""
        return str(self._line)


class _FolderCacheImpl(CompileResultCacheImpl):
    _locator_classes = [_FolderLocator]  # noqa: RUF012


class _FolderCache(FunctionCache):
    _impl_class = _FolderCacheImpl
