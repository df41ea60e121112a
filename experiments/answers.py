"""Answers of `price` and `plan`: the JSON object, the sentence and the table for a person.

Figures come from `energy.appraise`; nothing is computed here but shares for reading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from energy.appraise import appraise
from energy.explorer import Explorer
from energy.rules import rules
from energy.supply import Scenarios
from experiments.design_files import Request
from experiments.quantities import write
from experiments.tables import table

_TOTALS = (
    "feasible", "latency_s", "response_latency_s", "worst_case_latency_s", "energy_j", "power_cycles", "active_s",
    "recharge_s", "continuous_latency_s", "overhead_percent", "limit_device_s", "limit_plan_s", "vm_bytes", "nvm_bytes",
)  # fmt: skip
_PARTS = ("reboot_s", "recovery_s", "fetch_s", "compute_s", "preserve_s", "recharge_s")

Answer = dict[str, Any]
"""One answer as INTERFACE.md has it, JSON types."""


def price(request: Request) -> Answer:
    """Price a network with the plan of its file.

    Raises:
        ValueError: The file has no plan, or the plan does not fit the network.
    """
    if request.plan is None:
        raise ValueError("design: key 'plan' is missing; ebbnas plan finds one")
    appraisal = appraise(request.network, request.plan, request.device, request.supply, policy=request.policy)
    totals = {name: getattr(appraisal, name, None) for name in _TOTALS}
    return {
        "name": request.name,
        **totals,
        "violations": dict(appraisal.violations),
        "breakdown": dict(appraisal.breakdown) if appraisal.breakdown else dict.fromkeys(_PARTS),
        "layers": [{**asdict(layer), "feasible": layer.feasible} for layer in appraisal.layers],
        "plan": [design.to_dict() for design in request.plan],
        "schedule": [asdict(entry) for entry in appraisal.schedule],
        "notes": [*request.notes, *_extrapolated(request)],
    }


def _extrapolated(request: Request) -> list[str]:
    """A sentence for each layer whose vectors are longer than those that were measured."""
    rows = zip(request.network.layer_names, request.network.layers, request.plan or (), strict=True)
    return [
        f"layer {name} uses vectors of {design.tile_in} words; measured were up to {request.device.max_vector}, "
        "beyond that the prices are extrapolated"
        for name, layer, design in rows
        if layer.op == "conv" and design.tile_in > request.device.max_vector
    ]


def plan(request: Request) -> Request:
    """The request with the best plan under its rules, the least infeasible one where none is feasible."""
    explorer = Explorer(request.device, Scenarios.of([request.supply]), rules(request.rules), request.policy)
    return request.with_plan(explorer.plans(request.network)[0])


def sentence(answer: Mapping[str, Any]) -> str:
    """The answer in one sentence."""
    if not answer["feasible"]:
        return f"not feasible: {binding_constraint(answer)}"
    parts = [
        write(answer["latency_s"], "s"),
        f"{answer['power_cycles']:,.0f} power cycles",
        f"{100 * answer['recharge_s'] / answer['latency_s']:.0f} % of it recharging",
        "safe",
    ]
    if limit_s := answer.get("limit_device_s"):
        parts.append(f"{answer['latency_s'] / limit_s:.1f} times the limit")
    return ", ".join(parts)


def binding_constraint(answer: Mapping[str, Any]) -> str:
    """What is violated and by how much, with the layer where it is worst."""
    units = {"energy_j": ("J", "energy a power cycle"), "vm_bytes": ("B", "VM"), "nvm_bytes": ("B", "NVM")}
    found = []
    for key, (unit, what) in units.items():
        if amount := answer["violations"].get(key):
            rows = answer.get("layers") or ()
            worst = max(rows, key=lambda row: (row.get("violations") or {}).get(key, 0), default=None)
            inside = worst is not None and (worst.get("violations") or {}).get(key, 0) > 0
            where = f" in layer {worst['layer']}" if inside and worst is not None else ""
            found.append(f"{what} exceeded by {write(amount, unit)}{where}")
    return "; ".join(found)


def describe(answer: Mapping[str, Any]) -> str:
    """Sentence, totals and a table of layers, for a person."""
    lines = [f"{answer['name']}: {sentence(answer)}"]
    if answer["feasible"]:
        lines += ["", *_totals(answer)]
    lines += ["", _layers(answer)]
    lines += [f"note: {note}" for note in answer.get("notes", ())]
    return "\n".join(lines)


def overview(answers: Sequence[Mapping[str, Any]]) -> str:
    """Several answers as one table, for a person."""
    n_feasible = sum(answer["feasible"] for answer in answers)
    rows = [
        (
            answer["name"],
            _quantity(answer["latency_s"], "s"),
            "-" if answer["power_cycles"] is None else f"{answer['power_cycles']:,.0f}",
            _quantity(answer["energy_j"], "J"),
            _quantity(answer["vm_bytes"], "B"),
            "yes" if answer["feasible"] else "NO",
            "" if answer["feasible"] else binding_constraint(answer),
        )
        for answer in answers
    ]
    head = ("design", "latency", "cycles", "energy", "VM", "feasible", "because")
    return f"{n_feasible} of {len(answers)} designs are feasible\n\n{table(head, rows, text=(0, 6))}"


def _totals(answer: Mapping[str, Any]) -> list[str]:
    parts = {key.removesuffix("_s"): value for key, value in answer["breakdown"].items() if value is not None}
    shares = ", ".join(f"{name} {100 * value / answer['latency_s']:.0f} %" for name, value in parts.items())
    return [
        f"energy {write(answer['energy_j'], 'J')}, active {write(answer['active_s'], 's')}, "
        f"recharging {write(answer['recharge_s'], 's')}, VM {write(answer['vm_bytes'], 'B')}, "
        f"NVM {write(answer['nvm_bytes'], 'B')}",
        f"time by part: {shares}",
    ]


def _layers(answer: Mapping[str, Any]) -> str:
    rows = []
    for row, design in zip(answer["layers"], answer["plan"], strict=True):
        tile = "x".join(str(design[key]) for key in ("tile_h", "tile_w", "tile_out", "tile_in"))
        rows.append(
            (
                row["layer"],
                f"{tile} {design['order']} S{design['batch']}",
                _quantity(row["latency_s"], "s"),
                "-" if row["power_cycles"] is None else f"{row['power_cycles']:,.0f}",
                _quantity(row["cycle_energy_max_j"], "J"),
                _quantity(row["vm_bytes"], "B"),
                "yes" if row["feasible"] else "NO",
            )
        )
    return table(("layer", "design", "latency", "cycles", "energy a cycle", "VM", "feasible"), rows, text=(0, 1))


def _quantity(value: float | None, unit: str) -> str:
    return "-" if value is None else write(value, unit)
