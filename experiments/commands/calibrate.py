"""`ebbnas calibrate`: a CSV of micro-benchmarks in, a device file out, with how well it fits.

The file is written beside its place under another name, read back as a device, and only then renamed into place.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

from energy.hardware.calibration import MEASURED, EventFit, Measurements, calibrated, fit_events
from energy.hardware.device import device_names, read_device
from energy.hardware.files import DEFAULT_DEVICE, read_record
from energy.hardware.robust_fit import Fit
from experiments.commands.output import print_json
from experiments.config.measurements import read_measurements
from experiments.config.toml import printable, to_toml
from experiments.formatting.quantities import write
from experiments.formatting.table import Table
from experiments.storage.files import file_digest, write_text


def calibrate(options: argparse.Namespace) -> int:
    """`ebbnas calibrate`."""
    if options.template is not None:
        return _write_template(options)
    if options.measurements is None:
        raise ValueError("calibrate needs MEASUREMENTS.csv, or --template FILE to begin with")
    if options.name is None:
        raise ValueError("calibrate needs --name, what the board is called")
    _check_name(options.name)
    path, out = Path(options.measurements), Path(options.out or f"{options.name}.toml")
    _check_free(out)
    base_name = options.base or DEFAULT_DEVICE
    base = read_record(
        "device", "devices", Path(base_name) if base_name.endswith(".toml") else base_name, lambda data: data
    )
    measurements, ignored = read_measurements(path)
    fits = _fits(path, measurements)
    missing = [event for event in MEASURED if event not in fits]
    origin = f"{printable(path.name)}, sha256 {file_digest(path)}"
    source = f"calibrated by EbbNAS from {origin}"
    if missing:
        source += f"; {', '.join(missing)} from {printable(base_name)}: {printable(str(base.get('source', '')))}"
    try:
        data = calibrated(fits, base, name=options.name, source=source)
        _write_checked(out, to_toml(data, comments=_quality(fits, origin)))
    except ValueError as error:
        raise ValueError(f"base {base_name}: {error}") from None
    answer = {
        "name": options.name,
        "file": str(out),
        "base": base_name,
        "measurements": {"file": str(path), "sha256": file_digest(path), "rows": len(measurements.event)},
        "fits": [{**asdict(fit), "warnings": list(fit.warnings)} for fit in fits.values()],
        "from_base": missing,
        "max_vector": data["max_vector"],
        "uncertainty": data.get("uncertainty", {}),
        "warnings": [warning for fit in fits.values() for warning in fit.warnings],
        "ignored_columns": ignored,
    }
    if options.json:
        print_json(answer)
    else:
        print(_describe(answer, fits))
    return 0


def _write_template(options: argparse.Namespace) -> int:
    for option in ("measurements", "name", "base", "out"):
        if getattr(options, option) is not None:
            raise ValueError(f"--template writes a file to fill in; it goes with no {option}")
    out = Path(options.template)
    _check_free(out)
    write_text(out, (resources.files("energy.hardware") / "templates" / "board.toml").read_text(encoding="utf-8"))
    if options.json:
        print_json({"template": str(out)})
    else:
        print(f"{out} is written; it says what to measure, and how")
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


def _fits(path: Path, measurements: Measurements) -> dict[str, EventFit]:
    try:
        return fit_events(measurements)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _write_checked(path: Path, text: str) -> None:
    """Write a device file that has been read back, or nothing."""
    beside = path.with_name(f".{path.stem}.{os.getpid()}.toml")
    try:
        write_text(beside, text)
        read_device(beside)
        beside.rename(path)
    except ValueError as error:
        raise ValueError(str(error).removeprefix(f"{beside}: ")) from None
    finally:
        beside.unlink(missing_ok=True)


def _quality(fits: Mapping[str, EventFit], origin: str) -> list[str]:
    """Return the comment block of the file."""
    lines = [f"Fitted by ebbnas calibrate to {origin}.", "Half-widths belong to 95 % intervals.", ""]
    for fit in fits.values():
        rows = f"{fit.n_rows} rows" + (f", sizes {fit.smallest} to {fit.largest}" if fit.largest else "")
        parts = (f"{what} {_spread(one)}" for what, one in (("energy", fit.energy), ("time", fit.time)))
        lines.append(f"{fit.event}: {rows}; {'; '.join(parts)}")
    return [*lines, *(f"warning: {warning}" for fit in fits.values() for warning in fit.warnings)]


def _spread(fit: Fit) -> str:
    half = "unknown" if fit.half_fraction is None else f"{100 * fit.half_fraction:.2g} %"
    return (
        f"within {half}, residuals {100 * fit.relative_rms:.2g} % RMS, {100 * fit.relative_largest:.2g} % at most, "
        f"rows set aside: {fit.n_set_aside}"
    )


def _describe(answer: Mapping[str, Any], fits: Mapping[str, EventFit]) -> str:
    """Return sentence, table of fits and warnings, for a person."""
    worst = max((fit.energy.relative_rms, fit.time.relative_rms, fit.event) for fit in fits.values())
    rows = [_row(fit) for fit in fits.values()]
    fitted = ("+ a unit", "known", "RMS")
    head = ("event", "rows", "sizes", "energy a call", *fitted, "time a call", *fitted)
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
