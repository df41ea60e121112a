"""Colours and markers of figures and report, and the colour code for the parts of a latency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Colours of Okabe and Ito, which colour-blind readers can distinguish."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""Markers that go with the colours, by their names in matplotlib."""


class Part(NamedTuple):
    """Name and colour of a part of a latency."""

    name: str
    colour: str


LATENCY_PARTS: Mapping[str, Part] = {
    "reboot_s": Part("reboot", COLOURS[0]),
    "recovery_s": Part("recovery", COLOURS[1]),
    "fetch_s": Part("fetch", COLOURS[2]),
    "compute_s": Part("compute", COLOURS[5]),
    "preserve_s": Part("preserve", COLOURS[3]),
    "recharge_s": Part("recharge", "#d9d9d9"),
}
"""Columns of `fronts` that add up to the latency, in the order of their bars."""
