"""Two lower limits of the latency of one inference, to compare plans with what is possible (energy/README section 6).

`limit_device_s` knows the device and the arithmetic only, `limit_plan_s` also what every plan of exact counting does.
Both are counted in the events of `energy.events`, priced, and given as many boots and as much recharging as their
energy needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from energy.counting.commit_record import BOOT_EVENTS
from energy.events import ORDERS, FloatArray
from energy.hardware.device import Device, Prices
from energy.hardware.scenarios import Scenarios
from energy.networks.designs import ORDERS_OF_OP
from energy.networks.fuse import normalised, readers_of
from energy.networks.shapes import LayerShape, NetworkShape

_Part = tuple[Sequence[Mapping[str, int]], Sequence[str]]

_BIAS_WORDS = 2
_SCALE_AND_SHIFT_WORDS = 4
"""Words of a batch norm per channel."""

_ELEMENT_EVENT = {"relu": "relu_elements", "add": "add_elements", "batch_norm": "batch_norm_elements"}


def limit_device_s(network: NetworkShape, device: Device, scenarios: Scenarios) -> FloatArray:
    """Return least latency on the device of anything that computes the network.

    Weights and biases and the network's input are read once, its output is written once, at the price of their words;
    every multiply-accumulate has the per-element price of the vector unit.

    Args:
        network: The network, merged or not.
        device: Its exact prices are used.
        scenarios: Supplies to recharge from.

    Returns:
        `(n_scenarios,)`; inf where the budget does not even pay a boot. [s]
    """
    last = network.layers[-1]
    read = [network.layers[reader] for reader in readers_of(network)[-1]]
    events = {
        "weight_fetch_words": sum(_weight_words(layer) for layer in network.layers),
        "input_fetch_words": max(_pixels_read(layer) * layer.in_ch for layer in read),
        "output_write_words": last.out_h * last.out_w * last.out_ch,
        "mac_elements": network.n_macs,
    }
    return _sustained_s(*_least(device.exact, [([events], ORDERS)]), device, scenarios)


def limit_plan_s(network: NetworkShape, device: Device, scenarios: Scenarios) -> FloatArray:
    """Return the least latency of any plan of the network under exact counting.

    Layer by layer, input maps are read once, the output map is written once, weights and biases are read once, at the
    price of their words; an output needs a vector call for each kernel row, or CPU taps where a depthwise layer is
    cheaper with them, and its epilogue; other operators have the price of their elements. The cheapest loop order
    counts. As `limit_device_s` otherwise.
    """
    parts = [(_plan_events(normalised(layer)[0]), ORDERS_OF_OP[layer.op]) for layer in network.layers]
    return _sustained_s(*_least(device.exact, parts), device, scenarios)


def _plan_events(layer: LayerShape) -> list[dict[str, int]]:
    """Return the events that no plan of a normalised layer can avoid, for each way to execute it."""
    n_pixels = layer.out_h * layer.out_w
    n_outputs = n_pixels * layer.out_ch
    maps = {
        "input_fetch_words": _pixels_read(layer) * layer.in_ch,
        "output_write_words": n_pixels * _even(layer.out_ch),
    }
    if layer.op == "conv":
        row = layer.kernel_w * _even(layer.in_ch)
        maps["input_fetch_words"] = _pixels_read(layer) * _even(layer.in_ch)
        return [{**maps, **_vector_events(layer, row, layer.kernel_h * row * layer.out_ch)}]
    if layer.op == "depthwise_conv":
        taps = {"depthwise_cpu_taps": layer.n_macs, "epilogues": n_outputs, "weight_fetch_words": _weight_words(layer)}
        row = _even(layer.kernel_w + 1)
        # Rows start at any column, so the weights are stored and fetched in two versions.
        return [{**maps, **taps}, {**maps, **_vector_events(layer, row, 2 * layer.kernel_h * row * layer.out_ch)}]
    if layer.op == "global_avg_pool":
        return [{**maps, "pool_elements": layer.in_h * layer.in_w * layer.in_ch}]
    n_maps = 2 if layer.op == "add" else 1
    maps["input_fetch_words"] *= n_maps
    return [{**maps, _ELEMENT_EVENT[layer.op]: n_outputs, "weight_fetch_words": _weight_words(layer)}]


def _vector_events(layer: LayerShape, row_elements: int, weight_words: int) -> dict[str, int]:
    """Return a vector call of `row_elements` for each output element and kernel row."""
    n_outputs = layer.out_h * layer.out_w * layer.out_ch
    return {
        "weight_fetch_words": weight_words + _BIAS_WORDS * layer.out_ch,
        "mac_calls": layer.kernel_h * n_outputs,
        "mac_elements": layer.kernel_h * row_elements * n_outputs,
        "epilogues": n_outputs,
    }


def _weight_words(layer: LayerShape) -> int:
    """Return weights and biases without padding. [1]"""
    taps = layer.kernel_h * layer.kernel_w
    per_output = {
        "conv": taps * layer.in_ch + _BIAS_WORDS,
        "depthwise_conv": taps + _BIAS_WORDS,
        "batch_norm": _SCALE_AND_SHIFT_WORDS,
    }
    return per_output.get(layer.op, 0) * layer.out_ch


def _pixels_read(layer: LayerShape) -> int:
    """Return the pixels of the input map that any window covers: a stride beyond the kernel skips some. [1]"""
    if layer.op not in ("conv", "depthwise_conv"):
        return layer.in_h * layer.in_w
    pixels = 1
    for axis in ("h", "w"):
        size, out, kernel = (getattr(layer, f"{name}_{axis}") for name in ("in", "out", "kernel"))
        stride, pad = layer.stride if size > 1 else 1, layer.pad_of(axis)
        starts = [stride * i - pad for i in range(out)]
        # Every window up to where the next one starts, and the last window whole; clipped to the map.
        ends = [start + min(kernel, stride) for start in starts[:-1]] + [starts[-1] + kernel]
        pixels *= sum(max(0, min(end, size) - max(start, 0)) for start, end in zip(starts, ends, strict=True))
    return pixels


def _even(number: int) -> int:
    return number + number % 2


def _least(prices: Prices, parts: Sequence[_Part]) -> tuple[float, float]:
    """Return energy and time of the parts of an inference, each at its least, regardless of the other.

    Args:
        prices: Prices of the events.
        parts: Counts for every way to execute the part, and the loop orders that it can have.

    Returns:
        Energy [J] and active time [s], sums over the parts.
    """
    rows = [(way, ORDERS.index(name)) for ways, orders in parts for way in ways for name in orders]
    order = np.array([index for _, index in rows])
    events = dict.fromkeys(event for way, _ in rows for event in way)
    counts = {event: np.array([way.get(event, 0) for way, _ in rows], dtype=np.int64) for event in events}
    lengths = [len(ways) * len(orders) for ways, orders in parts]
    starts = np.cumsum([0, *lengths[:-1]])
    energy_j, time_s = prices.energy_of(counts, order), prices.time_of(counts, order)
    return (float(np.minimum.reduceat(energy_j, starts).sum()), float(np.minimum.reduceat(time_s, starts).sum()))


def _sustained_s(energy_j: float, active_s: float, device: Device, scenarios: Scenarios) -> FloatArray:
    """Return the latency with the fewest boots and the fastest recharge that any cycles within the budget can have.

    The harvester's best power is that of cycles that spend the whole budget: no cycle within it recharges faster than
    `Scenarios.recharge_floor` says, by either recharge formula.
    """
    boot_j, boot_s = _least(device.exact, [([BOOT_EVENTS], ORDERS)])
    room_j = scenarios.cycle_budget_j - boot_j
    with np.errstate(divide="ignore"):
        # Rounding must not add a boot where the energy fills whole cycles exactly.
        n_boots = np.ceil(np.where(room_j > 0, energy_j / room_j, np.inf) * (1 - 1e-12))
    start_s, slope_s_per_j = scenarios.recharge_floor()
    return active_s + n_boots * (boot_s + start_s) + slope_s_per_j * (energy_j + n_boots * boot_j)
