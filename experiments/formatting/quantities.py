"""Physical quantities as people write them: "470uF", "2.8kohm", "10min" in, SI numbers out, and back again.

Only the rim of the program speaks in prefixes; everything inside is SI. A plain number is SI already.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from energy.validation import closest

_PREFIXES = {"": 0, "p": -12, "n": -9, "u": -6, "µ": -6, "μ": -6, "m": -3, "k": 3, "M": 6, "G": 9}


def _scales(*bases: str, **others: int) -> Mapping[str, Decimal]:
    table = {p + base: Decimal(1).scaleb(power) for base in bases for p, power in _PREFIXES.items()}
    return table | {name: Decimal(factor) for name, factor in others.items()}


UNITS: Mapping[str, Mapping[str, Decimal]] = {
    "F": _scales("F"),
    "ohm": _scales("ohm", "Ohm", "Ω"),
    "s": _scales("s", min=60, h=3600, d=86400),
    "V": _scales("V"),
    "A": _scales("A"),
    "J": _scales("J"),
    "W": _scales("W"),
    "Hz": _scales("Hz"),
    "1": {"%": Decimal("0.01")},
    "B": {"B": Decimal(1), "kB": Decimal(1000), "KiB": Decimal(1024), "MB": Decimal(10**6), "MiB": Decimal(2**20)},
}
"""For each SI unit the spellings that are understood, with their factors."""

_NUMBER_AND_UNIT = re.compile(r"\s*([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\D*)\s*")


def parse(field: str, value: Any, unit: str) -> float:
    """Read a quantity.

    Args:
        field: What messages call it.
        value: A number in SI, or text such as `"470uF"`.
        unit: SI unit it must have, a key of `UNITS`.

    Returns:
        The value in SI, the float nearest to the decimal that was written. [unit]

    Raises:
        ValueError: It is no finite number with such a unit.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ValueError(f"{field} must be finite, not {value!r}")
        return float(value)
    found = _NUMBER_AND_UNIT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{field} must be a number with an optional unit such as {_example(unit)}, not {value!r}")
    number, spelling = found[1], found[2].strip()
    if spelling and spelling not in UNITS[unit]:
        same_letters = [name for name in UNITS[unit] if name.lower() == spelling.lower()]
        hint = f"; did you mean {' or '.join(map(repr, same_letters))}?" if same_letters else ""
        hint = hint or closest(spelling, UNITS[unit])
        kind = "a plain number or a percentage" if unit == "1" else f"in {unit}"
        raise ValueError(f"{field} must be {kind}, such as {_example(unit)}, not {value!r}{hint}")
    result = float(Decimal(number.replace("_", "")) * (UNITS[unit][spelling] if spelling else 1))
    if not math.isfinite(result):
        raise ValueError(f"{field} must be finite, not {value!r}")
    return result


def _example(unit: str) -> str:
    return {"F": "470uF", "ohm": "2.8kohm", "s": "10min", "B": "2048B", "1": "0.6 or 60%"}.get(unit, f"1.5m{unit}")


def write(value: float, unit: str, *, digits: int = 3) -> str:
    """Return a quantity as a person reads it: `"470 uF"`, `"12.3 s"`, `"2.8 kohm"`.

    Args:
        value: In SI. [unit]
        unit: Its SI unit.
        digits: Significant digits.
    """
    if not math.isfinite(value):
        return "-"
    if value == 0:
        return f"0 {unit}"
    if unit == "B":
        return f"{value:,.0f} B"
    power = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))) / 3 + 1e-12) * 3
    power = min(max(power, -12), 0 if unit == "s" else 9)
    prefix = {-12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}[power]
    return f"{_digits(value / 10.0**power, digits)} {prefix}{unit}"


def _digits(value: float, digits: int) -> str:
    """Return the plain decimal with that many significant digits, without an exponent and without trailing zeros."""
    text = f"{value:.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent_range(low: float | None, high: float | None, *, digits: int = 0, between: str = "-") -> str:
    """Return an interval of shares in percent, `"70-93"`; `"-"` where an end is not known."""
    if low is None or high is None:
        return "-"
    return f"{100 * low:.{digits}f}{between}{100 * high:.{digits}f}"


def budget_name(capacitance_f: float) -> str:
    """Return the short name of a budget in columns and file names: `"470uF"`, `"5mF"`."""
    return write(capacitance_f, "F", digits=6).replace(" ", "")


def budget_label(name: str) -> str:
    """Return the name of a budget as it is printed: `"470 µF"` for `"470uF"`."""
    number = name.rstrip("Fpnum")
    return f"{number} {name[len(number) :].replace('u', 'µ')}"


def whole(field: str, text: str, *, least: int = 1) -> int:
    """Return a whole number of the command line.

    Raises:
        ValueError: It is none, or below `least`.
    """
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise ValueError(f"{field} must be a whole number of at least {least}, not {text!r}")
    return value
