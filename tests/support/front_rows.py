"""Rows of `fronts` for tests that need only some of the columns."""

from __future__ import annotations

from typing import Any

from experiments.runs.front_row import FrontRow
from experiments.storage.tables import FRONTS

_FILLED = {
    "id": "470uF-0", "budget": "470uF", "capacitance_f": 4.7e-4, "resistance_ohm": 3000.0, "on_front": True,
    "latency_s": 1.0, "energy_j": 1e-3, "power_cycles": 2, "limit_plan_s": 0.5, "vm_bytes": 2048, "nvm_bytes": 9000,
    "n_parameters": 344, "n_macs": 40992, "architecture": "c8", "genome": "{}", "policy": "packed", "rules": "ebbnas",
    "network": "space c8",
}  # fmt: skip
"""Columns that are never null."""


def front_columns(**columns: Any) -> dict[str, Any]:
    """A row of `fronts` by column name; columns that are not given are filled where they must be, else null."""
    assert set(columns) <= set(FRONTS.names)
    return {**dict.fromkeys(FRONTS.names), **_FILLED, **columns}


def front_row(**columns: Any) -> FrontRow:
    """The same as a `FrontRow`."""
    return FrontRow.of(front_columns(**columns))
