"""Objectives and constraints of a search: names, units, scales, and the order of their columns.

An objective or a constraint is a row; a new one is one more row. Every objective is minimised. Latency spans decades,
so crowding and hypervolume use its logarithm (`is_log`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from energy.validation import closest

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A quantity to minimise.

    Attributes:
        name: Name in a config.
        column: Source of its values: `error`, or a column of `energy.costing.population.Cost`.
        unit: SI unit of the values.
        is_log: Whether distances count on a log10 axis.
    """

    name: str
    column: str
    unit: str
    is_log: bool

    def scaled(self, values: ArrayLike) -> Floats:
        """Return values on the axis on which distances count, same shape; infinity stays infinity."""
        array = np.asarray(values, dtype=np.float64)
        return np.log10(array) if self.is_log else array


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """A limit whose violation is an amount, 0 where the limit holds.

    Attributes:
        name: Name in results.
        column: Column of `energy.costing.population.Cost`; for the deadline, a column that `Pricing` computes.
        unit: SI unit of the amount.
        limit: Divisor of the amount before violations are added up: `cycle_budget_j`, `vm_bytes`, `nvm_bytes`,
            `deadline_s`.
    """

    name: str
    column: str
    unit: str
    limit: str


OBJECTIVES: dict[str, Objective] = {
    row.name: row
    for row in (
        Objective(name="error", column="error", unit="1", is_log=False),
        Objective(name="latency", column="latency_s", unit="s", is_log=True),
        Objective(name="worst_case", column="worst_case_latency_s", unit="s", is_log=True),
        Objective(name="energy", column="energy_j", unit="J", is_log=True),
        Objective(name="nvm_writes", column="nvm_written_bytes", unit="B", is_log=True),
        Objective(name="memory", column="vm_bytes", unit="B", is_log=True),
    )
}

FIGURES: tuple[str, ...] = tuple(row.column for row in OBJECTIVES.values() if row.column != "error")
"""Columns of `energy.costing.population.Cost` that every evaluation keeps, for any objectives."""

CONSTRAINTS: tuple[Constraint, ...] = (
    Constraint(name="energy", column="energy_over_j", unit="J", limit="cycle_budget_j"),
    Constraint(name="vm", column="vm_over_bytes", unit="B", limit="vm_bytes"),
    Constraint(name="nvm", column="nvm_over_bytes", unit="B", limit="nvm_bytes"),
    Constraint(name="deadline", column="deadline_over_s", unit="s", limit="deadline_s"),
)

DEFAULT_OBJECTIVES: tuple[Objective, ...] = (OBJECTIVES["error"], OBJECTIVES["latency"])


def objectives(names: Sequence[str]) -> tuple[Objective, ...]:
    """Return the objectives with these names, in this order.

    Raises:
        ValueError: Names are fewer than two, unknown or repeated.
    """
    for name in names:
        if name not in OBJECTIVES:
            raise ValueError(f"objectives must be of {', '.join(OBJECTIVES)}, not {name!r}{closest(name, OBJECTIVES)}")
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(f"objectives must be at least two different names, not {list(names)!r}")
    return tuple(OBJECTIVES[name] for name in names)


def scaled(values: ArrayLike, columns: Sequence[Objective] = DEFAULT_OBJECTIVES) -> Floats:
    """Return objective values on the axes on which distances count.

    Args:
        values: Objective values in SI units, `(n, n_objectives)`.
        columns: Objectives of the columns.

    Returns:
        The same shape.

    Raises:
        ValueError: The number of columns differs.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != len(columns):
        raise ValueError(f"objective values must have shape (n, {len(columns)}), not {array.shape}")
    return np.column_stack([column.scaled(array[:, index]) for index, column in enumerate(columns)])
