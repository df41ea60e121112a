"""Selection of the candidates of a layer: designs that no other replaces in any plan, best bounds first; compiled."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from energy.counting.exact import n_batches_of, walk
from energy.events import FloatArray, IntArray
from energy.jit import compiled
from energy.planning.candidates import CandidateBatches

_Number = TypeVar("_Number", bound=np.generic)

MOST_CANDIDATES = 64
"""Designs of a layer among which a network chooses. [1]"""

_MOST_BATCHES = 1_000_000
"""Batches of all candidates of a layer after the first, at most; 24 bytes each. [1]"""

_ROUNDING = 1e-12
"""Relative rounding of active times."""


@compiled
def select(
    layer: IntArray, designs: IntArray, tables: tuple[FloatArray, FloatArray], most_nj: int, most: int
) -> tuple[IntArray, CandidateBatches]:
    """Return the first design, and those that fit and that no earlier one replaces; and their batches.

    One design replaces another of as many batches where none of its batches needs more energy, after a batch or after a
    boot, or more time after a boot, and all together no more time. A replaced design has no lower bound of its time.

    Args:
        layer: Layer row.
        designs: Design rows, `(n, DESIGN_WIDTH)`.
        tables: Energy [J] and time [s] of an event by loop order.
        most_nj: Energy of a batch after a boot at most. [nJ]
        most: Designs to return at most. [1]

    Returns:
        Indices of the designs, in their order, and their batches.
    """
    chosen = np.empty(most, dtype=np.int64)
    first, length = np.zeros((1, most), dtype=np.int64), np.zeros((1, most), dtype=np.int64)
    warm_total_s = np.zeros((1, most))
    capacity = 0
    warm_nj, cold_nj, reload_s = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    found, end = 0, 0
    for design in range(len(designs)):
        n = n_batches_of(layer, designs[design])
        if found == most or (found > 0 and end + n > _MOST_BATCHES):
            break
        if end + n > capacity:
            capacity = 2 * (end + n)
            warm_nj, cold_nj, reload_s = (
                _longer(warm_nj, capacity),
                _longer(cold_nj, capacity),
                _longer(reload_s, capacity),
            )
        seconds = (np.empty(n), np.empty(n))
        walk(layer, designs[design], tables, (warm_nj[end : end + n], cold_nj[end : end + n]), seconds)
        reload_s[end : end + n] = seconds[1] - seconds[0]
        chosen[found], first[0, found], length[0, found] = design, end, n
        warm_total_s[0, found] = seconds[0].sum()
        candidates = CandidateBatches(warm_nj, cold_nj, reload_s, first, length, warm_total_s)
        is_over = found > 0 and cold_nj[end : end + n].max() > most_nj
        if not is_over and not _is_replaced(candidates, found):
            found, end = found + 1, end + n
    return chosen[:found], CandidateBatches(
        warm_nj[:end].copy(),
        cold_nj[:end].copy(),
        reload_s[:end].copy(),
        first[:, :found].copy(),
        length[:, :found].copy(),
        warm_total_s[:, :found].copy(),
    )


@compiled
def _longer(values: NDArray[_Number], capacity: int) -> NDArray[_Number]:
    """Return a longer array that begins with the same values."""
    longer = np.empty(capacity, dtype=values.dtype)
    longer[: len(values)] = values
    return longer


@compiled
def _is_replaced(candidates: CandidateBatches, last: int) -> bool:
    """Return whether a candidate before the last one replaces it."""
    n, begin = candidates.length[0, last], candidates.first[0, last]
    for other in range(last):
        if candidates.length[0, other] != n:
            continue
        if candidates.warm_total_s[0, other] > candidates.warm_total_s[0, last] * (1 + _ROUNDING):
            continue
        shift = candidates.first[0, other] - begin
        is_replaced = True
        for batch in range(begin, begin + n):
            if (
                candidates.warm_nj[batch + shift] > candidates.warm_nj[batch]
                or candidates.cold_nj[batch + shift] > candidates.cold_nj[batch]
                or candidates.reload_s[batch + shift] > candidates.reload_s[batch] + _ROUNDING
            ):
                is_replaced = False
                break
        if is_replaced:
            return True
    return False
