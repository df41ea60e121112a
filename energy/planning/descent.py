"""Choice of one candidate design per layer of a network: coordinate descent on the schedule, compiled.

Candidates are the batches of designs, all of a network joined into flat arrays; a plan is one candidate per layer.
Works on plain arrays; `energy.planning.packed` has the records.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from energy.events import FloatArray, IntArray
from energy.jit import compiled
from energy.scheduling.cuts import CutBatches, Cycle, greedy_s, optimal_s
from energy.scheduling.schedule import LayerBatches


class CandidateBatches(NamedTuple):
    """Batches of every candidate of one layer or of several, as `descend` takes them.

    Attributes:
        warm_nj: Energy of a batch that follows another in its power cycle, all candidates joined, `(n_batches,)`. [nJ]
        cold_nj: Energy of a batch that follows a boot, likewise. [nJ]
        reload_s: Active time that a boot before a batch adds, likewise. [s]
        first: Index of the first batch of a candidate, `(n_layers, most)`.
        length: Batches of a candidate, 0 where a layer has fewer candidates, `(n_layers, most)`.
        warm_total_s: Active time of all batches of a candidate without a boot, `(n_layers, most)`. [s]
    """

    warm_nj: IntArray
    cold_nj: IntArray
    reload_s: FloatArray
    first: IntArray
    length: IntArray
    warm_total_s: FloatArray

    @classmethod
    def of(cls, options: Sequence[LayerBatches]) -> CandidateBatches:
        """Return the candidates of one layer, at least one."""
        length = np.array([[len(one) for one in options]], dtype=np.int64)
        return cls(
            warm_nj=np.concatenate([one.nanojoules[0] for one in options]),
            cold_nj=np.concatenate([one.nanojoules[1] for one in options]),
            reload_s=np.concatenate([one.reload_s for one in options]),
            first=np.cumsum(length, axis=1) - length,
            length=length,
            warm_total_s=np.array([[one.warm_total_s for one in options]]),
        )

    @classmethod
    def joined(cls, layers: Sequence[CandidateBatches]) -> CandidateBatches:
        """Return the layers of a network in order."""
        shape = (len(layers), max(one.length.shape[1] for one in layers))
        first, length, warm_total_s = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape)
        start = 0
        for row, one in enumerate(layers):
            own = slice(0, one.length.shape[1])
            first[row, own], length[row, own], warm_total_s[row, own] = one.first + start, one.length, one.warm_total_s
            start += len(one.warm_nj)
        return cls(
            warm_nj=np.concatenate([one.warm_nj for one in layers]),
            cold_nj=np.concatenate([one.cold_nj for one in layers]),
            reload_s=np.concatenate([one.reload_s for one in layers]),
            first=first,
            length=length,
            warm_total_s=warm_total_s,
        )


@compiled
def descend(
    start: IntArray, candidates: CandidateBatches, cycle: Cycle, is_optimal: bool, most_sweeps: int
) -> tuple[float, IntArray]:
    """Return candidates where no change of one layer makes the network faster.

    Layers are taken in turn; each takes the candidate with the least latency of the whole network, until a sweep
    changes nothing.

    Args:
        start: Candidate of each layer to start from, `(n_layers,)`.
        candidates: Batches of the candidates.
        cycle: Costs and budget of a power cycle.
        is_optimal: Whether cuts are optimal, else greedy.
        most_sweeps: Sweeps over the layers at most.

    Returns:
        Latency [s], and the candidate of each layer.
    """
    length = candidates.length
    room = 0
    for layer in range(len(start)):
        room += length[layer].max()
    buffers = CutBatches(np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64), np.empty(room))
    chosen = start.copy()
    best_s = _latency_s(chosen, candidates, cycle, is_optimal, buffers)
    for _ in range(most_sweeps):
        before_s = best_s
        for layer in range(len(chosen)):
            for index in range(length.shape[1]):
                kept = chosen[layer]
                if index == kept or length[layer, index] == 0:
                    continue
                chosen[layer] = index
                latency_s = _latency_s(chosen, candidates, cycle, is_optimal, buffers)
                if latency_s < best_s:
                    best_s = latency_s
                else:
                    chosen[layer] = kept
        if best_s == before_s:
            break
    return best_s, chosen


@compiled
def _latency_s(
    chosen: IntArray, candidates: CandidateBatches, cycle: Cycle, is_optimal: bool, buffers: CutBatches
) -> float:
    """Return the latency of one candidate per layer, their batches written one after the other into buffers. [s]"""
    total_s, n = 0.0, 0
    for layer in range(len(chosen)):
        index = chosen[layer]
        begin, count = candidates.first[layer, index], candidates.length[layer, index]
        buffers.warm_nj[n : n + count] = candidates.warm_nj[begin : begin + count]
        buffers.cold_nj[n : n + count] = candidates.cold_nj[begin : begin + count]
        buffers.reload_s[n : n + count] = candidates.reload_s[begin : begin + count]
        n += count
        total_s += candidates.warm_total_s[layer, index]
    batches = CutBatches(buffers.warm_nj[:n], buffers.cold_nj[:n], buffers.reload_s[:n])
    if is_optimal:
        return total_s + optimal_s(batches, cycle)
    return total_s + greedy_s(batches, cycle)
