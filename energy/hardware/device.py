"""Devices: memories and prices of all events, read from TOML files that name their sources.

A file gives prices of transfers, vector calls and boots as lines (per call, per word) and the CPU overhead of each
event as numbers of operations. Two `Prices` follow from it, one price per event and loop order: those of published
counting, and those of exact counting, whose overheads are those of our own runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from energy.events import EVENTS, ORDERS, Counts, FloatArray, IntArray
from energy.hardware.files import built_in_names, read_record
from energy.hardware.uncertainty import Uncertainty, half_widths, read_uncertainty
from energy.validation import require_choice, require_int, require_keys, require_number

OPERATIONS = ("add", "multiply", "divide", "compare")
GENERATIONS = (2021, 2025)
"""Published countings; the device file says in which its prices were published."""

_TRANSFER_OF_EVENT = {
    "record_read": ("nvm_read", None),
    "record_write": ("nvm_write", None),
    "input_fetch": ("nvm_read", "input_fetch"),
    "weight_fetch": ("nvm_read", "weight_fetch"),
    "partial_fetch": ("nvm_read", "partial_fetch"),
    "partial_write": ("nvm_write", "output_write"),
    "output_write": ("nvm_write", "output_write"),
}
"""Transfers: the line that prices their calls and words, and the CPU overhead of a call."""

_OVERHEAD_OF_EVENT = {
    "iterations": "iteration",
    "depthwise_cpu_taps": "depthwise_tap",
    "batch_norm_elements": "batch_norm_element",
    "relu_elements": "relu_element",
    "add_elements": "add_element",
    "pool_elements": "pool_element",
    "epilogues": "epilogue",
    "zero_fill_words": "zero_fill",
    "deinterleave_words": "deinterleave",
}
"""Events that are CPU work only."""

_EXACT_OVERHEAD: Mapping[str, Any] = {
    "input_fetch": {"add": 8, "multiply": 4},
    "weight_fetch": {"add": 9, "multiply": 9},
    "partial_fetch": {
        "input": {"add": 8, "multiply": 5},
        "weight": {"add": 8, "multiply": 4},
        "output": {"add": 8, "multiply": 4},
    },
    "output_write": {
        "input": {"add": 8, "multiply": 8},
        "weight": {"add": 8, "multiply": 9},
        "output": {"add": 8, "multiply": 5},
    },
    "mac": {"add": 13, "multiply": 9},
    "iteration": {"multiply": 5},
    "depthwise_tap": {
        "input": {"add": 11, "multiply": 13},
        "weight": {"add": 11, "multiply": 11},
        "output": {"add": 11, "multiply": 11},
    },
    "batch_norm_element": {"add": 7, "multiply": 4},
    "relu_element": {"compare": 1, "add": 2, "multiply": 2},
    "add_element": {"add": 5, "multiply": 2},
    "pool_element": {"multiply": 1, "divide": 1, "add": 6},
    "epilogue": {"compare": 2, "add": 6, "multiply": 2},
    "zero_fill": {"add": 1},
    "deinterleave": {"add": 2},
}
"""CPU operations of our runtime, assumed until measured (energy/README section 10); `[overhead_exact]` wins."""

_OVERHEADS = ("input_fetch", "weight_fetch", "partial_fetch", "output_write", "mac", *_OVERHEAD_OF_EVENT.values())


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Prices of all events.

    Attributes:
        energy_j, time_s: Price of one event, `(n_orders,)` each, by event name. [J], [s]
        energy_half_j, time_half_s: Half-widths of the 95 % intervals of these prices, likewise; empty where the prices
            are taken as exact. [J], [s]
    """

    energy_j: Mapping[str, FloatArray]
    time_s: Mapping[str, FloatArray]
    energy_half_j: Mapping[str, FloatArray] = field(default_factory=dict)
    time_half_s: Mapping[str, FloatArray] = field(default_factory=dict)

    def energy_of(self, counts: Counts, order: IntArray) -> FloatArray:
        """Return the energy of counted events.

        Args:
            counts: Event counts, arrays of one shape.
            order: Loop order of each as an index into `ORDERS`, broadcastable to that shape.

        Returns:
            Energy, of that shape. [J]

        Raises:
            ValueError: An event happens that has no price.
        """
        return _total(self.energy_j, counts, order)

    def time_of(self, counts: Counts, order: IntArray) -> FloatArray:
        """Return the active time of counted events; as `energy_of`. [s]"""
        return _total(self.time_s, counts, order)

    def at_end(self, sign: int) -> Prices:
        """Return exact prices that all stand at the low (-1) or the high (+1) end of their intervals, none below 0."""
        require_choice("sign", sign, (-1, 1))
        return Prices(
            energy_j=_moved(self.energy_j, self.energy_half_j, sign),
            time_s=_moved(self.time_s, self.time_half_s, sign),
        )

    @property
    def tables(self) -> tuple[FloatArray, FloatArray]:
        """Energy [J] and time [s] of one event, `(n_orders, n_events)` each, 0 where an event has no price."""
        nothing = np.zeros(len(ORDERS))
        energy_j, time_s = (
            np.array([prices.get(event, nothing) for event in EVENTS]).T.copy()
            for prices in (self.energy_j, self.time_s)
        )
        return energy_j, time_s


