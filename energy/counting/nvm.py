"""Non-volatile memory of our runtime: addresses of records, weights, feature maps and partial sums of a network.

The record slots come first, the weights after them in the order of the layers, then one arena. Tensors of the arena
share words when they are never alive together, so a layer never overwrites its own input, and the next sample never
overwrites the output (energy/README section 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from energy.counting.commit_record import RECORD_SLOTS_WORDS
from energy.networks.fuse import readers_of
from energy.networks.shapes import NetworkShape


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Addresses and sizes of all tensors in non-volatile memory, in words from its start.

    Attributes:
        weight_offset_words, weight_words: Weights and biases of each layer, `(n_layers,)`. [1]
        map_offset_words, map_words: Output map of each layer, `(n_layers + 1,)`; the last entry, `NETWORK_INPUT`, is
            the network's input. Channels are rounded up to even. [1]
        partial_offset_words, partial_words: Partial-sum buffers of each layer, `(n_layers,)`; of no meaning where a
            layer has none. [1]
        total_words: Words in use, the records included. [1]
    """

    weight_offset_words: tuple[int, ...]
    weight_words: tuple[int, ...]
    map_offset_words: tuple[int, ...]
    map_words: tuple[int, ...]
    partial_offset_words: tuple[int, ...]
    partial_words: tuple[int, ...]
    total_words: int


def placed(network: NetworkShape, n_weight_words: Sequence[int], partial_words: Sequence[int]) -> Placement:
    """Place a network in non-volatile memory.

    Args:
        network: The network as it is executed, merged or not.
        n_weight_words: Words of weights and biases of each layer as they are stored, `(n_layers,)`. [1]
        partial_words: Words of partial-sum buffers of each layer, both of a pair, 0 where a layer has
            none, `(n_layers,)`. [1]

    Returns:
        Offsets and sizes of all tensors.

    Raises:
        ValueError: Not one number per layer.
    """
    n_layers = len(network.layers)
    for field, words in (("n_weight_words", n_weight_words), ("partial_words", partial_words)):
        if len(words) != n_layers:
            raise ValueError(f"{field} must have one number for each of the {n_layers} layers, not {len(words)}")
    *weight_offsets, arena_start = accumulate((int(words) for words in n_weight_words), initial=RECORD_SLOTS_WORDS)
    maps = map_words(network)
    partials = tuple(int(words) for words in partial_words)
    lives = (*map_lives(network), *((index, index) for index in range(n_layers)))
    offsets, arena_words = _packed((*maps, *partials), lives)
    starts = tuple(arena_start + offset for offset in offsets)
    return Placement(
        weight_offset_words=tuple(weight_offsets),
        weight_words=tuple(int(words) for words in n_weight_words),
        map_offset_words=starts[: len(maps)],
        map_words=maps,
        partial_offset_words=starts[len(maps) :],
        partial_words=partials,
        total_words=arena_start + arena_words,
    )


def placed_nvm_words(network: NetworkShape, n_weight_words: Sequence[int], partial_words: Sequence[int]) -> int:
    """Return the words of non-volatile memory that a network needs, as `placed`. [1]"""
    return placed(network, n_weight_words, partial_words).total_words


def map_words(network: NetworkShape) -> tuple[int, ...]:
    """Return the words of every feature map, channels rounded up to even, `(n_layers + 1,)`; the input is last. [1]"""
    shapes = [(layer.out_h, layer.out_w, layer.out_ch) for layer in network.layers]
    return tuple(
        height * width * (channels + channels % 2) for height, width, channels in [*shapes, network.input_shape]
    )


def map_lives(network: NetworkShape) -> tuple[tuple[int, int], ...]:
    """Return first and last step during which every map is alive, `(n_layers + 1,)`; the last is the network's input.

    The steps are the layers and, as `n_layers`, the time between two inferences. A map lives from the layer that writes
    it to the last that reads it. Between two inferences the output is used and the next input is written, so the first
    step of the input lies behind its last.
    """
    between = len(network.layers)
    readers = readers_of(network)
    lives = [(index, max(readers[index], default=index)) for index in range(between - 1)]
    return (*lives, (between - 1, between), (between, max(readers[-1])))


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether two lives share a step; steps repeat with every inference, so a life may start behind its end."""
    return _is_alive(one, other[0]) or _is_alive(other, one[0])


def _is_alive(life: tuple[int, int], step: int) -> bool:
    first, last = life
    return first <= step <= last if first <= last else step >= first or step <= last


def _packed(sizes: Sequence[int], lives: Sequence[tuple[int, int]]) -> tuple[list[int], int]:
    """Return the lowest free offset of each tensor, the largest placed first, and the words used."""
    offsets = [0] * len(sizes)
    placed_tensors: list[tuple[int, int, tuple[int, int]]] = []
    used = 0
    for tensor in sorted((i for i, size in enumerate(sizes) if size), key=lambda i: -sizes[i]):
        size, life = sizes[tensor], lives[tensor]
        offset = 0
        for start, end in sorted((start, end) for start, end, other in placed_tensors if _meet(life, other)):
            if start - offset >= size:
                break
            offset = max(offset, end)
        offsets[tensor] = offset
        used = max(used, offset + size)
        placed_tensors.append((offset, offset + size, life))
    return offsets, used
