"""Micro-benchmarks of a board into the prices of a device: measurements -> fits -> content of a device file.

An event is a line (a call of so many words or elements) or a constant (a CPU operation, a boot). Events that were
not measured keep the prices of a base device. The caller reads files and prints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from energy.events import FloatArray, IntArray
from energy.hardware.device import OPERATIONS
from energy.hardware.robust_fit import Fit, fit_constant, fit_line
from energy.hardware.uncertainty import FRACTIONS
from energy.validation import require_choice, require_int, require_keys, require_number

UNIT_OF_LINE = {"nvm_read": "word", "nvm_write": "word", "vector_mac": "element"}
"""Events whose price is a line, and what their size counts."""

MEASURED = (*UNIT_OF_LINE, *OPERATIONS, "reboot")
"""Events that can be measured."""

_SMALLEST, _LARGEST = 1e-18, 1e6
_POOR_FRACTION, _WIDE_FRACTION, _MANY_ASIDE, _SHORT_RANGE = 0.05, 0.10, 0.20, 4.0


@dataclass(frozen=True, kw_only=True)
class Measurements:
    """Micro-benchmarks, one row each; arrays `(n_rows,)`.

    Attributes:
        event: What was run, one of `MEASURED`.
        size: Words or elements of one call; ignored where the event is a constant. [1]
        energy_j, time_s: Energy and time of one call, mean over the repeats. [J], [s]
        repeats: Calls in the loop that was measured. [1]
        row: Line of the row in the file of the caller, for messages.
    """

    event: tuple[str, ...]
    size: IntArray
    energy_j: FloatArray
    time_s: FloatArray
    repeats: IntArray
    row: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.event:
            raise ValueError("measurements must have at least one row, not none")
        for index, (event, row) in enumerate(zip(self.event, self.row, strict=True)):
            where = f"line {row}: "
            require_choice(f"{where}event", event, MEASURED)
            require_int(f"{where}size", int(self.size[index]), least=1 if event in UNIT_OF_LINE else 0)
            require_int(f"{where}repeats", int(self.repeats[index]))
            for field in ("energy_j", "time_s"):
                value = float(getattr(self, field)[index])
                require_number(f"{where}{field}", value, above=0)
                if not _SMALLEST <= value <= _LARGEST:
                    raise ValueError(f"{where}{field} must be in SI units, {_SMALLEST} to {_LARGEST:g}, not {value:g}")


@dataclass(frozen=True, kw_only=True)
class EventFit:
    """Fits of one event.

    Attributes:
        event: Its name.
        energy: Of one call. [J]
        time: Of one call. [s]
        n_rows: Rows that were fitted.
        n_sizes: Different sizes among them, 1 for a constant.
        smallest, largest: Sizes between which they lie, None for a constant. [1]
    """

    event: str
    energy: Fit
    time: Fit
    n_rows: int
    n_sizes: int
    smallest: int | None
    largest: int | None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Reasons to doubt the fit, one sentence each."""
        found = []
        if self.event in UNIT_OF_LINE and self.n_sizes < 3:
            found.append(f"{self.event} was measured at {self.n_sizes} sizes only; 3 would show whether it is a line")
        if self.smallest and self.largest and self.largest < _SHORT_RANGE * self.smallest:
            found.append(f"{self.event} was measured from size {self.smallest} to {self.largest} only, a short range")
        if self.energy.half_fraction is None:
            found.append(f"{self.event} has too few rows ({self.n_rows}) to estimate its uncertainty")
        for what, fit in (("energy", self.energy), ("time", self.time)):
            found += [f"{what} of {self.event}: {text}" for text in _doubts(fit, self.n_rows)]
        return tuple(found)


def _doubts(fit: Fit, n_rows: int) -> list[str]:
    found = []
    if fit.relative_rms > _POOR_FRACTION:
        found.append(f"the fit is poor, residuals are {100 * fit.relative_rms:.1f} % RMS")
    if fit.clipped:
        found.append(f"{fit.clipped} came out negative and was set to 0")
    if fit.n_set_aside > _MANY_ASIDE * n_rows:
        found.append(f"{fit.n_set_aside} of {n_rows} rows are far off and were set aside")
    if fit.half_fraction is not None and fit.half_fraction > _WIDE_FRACTION:
        found.append(f"known within {100 * fit.half_fraction:.0f} % only")
    return found


