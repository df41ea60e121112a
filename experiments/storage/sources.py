"""Digests of our own source code, equal where code differs in prose only.

Docstrings, comments and layout are left out, names of files and everything else is in. A digest is parsed once and
remembered in a file by the hash of the plain sources: for an unchanged program these are only read.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from experiments.storage.files import read_mapping, write_json

ROOT = Path(__file__).resolve().parents[2]
"""Folder that holds our packages."""

_MOST_REMEMBERED = 64


@cache
def code_digest(modules: tuple[str, ...], memory: Path) -> str:
    """Return the digest of the code of modules, 12 hexadecimal digits, found once per process.

    Args:
        modules: Dotted names of modules and packages; a package stands for everything in it.
        memory: JSON file of the digests that are known.
    """
    paths = source_files(modules)
    plain = hashlib.sha256()
    for path in paths:
        plain.update(f"{path.relative_to(ROOT)}\n".encode() + hashlib.sha256(path.read_bytes()).digest())
    key = plain.hexdigest()
    known = {name: digest for name, digest in (read_mapping(memory) or {}).items() if isinstance(digest, str)}
    if key not in known:
        whole = hashlib.sha256()
        for path in paths:
            whole.update(f"{path.relative_to(ROOT)}\n{_meaning_of(path.read_bytes())}\n".encode())
        known[key] = whole.hexdigest()[:12]
        # Where it cannot be written it is found out again.
        with suppress(OSError):
            write_json(memory, dict(list(known.items())[-_MOST_REMEMBERED:]))
    return known[key]


def source_files(modules: Sequence[str]) -> list[Path]:
    """Return the files of modules and packages, each once, in an order of their own.

    Raises:
        ValueError: A module is not found.
    """
    found: set[Path] = set()
    for module in modules:
        path = ROOT / module.replace(".", "/")
        files = [path.with_suffix(".py")] if path.with_suffix(".py").is_file() else sorted(path.rglob("*.py"))
        if not files:
            raise ValueError(f"{module}: module not found below {ROOT}")
        found.update(files)
    return sorted(found)


@cache
def _meaning_of(source: bytes) -> str:
    """Return the hash of a source without its prose."""
    return hashlib.sha256("\n".join(_words(ast.parse(source))).encode()).hexdigest()


def _words(node: Any) -> Iterator[str]:
    """Yield kinds of nodes, names of fields and values, without empty fields, of which some Pythons have more."""
    if isinstance(node, ast.AST):
        yield type(node).__name__
        for name in node._fields:
            value = getattr(node, name, None)
            if value is not None and value != [] and name != "kind":
                yield name
                yield from _words(value)
        yield ")"
    elif isinstance(node, list):
        for item in node:
            if not _is_prose(item):
                yield from _words(item)
    else:
        yield repr(node)


def _is_prose(node: Any) -> bool:
    """Return whether a statement is a text alone, as docstrings of modules, functions and attributes are."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
