"""Integer networks: the fast reference equals the slow oracle; files give the same network back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.deploy.reference import maps_of, run
from models.deploy.weights_file import network_bytes, read_network
from tests.oracles.integer_inference import outputs
from tests.support.integer_networks import random_network, random_samples

seeds = st.integers(0, 2**32 - 1)


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_the_reference_equals_plain_loops(seed):
    rng = np.random.default_rng(seed)
    network = random_network(rng)
    sample = random_samples(rng, network, 1)
    assert np.array_equal(run(network, sample)[0], outputs(network, sample[0]))


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_samples_do_not_know_of_each_other(seed):
    rng = np.random.default_rng(seed)
    network = random_network(rng)
    samples = random_samples(rng, network, 3)
    alone = [run(network, samples[i : i + 1])[0] for i in range(3)]
    assert np.array_equal(run(network, samples), np.array(alone))
    assert np.array_equal(maps_of(network, samples)[-1], np.array(alone))
    assert run(network, samples[:0]).shape == (0, *alone[0].shape)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_a_file_gives_the_same_network_and_the_same_bytes_back(seed):
    network = random_network(np.random.default_rng(seed))
    data = network_bytes(network)
    again = read_network(data)
    assert network_bytes(again) == data
    assert (again.shape, again.input_fraction_bits) == (network.shape, network.input_fraction_bits)
    for one, other in zip(network.layers, again.layers, strict=True):
        assert (one.reads, one.shift, one.lifts, one.has_relu) == (
            other.reads,
            other.shift,
            other.lifts,
            other.has_relu,
        )
        assert (one.weight is None) == (other.weight is None)
        assert one.weight is None or np.array_equal(one.weight, other.weight)
        assert one.bias is None or np.array_equal(one.bias, other.bias)


@pytest.mark.parametrize("damage", [b"", b"x", lambda data: data[:-1], lambda data: b"\xff" * 16 + data[16:]])
def test_a_damaged_file_is_one_clear_mistake(damage):
    data = network_bytes(random_network(np.random.default_rng(1)))
    with pytest.raises(ValueError, match="must be whole safetensors data"):
        read_network(damage(data) if callable(damage) else damage)
