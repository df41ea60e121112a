"""Batches of the candidate designs of a network, joined into flat arrays for compiled code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from energy.events import FloatArray, IntArray
from energy.jit import compiled
from energy.scheduling.cycle import CutBatches
from energy.scheduling.schedule import LayerBatches


class CandidateBatches(NamedTuple):
    """Batches of every candidate of one layer or of several.

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
def batches_of(candidates: CandidateBatches, layer: int, index: int) -> CutBatches:
    """Return the batches of one candidate."""
    begin = candidates.first[layer, index]
    end = begin + candidates.length[layer, index]
    return CutBatches(
        candidates.warm_nj[begin:end],
        candidates.cold_nj[begin:end],
        candidates.reload_s[begin:end],
    )
