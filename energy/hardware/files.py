"""TOML files that describe devices and supplies: built-in ones by name, others by path."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from energy.validation import require_choice

Record = TypeVar("Record")

DEFAULT_DEVICE, DEFAULT_SUPPLY = "msp430fr5994-tinas2025", "tinas2025"
"""Names of the built-in device and supply that are used where none is named."""


def built_in_names(folder: str) -> tuple[str, ...]:
    """Return the names of the built-in files of a folder of this package."""
    items = files("energy.hardware").joinpath(folder).iterdir()
    return tuple(sorted(Path(item.name).stem for item in items if item.name.endswith(".toml")))


def read_record(kind: str, folder: str, name: str | Path, parse: Callable[[dict[str, Any]], Record]) -> Record:
    """Read a built-in file by name, or a file by path.

    Args:
        kind: Kind of the file in messages.
        folder: Folder of the built-in files of the kind.
        name: Name of a built-in file, or a path.
        parse: Function from the content of the file to its record.

    Raises:
        ValueError: The name is not known, or the file is not valid.
        FileNotFoundError: The path does not exist.
    """
    if isinstance(name, Path):
        where, content = str(name), name.read_bytes()
    else:
        require_choice(kind, name, built_in_names(folder))
        where, content = f"{kind} {name}", files("energy.hardware").joinpath(folder, f"{name}.toml").read_bytes()
    try:
        data = tomllib.loads(content.decode("utf-8-sig"))
        if type(data.get("schema")) is not int or data["schema"] != 1:
            raise ValueError(f"schema must be 1, not {data.get('schema')!r}")
        return parse(data)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
