"""Power supply: a capacitor charged by a harvester, and the time to charge it again.

Symbols (energy/README section 2): C capacitance, R and Vs the harvester as a Thevenin source, Von and Voff the boot and
cut-off voltages, f the usable fraction. `Scenarios` holds many supplies as an axis; equations (3) and (4) are
`recharge_law`, which is also compiled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from energy.events import FloatArray
from energy.hardware.files import built_in_names, read_record
from energy.validation import require_choice, require_keys, require_number

RECHARGES = ("energy-balance", "margin-scaled")
"""Recharge formulas: equation (3), and the one that reproduces the 2021 tables."""


class RechargeLaw(NamedTuple):
    """Constants of `recharge_law`: of one supply, or arrays of several.

    Attributes:
        start_v2: Square of the voltage at which the cycle starts. [V^2]
        v2_per_j: Decrease of the square of the voltage per joule, 2 / C. [V^2/J]
        v_supply_v: Open-circuit voltage Vs. [V]
        v_on_v: Boot voltage Von. [V]
        scale_s: R C. [s]
    """

    start_v2: Any
    v2_per_j: Any
    v_supply_v: Any
    v_on_v: Any
    scale_s: Any


def recharge_law(energy_j: Any, law: RechargeLaw) -> Any:
    """Return the time to climb back to the boot voltage, Eq. (3) and (4); of numbers, of arrays, and compiled.

    Args:
        energy_j: Energy drawn in the cycle. [J]
        law: Constants of the supply.
    """
    voltage_v = np.sqrt(law.start_v2 - energy_j * law.v2_per_j)
    return law.scale_s * np.log((law.v_supply_v - voltage_v) / (law.v_supply_v - law.v_on_v))


@dataclass(frozen=True, kw_only=True)
class Supply:
    """One capacitor with one harvester.

    Attributes:
        capacitance_f: Storage capacitance C. [F]
        resistance_ohm: Internal resistance R of the harvester. [ohm]
        v_supply_v: Open-circuit voltage Vs of the harvester. [V]
        v_on_v: Boot voltage Von. [V]
        v_off_v: Cut-off voltage Voff. [V]
        usable_fraction: Share f of the stored energy that a power cycle may plan for. [1]
        recharge: One of `RECHARGES`.

    Raises:
        ValueError: Not 0 < Voff < Von < Vs, not 0 < f <= 1, or another value out of range.
    """

    capacitance_f: float
    resistance_ohm: float
    v_supply_v: float
    v_on_v: float
    v_off_v: float
    usable_fraction: float
    recharge: str = "energy-balance"

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name != "recharge":
                require_number(field.name, getattr(self, field.name), above=0)
        if self.v_on_v <= self.v_off_v:
            raise ValueError(f"v_on_v must be above v_off_v {self.v_off_v:g}, not {self.v_on_v:g}")
        if self.v_supply_v <= self.v_on_v:
            raise ValueError(f"v_supply_v must be above v_on_v {self.v_on_v:g}, not {self.v_supply_v:g}")
        if self.usable_fraction > 1:
            raise ValueError(f"usable_fraction must be at most 1, not {self.usable_fraction:g}")
        require_choice("recharge", self.recharge, RECHARGES)

    @property
    def cycle_budget_j(self) -> float:
        """Energy budget E_av of one power cycle, Eq. (2). [J]"""
        return float(Scenarios.of([self]).cycle_budget_j[0])

    @property
    def stored_energy_j(self) -> float:
        """Energy E_full between the thresholds, Eq. (1). [J]"""
        return float(Scenarios.of([self]).stored_energy_j[0])

    @property
    def has_concave_recharge(self) -> bool:
        """Whether one deep discharge recharges faster than two shallow ones of the same total: Voff >= Vs / 2."""
        return self.v_off_v >= self.v_supply_v / 2

    def recharge_time_s(self, energy_j: ArrayLike) -> FloatArray:
        """Return the time to climb back to the boot voltage, see `Scenarios.recharge_time_s`. [s]"""
        energy = np.asarray(energy_j, dtype=np.float64)
        return Scenarios.of([self]).recharge_time_s(energy[..., None])[..., 0]

    @classmethod
    def from_dict(cls, data: Any) -> Supply:
        """Read the `supply` object of a DESIGN.json.

        Raises:
            ValueError: A key is missing or unknown, or a value is out of range.
        """
        names = [field.name for field in fields(cls)]
        require_keys("supply", data, required=names[:-1], optional=names[-1:])
        return cls(**data)

    def to_dict(self) -> dict[str, Any]:
        """Return the `supply` object of a DESIGN.json."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Scenarios:
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
        return cls(**columns, is_margin_scaled=np.array([s.recharge == "margin-scaled" for s in supplies]))

    def __len__(self) -> int:
        """Return the number of scenarios."""
        return len(self.capacitance_f)

    def take(self, index: int) -> Scenarios:
        """Return one scenario, still as an axis: fields are `(1,)`."""
        return Scenarios(**{field.name: getattr(self, field.name)[index : index + 1] for field in fields(self)})

    @cached_property
    def stored_energy_j(self) -> FloatArray:
        """Energy between the thresholds, E_full = C (Von^2 - Voff^2) / 2, Eq. (1), `(n_scenarios,)`. [J]"""
        return self.capacitance_f * (self.v_on_v**2 - self.v_off_v**2) / 2

    @cached_property
    def cycle_budget_j(self) -> FloatArray:
        """Energy that one power cycle may plan for, E_av = f E_full, Eq. (2), `(n_scenarios,)`. [J]"""
        return self.usable_fraction * self.stored_energy_j

    def recharge_time_s(self, energy_j: FloatArray) -> FloatArray:
        """Return the time to climb back to the boot voltage after spending `energy_j` in a cycle, Eq. (3) and (4).

        t_rc = R C ln((Vs - V) / (Vs - Von)) with V = sqrt(Von^2 - 2 E / C), the voltage left; the planning margin
        limits what is planned, never the physics. Margin-scaled supplies use V = sqrt(2 (E_av - E) / C + Voff^2).

        Args:
            energy_j: Energy drawn in the cycle, `(..., n_scenarios)` or broadcastable to it. [J]

        Returns:
            Recharge time, `(..., n_scenarios)`; nan where more is drawn than the capacitor holds. [s]
        """
        with np.errstate(invalid="ignore"):
            times: FloatArray = recharge_law(energy_j, self._law)
        return times

    def law_of(self, index: int) -> RechargeLaw:
        """Return the constants of `recharge_law` in one scenario."""
        return RechargeLaw(*(float(constant[index]) for constant in self._law))

    @cached_property
    def _law(self) -> RechargeLaw:
        """Constants of `recharge_law`, `(n_scenarios,)` each; margin-scaled supplies start at the margin."""
        margin = 2 * self.cycle_budget_j / self.capacitance_f + self.v_off_v**2
        start = np.where(self.is_margin_scaled, margin, self.v_on_v**2)
        return RechargeLaw(
            start_v2=start,
            v2_per_j=2 / self.capacitance_f,
            v_supply_v=self.v_supply_v,
            v_on_v=self.v_on_v,
            scale_s=self.resistance_ohm * self.capacitance_f,
        )

    @cached_property
    def is_concave(self) -> NDArray[np.bool_]:
        """Whether recharge is concave within the budget, V >= Vs / 2 down to it, `(n_scenarios,)`."""
        return np.asarray(self._voltage_v(self.cycle_budget_j) >= self.v_supply_v / 2)

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

    def _voltage_v(self, energy_j: FloatArray) -> FloatArray:
        """Return voltage left after spending `energy_j`, Eq. (3); nan where there is not so much. [V]"""
        with np.errstate(invalid="ignore"):
            voltage_v: FloatArray = np.sqrt(self._law.start_v2 - energy_j * self._law.v2_per_j)
        return voltage_v