def _moved(prices: Mapping[str, FloatArray], half: Mapping[str, FloatArray], sign: int) -> dict[str, FloatArray]:
    return {
        event: np.maximum(price + sign * half[event], 0.0) if event in half else price
        for event, price in prices.items()
    }


def _total(prices: Mapping[str, FloatArray], counts: Counts, order: IntArray) -> FloatArray:
    total: FloatArray = np.zeros(np.shape(order))
    for event, count in counts.items():
        if event in prices:
            total = total + count * prices[event][order]
        elif np.any(count):
            raise ValueError(f"the device has no price for {event}")
    return total


@dataclass(frozen=True, kw_only=True)
class Device:
    """A board: its memories and its price tables.

    Attributes:
        name: Name in configs.
        source: Where the numbers come from.
        clock_hz: Clock of the CPU. [Hz]
        vm_bytes, nvm_bytes: Volatile and non-volatile memory. [B]
        word_bytes: Size of a word. [B]
        max_vector: Longest vector that was measured. [1]
        published_counting: Generation of published counting that the prices belong to, one of `GENERATIONS`.
        record_words: Length of the progress record under published counting. [1]
        published: Prices of events under published counting.
        exact: Prices of events under exact counting.
        uncertainty: Uncertainty of the source lines, see `energy.hardware.uncertainty`; empty where unknown.
    """

    name: str
    source: str
    clock_hz: float
    vm_bytes: int
    nvm_bytes: int
    word_bytes: int
    max_vector: int
    published_counting: int
    record_words: int
    published: Prices
    exact: Prices
    uncertainty: Uncertainty = field(default_factory=dict)

    def at_end(self, sign: int) -> Device:
        """Return the device with all prices at the low (-1) or the high (+1) end of their intervals, as exact prices.

        All lines are off in the same direction at once, so costs at the two ends enclose those of any mixture.
        """
        return replace(self, published=self.published.at_end(sign), exact=self.exact.at_end(sign), uncertainty={})


def device_names() -> tuple[str, ...]:
    """Return the names of the built-in devices."""
    return built_in_names("devices")


def read_device(name: str | Path) -> Device:
    """Read a built-in device by name, or a TOML file by path, see `energy.hardware.files.read_record`."""
    return read_record("device", "devices", name, _device)


def _device(data: dict[str, Any]) -> Device:
    sizes = ("vm_bytes", "nvm_bytes", "word_bytes", "max_vector", "record_words")
    tables = ("reboot", "nvm_read", "nvm_write", "vector_mac", "cpu", "overhead")
    required = ("schema", "name", "source", "clock_hz", "published_counting", *sizes, *tables)
    require_keys("device file", data, required=required, optional=("overhead_time", "overhead_exact", "uncertainty"))
    for size in sizes:
        require_int(size, data[size])
    require_number("clock_hz", data["clock_hz"], above=0)
    if data["published_counting"] not in GENERATIONS:
        known = " or ".join(str(generation) for generation in GENERATIONS)
        raise ValueError(f"published_counting must be {known}, not {data['published_counting']!r}")
    uncertainty = read_uncertainty(data.get("uncertainty", {}))
    return Device(
        name=str(data["name"]),
        source=str(data["source"]),
        clock_hz=float(data["clock_hz"]),
        published_counting=data["published_counting"],
        **{size: data[size] for size in sizes},
        published=_with_half_widths(_published_prices, data, uncertainty),
        exact=_with_half_widths(_exact_prices, data, uncertainty),
        uncertainty=uncertainty,
    )


def _with_half_widths(
    prices_of: Callable[[dict[str, Any]], Prices], data: dict[str, Any], uncertainty: Uncertainty
) -> Prices:
    prices = prices_of(data)
    if not uncertainty:
        return prices
    half = prices_of(half_widths(data, uncertainty))
    return replace(prices, energy_half_j=half.energy_j, time_half_s=half.time_s)


def _published_prices(data: dict[str, Any]) -> Prices:
    operation_j, operation_s = _operations(data["cpu"], data["clock_hz"])
    overhead_s = {
        **_overheads("overhead", data["overhead"], operation_s),
        **_overheads("overhead_time", data.get("overhead_time", {}), operation_s),
    }
    return _prices(data, _overheads("overhead", data["overhead"], operation_j), overhead_s)


