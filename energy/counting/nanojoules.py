"""Whole nanojoules, in which the exported program accounts energy: batches are rounded up, budgets down.

A sum of prices carries a rounding error; a femtojoule beside a whole nanojoule, or above a budget, is such an error and
no energy.
"""

from __future__ import annotations

import numpy as np

from energy.jit import compiled

ROUNDING_J = 1e-15
"""A femtojoule: the error that a sum of prices may carry. [J]"""

_ROUNDING_NJ = 1e-6


@compiled
def rounded_up_nj(energy_j: float) -> int:
    """Return energy rounded up to whole nanojoules. [nJ]"""
    return int(np.ceil(energy_j * 1e9 - _ROUNDING_NJ))


def rounded_down_nj(energy_j: float) -> int:
    """Return energy rounded down to whole nanojoules. [nJ]"""
    return int(np.floor(energy_j * 1e9 + _ROUNDING_NJ))
