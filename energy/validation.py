"""Checks of a caller's values, each with a message that names the field, the rule, the value and the nearest name."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any


def closest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message that names the nearest known name, empty where none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def require_choice(field: str, value: Any, known: Iterable[Any]) -> None:
    """Demand one of the known values.

    Raises:
        ValueError: It is none; all of them and the nearest are named.
    """
    choices = list(known)
    if value not in choices:
        names = [str(choice) for choice in choices]
        raise ValueError(f"{field} must be one of {', '.join(names)}, not {value!r}{closest(str(value), names)}")


LARGEST_INT = 10**9
"""More than any size, count or memory that a caller may name; keeps products of a few inside 64 bits."""


def require_int(field: str, value: Any, *, least: int = 1) -> None:
    """Demand a whole number from `least` to `LARGEST_INT`.

    Raises:
        ValueError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{field} must be a whole number of at least {least}, not {value!r}")
    if value > LARGEST_INT:
        raise ValueError(f"{field} must be at most {LARGEST_INT:,}, not a number of {len(str(value))} digits")


def require_number(
    field: str, value: Any, *, above: float | None = None, least: float | None = None, most: float | None = None
) -> None:
    """Demand a finite number above `above`, of at least `least`, of at most `most`.

    Raises:
        ValueError: It is none.
    """
    try:
        is_finite = not isinstance(value, bool) and isinstance(value, (int, float)) and math.isfinite(value)
    except OverflowError:
        raise ValueError(f"{field} must be a number below 1e308, not one of {len(str(value))} digits") from None
    if not is_finite:
        raise ValueError(f"{field} must be a finite number, not {value!r}")
    if above is not None and not value > above:
        raise ValueError(f"{field} must be above {above:g}, not {value:g}")
    if least is not None and not value >= least:
        raise ValueError(f"{field} must be at least {least:g}, not {value:g}")
    if most is not None and not value <= most:
        raise ValueError(f"{field} must be at most {most:g}, not {value:g}")


def require_keys(where: str, data: Any, *, required: Iterable[str], optional: Iterable[str] = ()) -> None:
    """Demand an object with all of `required` and nothing beyond `required` and `optional`.

    Raises:
        ValueError: It is no object, or a key is missing or unknown.
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"{where} must be an object, not {type(data).__name__}")
    required = list(required)
    known = [*required, *optional]
    for key in data:
        if key not in known:
            raise ValueError(f"{where}: unknown key {key!r}{closest(str(key), known)}")
    for key in required:
        if key not in data:
            raise ValueError(f"{where}: key {key!r} is missing")
