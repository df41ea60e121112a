"""One row of a run's `fronts`, typed: every column is an attribute, and null is None."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple


class Accuracy(NamedTuple):
    """An accuracy with its 95 % interval.

    Attributes:
        value: Share of the samples that are classified correctly. [1]
        low, high: Ends of the interval, None where it was not computed. [1]
    """

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class FrontRow:
    """A design of a run with its accuracies and costs; attributes are the columns of `fronts`, in their order.

    Attributes:
        id: Name of the design, unique within the run.
        budget: Name of its capacitor, such as `470uF`.
        capacitance_f: Capacitance. [F]
        resistance_ohm: Resistance of the nominal harvester. [ohm]
        on_front: Whether the design is on the front of its capacitor.
        accuracy_inherited_val: Accuracy with the shared weights, on validation; `_low`, `_high`: 95 % interval. [1]
        accuracy_finetuned_val, accuracy_finetuned_test: Accuracies with its own weights. [1]
        accuracy_deployed_val, accuracy_deployed_test: Accuracies in integers, as the device computes. [1]
        latency_s: Latency of one inference under the nominal harvester, last recharge included. [s]
        response_latency_s: Latency up to the answer, before the last recharge. [s]
        worst_case_latency_s: Latency under the weakest harvester assumed; None where it is not defined. [s]
        energy_j: Energy of one inference. [J]
        power_cycles: Power cycles of one inference. [1]
        active_s, recharge_s: Parts of the latency, awake and asleep. [s]
        reboot_s, recovery_s, fetch_s, compute_s, preserve_s: Parts of the active time. [s]
        limit_plan_s: Lower limit of the latency of any plan of the network. [s]
        vm_bytes, nvm_bytes: SRAM (VM) and non-volatile memory in use. [B]
        n_parameters, n_macs: Size of the network. [1]
        safe: Whether no power cycle exceeds its energy budget.
        verified: Whether the exported program was verified; None where it was not tried.
        binding_constraint: Name of the limit that is tightest.
        architecture: Text form of the network.
        genome: Network and plan as JSON.
        policy, rules: Execution policy and rules of the plan.
        network: Text form of the network with its space.
        seed: Seed of the fine-tuning.
    """

    id: str
    budget: str
    capacitance_f: float
    resistance_ohm: float
    on_front: bool
    accuracy_inherited_val: float | None
    accuracy_inherited_val_low: float | None
    accuracy_inherited_val_high: float | None
    accuracy_finetuned_val: float | None
    accuracy_finetuned_val_low: float | None
    accuracy_finetuned_val_high: float | None
    accuracy_finetuned_test: float | None
    accuracy_finetuned_test_low: float | None
    accuracy_finetuned_test_high: float | None
    accuracy_deployed_val: float | None
    accuracy_deployed_val_low: float | None
    accuracy_deployed_val_high: float | None
    accuracy_deployed_test: float | None
    accuracy_deployed_test_low: float | None
    accuracy_deployed_test_high: float | None
    latency_s: float
    response_latency_s: float | None
    worst_case_latency_s: float | None
    energy_j: float
    power_cycles: int
    active_s: float | None
    recharge_s: float | None
    reboot_s: float | None
    recovery_s: float | None
    fetch_s: float | None
    compute_s: float | None
    preserve_s: float | None
    limit_plan_s: float
    vm_bytes: int
    nvm_bytes: int
    n_parameters: int
    n_macs: int
    safe: bool | None
    verified: bool | None
    binding_constraint: str | None
    architecture: str
    genome: str
    policy: str
    rules: str
    network: str
    seed: int | None

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) is None and "None" not in str(field.type):
                raise ValueError(f"column {field.name} must not be null in the row of design {self.id!r}")

    @classmethod
    def of(cls, columns: Mapping[str, Any]) -> FrontRow:
        """Return the row of a mapping that has every column; other keys are ignored, non-finite numbers become None.

        Raises:
            ValueError: A column is null that must not be.
        """
        return cls(**{field.name: _finite(columns[field.name]) for field in fields(cls)})

    def to_dict(self) -> dict[str, Any]:
        """Return the columns by name, in the order of the table."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def number(self, column: str) -> float | None:
        """Return a column of numbers by its name."""
        value: float | None = getattr(self, column)
        return value

    def accuracy(self, kind: str, split: str) -> Accuracy | None:
        """Return an accuracy with its interval, None where it is not known.

        Args:
            kind: One of `inherited`, `finetuned`, `deployed`.
            split: One of `val`, `test`; inherited accuracies exist for `val` alone.
        """
        name = f"accuracy_{kind}_{split}"
        value = getattr(self, name, None)
        return None if value is None else Accuracy(value, getattr(self, f"{name}_low"), getattr(self, f"{name}_high"))

    def known_accuracy(self, kind: str, split: str) -> float:
        """Return an accuracy that must be known. [1]

        Raises:
            ValueError: It is not.
        """
        found = self.accuracy(kind, split)
        if found is None:
            raise ValueError(f"design {self.id}: accuracy_{kind}_{split} must be known, and is null; fine-tune the run")
        return found.value


def _finite(value: Any) -> Any:
    """Return the value, None where it is a number that JSON has no text for."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