@dataclass(frozen=True, kw_only=True)
class SupplyFamily:
    """A harvester with the capacitors it was measured with.

    Attributes:
        name: Name in configs.
        source: Where the numbers come from.
        default: The supply meant where no capacitance is named.
        resistance_ohm: Harvester resistance by capacitance [F] -> [ohm].
    """

    name: str
    source: str
    default: Supply
    resistance_ohm: Mapping[float, float]

    def supply(self, capacitance_f: float | None = None, resistance_ohm: float | None = None) -> Supply:
        """Return the supply with a capacitance and its resistance: given, listed, or of the nearest listed one (log).

        Raises:
            ValueError: A value is out of range.
        """
        if capacitance_f is None:
            capacitance_f = self.default.capacitance_f
        require_number("capacitance_f", capacitance_f, above=0)
        if resistance_ohm is None:
            resistance_ohm = self.resistance_ohm[self._nearest_f(capacitance_f)]
        return replace(self.default, capacitance_f=capacitance_f, resistance_ohm=resistance_ohm)

    def note(self, capacitance_f: float) -> str | None:
        """Return a note where the resistance is that of another capacitance, None where it is listed."""
        nearest_f = self._nearest_f(capacitance_f)
        if np.isclose(nearest_f, capacitance_f, rtol=1e-9):
            return None
        return (
            f"supply {self.name}: no harvester resistance listed for {_prefixed(capacitance_f, 'F')}; "
            f"using {_prefixed(self.resistance_ohm[nearest_f], 'ohm')}, the value for {_prefixed(nearest_f, 'F')}"
        )

    def _nearest_f(self, capacitance_f: float) -> float:
        return min(self.resistance_ohm, key=lambda listed_f: abs(np.log(listed_f / capacitance_f)))


