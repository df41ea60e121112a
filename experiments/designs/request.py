"""Requests: a network or design on a device with a supply, and the options that a command line may override.

`experiments.designs.request_files` reads them from DESIGN.json and NETWORK.json.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from energy.hardware.device import Device
from energy.hardware.supply import Supply
from energy.networks.designs import Plan
from energy.networks.rules import DEFAULT_RULES
from energy.networks.shapes import NetworkShape
from energy.scheduling.execution import PACKED, Execution
from energy.scheduling.worst_case import NOMINAL, HarvestUncertainty


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """Options of the command line; None keeps the value of the file or the default."""

    device: str | None = None
    supply: str | None = None
    capacitance_f: float | None = None
    resistance_ohm: float | None = None
    usable_fraction: float | None = None
    vm_bytes: int | None = None
    policy: str | None = None
    counting: str | None = None
    rules: str | None = None
    cuts: str | None = None
    fuse: bool | None = None
    max_vector: int | None = None
    deadline_s: float | None = None
    uncertainty: HarvestUncertainty = NOMINAL


@dataclass(frozen=True, kw_only=True)
class Request:
    """One network on one device with one supply.

    Attributes:
        name: Name in answers.
        network: The network.
        plan: Design of each layer; None where the file has no plan.
        device: The device, with the SRAM (VM) of the request.
        supply: The supply.
        execution: Policy, counting and cuts.
        rules: Name of the rules of legal designs.
        fuse: Whether batch norm and ReLU were merged into the convolutions before them; `network` is the result.
        max_vector: Longest legal vector; None for the longest that the device was measured with. [1]
        deadline_s: Upper limit of the worst-case latency; None for no deadline. [s]
        uncertainty: Harvesters of the worst case.
        notes: Notes for the answer.
        device_file: File of the device; None for a built-in device.
    """

    name: str
    network: NetworkShape
    plan: Plan | None
    device: Device
    supply: Supply
    execution: Execution = PACKED
    rules: str = DEFAULT_RULES
    fuse: bool = False
    max_vector: int | None = None
    deadline_s: float | None = None
    uncertainty: HarvestUncertainty = NOMINAL
    notes: tuple[str, ...] = ()
    device_file: Path | None = None

    def with_plan(self, plan: Plan) -> Request:
        """Return the same request with another plan."""
        return replace(self, plan=plan)

    def to_dict(self, folder: Path) -> dict[str, Any]:
        """Return the complete DESIGN.json, every option filled in.

        Args:
            folder: Folder of the file; the path of a device file is relative to it.
        """
        device = self.device.name
        if self.device_file is not None:
            device = Path(os.path.relpath(self.device_file, folder)).as_posix()
        return {
            "name": self.name,
            "network": self.network.to_dict(),
            "plan": [design.to_dict() for design in self.plan or ()],
            "device": device,
            "supply": self.supply.to_dict(),
            "vm_bytes": self.device.vm_bytes,
            "policy": self.execution.policy,
            "counting": self.execution.counting,
            "rules": self.rules,
            "fuse": self.fuse,
            "cuts": self.execution.cuts,
        }