def fit_events(measurements: Measurements) -> dict[str, EventFit]:
    """Fit every event that was measured.

    Returns:
        Fits by event, in the order of `MEASURED`.

    Raises:
        ValueError: A line was measured at one size only.
    """
    events = np.array(measurements.event)
    return {event: _fit_event(event, measurements, events == event) for event in MEASURED if event in events}


def _fit_event(event: str, measurements: Measurements, rows: Any) -> EventFit:
    size, repeats = measurements.size[rows].astype(float), measurements.repeats[rows].astype(float)
    energy_j, time_s = measurements.energy_j[rows], measurements.time_s[rows]
    if event not in UNIT_OF_LINE:
        fits = {"energy": fit_constant(energy_j, repeats), "time": fit_constant(time_s, repeats)}
        return EventFit(event=event, **fits, n_rows=len(size), n_sizes=1, smallest=None, largest=None)
    n_sizes = len(np.unique(size))
    if n_sizes < 2:
        raise ValueError(f"{event}: a line needs at least 2 different sizes, not {n_sizes} (size {size[0]:.0f})")
    fits = {"energy": fit_line(size, energy_j, repeats), "time": fit_line(size, time_s, repeats)}
    largest, smallest = int(size.max()), int(size.min())
    return EventFit(event=event, **fits, n_rows=len(size), n_sizes=n_sizes, smallest=smallest, largest=largest)


def calibrated(fits: Mapping[str, EventFit], base: Mapping[str, Any], *, name: str, source: str) -> dict[str, Any]:
    """Return the content of the device file of the board.

    Args:
        fits: What was measured, see `fit_events`.
        base: Content of the device file that gives everything else.
        name: Name of the board.
        source: Where its numbers come from.

    Returns:
        The content, keys in the order of the built-in files.

    Raises:
        ValueError: The base has no clock, or a table of it is none.
    """
    require_number("clock_hz", base.get("clock_hz"), above=0)
    for table in ("cpu", "uncertainty"):
        if not isinstance(base.get(table, {}), Mapping):
            raise ValueError(f"{table} must be an object, not {type(base[table]).__name__}")
    clock_hz = float(base["clock_hz"])
    data = {**base, "name": name, "source": source}
    if "vector_mac" in fits:
        data["max_vector"] = fits["vector_mac"].largest
    for event, unit in UNIT_OF_LINE.items():
        if event in fits:
            data[event] = _line(fits[event], unit, clock_hz)
    operations = {
        event: {"energy_j": fits[event].energy.per_call, "cycles": fits[event].time.per_call * clock_hz}
        for event in OPERATIONS
        if event in fits
    }
    if operations:
        data["cpu"] = {**base.get("cpu", {}), **operations}
    if "reboot" in fits:
        data["reboot"] = {"energy_j": fits["reboot"].energy.per_call, "time_s": fits["reboot"].time.per_call}
    uncertainty = _uncertainty(fits, base.get("uncertainty", {}))
    data.pop("uncertainty", None)
    return {**data, "uncertainty": uncertainty} if uncertainty else data


def _line(fit: EventFit, unit: str, clock_hz: float) -> dict[str, float]:
    return {
        "energy_per_call_j": fit.energy.per_call,
        f"energy_per_{unit}_j": fit.energy.per_unit,
        "cycles_per_call": fit.time.per_call * clock_hz,
        f"cycles_per_{unit}": fit.time.per_unit * clock_hz,
    }


def _uncertainty(fits: Mapping[str, EventFit], base: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fractions of each source line; the CPU is as uncertain as the worst of its operations.

    A line that was not measured keeps the fractions of the base; a line measured in too few rows has none.
    """
    found = {}
    for line in ("reboot", *UNIT_OF_LINE, "cpu"):
        events = OPERATIONS if line == "cpu" else (line,)
        known = [_fractions(fits[event]) for event in events if event in fits]
        if line in base and any(event not in fits for event in events):
            require_keys(f"uncertainty.{line}", base[line], required=FRACTIONS)
            known.append(base[line])
        known = [fractions for fractions in known if fractions]
        if known:
            found[line] = {key: max(fractions[key] for fractions in known) for key in FRACTIONS}
    return found


def _fractions(fit: EventFit) -> dict[str, float]:
    if fit.energy.half_fraction is None or fit.time.half_fraction is None:
        return {}
    return dict(zip(FRACTIONS, (fit.energy.half_fraction, fit.time.half_fraction), strict=True))