def _prefixed(value: float, unit: str) -> str:
    """Return a value with the largest prefix that leaves it at least 1, such as 470 uF."""
    prefixes = ((1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"))
    scale, prefix = next(((scale, prefix) for scale, prefix in prefixes if value >= scale * (1 - 1e-9)), prefixes[-1])
    return f"{value / scale:.4g} {prefix}{unit}"


def supply_names() -> tuple[str, ...]:
    """Return the names of the built-in supply families."""
    return built_in_names("supplies")


def read_supply_family(name: str | Path) -> SupplyFamily:
    """Read a built-in supply family by name, or a TOML file by path (`energy.hardware.files.read_record`)."""
    return read_record("supply", "supplies", name, _family)


def _family(data: dict[str, Any]) -> SupplyFamily:
    thresholds = ("v_supply_v", "v_on_v", "v_off_v", "usable_fraction")
    required = ("schema", "name", "source", "default_capacitance_f", "harvester", *thresholds)
    require_keys("supply file", data, required=required, optional=("recharge",))
    rows = data["harvester"]
    if not isinstance(rows, list) or not rows:
        raise ValueError(f"harvester must be a list of tables with capacitance_f and resistance_ohm, not {rows!r}")
    for row in rows:
        require_keys("harvester", row, required=("capacitance_f", "resistance_ohm"))
        for key, value in row.items():
            require_number(f"harvester {key}", value, above=0)
    resistance_ohm = {float(row["capacitance_f"]): float(row["resistance_ohm"]) for row in rows}
    default_f = data["default_capacitance_f"]
    require_number("default_capacitance_f", default_f, above=0)
    if default_f not in resistance_ohm:
        raise ValueError(f"default_capacitance_f must be one of the harvester's, not {default_f!r}")
    default = Supply(
        capacitance_f=default_f,
        resistance_ohm=resistance_ohm[default_f],
        recharge=data.get("recharge", "energy-balance"),
        **{key: data[key] for key in thresholds},
    )
    return SupplyFamily(
        name=str(data["name"]), source=str(data["source"]), default=default, resistance_ohm=resistance_ohm
    )
