"""Folders of small finished runs, made in a moment: designs of one little network on two capacitors, really priced."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.designs.price import price
from experiments.designs.request import Overrides, Request
from experiments.designs.request_files import read_request
from experiments.storage.files import write_json, write_text
from experiments.storage.tables import FRONTS, TIMES, Row, write_table

CONFIG = """schema = 1
name = "little"
seed = 3

[data]
name = "watch"

[space]
name = "conv1d-3"

[supply]
name = "tinas2025"
harvest_uncertainty = 1.5
"""

ACCURACIES: Mapping[str, Sequence[tuple[int, float, float, bool]]] = {
    "100uF": [(2, 0.60, 0.55, True), (6, 0.75, 0.70, True), (7, 0.74, 0.90, False)],
    "470uF": [(2, 0.62, 0.66, True), (4, 0.71, 0.70, True), (6, 0.80, 0.78, True), (7, 0.79, 0.77, False)],
}
"""By capacitor, of each design: eighths of its channels, accuracy on validation and on test, whether on the front."""

WORST = 1.5
"""Worst-case latencies of these runs as multiples of the latency. [1]"""


def design(channels: int, capacitance_f: float) -> dict[str, Any]:
    """A DESIGN.json of a convolution and a pooling; more channels take longer."""
    layer = {"in_w": 1, "out_w": 1, "kernel_w": 1, "stride": 1, "pad": 0}
    n = 8 * channels
    conv = {"name": "c", "op": "conv", "in_h": 128, "in_ch": 6, "out_h": 122, "out_ch": n, "kernel_h": 7, **layer}
    pool = {"name": "p", "op": "global_avg_pool", "in_h": 122, "in_ch": n, "out_h": 1, "out_ch": n, "kernel_h": 122}
    supply = {"v_supply_v": 5.892, "v_on_v": 4.535, "v_off_v": 3.29, "usable_fraction": 0.6}
    return {
        "network": {"name": f"little c{n}", "layers": [conv, {**pool, **layer}]},
        "plan": [
            {"tile_h": 4, "tile_w": 1, "tile_out": 8, "tile_in": 6, "order": "output", "batch": 1},
            {"tile_h": 10, "tile_w": 1, "tile_out": 8, "tile_in": 1, "order": "output", "batch": 1},
        ],
        "supply": {"capacitance_f": capacitance_f, "resistance_ohm": 3000.0, **supply},
    }


def request(channels: int, capacitance_f: float) -> Request:
    """What `design` asks for."""
    return read_request(design(channels, capacitance_f), Path(), Overrides())


def row(budget: str, channels: int, accuracies: tuple[float, float], on_front: bool) -> tuple[dict[str, Any], Row]:
    """A design and its row of `fronts`."""
    made = design(channels, float(budget.removesuffix("uF")) * 1e-6)
    answer = price(request(channels, made["supply"]["capacitance_f"]))
    assert answer["feasible"]
    names = (
        "latency_s", "response_latency_s", "energy_j", "power_cycles", "active_s", "recharge_s", "limit_plan_s",
        "vm_bytes", "nvm_bytes",
    )  # fmt: skip
    found: Row = {name: answer[name] for name in names} | {name: answer["breakdown"][name] for name in TIMES}
    for split, value in zip(("val", "test"), accuracies, strict=True):
        name = f"accuracy_finetuned_{split}"
        found |= {name: value, f"{name}_low": value - 0.05, f"{name}_high": value + 0.04}
    found |= {"accuracy_inherited_val": accuracies[0] - 0.2, "worst_case_latency_s": WORST * answer["latency_s"]}
    return made, found | {
        "id": f"{budget}-c{channels}",
        "budget": budget,
        "capacitance_f": made["supply"]["capacitance_f"],
        "resistance_ohm": 3000.0,
        "on_front": on_front,
        "n_parameters": 344 * channels,
        "n_macs": 40992 * channels,
        "safe": True,
        "binding_constraint": "energy",
        "architecture": f"c{8 * channels}",
        "policy": "packed",
        "rules": "ebbnas",
        "genome": "{}",
        "network": f"space c{8 * channels}",
        "seed": 3,
    }


def write_run(
    folder: Path,
    *,
    changes: Mapping[str, Any] | None = None,
    misses: Sequence[Mapping[str, Any]] = (),
    budgets: Sequence[str] = tuple(ACCURACIES),
) -> list[Row]:
    """Write a finished run.

    Args:
        folder: Where.
        changes: Columns that all rows have otherwise.
        misses: Budgets under which nothing is feasible, as a manifest has them.
        budgets: Of `ACCURACIES`.

    Returns:
        Its rows.
    """
    rows = []
    for budget in budgets:
        for channels, val, test, on_front in ACCURACIES[budget]:
            made, found = row(budget, channels, (val, test), on_front)
            write_json(folder / "designs" / f"{found['id']}.json", made)
            rows.append({**found, **(changes or {})})
    if rows:
        write_table(folder / "fronts.parquet", rows, FRONTS)
        write_table(folder / "fronts.csv", rows, FRONTS)
    for miss in misses:
        write_json(folder / "designs" / f"{miss['id']}.json", design(2, 1e-6))
    write_text(folder / "config.toml", CONFIG)
    manifest = {
        "schema": 1, "key": "k", "is_finished": True, "notes": ["a note <of> its own"], "infeasible": misses,
        "n_inherited_front": {budget: len(ACCURACIES[budget]) for budget in budgets},
    }  # fmt: skip
    write_text(folder / "manifest.json", json.dumps(manifest))
    return rows
