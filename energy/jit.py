"""The one place that uses the compiler: loops that arrays cannot express are compiled to machine code by numba.

Compiled functions take numbers and arrays, release the interpreter's lock and are cached on disk
(`energy.jit_cache`), so only the first run on a machine waits for the compiler. They give the same results without it
(`NUMBA_DISABLE_JIT=1`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

from energy.jit_cache import FunctionFiles

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Return the same function in machine code; only numbers, arrays and tuples of them go in and out."""
    decorate: Any = njit
    dispatcher = decorate(nogil=True, error_model="numpy", no_cfunc_wrapper=True)(function)
    if dispatcher is not function:  # it is where compilation is switched off
        # The public switch, cache=True, would choose the folder by settings that other packages share.
        dispatcher._cache = FunctionFiles(function)
    return cast("Function", dispatcher)
