"""Non-volatile memory: nothing that is alive is written over, and dead words are used again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.counting.nvm import map_lives, map_words, placed, placed_nvm_words
from energy.networks.fuse import fused
from energy.networks.shapes import NETWORK_INPUT, NetworkShape
from tests.unit.test_fuse import graph, layer, networks, shipped_network


def chain(*layers):
    names = tuple(f"layer_{i}" for i in range(len(layers)))
    return NetworkShape(
        name="chain", layers=layers, layer_names=names, inputs=tuple((i - 1,) for i in range(len(layers)))
    )


def test_channels_of_a_map_are_rounded_up_to_even():
    network = chain(layer("conv", (6, 2), (3, 5)))
    # output 6 x 2 x 6 words, then the input, 6 x 2 x 4 words
    assert map_words(network) == (72, 48)


def test_a_map_lives_until_its_last_reader():
    network = graph(
        ("a", "conv", "input"), ("b", "conv", "a"), ("unread", "relu", "b"), ("sum", "add", "a", "b"),
        ("c", "conv", "sum"),
    )  # fmt: skip
    assert map_lives(network) == ((0, 3), (1, 3), (2, 2), (3, 4), (4, 5), (5, 0))


def test_records_and_weights_come_first_and_dead_maps_are_used_again():
    # 8 x 1 maps of 4, 6, 2 and 4 channels: 32, 48, 16 and 32 words
    network = chain(layer("conv", (8, 1), (4, 6)), layer("conv", (8, 1), (6, 2)), layer("conv", (8, 1), (2, 4)))
    placement = placed(network, [30, 14, 16], [0, 0, 0])
    assert placement.weight_offset_words == (12, 42, 56)
    # The arena starts at 12 + 60 = 72. Largest first: layer 0's 48 words at 72; then layer 2's output, which never
    # lives beside them, at 72 and the input above them at 120; then layer 1's 16 words, free of 48 and of 32, at 120.
    assert placement.map_offset_words == (72, 120, 72, 120)
    assert placement.map_words == (48, 16, 32, 32)
    assert placement.total_words == 120 + 32
    assert placed_nvm_words(network, [30, 14, 16], [0, 0, 0]) == 152


def test_partial_sums_take_room_during_their_layer_only():
    network = chain(layer("conv", (8, 1), (4, 6)), layer("conv", (8, 1), (6, 2)))
    placement = placed(network, [0, 0], [0, 100])
    # Layer 1: its sums 100, its input 48, its output 16; the network's input lies where the sums will be.
    assert placement.partial_offset_words[1] == 12
    assert placement.map_offset_words == (112, 160, 12)
    assert placement.total_words == 12 + 100 + 48 + 16


@st.composite
def tasks(draw):
    network = draw(networks())
    counts = st.lists(st.integers(0, 60), min_size=len(network.layers), max_size=len(network.layers))
    return network, draw(counts), draw(counts)


@given(tasks())
def test_no_two_tensors_alive_together_share_a_word(task):
    network, weights, partials = task
    placement = placed(network, weights, partials)
    n_layers = len(network.layers)
    fixed = [range(12)] + [
        range(start, start + size)
        for start, size in zip(placement.weight_offset_words, placement.weight_words, strict=True)
    ]
    peak = used = 0
    for now in range(n_layers):
        alive = list(fixed)
        for index in range(NETWORK_INPUT, n_layers):
            readers = [i for i in range(n_layers) if index in network.inputs[i]]
            is_output = index == n_layers - 1
            if max(index, 0) <= now and (is_output or now <= max([index, *readers])):
                start = placement.map_offset_words[index]
                alive.append(range(start, start + placement.map_words[index]))
        start = placement.partial_offset_words[now]
        alive.append(range(start, start + partials[now]))
        words = [word for extent in alive for word in extent]
        assert len(set(words)) == len(words)
        peak, used = max(peak, len(words)), max(used, 1 + max(words))
    # Between two inferences the output is used while the next input is written.
    output, sample = (
        set(range(placement.map_offset_words[at], placement.map_offset_words[at] + placement.map_words[at]))
        for at in (n_layers - 1, NETWORK_INPUT)
    )
    assert not output & sample
    assert peak <= placement.total_words == used
    assert placement.partial_words == tuple(partials)


def test_the_shipped_network_is_placed_without_a_gap():
    network = fused(shipped_network())
    none = [0] * len(network.layers)
    lives, sizes = map_lives(network), map_words(network)
    peak = max(
        sum(size for size, (first, last) in zip(sizes, lives, strict=True) if first <= now <= last)
        for now in range(len(network.layers))
    )
    assert placed_nvm_words(network, none, none) == 12 + peak


@pytest.mark.parametrize("field", ["n_weight_words", "partial_words"])
def test_a_number_is_demanded_for_every_layer(field):
    network = chain(layer("conv"), layer("conv"))
    words = {"n_weight_words": [1, 1], "partial_words": [0, 0], field: [1]}
    with pytest.raises(ValueError, match=f"{field} must have one number for each of the 2 layers, not 1"):
        placed(network, **words)
