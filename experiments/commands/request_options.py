"""The options that `plan`, `price` and `simulate` share, read together with the design file they are about."""

from __future__ import annotations

import argparse
from pathlib import Path

from energy.scheduling.worst_case import HarvestUncertainty
from experiments.designs.example import example_path
from experiments.designs.request import Overrides, Request, read_requests
from experiments.formatting.quantities import parse, whole
from experiments.storage.files import read_json


def requests_of(options: argparse.Namespace, path: Path, *, with_plan: bool) -> list[Request]:
    """What a design file asks for under the options of the command line.

    Sets `options.is_list`, which says whether the answer is a list.

    Args:
        options: Those of `experiments.cli` that begin with `--select`.
        path: The file.
        with_plan: Whether the file's plans are read; else they are ignored.

    Raises:
        ValueError: The file or an option is wrong.
    """
    overrides = _overrides(options)
    try:
        data = read_json(path)
        if not with_plan and path == example_path():
            data = {key: value for key, value in data.items() if key in ("name", "network")}
        options.is_list = isinstance(data, list) and options.select is None
        return read_requests(data, path.parent, overrides, select=options.select, with_plan=with_plan)
    except ValueError as error:
        prefix = "" if str(error).startswith(str(path)) else f"{path}: "
        raise ValueError(f"{prefix}{error}") from None


def designs_of(options: argparse.Namespace, overrides: Overrides, *, with_plan: bool) -> list[Request]:
    """Return the designs of the file or example that `options` name, in its order.

    Raises:
        ValueError: Neither or both are named, or the file is wrong.
    """
    if options.example == (options.file is not None):
        raise ValueError(f"{options.command} needs exactly one of a file and --example")
    path = example_path() if options.example else Path(options.file)
    try:
        return read_requests(read_json(path), path.parent, overrides, select=options.select, with_plan=with_plan)
    except ValueError as error:
        prefix = "" if str(error).startswith(str(path)) else f"{path}: "
        raise ValueError(f"{prefix}{error}") from None


def _overrides(options: argparse.Namespace) -> Overrides:
    factor = _quantity("--harvest-uncertainty", options.harvest_uncertainty, "1")
    vm_bytes = _quantity("--vm-bytes", options.vm_bytes, "B")
    return Overrides(
        device=options.device,
        supply=options.supply,
        capacitance_f=_quantity("--capacitance", options.capacitance, "F"),
        resistance_ohm=_quantity("--resistance", options.resistance, "ohm"),
        usable_fraction=_quantity("--usable-fraction", options.usable_fraction, "1"),
        vm_bytes=None if vm_bytes is None else whole("--vm-bytes", f"{vm_bytes:.15g}"),
        policy=options.policy,
        counting=options.counting,
        rules=options.rules,
        cuts=options.cuts,
        fuse={"yes": True, "no": False, None: None}[options.fuse],
        max_vector=None if options.max_vector is None else whole("--max-vector", options.max_vector),
        deadline_s=_quantity("--deadline", options.deadline, "s"),
        uncertainty=HarvestUncertainty(
            resistance_factor=1.0 if factor is None else factor,
            starts_empty=options.starts_empty,
        ),
    )


def _quantity(field: str, text: str | None, unit: str) -> float | None:
    return None if text is None else parse(field, text, unit)
