"""Scenarios: supplies side by side, as the last axis of everything that is priced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from energy.events import FloatArray
from energy.hardware.recharge import RechargeLaw, Storage
from energy.hardware.supply import Supply


@dataclass(frozen=True, kw_only=True)
class Scenarios(Storage[FloatArray]):
    """Supplies side by side: the last axis of everything that is priced; fields are `(n_scenarios,)` as in `Supply`."""

    capacitance_f: FloatArray
    resistance_ohm: FloatArray
    v_supply_v: FloatArray
    v_on_v: FloatArray
    v_off_v: FloatArray
    usable_fraction: FloatArray
    is_margin_scaled: NDArray[np.bool_]

    @classmethod
    def of(cls, supplies: Sequence[Supply]) -> Scenarios:
        """Return the given supplies as an axis, in their order.

        Raises:
            ValueError: No supply is given.
        """
        if not supplies:
            raise ValueError("supplies must not be empty")
        names = [field.name for field in fields(cls)][:-1]
        columns = {name: np.array([getattr(supply, name) for supply in supplies], dtype=np.float64) for name in names}
        return cls(**columns, is_margin_scaled=np.array([s.is_margin_scaled for s in supplies]))

    def __len__(self) -> int:
        """Return the number of scenarios."""
        return len(self.capacitance_f)

    def take(self, index: int) -> Scenarios:
        """Return one scenario, still as an axis: fields are `(1,)`."""
        return Scenarios(**{field.name: getattr(self, field.name)[index : index + 1] for field in fields(self)})

    def law_of(self, index: int) -> RechargeLaw:
        """Return the constants of `recharge_law` in one scenario."""
        return RechargeLaw(*(float(constant[index]) for constant in self.law))

    @cached_property
    def is_concave(self) -> NDArray[np.bool_]:
        """Whether recharge is concave within the budget, V >= Vs / 2 down to it, `(n_scenarios,)`."""
        return np.asarray(self.voltage_v(self.cycle_budget_j) >= self.v_supply_v / 2)

    def recharge_floor(self) -> tuple[FloatArray, FloatArray]:
        """Return a line below the recharge time of every energy within the budget: t_rc(E) >= start + slope E.

        The chord where t_rc is concave, V >= Vs / 2 down to the budget; else the least slope there is, that of
        charging at V = Vs / 2.

        Returns:
            Start [s] and slope [s/J], `(n_scenarios,)` each.
        """
        start_s = self.recharge_time_s(np.zeros(len(self)))
        chord = (self.recharge_time_s(self.cycle_budget_j) - start_s) / self.cycle_budget_j
        return start_s, np.where(self.is_concave, chord, 4 * self.resistance_ohm / self.v_supply_v**2)
