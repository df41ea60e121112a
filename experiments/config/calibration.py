"""Device file from micro-benchmarks: fitted prices, the prices of a base device for the rest, and the quality of fits.

`energy.hardware.calibration` fits; `experiments.commands.calibrate` is the command.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energy.hardware.calibration import MEASURED, EventFit, Measurements, calibrated, fit_events
from energy.hardware.device import read_device
from energy.hardware.files import read_record
from energy.hardware.robust_fit import Fit
from experiments.config.measurements import read_measurements
from experiments.config.toml import printable, to_toml
from experiments.storage.files import file_digest, write_text


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A calibrated device and the fits behind its prices.

    Attributes:
        device: Content of the device file.
        fits: Fit of each measured event.
        from_base: Events whose prices come from the base device.
        sha256: Hash of the file of measurements.
        n_rows: Number of rows of measurements. [1]
        ignored_columns: Columns of the file that were not read.
        comments: Comment lines of the device file: source and quality of the fits.
    """

    device: Mapping[str, Any]
    fits: Mapping[str, EventFit]
    from_base: tuple[str, ...]
    sha256: str
    n_rows: int
    ignored_columns: tuple[str, ...]
    comments: tuple[str, ...]

    @property
    def warnings(self) -> list[str]:
        """Warnings of all fits."""
        return [warning for fit in self.fits.values() for warning in fit.warnings]


def calibrate_device(path: Path, name: str, base_name: str) -> Calibration:
    """Fit the prices of a board to micro-benchmarks.

    Args:
        path: CSV of micro-benchmarks.
        name: Name of the board.
        base_name: Device whose prices are used for events that were not measured: a built-in name or a TOML file.

    Raises:
        ValueError: The measurements or the base device are not valid.
    """
    base = read_record(
        "device", "devices", Path(base_name) if base_name.endswith(".toml") else base_name, lambda data: data
    )
    measurements, ignored = read_measurements(path)
    fits = _fits(path, measurements)
    missing = tuple(event for event in MEASURED if event not in fits)
    sha256 = file_digest(path)
    origin = f"{printable(path.name)}, sha256 {sha256}"
    source = f"calibrated by EbbNAS from {origin}"
    if missing:
        source += f"; {', '.join(missing)} from {printable(base_name)}: {printable(str(base.get('source', '')))}"
    try:
        device = calibrated(fits, base, name=name, source=source)
    except ValueError as error:
        raise ValueError(f"base {base_name}: {error}") from None
    return Calibration(
        device=device,
        fits=fits,
        from_base=missing,
        sha256=sha256,
        n_rows=len(measurements.event),
        ignored_columns=tuple(ignored),
        comments=tuple(_quality(fits, origin)),
    )


def write_device(path: Path, calibration: Calibration, base_name: str) -> None:
    """Write a device file after it was read back from a temporary file beside it.

    Raises:
        ValueError: The device is not valid; nothing is written.
    """
    beside = path.with_name(f".{path.stem}.{os.getpid()}.toml")
    try:
        write_text(beside, to_toml(calibration.device, comments=calibration.comments))
        read_device(beside)
        beside.rename(path)
    except ValueError as error:
        raise ValueError(f"base {base_name}: {str(error).removeprefix(f'{beside}: ')}") from None
    finally:
        beside.unlink(missing_ok=True)


def _fits(path: Path, measurements: Measurements) -> dict[str, EventFit]:
    try:
        return fit_events(measurements)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _quality(fits: Mapping[str, EventFit], origin: str) -> list[str]:
    """Return the comment lines on the quality of the fits."""
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
