"""Slow oracle of published counting: walks a layer tile by tile and counts one call at a time.

Written from energy/README sections 2, 4, 8 and 10 alone; it shares no code and no number with `energy`, whose counts
and prices must equal it. Every tile counts at its full size, as both publications do. A `Cycle` is one power cycle,
which under the policy one-batch-per-cycle is one batch: a counter of events by name.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

Cycle = Counter[str]
"""Events of one power cycle by name; what happens never is not in it."""

CLOCK_HZ = 16e6
WORD_BYTES = 2
REBOOT_ENERGY_J = 7.788e-5


# --- the walk -------------------------------------------------------------------------------------------------------


def walk(layer: Any, design: Any, generation: int) -> Iterator[Cycle]:
    """The power cycles of one layer, in the order in which they run.

    Args:
        layer: Anything with the attributes of a layer shape.
        design: Anything with the attributes of a layer design.
        generation: 2021 or 2025, the publication whose counting is followed.
    """
    for batch in batches(layer, design):
        yield _with_boot_and_record(batch, generation)


def batches(layer: Any, design: Any) -> Iterator[Cycle]:
    """The batches of one layer, in the order in which they run."""
    walkers = {"conv": _walk_conv, "depthwise_conv": _walk_depthwise}
    yield from walkers.get(layer.op, _walk_map)(layer, design)


def _with_boot_and_record(batch: Cycle, generation: int) -> Cycle:
    cycle: Cycle = Counter(batch, reboots=1, batches=1)
    _call(cycle, "record_read", {2021: 4, 2025: 5}[generation])
    _call(cycle, "record_write", {2021: 4, 2025: 5}[generation])
    return cycle


def _call(cycle: Cycle, event: str, words: int, times: int = 1) -> None:
    """Issue `times` transfers of `words` each, one after the other."""
    for _ in range(times):
        cycle[f"{event}_calls"] += 1
        cycle[f"{event}_words"] += words


def _starts(size: int, tile: int) -> range:
    return range(0, size, tile)


def _in_batches(tiles: list[Any], batch: int) -> Iterator[list[Any]]:
    for start in range(0, len(tiles), batch):
        yield tiles[start : start + batch]


def _input_pixels(layer: Any, design: Any) -> int:
    """Pixels of an input tile, counted one by one: Tri x Tci."""
    rows = layer.stride * design.tile_h + layer.kernel_h - layer.stride
    columns = layer.stride * design.tile_w + layer.kernel_w - layer.stride
    return sum(1 for _ in range(rows) for _ in range(columns))


def _walk_conv(layer: Any, design: Any) -> Iterator[Cycle]:
    rows, columns = _starts(layer.out_h, design.tile_h), _starts(layer.out_w, design.tile_w)
    outs, ins = list(_starts(layer.out_ch, design.tile_out)), list(_starts(layer.in_ch, design.tile_in))
    if design.order == "input":
        for _ in rows:
            for _ in columns:
                for in_channel in ins:
                    for batch in _in_batches(outs, design.batch):
                        yield _conv_batch(layer, design, [in_channel] * len(batch))
    elif design.order == "weight":
        spatial = [(row, column) for row in rows for column in columns]
        for _ in outs:
            for in_channel in ins:
                for batch in _in_batches(spatial, design.batch):
                    yield _conv_batch(layer, design, [in_channel] * len(batch))
    else:
        for _ in rows:
            for _ in columns:
                for _ in outs:
                    for batch in _in_batches(ins, design.batch):
                        yield _conv_batch(layer, design, batch)


def _conv_batch(layer: Any, design: Any, in_channels: list[int]) -> Cycle:
    """One batch, given the first input channel of each of its iterations."""
    cycle: Cycle = Counter()
    for index, in_channel in enumerate(in_channels):
        cycle["iterations"] += 1
        if design.order != "input" or index == 0:
            _call(cycle, "input_fetch", design.tile_in, _input_pixels(layer, design))
        if design.order != "weight" or index == 0:
            _call(cycle, "weight_fetch", design.tile_in, layer.kernel_h * layer.kernel_w * design.tile_out)
        if design.order != "output" and in_channel > 0:
            _call(cycle, "partial_fetch", design.tile_out, design.tile_h * design.tile_w)
        for _ in range(layer.kernel_h * layer.kernel_w):
            for _ in range(design.tile_h * design.tile_w):
                for _ in range(design.tile_out):
                    cycle["mac_calls"] += 1
                    cycle["mac_elements"] += design.tile_in
    if design.order == "output" and in_channels[0] > 0:
        _call(cycle, "partial_fetch", design.tile_out, design.tile_h * design.tile_w)
    _write_outputs(cycle, design, len(in_channels))
    return cycle


def _write_outputs(cycle: Cycle, design: Any, n_iterations: int) -> None:
    for _ in range(design.tile_h):
        for _ in range(design.tile_w):
            if design.order == "input":
                _call(cycle, "output_write", n_iterations * design.tile_out)
            elif design.order == "weight":
                _call(cycle, "output_write", design.tile_out, n_iterations)
            else:
                _call(cycle, "output_write", design.tile_out)


def _walk_depthwise(layer: Any, design: Any) -> Iterator[Cycle]:
    """Batches of S iterations; with one input channel a filter there is nothing to accumulate."""
    rows, columns = _starts(layer.out_h, design.tile_h), _starts(layer.out_w, design.tile_w)
    outs = _starts(layer.out_ch, design.tile_out)
    if design.order == "input":
        lanes = [[(row, column, out) for out in outs] for row in rows for column in columns]
    elif design.order == "weight":
        lanes = [[(row, column, out) for row in rows for column in columns] for out in outs]
    else:
        lanes = [[(row, column, out)] for row in rows for column in columns for out in outs]
    for lane in lanes:
        for batch in _in_batches(lane, design.batch):
            yield _depthwise_batch(layer, design, len(batch))


def _depthwise_batch(layer: Any, design: Any, n_iterations: int) -> Cycle:
    cycle: Cycle = Counter()
    for index in range(n_iterations):
        _call(cycle, "input_fetch", design.tile_out, _input_pixels(layer, design))
        if design.order == "input" or index == 0:
            _call(cycle, "weight_fetch", 1, layer.kernel_h * layer.kernel_w * design.tile_out)
        for _ in range(layer.kernel_h * layer.kernel_w):
            for _ in range(design.tile_h * design.tile_w):
                for _ in range(design.tile_out):
                    cycle["depthwise_cpu_taps"] += 1
    _write_outputs(cycle, design, n_iterations)
    return cycle


def _walk_map(layer: Any, design: Any) -> Iterator[Cycle]:
    """Element-wise layers and pooling: tiles over H x W, S of them a batch, all batches alike."""
    spatial = [
        (row, column) for row in _starts(layer.in_h, design.tile_h) for column in _starts(layer.in_w, design.tile_w)
    ]
    for _ in _starts(layer.in_ch, design.tile_out):
        for batch in _in_batches(spatial, design.batch):
            yield _map_batch(layer, design, len(batch))


def _map_batch(layer: Any, design: Any, n_iterations: int) -> Cycle:
    cycle: Cycle = Counter()
    pixels = design.tile_h * design.tile_w
    for _ in range(n_iterations):
        for _ in range(N_MAPS_READ.get(layer.op, 1)):
            _call(cycle, "input_fetch", design.tile_out, pixels)
        if layer.op == "batch_norm":
            _call(cycle, "weight_fetch", design.tile_out, 4)
        for _ in range(pixels):
            for _ in range(design.tile_out):
                cycle[ELEMENTS[layer.op]] += 1
    if layer.op == "global_avg_pool":
        _call(cycle, "partial_fetch", design.tile_out)
    _call(cycle, "output_write", design.tile_out, 1 if layer.op == "global_avg_pool" else pixels)
    return cycle


N_MAPS_READ = {"add": 2}
ELEMENTS = {
    "global_avg_pool": "pool_elements",
    "batch_norm": "batch_norm_elements",
    "relu": "relu_elements",
    "add": "add_elements",
}


def innermost(layer: Any, design: Any) -> int:
    """Iterations of the innermost loop: a batch never crosses it."""
    outs, ins = len(_starts(layer.out_ch, design.tile_out)), len(_starts(layer.in_ch, design.tile_in))
    if layer.op in ELEMENTS:
        return len(_starts(layer.in_h, design.tile_h)) * len(_starts(layer.in_w, design.tile_w))
    if layer.op == "depthwise_conv":
        ins = 1
    spatial = len(_starts(layer.out_h, design.tile_h)) * len(_starts(layer.out_w, design.tile_w))
    return {"input": outs, "weight": spatial, "output": ins}[design.order]


def vm_bytes(layer: Any, design: Any) -> int:
    """Volatile memory of one batch, section 8."""
    tile_pixels, outs = design.tile_h * design.tile_w, design.tile_out
    n_iterations = min(design.batch, innermost(layer, design))
    outputs = tile_pixels * outs * n_iterations
    if layer.op == "conv":
        if design.order == "output":
            outputs = tile_pixels * outs
        weights = layer.kernel_h * layer.kernel_w * outs * design.tile_in
        words = _input_pixels(layer, design) * design.tile_in + weights + outputs
    elif layer.op == "depthwise_conv":
        words = _input_pixels(layer, design) * outs + layer.kernel_h * layer.kernel_w * outs + outputs
    elif layer.op == "global_avg_pool":
        words = tile_pixels * outs + outs * n_iterations
    else:
        extra = {"batch_norm": 4 * outs, "relu": 0, "add": 2 * tile_pixels * outs}
        words = outputs + extra[layer.op]
    return words * WORD_BYTES


# --- prices ---------------------------------------------------------------------------------------------------------

ADD, MULTIPLY, DIVIDE, COMPARE = "add", "multiply", "divide", "compare"
READ_CALLS = ("record_read", "input_fetch", "weight_fetch", "partial_fetch")
WRITE_CALLS = ("record_write", "output_write")

ENERGY_J = {
    2025: {
        "read": (1.9269110618985066e-7, 2.4096781407047943e-8),
        "write": (1.9880671888670114e-7, 2.3866387540946922e-8),
        "mac": (2.057298797039179e-7, 5.03343396188007e-10),
        ADD: 3.4965641e-9,
        MULTIPLY: 1.892907692e-8,
        DIVIDE: 4.16912821e-8,
        COMPARE: 3.9232308e-9,
    },
    2021: {
        "read": (2.0e-7, 2.7e-8),
        "write": (1.9336e-7, 2.6815e-8),
        "mac": (2.04412689725e-7, 5.27308646249e-10),
        ADD: 3.935538461538471e-9,
        MULTIPLY: 1.9253346153846146e-8,
        DIVIDE: 4.373834615384616e-8,
        COMPARE: 4.228153846153846e-9,
    },
}
"""Energy a call and a word (or element), and an operation. [J]"""

CYCLES = {
    2025: {"read": (430, 64), "write": (421, 64), "mac": (622, 1.5), ADD: 12, MULTIPLY: 45, DIVIDE: 161, COMPARE: 15},
    2021: {
        "read": (423.99999999999994, 64.00000000000001),
        "write": (422.22773129921234, 64.00082974729904),
        "mac": (616.0000000000002, 1.4999999999999978),
        ADD: 12,
        MULTIPLY: 44,
        DIVIDE: 160,
        COMPARE: 14,
    },
}
"""Clock cycles likewise. [1]"""

REBOOT_S = {2021: 0.070, 2025: 0.055}


def _work(add: int = 0, multiply: int = 0, divide: int = 0, compare: int = 0) -> dict[str, int]:
    return {ADD: add, MULTIPLY: multiply, DIVIDE: divide, COMPARE: compare}


def _overhead(event: str, op: str, order: str, generation: int, *, is_time: bool) -> dict[str, int]:
    """CPU operations that come with one call of `event`, section 10."""
    if event.startswith("record_"):
        return _work()
    if generation == 2025:
        by_event = {
            "input_fetch": _work(8, 4),
            "weight_fetch": _work(9, 9),
            "partial_fetch": _work(8, 5 if order == "input" else 4),
            "output_write": _work(8, {"input": 8, "weight": 9, "output": 5}[order]),
            "mac": _work(13, 9),
            "iterations": _work(0, 5) if op == "conv" else _work(),
            "depthwise_cpu_taps": _work(11, 13 if order == "input" else 11),
            "batch_norm_elements": _work(6 if is_time else 7, 4),
            "relu_elements": _work(2, 2, compare=1),
            "add_elements": _work(5, 2),
            "pool_elements": _work(6, 1, divide=1),
        }
    else:
        by_event = {
            "input_fetch": _work(7, 5),
            "weight_fetch": _work(8, 10 if is_time else 9),
            "partial_fetch": _work(7, 5 if order == "input" else 4),
            "output_write": {"input": _work(9, 8), "weight": _work(11, 9), "output": _work(7, 5)}[order],
            "mac": _work(11, 13 if is_time else 8),
            "iterations": _work(),
            "pool_elements": _work(2, 1, compare=1),
        }
    return by_event[event]


SLIPPED = ("partial_fetch", "output_write")
"""2021: the time of these overheads is, in seconds, what their energy is in joules."""


def energy_j(cycle: Cycle, op: str, order: str, generation: int) -> float:
    """Energy of one power cycle. [J]"""
    prices = ENERGY_J[generation]
    total = [REBOOT_ENERGY_J * cycle["reboots"]]
    for event, (per_call, per_word) in _calls_and_prices(prices):
        words = cycle[_size_key(event)]
        total.append(per_call * cycle[f"{event}_calls"] + per_word * words)
    for event, n in _with_overhead(cycle):
        total.append(n * _energy_of(_overhead(event, op, order, generation, is_time=False), generation))
    return math.fsum(total)


def active_s(cycle: Cycle, op: str, order: str, generation: int) -> float:
    """Time of one power cycle without its recharge. [s]"""
    prices = CYCLES[generation]
    total = [REBOOT_S[generation] * cycle["reboots"]]
    for event, (per_call, per_word) in _calls_and_prices(prices):
        words = cycle[_size_key(event)]
        total.append((per_call * cycle[f"{event}_calls"] + per_word * words) / CLOCK_HZ)
    for event, n in _with_overhead(cycle):
        if generation == 2021 and event in SLIPPED:
            total.append(n * _energy_of(_overhead(event, op, order, generation, is_time=False), generation))
        else:
            work = _overhead(event, op, order, generation, is_time=True)
            total.append(n * sum(prices[kind] * times for kind, times in work.items()) / CLOCK_HZ)
    return math.fsum(total)


def _energy_of(work: dict[str, int], generation: int) -> float:
    return sum(ENERGY_J[generation][kind] * times for kind, times in work.items())


def _calls_and_prices(prices: dict[str, Any]) -> Iterator[tuple[str, tuple[float, float]]]:
    yield from ((event, prices["read"]) for event in READ_CALLS)
    yield from ((event, prices["write"]) for event in WRITE_CALLS)
    yield "mac", prices["mac"]


def _size_key(event: str) -> str:
    return "mac_elements" if event == "mac" else f"{event}_words"


def _with_overhead(cycle: Cycle) -> Iterator[tuple[str, int]]:
    """Every event that comes with CPU work, with how often it happens."""
    for key, n in cycle.items():
        if key.endswith("_calls"):
            yield key.removesuffix("_calls"), n
        elif key in ("iterations", "depthwise_cpu_taps") or (key.endswith("_elements") and key != "mac_elements"):
            yield key, n


# --- a layer and its recharge ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Supply:
    """A capacitor behind a Thevenin source, section 2; the fields of DESIGN.json."""

    capacitance_f: float
    resistance_ohm: float
    v_supply_v: float
    v_on_v: float
    v_off_v: float
    usable_fraction: float
    recharge: str = "energy-balance"

    @property
    def cycle_budget_j(self) -> float:
        """Equation (2). [J]"""
        return self.usable_fraction * self.capacitance_f * (self.v_on_v**2 - self.v_off_v**2) / 2

    def recharge_s(self, spent_j: float) -> float:
        """Equation (4), with the voltage of (3) or of the 2021 tables. [s]"""
        if self.recharge == "margin-scaled":
            left_v = math.sqrt(2 * (self.cycle_budget_j - spent_j) / self.capacitance_f + self.v_off_v**2)
        else:
            left_v = math.sqrt(self.v_on_v**2 - 2 * spent_j / self.capacitance_f)
        rc_s = self.resistance_ohm * self.capacitance_f
        return rc_s * math.log((self.v_supply_v - left_v) / (self.v_supply_v - self.v_on_v))


@dataclass(frozen=True)
class LayerAnswer:
    """What a layer costs; `latency_s` is None where a cycle needs more than the budget or VM is too small."""

    latency_s: float | None
    energy_j: float
    power_cycles: int
    cycle_energy_max_j: float
    cycle_energy_min_j: float
    vm_bytes: int
    counts: Cycle


@cache
def kinds_of_batches(layer: Any, design: Any) -> list[tuple[Cycle, int]]:
    """Batches that count the same, with how many there are; walked once, for all prices."""
    kinds = Counter(frozenset(batch.items()) for batch in batches(layer, design))
    return [(Counter(dict(kind)), times) for kind, times in kinds.items()]


def appraise(layer: Any, design: Any, supply: Supply, generation: int, vm_limit_bytes: int = 2048) -> LayerAnswer:
    """Walk the layer and price every cycle of it on its own."""
    counts: Cycle = Counter()
    energies, latencies = [], []
    for batch, times in kinds_of_batches(layer, design):
        cycle = _with_boot_and_record(batch, generation)
        for event, n in cycle.items():
            counts[event] += n * times
        spent_j = energy_j(cycle, layer.op, design.order, generation)
        energies.append((spent_j, times))
        if spent_j <= supply.cycle_budget_j:
            active = active_s(cycle, layer.op, design.order, generation)
            latencies.append(times * (active + supply.recharge_s(spent_j)))
    is_feasible = len(latencies) == len(energies) and vm_bytes(layer, design) <= vm_limit_bytes
    return LayerAnswer(
        latency_s=math.fsum(latencies) if is_feasible else None,
        energy_j=math.fsum(spent_j * times for spent_j, times in energies),
        power_cycles=sum(times for _, times in energies),
        cycle_energy_max_j=max(spent_j for spent_j, _ in energies),
        cycle_energy_min_j=min(spent_j for spent_j, _ in energies),
        vm_bytes=vm_bytes(layer, design),
        counts=counts,
    )
