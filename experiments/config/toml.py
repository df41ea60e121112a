"""TOML: the one writer of settings, and tables as dotted keys."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import tomli_w


def to_toml(settings: Mapping[str, Any], *, comments: Sequence[str] = ()) -> str:
    """Return settings as TOML: comment lines, then single values, then tables; every value reads back as it was."""
    head = "".join(f"# {printable(comment)}".rstrip() + "\n" for comment in comments)
    return head + tomli_w.dumps(settings)


def to_setting(key: str, value: Any) -> str:
    """Return one change of a config as `--set` takes it: `key=value` on one line, the value in TOML."""
    # Beside an empty list, a value is always written inline; strings hold no raw line breaks.
    _, _, written = tomli_w.dumps({"value": [[], value]}).partition("[],\n")
    inline = re.sub(r"\n *", " ", written.strip().removesuffix("]").rstrip().removesuffix(","))
    return f"{key} = {inline}"


def printable(text: str) -> str:
    """Return text on one line, with `?` in place of characters that cannot be printed."""
    return "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))


def dotted(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return dotted keys and their values, whether the file has them quoted, dotted or as tables."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= dotted(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
