"""Keys of results: hashes of everything that decides them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from typing import Any

SCHEMA = 1
"""Version of everything this program stores; part of every hash."""

LIBRARIES = ("torch", "numpy", "pymoo")
"""Libraries whose versions decide results, part of every stage's hash."""


def digest(value: Any) -> str:
    """Return the hash of a value of JSON types, 12 hexadecimal digits, the same whatever the order of keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@cache
def library_versions() -> Mapping[str, str]:
    """Return the versions of `LIBRARIES` as installed, read once and without importing them."""
    return {name: metadata.version(name) for name in LIBRARIES}
