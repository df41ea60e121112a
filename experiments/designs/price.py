"""Answers of `price` and `plan`: a JSON object, and a sentence and a table for a person.

Figures come from `energy.costing.plan`; only percentages and ratios of them are computed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from energy.costing.plan import price_plan
from energy.costing.result import PlanPrice
from energy.hardware.device import Device
from energy.hardware.scenarios import Scenarios
from energy.networks.designs import LayerDesign
from energy.networks.fuse import normalised
from energy.networks.rules import rules
from energy.networks.shapes import LayerShape
from energy.planning.planner import explorer_for
from experiments.designs.request import Request
from experiments.formatting.quantities import write
from experiments.formatting.table import Table

_TOTALS = (
    "feasible", "latency_s", "response_latency_s", "worst_case_latency_s", "energy_j", "power_cycles", "active_s",
    "recharge_s", "continuous_latency_s", "overhead_percent", "limit_device_s", "limit_plan_s", "vm_bytes", "nvm_bytes",
)  # fmt: skip
_PARTS = ("reboot_s", "recovery_s", "fetch_s", "compute_s", "preserve_s", "recharge_s")

LIMITED = "the choice among the candidates of layers was limited: a better plan of them may exist"
"""Note on a plan whose choice kept fewer labels than it needed."""

Answer = dict[str, Any]
"""Figures of a priced plan by key, JSON types."""


def price(request: Request) -> Answer:
    """Price a network with the plan of its file.

    Raises:
        ValueError: The file has no plan, or the plan does not fit the network.
    """
    if request.plan is None:
        raise ValueError(f"design {request.name!r}: key 'plan' is missing; ebbnas plan finds one")
    priced = _priced_plan(request, request.device)
    return {
        "name": request.name,
        **{name: getattr(priced, name) for name in _TOTALS},
        "violations": dict(priced.violations),
        "breakdown": dict(priced.breakdown) if priced.breakdown else dict.fromkeys(_PARTS),
        "layers": [{**asdict(layer), "feasible": layer.feasible} for layer in priced.layers],
        "plan": [design.to_dict() for design in request.plan],
        "schedule": [asdict(entry) for entry in priced.schedule],
        "interval": _interval(request),
        "notes": [*request.notes, *_extrapolated(request)],
    }


def _priced_plan(request: Request, device: Device) -> PlanPrice:
    assert request.plan is not None
    return price_plan(
        request.network,
        request.plan,
        device,
        request.supply,
        request.execution,
        deadline_s=request.deadline_s,
        uncertainty=request.uncertainty,
    )


def _interval(request: Request) -> dict[str, list[float | None]] | None:
    """Return latency and energy at both ends of the 95 % intervals of all prices; None where prices have no interval.

    The plan stays, its power cycles are cut anew; a latency is None where the plan is infeasible at that end.
    """
    if not request.device.uncertainty:
        return None
    ends = [_priced_plan(request, request.device.at_end(sign)) for sign in (-1, 1)]
    return {name: [getattr(end, name) for end in ends] for name in ("latency_s", "energy_j")}


def _extrapolated(request: Request) -> list[str]:
    """Return a note for each layer whose vectors are longer than the measured ones."""
    rows = zip(request.network.layer_names, request.network.layers, request.plan or (), strict=True)
    lengths = [(name, _vector_words(layer, design)) for name, layer, design in rows if layer.op == "conv"]
    return [
        f"layer {name} uses vectors of {words} words; prices beyond the longest measured, "
        f"{request.device.max_vector} words, are extrapolated"
        for name, words in lengths
        if words > request.device.max_vector
    ]


def _vector_words(layer: LayerShape, design: LayerDesign) -> int:
    return design.tile_in * (normalised(layer)[0].kernel_w if design.vector == "row" else 1)


def plan(request: Request) -> Request:
    """Return the request with the best plan under its rules, or the least infeasible plan where none is feasible."""
    rule_set = rules(request.rules, request.max_vector or request.device.max_vector)
    explorer = explorer_for(request.device, Scenarios.of([request.supply]), rule_set, request.execution)
    planned = request.with_plan(explorer.plan(request.network))
    return replace(planned, notes=(*planned.notes, LIMITED)) if explorer.n_limited else planned


def sentence(answer: Mapping[str, Any]) -> str:
    """Return the answer in one sentence."""
    if not answer["feasible"]:
        return f"not feasible: {binding_constraint(answer)}"
    parts = [
        write(answer["latency_s"], "s"),
        f"{answer['power_cycles']:,.0f} power cycle{'' if answer['power_cycles'] == 1 else 's'}",
        f"{100 * answer['recharge_s'] / answer['latency_s']:.0f} % of it recharging",
        "safe",
    ]
    if limit_s := answer.get("limit_plan_s"):
        parts.append(f"{answer['latency_s'] / limit_s:.1f} times the limit")
    return ", ".join(parts)


def beside(published: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """Return the comparison of a published plan with ours for the same network, in one sentence."""
    before = f"as published {write(published['latency_s'], 's')} in {published['power_cycles']:,} power cycles"
    if not ours["feasible"]:
        return f"{before}; planned anew, nothing is feasible"
    cycles = f"{ours['power_cycles']:,} power cycle{'' if ours['power_cycles'] == 1 else 's'}"
    times = published["latency_s"] / ours["latency_s"]
    return f"{before}; planned anew {write(ours['latency_s'], 's')} in {cycles}: {times:.1f} times faster"


def binding_constraint(answer: Mapping[str, Any]) -> str:
    """Return the violated constraints and their amounts, with the layer of the largest amount."""
    units = {
        "energy_j": ("J", "cycle energy budget"),
        "vm_bytes": ("B", "SRAM (VM)"),
        "nvm_bytes": ("B", "NVM"),
        "deadline_s": ("s", "deadline"),
    }
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
    """Return sentence, totals and a table of layers, for a person."""
    lines = [f"{answer['name']}: {sentence(answer)}"]
    if answer["feasible"]:
        lines += ["", *_totals(answer)]
    lines += ["", _layers(answer)]
    lines += [f"note: {note}" for note in answer.get("notes", ())]
    return "\n".join(lines)


def overview(answers: Sequence[Mapping[str, Any]]) -> str:
    """Return several answers as one table, for a person."""
    n_feasible = sum(answer["feasible"] for answer in answers)
    rows = [
        (
            answer["name"],
            _quantity(answer["latency_s"], "s"),
            _limits(answer),
            "-" if answer["power_cycles"] is None else f"{answer['power_cycles']:,.0f}",
            _quantity(answer["energy_j"], "J"),
            _quantity(answer["vm_bytes"], "B"),
            "yes" if answer["feasible"] else "NO",
            "" if answer["feasible"] else binding_constraint(answer),
        )
        for answer in answers
    ]
    head = ("design", "latency", "x limit", "cycles", "energy", "SRAM", "feasible", "because")
    return f"{n_feasible} of {len(answers)} designs are feasible\n\n{Table(head, rows, text=(0, 7)).to_text()}"


def _limits(answer: Mapping[str, Any]) -> str:
    """Return latency as a multiple of the lower limit of any plan."""
    return "-" if answer["latency_s"] is None else f"{answer['latency_s'] / answer['limit_plan_s']:.2f}"


def _totals(answer: Mapping[str, Any]) -> list[str]:
    parts = {key.removesuffix("_s"): value for key, value in answer["breakdown"].items() if value is not None}
    shares = ", ".join(f"{name} {100 * value / answer['latency_s']:.0f} %" for name, value in parts.items())
    worst_s = answer["worst_case_latency_s"]
    lines = [
        f"energy {write(answer['energy_j'], 'J')}, active {write(answer['active_s'], 's')}, "
        f"recharging {write(answer['recharge_s'], 's')}, SRAM (VM) {write(answer['vm_bytes'], 'B')}, "
        f"NVM {write(answer['nvm_bytes'], 'B')}",
        f"time by part: {shares}",
        f"limits: {write(answer['limit_plan_s'], 's')} for any plan, {write(answer['limit_device_s'], 's')} for the "
        f"device; worst case {'not defined' if worst_s is None else write(worst_s, 's')}",
    ]
    if interval := answer["interval"]:
        low_s, high_s = (_quantity(end, "s") for end in interval["latency_s"])
        lines.append(f"95 % interval of the prices: {low_s} to {high_s}")
    return lines


def _layers(answer: Mapping[str, Any]) -> str:
    rows = []
    for row, design in zip(answer["layers"], answer["plan"], strict=True):
        tile = "x".join(str(design[key]) for key in ("tile_h", "tile_w", "tile_out", "tile_in"))
        rows.append(
            (
                row["layer"],
                f"{tile} {design['order']} {design['vector']} S{design['batch']}",
                f"{row['batches']:,}",
                _quantity(row["active_s"], "s"),
                _quantity(row["energy_j"], "J"),
                _quantity(row["vm_bytes"], "B"),
                "yes" if row["feasible"] else "NO",
            )
        )
    head = ("layer", "tile, order, vector, batch", "batches", "active", "energy", "SRAM", "feasible")
    return Table(head, rows, text=(0, 1)).to_text()


def _quantity(value: float | None, unit: str) -> str:
    return "-" if value is None else write(value, unit)
