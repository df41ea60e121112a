"""Power supplies: a capacitor with its harvester, and families of them in files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from energy.hardware.files import built_in_names, read_record
from energy.hardware.recharge import RECHARGES, Storage
from energy.validation import require_choice, require_keys, require_number


@dataclass(frozen=True, kw_only=True)
class Supply(Storage[float]):
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
    def is_margin_scaled(self) -> bool:
        """Whether recharge follows the formula of the 2021 tables."""
        return self.recharge == "margin-scaled"

    @property
    def has_concave_recharge(self) -> bool:
        """Whether one deep discharge recharges faster than two shallow ones of the same total: Voff >= Vs / 2."""
        return self.v_off_v >= self.v_supply_v / 2

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
