"""On a space small enough to try everything, search and exact front are held against brute force over every plan."""

from functools import cache
from itertools import product

import numpy as np
import pytest

from energy.costing.population import price_population
from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import read_supply_family
from energy.networks.rules import rules
from energy.planning.published import Explorer
from energy.scheduling.execution import PUBLISHED
from evo.exhaustive import exact_front
from evo.fronts.front import Front
from evo.genome.layout import JointGenome
from evo.problem.problem import JointProblem, Pricing
from evo.search import Search, SearchSettings
from models.spaces import Space, Stage
from tests.oracles import hypervolume as oracle
from tests.support.baselines import distinct_networks, explored, random_explored

SPACE = Space(
    name="dwarf",
    input_shape=(6, 1, 2),
    n_classes=2,
    stages=(Stage(kernels=(1, 3), channels=(2, 4)), Stage(kernels=(1, 3), channels=(2, 4))),
    padding="valid",
)
DEVICE = read_device("msp430fr5994-tinas2025")
SUPPLY = read_supply_family("tinas2025").supply(47e-6)
POLICY = PUBLISHED


class Table:
    """Accuracies that grow with the genes and then a little by chance, the same in every process."""

    kind, split = "table", "val"

    def evaluate(self, archs):
        weights = np.arange(1, archs.shape[1] + 1)
        return 0.5 + 0.03 * archs.sum(axis=1) + 0.01 * np.sin(archs @ weights)


@cache
def layout():
    return JointGenome(SPACE, rules("inas2021"))


@cache
def explorer():
    return Explorer(DEVICE, Scenarios.of([SUPPLY]), rules("inas2021"))


def problem():
    return JointProblem(layout(), Table(), Pricing(device=DEVICE, supply=SUPPLY, execution=POLICY))


def legal_designs(layer):
    table = rules("inas2021").table(layer)
    return [table[index] for index in range(len(table))]


@cache
def least_latency_s(arch):
    """Best latency of one network: every layer by itself with every legal design, priced as a whole plan each time."""
    network = SPACE.network(np.array(arch))
    base = [legal_designs(layer)[0] for layer in network.layers]
    plan = list(base)
    for index, layer in enumerate(network.layers):
        plans = [(*base[:index], design, *base[index + 1 :]) for design in legal_designs(layer)]
        priced = price_population([network] * len(plans), plans, DEVICE, Scenarios.of([SUPPLY]), POLICY)
        plan[index] = plans[int(priced.latency_s[:, 0].argmin())][index]
    return float(price_population([network], [tuple(plan)], DEVICE, Scenarios.of([SUPPLY]), POLICY).latency_s[0, 0])


@cache
def everything():
    archs = SPACE.enumerate()
    return archs, Table().evaluate(archs), np.array([least_latency_s(tuple(arch)) for arch in archs.tolist()])


def test_exact_front_is_that_of_all_pairs():
    archs, accuracies, latencies_s = everything()
    front = exact_front(accuracies, latencies_s)
    rows = list(zip((1 - accuracies).tolist(), latencies_s.tolist(), strict=True))
    assert sorted(front.rows.tolist()) == np.flatnonzero(oracle.non_dominated(rows)).tolist()
    assert len(front) >= 3
    assert len(archs) == SPACE.size == 16


def test_explored_genomes_have_the_least_latencies():
    archs, accuracies, latencies_s = everything()
    priced = problem().price(explored(layout(), explorer(), archs))
    np.testing.assert_allclose(priced.values[:, 1], latencies_s, rtol=1e-12)
    np.testing.assert_array_equal(priced.values[:, 0], 1 - accuracies)


def test_networks_that_cannot_run_are_not_on_the_exact_front():
    front = exact_front([0.9, 0.8, 0.7], [np.inf, 2.0, 3.0])
    assert front.rows.tolist() == [1]


@pytest.mark.parametrize("seed", range(2))
def test_search_with_the_explorer_finds_the_exact_front(seed):
    _, accuracies, latencies_s = everything()
    front = exact_front(accuracies, latencies_s)
    settings = SearchSettings(population=6, evaluations=60, refinement_rate=1.0, seed=seed)
    search = Search(problem(), explorer(), settings, front.bounds)
    while not search.done:
        entry = search.step()
    np.testing.assert_allclose(search.front.values, front.values, rtol=1e-12)
    assert entry.hypervolume == pytest.approx(front.hypervolume(front.bounds))


def test_search_ends_when_there_is_nothing_new_to_price():
    settings = SearchSettings(population=6, evaluations=1000, refinement_rate=1.0, seed=0)
    search = Search(problem(), explorer(), settings)
    while not search.done:
        entry = search.step()
    # 16 networks, every one with its exact designs, each priced once
    assert entry.n_evaluations == 16


def test_random_networks_are_distinct_and_all_of_a_small_space():
    rng = np.random.default_rng(0)
    assert len(np.unique(distinct_networks(layout(), 9, rng), axis=0)) == 9
    everyone = random_explored(problem(), explorer(), 99, rng)
    assert len(everyone) == 16
    _, accuracies, latencies_s = everything()
    reference = exact_front(accuracies, latencies_s)
    assert Front.of(everyone.values, everyone.feasible).hypervolume_ratio(reference) == pytest.approx(1.0)


def test_brute_force_means_every_combination():
    """The layers are independent under this policy: on the smallest network every combination of designs agrees."""
    arch = SPACE.smallest
    network = SPACE.network(arch)
    choices = [legal_designs(layer)[:: max(1, len(legal_designs(layer)) // 5)] for layer in network.layers]
    plans = list(product(*choices))
    best = price_population([network] * len(plans), plans, DEVICE, Scenarios.of([SUPPLY]), POLICY).latency_s.min()
    assert least_latency_s(tuple(arch.tolist())) <= best
