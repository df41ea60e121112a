"""Uncertainty of the prices of a device: the table `[uncertainty]` of a device file.

It gives, for a source line (a table of the file), the half-width of the 95 % interval of its energies and of its times
as fractions of them. The overheads of events are CPU work and follow `cpu`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from energy.validation import require_keys, require_number

LINES = ("reboot", "nvm_read", "nvm_write", "vector_mac", "cpu")
"""Source lines: the tables of a device file that hold measured prices."""

FRACTIONS = ("energy_fraction", "time_fraction")

Uncertainty = Mapping[str, Mapping[str, float]]
"""Fractions of a source line by its name; a line that is absent counts as exact."""


def read_uncertainty(data: Any) -> dict[str, dict[str, float]]:
    """Return the checked table of a device file.

    Raises:
        ValueError: A line is unknown, or a fraction is missing or negative.
    """
    require_keys("uncertainty", data, required=(), optional=LINES)
    for line, fractions in data.items():
        require_keys(f"uncertainty.{line}", fractions, required=FRACTIONS)
        for key in FRACTIONS:
            require_number(f"uncertainty.{line}.{key}", fractions[key], least=0)
    return {line: {key: float(fractions[key]) for key in FRACTIONS} for line, fractions in data.items()}


def half_widths(data: Mapping[str, Any], uncertainty: Uncertainty) -> dict[str, Any]:
    """Return the content of a device file with the half-width of every number in place of the number.

    Prices are sums of these numbers, so prices made from the result are the half-widths of the prices.
    """
    line_of = {**{line: line for line in LINES}, "overhead_time": "cpu"}
    exact = dict.fromkeys(FRACTIONS, 0.0)
    scaled = {
        table: _scaled(data[table], *(uncertainty.get(line, exact)[key] for key in FRACTIONS))
        for table, line in line_of.items()
        if table in data
    }
    return {**data, **scaled}


def _scaled(entry: Mapping[str, Any], energy_fraction: float, time_fraction: float) -> dict[str, Any]:
    """Return energies and times multiplied; numbers of operations, which are no measurements, stay."""
    factors = {"energy": energy_fraction, "cycles": time_fraction, "time": time_fraction}
    return {
        key: _scaled(value, energy_fraction, time_fraction)
        if isinstance(value, Mapping)
        else value * factors.get(key.partition("_")[0], 1)
        for key, value in entry.items()
    }
