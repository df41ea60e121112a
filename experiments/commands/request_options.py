"""Options that `plan`, `price` and `simulate` share, read together with their design file."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from energy.scheduling.worst_case import HarvestUncertainty
from experiments.designs.example import example_path
from experiments.designs.request import Overrides, Request
from experiments.designs.request_files import read_requests
from experiments.formatting.quantities import parse, whole
from experiments.storage.files import read_json


@dataclass(frozen=True, kw_only=True)
class Requests:
    """Designs of a file under the options of the command line.

    Attributes:
        designs: The designs, in the order of the file.
        is_list: Whether the file holds a list of which none was selected, so that the answer is a list too.
    """

    designs: list[Request]
    is_list: bool


def path_or_example(command: str, options: argparse.Namespace) -> Path:
    """Return the path of the file, or of the built-in example, that a command was called with.

    Raises:
        ValueError: Neither or both are given.
    """
    if options.example == (options.file is not None):
        raise ValueError(f"{command} needs exactly one of a file and --example")
    return example_path() if options.example else Path(options.file)


def requests_of(options: argparse.Namespace, path: Path, *, with_plan: bool) -> Requests:
    """Read a design file under the options of the command line.

    Args:
        options: Those of `experiments.commands.arguments` that begin with `--select`.
        path: The file.
        with_plan: Whether the file's plans are read; else they are ignored.

    Raises:
        ValueError: The file or an option is wrong.
    """
    return _read(path, _overrides(options), options.select, with_plan=with_plan, bare_example=not with_plan)


def designs_of(command: str, options: argparse.Namespace, overrides: Overrides, *, with_plan: bool) -> list[Request]:
    """Read the designs of the file or example of a command, with the overrides in place of options.

    Raises:
        ValueError: Neither or both are given, or the file is wrong.
    """
    return _read(path_or_example(command, options), overrides, options.select, with_plan=with_plan).designs


def _read(
    path: Path, overrides: Overrides, select: str | None, *, with_plan: bool, bare_example: bool = False
) -> Requests:
    """Read a design file; of the example, only the network where `bare_example`."""
    try:
        data = read_json(path)
        if bare_example and path == example_path():
            data = {key: value for key, value in data.items() if key in ("name", "network")}
        designs = read_requests(data, path.parent, overrides, select=select, with_plan=with_plan)
    except ValueError as error:
        prefix = "" if str(error).startswith(str(path)) else f"{path}: "
        raise ValueError(f"{prefix}{error}") from None
    return Requests(designs=designs, is_list=isinstance(data, list) and select is None)


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
