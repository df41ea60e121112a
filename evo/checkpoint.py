"""Bytes of a running search: pickle, with names in place of the objects that the caller of `loads` supplies."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import Any


def dumps(state: Any, outside: Mapping[str, Any]) -> bytes:
    """Return the bytes of `state`, each object of `outside` written as its name."""
    buffer = io.BytesIO()
    _Pickler(buffer, outside).dump(state)
    return buffer.getvalue()


def loads(state: bytes, outside: Mapping[str, Any]) -> Any:
    """Return the state that `dumps` wrote, with the objects of `outside` in place of their names.

    Read only checkpoints of your own: a pickle can run code.

    Raises:
        ValueError: The bytes are damaged, or another version of the program wrote them.
    """
    try:
        return _Unpickler(io.BytesIO(state), outside).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, KeyError) as error:
        raise ValueError(f"state of the search cannot be read: {error}") from None


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, outside: Mapping[str, Any]) -> None:
        super().__init__(file, protocol=5)
        self._names = {id(value): name for name, value in outside.items()}

    def persistent_id(self, obj: Any) -> str | None:
        """Return the name of an outside object."""
        return self._names.get(id(obj))


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, outside: Mapping[str, Any]) -> None:
        super().__init__(file)
        self._outside = outside

    def persistent_load(self, pid: str) -> Any:
        """Return the outside object of a name."""
        return self._outside[pid]
