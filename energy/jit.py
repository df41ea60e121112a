"""The one place that knows the compiler: loops that arrays cannot express are compiled to machine code by numba.

Compiled functions take numbers and arrays, release the interpreter's lock and are cached on disk, so only the first run
ever on a machine waits for the compiler. They mean the same without it (`NUMBA_DISABLE_JIT=1`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit
from numba.core import config

_settings: Any = config

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Return the same function in machine code; only numbers, arrays and tuples of them go in and out."""
    decorate: Any = njit
    return cast("Function", decorate(cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True)(function))


def _use_cache_of_these_sources() -> None:
    """Keep machine code in a folder named after the hash of the modules of this package that are compiled.

    The compiler's own cache sees a change only in the file of a function, not in those that it calls. Where the folder
    cannot be written the package is installed for good, and the compiler's own choice of a folder is as safe.
    """
    package = Path(__file__).parent
    if _settings.CACHE_DIR or not os.access(package, os.W_OK):
        return
    sources = (path.read_bytes() for path in sorted(package.rglob("*.py")))
    digest = hashlib.sha256(b"".join(source for source in sources if b"energy.jit" in source)).hexdigest()
    folder = package / "__pycache__" / f"compiled-{digest[:16]}"
    with suppress(OSError):
        for stale in folder.parent.glob("compiled-*"):
            if stale != folder:
                shutil.rmtree(stale, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        _settings.CACHE_DIR = str(folder)


_use_cache_of_these_sources()


def warm_marker() -> Path | None:
    """The file that says that everything of these sources is compiled; None where the compiler chose the folder."""
    return Path(_settings.CACHE_DIR) / "warm" if _settings.CACHE_DIR else None
