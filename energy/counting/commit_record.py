"""The commit record of our runtime: its size, its two slots in non-volatile memory, and its events at a boot.

Each batch ends with one write of a record, to the slot that does not hold the newest one; a boot reads both slots
(energy/README sections 4 and 8).
"""

from __future__ import annotations

from collections.abc import Mapping

RECORD_WORDS = 6
"""Words of a progress record of our runtime: sequence 2, layer 1, batch 2, checksum 1. [words]"""

RECORD_SLOTS_WORDS = 2 * RECORD_WORDS
"""Two adjacent slots of the progress record, 6 words each. [1]"""

BOOT_EVENTS: Mapping[str, int] = {"reboots": 1, "record_read_calls": 1, "record_read_words": RECORD_SLOTS_WORDS}
"""Events of a boot under exact counting: both slots of the progress record are read in one call."""
