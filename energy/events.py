"""The events that cost energy and time: the rows of every count table and of every price table.

Counts are integers that say how often an event happens, prices say what one event costs; both use the names and the
order of this module. Adding an event is adding a row.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Counts = Mapping[str, IntArray]
"""Event name -> how often, one array shape for all; an event that is absent does not happen."""

PARTS = ("reboot", "recovery", "fetch", "compute", "preserve")
"""What the active time of an inference is spent on."""

PART_OF_EVENT: dict[str, str] = {
    "reboots": "reboot",
    "record_read_calls": "recovery",
    "record_read_words": "recovery",
    "record_write_calls": "preserve",
    "record_write_words": "preserve",
    "input_fetch_calls": "fetch",
    "input_fetch_words": "fetch",
    "weight_fetch_calls": "fetch",
    "weight_fetch_words": "fetch",
    "partial_fetch_calls": "fetch",
    "partial_fetch_words": "fetch",
    "partial_write_calls": "preserve",
    "partial_write_words": "preserve",
    "output_write_calls": "preserve",
    "output_write_words": "preserve",
    "mac_calls": "compute",
    "mac_elements": "compute",
    "iterations": "compute",
    "depthwise_cpu_taps": "compute",
    "batch_norm_elements": "compute",
    "relu_elements": "compute",
    "add_elements": "compute",
    "pool_elements": "compute",
    "epilogues": "compute",
    "zero_fill_words": "fetch",
    "deinterleave_words": "fetch",
}
"""Every event with the part of the active time it belongs to; fetches that repeat are moved to `recovery`."""

EVENTS = tuple(PART_OF_EVENT)
ORDERS = ("input", "weight", "output")
"""Loop orders, named after the operand that stays in VM; arrays hold the index into this tuple."""

WRITTEN = ("record_write_words", "partial_write_words", "output_write_words")
"""Events that write words to non-volatile memory."""


def total_events(*tables: tuple[Counts, IntArray]) -> dict[str, IntArray]:
    """Sum of count tables, each multiplied by how often it happens.

    Args:
        tables: Pairs of counts and repeats, arrays of one common shape.

    Returns:
        Counts of everything together.
    """
    total: dict[str, IntArray] = {}
    for counts, repeats in tables:
        for event, count in counts.items():
            total[event] = total.get(event, np.zeros((), dtype=np.int64)) + count * repeats
    return total
