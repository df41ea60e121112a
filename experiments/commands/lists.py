"""Lists of what is there: devices, supplies, spaces and data sets, each with its source."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.commands.output import print_json
from experiments.formatting.quantities import budget_name, write
from experiments.formatting.table import Table


def _print(name: str, rows: Sequence[dict[str, Any]], head: Sequence[str], cells: Any, *, as_json: bool) -> None:
    """Print rows as JSON or as a table with the sources below it."""
    if as_json:
        print_json({name: list(rows)})
        return
    print(Table(head, [cells(row) for row in rows], text=range(len(head))).to_text())
    print()
    for row in rows:
        if row["source"]:
            print(f"{row['name']}: {' '.join(row['source'].split())}")


def devices(options: argparse.Namespace) -> int:
    """Run `ebbnas devices`."""
    from energy.hardware.device import device_names, read_device

    rows = []
    for name in device_names():
        device = read_device(name)
        sizes = ("vm_bytes", "nvm_bytes", "word_bytes", "max_vector", "published_counting")
        fields = ("name", "clock_hz", *sizes, "source")
        rows.append({field: getattr(device, field) for field in fields})
    _print(
        "devices",
        rows,
        ("device", "clock", "VM", "NVM", "longest vector", "counting"),
        lambda row: (
            row["name"],
            write(row["clock_hz"], "Hz"),
            write(row["vm_bytes"], "B"),
            write(row["nvm_bytes"], "B"),
            str(row["max_vector"]),
            str(row["published_counting"]),
        ),
        as_json=options.json,
    )
    return 0


def supplies(options: argparse.Namespace) -> int:
    """Run `ebbnas supplies`."""
    from energy.hardware.supply import read_supply_family, supply_names

    rows = []
    for name in supply_names():
        family = read_supply_family(name)
        harvester = [{"capacitance_f": c, "resistance_ohm": r} for c, r in sorted(family.resistance_ohm.items())]
        default = family.default.to_dict()
        rows.append({"name": name, "default": default, "harvester": harvester, "source": family.source})

    def cells(row: dict[str, Any]) -> tuple[str, ...]:
        default = row["default"]
        pairs = ", ".join(
            f"{budget_name(item['capacitance_f'])} {write(item['resistance_ohm'], 'ohm')}" for item in row["harvester"]
        )
        volts = f"{default['v_supply_v']:g} / {default['v_on_v']:g} / {default['v_off_v']:g} V"
        return (row["name"], volts, f"{default['usable_fraction']:g}", budget_name(default["capacitance_f"]), pairs)

    head = ("supply", "Vs / Von / Voff", "usable", "default C", "harvester at C")
    _print("supplies", rows, head, cells, as_json=options.json)
    return 0


def spaces(options: argparse.Namespace) -> int:
    """Run `ebbnas spaces`."""
    from models.spaces import PRESETS

    rows = [
        {
            "name": name,
            "networks": space.size,
            "combinations": math.prod(space.n_options.tolist()),
            "input_shape": list(space.input_shape),
            "n_classes": space.n_classes,
            "padding": space.padding,
            "stages": len(space.stages),
            "example": space.encode(space.largest),
            "source": space.source,
        }
        for name, space in PRESETS.items()
    ]
    _print(
        "spaces",
        rows,
        ("space", "networks", "combinations of options", "input", "classes", "largest"),
        lambda row: (
            row["name"],
            f"{row['networks']:,}",
            f"{row['combinations']:,}",
            "x".join(str(size) for size in row["input_shape"]),
            str(row["n_classes"]),
            row["example"],
        ),
        as_json=options.json,
    )
    return 0


FULL_FASHION = Path("/usr/share/datasets/fashion-mnist")
"""Folder of the full set in the Debian package `dataset-fashion-mnist`; listed, and read only with `--data-dir`."""


def datasets(options: argparse.Namespace) -> int:
    """Run `ebbnas datasets`: built-in data sets, those that need a folder, and the files found in a given one."""
    from dataclasses import asdict

    from models.data import describe

    directory = None if options.data_dir is None else Path(options.data_dir).resolve()
    if directory is not None and not directory.is_dir():
        raise ValueError(f"--data-dir must name a folder; not found: {directory}")
    rows = [{**asdict(note), "input_shape": list(note.input_shape)} for note in describe(directory)]
    _print(
        "datasets",
        rows,
        ("data set", "status", "input", "classes", "licence", "what it is"),
        lambda row: (
            row["name"],
            row["status"],
            "x".join(str(size) for size in row["input_shape"]),
            row["n_classes"],
            row["licence"],
            row["what"],
        ),
        as_json=options.json,
    )
    if not options.json:
        _print_folders(rows)
    return 0


def _print_folders(rows: Sequence[dict[str, Any]]) -> None:
    """Print the folders to provide for data sets that were not found."""
    absent = [row for row in rows if row["status"].startswith(("needs", "not found"))]
    if absent:
        print()
    for row in absent:
        print(row["problem"] or f"{row['name']} needs a folder with {row['expected']}")
    if FULL_FASHION.is_dir() and not any(row["status"].endswith(str(FULL_FASHION)) for row in rows):
        print(f"fashion: the full set is found with --data-dir {FULL_FASHION}")
