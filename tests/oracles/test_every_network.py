"""All networks of a space at once are held against one network after the other, planned and priced as a whole."""

from dataclasses import replace

import numpy as np
import pytest

from energy.costing.population import price_population
from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import read_supply_family
from energy.networks.rules import rules
from energy.planning.published import Explorer
from energy.scheduling.execution import PUBLISHED
from evo.exhaustive import every_network
from evo.synthetic_accuracy import SyntheticAccuracy
from models.spaces import Space, Stage, preset

DEVICE = read_device("msp430fr5994-tinas2025")
SCENARIOS = Scenarios.of([read_supply_family("tinas2025").supply(capacitance_f) for capacitance_f in (20e-6, 470e-6)])
DENSE = Stage(kernels=(1,), channels=(4, 8), blocks=("dense",))
DEEP = Stage(kernels=(1, 3), channels=(2, 6), depths=(1, 2), residuals=(False, True), strides=(2, 1))
VALID = Stage(kernels=(1, 3), channels=(2, 4))
SPACES = {
    "valid": Space(name="valid", input_shape=(9, 1, 2), n_classes=2, stages=(VALID,) * 3, padding="valid"),
    "deep": Space(
        name="deep", input_shape=(8, 8, 3), n_classes=4, stages=(DEEP, VALID), widths_percent=(50, 100), heights=(6, 8)
    ),
    "dense": Space(name="dense", input_shape=(20, 1, 1), n_classes=3, stages=(DENSE,) * 2),
}


def one_by_one(space, archs, device=DEVICE):
    """Latencies `(n, n_scenarios)`, multiply-accumulates and parameters of networks."""
    explorer = Explorer(device, SCENARIOS, rules("inas2021"))
    networks = [space.network(arch) for arch in archs]
    columns = [
        price_population(
            networks, [explorer.plan(one, index) for one in networks], device, SCENARIOS.take(index), PUBLISHED
        )
        for index in range(len(SCENARIOS))
    ]
    latency_s = np.column_stack([column.latency_s[:, 0] for column in columns])
    return latency_s, [one.n_macs for one in networks], [one.n_parameters for one in networks]


@pytest.mark.parametrize("name", SPACES)
def test_all_at_once_equals_one_by_one(name):
    space = SPACES[name]
    latency_s, n_macs, n_parameters = one_by_one(space, space.enumerate())
    found = every_network(space, Explorer(DEVICE, SCENARIOS, rules("inas2021")))
    assert len(found.latency_s) == space.size
    np.testing.assert_allclose(found.latency_s, latency_s, rtol=1e-12)
    assert found.n_macs.tolist() == n_macs
    assert found.n_parameters.tolist() == n_parameters


def test_networks_that_do_not_fit_are_infinite():
    space = SPACES["deep"]
    sizes = every_network(space, Explorer(DEVICE, SCENARIOS, rules("inas2021")))
    # Room for the parameters and maps of half the networks.
    tight = replace(DEVICE, nvm_bytes=int(np.median(sizes.n_parameters)) * 2 + 500)
    latency_s, _, _ = one_by_one(space, space.enumerate(), tight)
    found = every_network(space, Explorer(tight, SCENARIOS, rules("inas2021")))
    np.testing.assert_allclose(found.latency_s, latency_s, rtol=1e-12)
    assert 0 < np.isinf(found.latency_s).sum() < found.latency_s.size
    starved = Scenarios.of([read_supply_family("tinas2025").supply(2e-6)])
    assert np.isinf(every_network(space, Explorer(DEVICE, starved, rules("inas2021"))).latency_s).all()


def test_a_million_networks_of_2021():
    space = preset("conv2d-5")
    found = every_network(space, Explorer(DEVICE, SCENARIOS, rules("inas2021")))
    rows = np.random.default_rng(0).integers(0, space.size, 8)
    latency_s, n_macs, _ = one_by_one(space, space.enumerate()[rows])
    assert len(found.n_macs) == 4**10
    np.testing.assert_allclose(found.latency_s[rows], latency_s, rtol=1e-12)
    assert found.n_macs[rows].tolist() == n_macs


@pytest.mark.parametrize("name", SPACES)
def test_text_forms_of_all_networks(name):
    space = SPACES[name]
    assert space.encode_every() == [space.encode(arch) for arch in space.enumerate()]


def test_stated_accuracies_need_no_networks_where_sizes_are_known():
    space = SPACES["deep"]
    source = SyntheticAccuracy(space)
    archs = space.enumerate()
    found = every_network(space, Explorer(DEVICE, SCENARIOS, rules("inas2021")))
    accuracies = source.evaluate(archs)
    np.testing.assert_allclose(source.of(archs, found.n_macs, found.n_parameters), accuracies, rtol=1e-12)
    assert ((accuracies > 0) & (accuracies < 1)).all()
    assert len(np.unique(accuracies.round(9))) > 0.9 * len(archs)
    # Larger networks are better on the whole, but not each of them.
    rank = np.corrcoef(np.log(found.n_macs), accuracies)[0, 1]
    assert 0.7 < rank < 0.999