def _exact_prices(data: dict[str, Any]) -> Prices:
    """Return the prices with the overheads of our runtime: those of a 2025 file or of `[overhead_exact]`, else assumed.

    The overheads of a 2021 file are those of another program, and its times hold a published slip.
    """
    operation_j, operation_s = _operations(data["cpu"], data["clock_hz"])
    given = data["overhead"] if data["published_counting"] == GENERATIONS[-1] else {}
    overhead = {**_EXACT_OVERHEAD, **given, **data.get("overhead_exact", {})}
    where = "overhead_exact"
    return _prices(data, _overheads(where, overhead, operation_j), _overheads(where, overhead, operation_s))


def _prices(data: dict[str, Any], overhead_j: Mapping[str, FloatArray], overhead_s: Mapping[str, FloatArray]) -> Prices:
    """Return energy and time of every priced event, given those of its CPU work."""
    clock_hz = data["clock_hz"]
    reboot = _numbers("reboot", data["reboot"], ("energy_j", "time_s"))
    energy_j = {"reboots": np.full(len(ORDERS), reboot["energy_j"])}
    time_s = {"reboots": np.full(len(ORDERS), reboot["time_s"])}
    lines = {table: _line(table, data[table], "word") for table in ("nvm_read", "nvm_write")}
    lines["vector_mac"] = _line("vector_mac", data["vector_mac"], "element")
    transfers = {
        event: (line, f"{event}_calls", f"{event}_words", cpu) for event, (line, cpu) in _TRANSFER_OF_EVENT.items()
    }
    transfers["mac"] = ("vector_mac", "mac_calls", "mac_elements", "mac")
    nothing = np.zeros(len(ORDERS))
    for line, calls, units, cpu in transfers.values():
        call_j, unit_j, call_cycles, unit_cycles = lines[line]
        energy_j[calls] = call_j + (overhead_j[cpu] if cpu else nothing)
        time_s[calls] = call_cycles / clock_hz + (overhead_s[cpu] if cpu else nothing)
        energy_j[units] = np.full(len(ORDERS), unit_j)
        time_s[units] = np.full(len(ORDERS), unit_cycles / clock_hz)
    for event, overhead in _OVERHEAD_OF_EVENT.items():
        if overhead in overhead_j:
            energy_j[event], time_s[event] = overhead_j[overhead], overhead_s[overhead]
    return Prices(
        energy_j={event: energy_j[event] for event in EVENTS if event in energy_j},
        time_s={event: time_s[event] for event in EVENTS if event in time_s},
    )


def _numbers(table: str, data: Any, keys: tuple[str, ...]) -> dict[str, float]:
    require_keys(table, data, required=keys)
    for key in keys:
        require_number(f"{table}.{key}", data[key], least=0)
    return {key: float(data[key]) for key in keys}


def _line(table: str, data: Any, unit: str) -> tuple[float, float, float, float]:
    """Return the energy of a call and of a unit, cycles of a call and of a unit."""
    keys = ("energy_per_call_j", f"energy_per_{unit}_j", "cycles_per_call", f"cycles_per_{unit}")
    values = _numbers(table, data, keys)
    return (values[keys[0]], values[keys[1]], values[keys[2]], values[keys[3]])


def _operations(data: Any, clock_hz: float) -> tuple[dict[str, float], dict[str, float]]:
    """Return energy and time of the CPU operations."""
    require_keys("cpu", data, required=OPERATIONS)
    rows = {name: _numbers(f"cpu.{name}", data[name], ("energy_j", "cycles")) for name in OPERATIONS}
    return (
        {name: row["energy_j"] for name, row in rows.items()},
        {name: row["cycles"] / clock_hz for name, row in rows.items()},
    )


def _overheads(table: str, data: Any, price: Mapping[str, float]) -> dict[str, FloatArray]:
    """Return the price of each overhead, `(n_orders,)`; given once, or for each loop order."""
    require_keys(table, data, required=_OVERHEADS[:5] if table == "overhead" else (), optional=_OVERHEADS)
    found = {}
    for name, entry in data.items():
        where = f"{table}.{name}"
        if isinstance(entry, Mapping) and set(entry) & set(ORDERS):
            require_keys(where, entry, required=ORDERS)
            found[name] = np.array([_overhead(f"{where}.{order}", entry[order], price) for order in ORDERS])
        else:
            found[name] = np.full(len(ORDERS), _overhead(where, entry, price))
    return found


def _overhead(where: str, entry: Any, price: Mapping[str, float]) -> float:
    """Return the price of one overhead, given as numbers of operations or in seconds."""
    if isinstance(entry, Mapping) and "time_s" in entry and where.startswith("overhead_time"):
        return _numbers(where, entry, ("time_s",))["time_s"]
    require_keys(where, entry, required=(), optional=OPERATIONS)
    for operation, number in entry.items():
        require_int(f"{where}.{operation}", number, least=0)
    return float(sum(number * price[operation] for operation, number in entry.items()))
