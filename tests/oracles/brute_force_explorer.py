"""Slow explorer over the oracle of published counting: every legal design of a layer, priced one at a time.

The rules are enumerated here anew from energy/README section 3. Nothing is shared with `energy`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from tests.oracles import published_counts


@dataclass(frozen=True)
class Design:
    """A design as the oracle walks it."""

    tile_h: int
    tile_w: int
    tile_out: int
    tile_in: int
    order: str
    batch: int


@cache
def divisors(size: int) -> list[int]:
    """All of them, rising."""
    return [divisor for divisor in range(1, size + 1) if size % divisor == 0]


@cache
def one_or_even_divisors(size: int) -> list[int]:
    """1 and the even divisors, rising."""
    return [divisor for divisor in divisors(size) if divisor == 1 or divisor % 2 == 0]


def one_or_even_sizes(size: int) -> list[int]:
    """1 and every even size up to `size` rounded up to even, rising; an axis of length 1 has nothing to tile."""
    return [1] if size == 1 else [1, *range(2, size + size % 2 + 1, 2)]


def legal_designs(layer: Any, rule_set: str) -> Iterator[Design]:
    """Every legal design of a convolution or pooling under `"inas2021"` or `"tinas2025"`."""
    for tiles in _legal_tiles(layer, rule_set):
        for order in ("output",) if layer.op == "global_avg_pool" else ("input", "weight", "output"):
            single = Design(*tiles, order, 1)
            n_inner = published_counts.innermost(layer, single)
            for batch in [1] if rule_set == "tinas2025" else one_or_even_divisors(n_inner):
                yield replace(single, batch=batch)


def n_legal_designs(layer: Any) -> int:
    """Number of legal designs of a convolution under `"inas2021"`: the options of each axis times the batches."""
    rows, columns, outs = divisors(layer.out_h), divisors(layer.out_w), divisors(layer.out_ch)
    ins = one_or_even_divisors(layer.in_ch)
    by_input = sum(_n_batches(layer.out_ch // out) for out in outs) * len(rows) * len(columns) * len(ins)
    spatial = sum(_n_batches(layer.out_h // row * (layer.out_w // column)) for row in rows for column in columns)
    by_output = sum(_n_batches(layer.in_ch // in_) for in_ in ins) * len(rows) * len(columns) * len(outs)
    return by_input + spatial * len(outs) * len(ins) + by_output


def _n_batches(n_inner: int) -> int:
    return len(one_or_even_divisors(n_inner))


def _legal_tiles(layer: Any, rule_set: str) -> Iterator[tuple[int, int, int, int]]:
    is_pool = layer.op == "global_avg_pool"
    height, width = (layer.in_h, layer.in_w) if is_pool else (layer.out_h, layer.out_w)
    axis, channels = {
        ("inas2021", False): (divisors, divisors),
        ("inas2021", True): (one_or_even_divisors, one_or_even_divisors),
        ("tinas2025", False): (one_or_even_sizes, one_or_even_divisors),
        ("tinas2025", True): (one_or_even_sizes, one_or_even_divisors),
    }[rule_set, is_pool]
    ins = [1] if is_pool else one_or_even_divisors(layer.in_ch)
    for tile_h in axis(height):
        for tile_w in axis(width):
            for tile_out in channels(layer.out_ch):
                for tile_in in ins:
                    yield tile_h, tile_w, tile_out, tile_in


def appraise_all(
    layer: Any, rule_set: str, supply: published_counts.Supply, generation: int
) -> Iterator[tuple[Design, published_counts.LayerAnswer]]:
    """Every legal design with its answer."""
    for design in legal_designs(layer, rule_set):
        yield design, published_counts.appraise(layer, design, supply, generation)
