"""`ebbnas calibrate`: a device file from a CSV of micro-benchmarks, with the quality of the fits.

`experiments.config.calibration` fits and writes.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

from energy.hardware.calibration import MEASURED, EventFit
from energy.hardware.device import device_names
from energy.hardware.files import DEFAULT_DEVICE
from experiments.commands.output import print_json
from experiments.config.calibration import calibrate_device, write_device
from experiments.formatting.quantities import write
from experiments.formatting.table import Table
from experiments.storage.files import write_text


def calibrate(options: argparse.Namespace) -> int:
    """Run `ebbnas calibrate`."""
    if options.template is not None:
        return _write_template(options)
    if options.measurements is None:
        raise ValueError("calibrate needs MEASUREMENTS.csv; --template FILE writes a list of the measurements to make")
    if options.name is None:
        raise ValueError("calibrate needs --name NAME, the name of the board")
    _check_name(options.name)
    path, out = Path(options.measurements), Path(options.out or f"{options.name}.toml")
    _check_free(out)
    base_name = options.base or DEFAULT_DEVICE
    found = calibrate_device(path, options.name, base_name)
    write_device(out, found, base_name)
    answer = {
        "name": options.name,
        "file": str(out),
        "base": base_name,
        "measurements": {"file": str(path), "sha256": found.sha256, "rows": found.n_rows},
        "fits": [{**asdict(fit), "warnings": list(fit.warnings)} for fit in found.fits.values()],
        "from_base": list(found.from_base),
        "max_vector": found.device["max_vector"],
        "uncertainty": found.device.get("uncertainty", {}),
        "warnings": found.warnings,
        "ignored_columns": list(found.ignored_columns),
    }
    if options.json:
        print_json(answer)
    else:
        print(_describe(answer, found.fits))
    return 0


def _write_template(options: argparse.Namespace) -> int:
    for option in ("measurements", "name", "base", "out"):
        if getattr(options, option) is not None:
            raise ValueError(f"--template must be given without {option}: it only writes a file to fill in")
    out = Path(options.template)
    _check_free(out)
    write_text(out, (resources.files("energy.hardware") / "templates" / "board.toml").read_text(encoding="utf-8"))
    if options.json:
        print_json({"template": str(out)})
    else:
        print(f"{out} is written; it describes the measurements to make")
    return 0


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError(f"--name must be letters, digits, '.', '_' and '-', a letter or digit first, not {name!r}")
    if name in device_names():
        raise ValueError(f"--name must not be that of a built-in device, not {name!r}")


def _check_free(path: Path) -> None:
    if path.suffix != ".toml":
        raise ValueError(f"a device file must end in .toml, not {path.name!r}")
    if path.exists() or path.is_symlink():
        raise ValueError(f"{path} exists already; nothing is overwritten")


def _describe(answer: Mapping[str, Any], fits: Mapping[str, EventFit]) -> str:
    """Return a sentence, a table of fits and warnings, for a person."""
    worst = max((fit.energy.relative_rms, fit.time.relative_rms, fit.event) for fit in fits.values())
    rows = [_row(fit) for fit in fits.values()]
    fitted = ("+ per unit", "known", "RMS")
    head = ("event", "rows", "sizes", "energy per call", *fitted, "time per call", *fitted)
    lines = [
        f"{answer['file']}: {len(fits)} of {len(MEASURED)} events fitted to {answer['measurements']['rows']} rows, "
        f"the worst within {100 * max(worst[:2]):.2g} % RMS ({worst[2]})",
        "",
        Table(head, rows, text=(0,)).to_text(),
        "",
    ]
    if answer["from_base"]:
        lines.append(f"from {answer['base']}: {', '.join(answer['from_base'])}")
    if answer["ignored_columns"]:
        lines.append(f"columns not read: {', '.join(answer['ignored_columns'])}")
    lines += [f"warning: {warning}" for warning in answer["warnings"]]
    return "\n".join([*lines, f"use it with --device {answer['file']}"])


def _row(fit: EventFit) -> tuple[str, ...]:
    cells = [fit.event, str(fit.n_rows), f"{fit.smallest}-{fit.largest}" if fit.largest else "-"]
    for one, unit in ((fit.energy, "J"), (fit.time, "s")):
        known = "?" if one.half_fraction is None else f"± {100 * one.half_fraction:.2g} %"
        per_unit = write(one.per_unit, unit) if fit.largest else "-"
        cells += [write(one.per_call, unit), per_unit, known, f"{100 * one.relative_rms:.2g} %"]
    return tuple(cells)
