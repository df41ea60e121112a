"""Reader of DESIGN.json and NETWORK.json: requests under the options of the command line.

Options override the file, and the file overrides the defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from energy.hardware.device import read_device
from energy.hardware.files import DEFAULT_DEVICE, DEFAULT_SUPPLY
from energy.hardware.supply import Supply, SupplyFamily, read_supply_family
from energy.networks.designs import LayerDesign, Plan, check_plan
from energy.networks.fuse import fused
from energy.networks.rules import DEFAULT_RULES, rules
from energy.networks.shapes import NetworkShape
from energy.scheduling.execution import PACKED, Execution
from energy.validation import closest, require_int, require_keys
from experiments.designs.request import Overrides, Request

DEFAULTS: Mapping[str, Any] = {
    "device": DEFAULT_DEVICE,
    "supply": DEFAULT_SUPPLY,
    "policy": PACKED.policy,
    "counting": "",
    "rules": DEFAULT_RULES,
    "fuse": None,
    "cuts": PACKED.cuts,
}
"""Values of keys that a design file omits; an empty counting follows the policy, and `fuse` follows the command."""

_READ = ("plan", "vm_bytes", *DEFAULTS)
_IGNORED = ("name", "expected", "published")


def read_requests(
    data: Any, folder: Path, overrides: Overrides, *, select: str | None = None, with_plan: bool = True
) -> list[Request]:
    """Read the requests of a design file.

    Args:
        data: The parsed JSON: a design, a network, or a list of them.
        folder: Folder of the file; paths of device and supply files are relative to it.
        overrides: Options of the command line.
        select: Name of one design of a list; None for all.
        with_plan: Whether the plans of the file are read; else they are ignored, valid or not.

    Raises:
        ValueError: A key is unknown or missing, or a value is wrong.
    """
    if not isinstance(data, list):
        if select is not None and (name := _name_of(data, 0)) != select:
            raise ValueError(f"--select must be a name in the file, which holds only {name!r}, not {select!r}")
        return [read_request(data, folder, overrides, with_plan=with_plan)]
    names = [_name_of(item, index) for index, item in enumerate(data)]
    if not names:
        raise ValueError("the list of designs must not be empty")
    if select is not None and select not in names:
        raise ValueError(f"--select must be a name in the file, not {select!r}{closest(select, names)}")
    requests = []
    for name, item in zip(names, data, strict=True):
        if select is None or name == select:
            try:
                requests.append(read_request(item, folder, overrides, with_plan=with_plan))
            except ValueError as error:
                raise ValueError(f"design {name!r}: {error}") from None
    return requests


def read_request(data: Any, folder: Path, overrides: Overrides, *, with_plan: bool = True) -> Request:
    """Read one design or network; arguments as in `read_requests`."""
    if isinstance(data, Mapping) and "layers" in data and "network" not in data:
        data = {"network": {key: value for key, value in data.items() if key not in ("expected", "published")}}
    require_keys("design", data, required=("network",), optional=(*_READ, *_IGNORED))
    network = NetworkShape.from_dict(data["network"])
    chosen = _chosen(data, overrides)
    execution = Execution(policy=chosen["policy"], counting=chosen["counting"], cuts=chosen["cuts"])
    rules(chosen["rules"])
    fuse = _fuses(chosen["fuse"], execution, with_plan=with_plan)
    if fuse:
        network = fused(network)
    device_source = _device_source(overrides.device or chosen["device"], Path() if overrides.device else folder)
    device = read_device(device_source)
    vm_bytes = data.get("vm_bytes", device.vm_bytes) if overrides.vm_bytes is None else overrides.vm_bytes
    require_int("vm_bytes", vm_bytes)
    supply, notes = _supply(chosen["supply"], folder, overrides)
    rounds_up = device.published_counting == 2025 or chosen["rules"] == "tinas2025"
    plan = None
    if with_plan and "plan" in data:
        plan = _plan(data["plan"], network, execution.counting, rounds_up=rounds_up)
    return Request(
        name=str(data.get("name", network.name)),
        network=network,
        plan=plan,
        device=replace(device, vm_bytes=vm_bytes),
        supply=supply,
        execution=execution,
        rules=chosen["rules"],
        fuse=fuse,
        max_vector=overrides.max_vector,
        deadline_s=overrides.deadline_s,
        uncertainty=overrides.uncertainty,
        notes=notes,
        device_file=device_source if isinstance(device_source, Path) else None,
    )


def _chosen(data: Mapping[str, Any], overrides: Overrides) -> dict[str, Any]:
    """Return the values of the keys of `DEFAULTS`: of the options, else of the file, else the defaults."""
    chosen = {**DEFAULTS, **{key: data[key] for key in DEFAULTS if key in data}}
    for key in ("policy", "counting", "rules", "cuts", "fuse"):
        if (given := getattr(overrides, key)) is not None:
            chosen[key] = given
    if overrides.policy is not None and overrides.counting is None:
        chosen["counting"] = ""
    return chosen


def _fuses(given: Any, execution: Execution, *, with_plan: bool) -> bool:
    """Return whether a network is fused; without a value, packed plans that are still to be found are."""
    if given is None:
        return not with_plan and execution.policy == "packed"
    if not isinstance(given, bool):
        raise ValueError(f"fuse must be true or false, not {given!r}")
    return given


def _name_of(item: Any, index: int) -> str:
    if isinstance(item, Mapping):
        network = item.get("network")
        inner = network.get("name") if isinstance(network, Mapping) else None
        return str(item.get("name") or inner or index)
    return str(index)


def _plan(rows: Any, network: NetworkShape, counting: str, *, rounds_up: bool) -> Plan:
    if not isinstance(rows, list):
        raise ValueError(f"plan must be a list of designs, one per layer, not {type(rows).__name__}")
    designs = []
    for index, row in enumerate(rows):
        try:
            designs.append(LayerDesign.from_dict(row))
        except ValueError as error:
            name = network.layer_names[index] if index < len(network.layer_names) else str(index)
            raise ValueError(f"plan of layer {name!r}: {error}") from None
    plan = tuple(designs)
    check_plan(network, plan, counting=counting, rounds_up=rounds_up)
    return plan


def _device_source(value: Any, folder: Path) -> str | Path:
    if not isinstance(value, str):
        raise ValueError(f"device must be a name or the path of a TOML file, not {value!r}")
    return _source(value, folder, "device")


def _source(value: str, folder: Path, kind: str) -> str | Path:
    """Return a built-in name unchanged, or the path of a file whose name ends in .toml."""
    if not value.endswith(".toml"):
        return value
    path = folder / value
    if not path.is_file():
        raise ValueError(f"{kind} must be a built-in name or a file; file not found: {value!r}")
    return path


def _supply(value: Any, folder: Path, overrides: Overrides) -> tuple[Supply, tuple[str, ...]]:
    """Return the supply and notes on it, from a family by its name or from the numbers of the file."""
    if overrides.supply is not None:
        value, folder = overrides.supply, Path()
    notes: tuple[str, ...] = ()
    if isinstance(value, str):
        family = read_supply_family(_source(value, folder, "supply"))
        supply = family.supply(overrides.capacitance_f, overrides.resistance_ohm)
        notes = _family_notes(family, supply, overrides)
    else:
        supply = Supply.from_dict(value)
        if overrides.capacitance_f is not None:
            supply = replace(supply, capacitance_f=overrides.capacitance_f)
        if overrides.resistance_ohm is not None:
            supply = replace(supply, resistance_ohm=overrides.resistance_ohm)
    if overrides.usable_fraction is not None:
        supply = replace(supply, usable_fraction=overrides.usable_fraction)
    if not supply.has_concave_recharge:
        notes += ("v_off_v is below v_supply_v / 2: several shallow discharges may recharge faster than one deep one",)
    return supply, notes


def _family_notes(family: SupplyFamily, supply: Supply, overrides: Overrides) -> tuple[str, ...]:
    if overrides.resistance_ohm is not None:
        return ()
    note = family.note(supply.capacitance_f)
    return () if note is None else (note,)
