"""Objectives to choose from: their values against `price`, three at once, and what a config may ask for."""

import numpy as np
import pytest
from pymoo.algorithms.moo.nsga3 import ReferenceDirectionSurvival
from pymoo.core.population import Population

from energy.costing.plan import price_plan
from energy.costing.population import price_population
from energy.events import WRITTEN
from energy.hardware.scenarios import Scenarios
from energy.networks.designs import DesignTable
from energy.networks.rules import rules
from evo.fronts.front import Front
from evo.methods import METHODS
from evo.objectives import FIGURES, OBJECTIVES, objectives
from evo.operators.survival import by_violation_then_chance, survival_for
from evo.problem.problem import JointProblem, Pricing
from evo.search import Search, SearchSettings
from experiments.config.errors import ConfigError
from experiments.config.read import read_config
from tests.unit.test_search import DEVICE, EXECUTIONS, FAMILY, TINY, Formula, explorer_of, finish, layout_of

SUPPLY = FAMILY.supply(100e-6)


@pytest.mark.parametrize("name", EXECUTIONS)
def test_figures_are_those_that_price_tells(name):
    rng = np.random.default_rng(1)
    networks = [TINY.network(arch) for arch in TINY.sample(rng, 8)]
    plans = []
    for network in networks:
        tables = [rules(name).table(layer) for layer in network.layers]
        plans.append(tuple(table[int(rng.integers(len(table)))] for table in tables))
    priced = price_population(networks, plans, DEVICE, Scenarios.of([SUPPLY]), EXECUTIONS[name])
    assert isinstance(tables[0], DesignTable)
    for row, (network, plan) in enumerate(zip(networks, plans, strict=True)):
        told = price_plan(network, plan, DEVICE, SUPPLY, EXECUTIONS[name])
        words = sum(layer.counts.get(event, 0) for layer in told.layers for event in WRITTEN)
        assert priced.nvm_written_bytes[row, 0] == words * DEVICE.word_bytes
        assert priced.vm_bytes[row, 0] == told.vm_bytes
        assert priced.energy_j[row, 0] == pytest.approx(told.energy_j)
    assert len(np.unique(priced.nvm_written_bytes)) > 4


def search_of(names, name="joint", **settings):
    pricing = Pricing(device=DEVICE, supply=SUPPLY)
    problem = JointProblem(layout_of(TINY, "ebbnas"), Formula(TINY), pricing, objectives(names))
    settings = SearchSettings(**{"population": 10, "evaluations": 60, "method": name, **settings})
    return Search(problem, explorer_of(SUPPLY, "ebbnas"), settings)


def test_every_pair_with_the_error_can_be_searched():
    for other in OBJECTIVES:
        if other != "error":
            search = search_of(("error", other))
            finish(search)
            found = search.archive.evaluations
            column = found.figures[:, FIGURES.index(OBJECTIVES[other].column)]
            np.testing.assert_array_equal(found.values[:, 1], column)
            expected = Front.of(np.column_stack([found.values[:, 0], column]), found.feasible)
            np.testing.assert_array_equal(search.front.rows, expected.rows)


@pytest.mark.parametrize("name", [name for name in METHODS if name not in ("score", "continuous")])
def test_three_objectives_survive_by_reference_points(name):
    search = search_of(("error", "latency", "nvm_writes"), name)
    finish(search)
    assert isinstance(search._algorithm.survival, ReferenceDirectionSurvival)
    assert search.front.values.shape[1] == 3
    again = search_of(("error", "latency", "nvm_writes"), name)
    for _ in range(2):
        again.step()
    other = search_of(("error", "latency", "nvm_writes"), name)
    other.restore(again.state())
    finish(other)
    np.testing.assert_array_equal(other.front.values, search.front.values)


def test_a_third_objective_is_searched_for():
    names = ("error", "latency", "nvm_writes")
    two, three = (search_of(own, evaluations=100, refinement_rate=0.25) for own in (names[:2], names))
    finish(two)
    finish(three)
    found = two.archive.evaluations
    columns = np.column_stack([found.values, found.figures[:, FIGURES.index("nvm_written_bytes")]])
    beside = Front.of(columns, found.feasible, objectives(names))
    assert three.front.hypervolume(beside.bounds) > beside.hypervolume(beside.bounds)


def test_parents_that_break_less_are_chosen():
    population = Population.new(CV=np.array([[0.0], [1.0], [0.0]]))
    pairs = np.array([[0, 1], [1, 2], [0, 2]] * 50)
    chosen = by_violation_then_chance(population, pairs, np.random.default_rng(0))[:, 0].reshape(50, 3)
    assert set(chosen[:, 0]) == {0}
    assert set(chosen[:, 1]) == {2}
    assert set(chosen[:, 2]) == {0, 2}


@pytest.mark.parametrize(("n_objectives", "population"), [(3, 4), (3, 50), (4, 50), (6, 20)])
def test_there_are_at_most_as_many_directions_as_survivors(n_objectives, population):
    directions = survival_for(n_objectives, population).ref_dirs
    assert directions.shape[1] == n_objectives
    assert n_objectives <= len(directions) <= max(population, n_objectives)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('["error", "latencies"]', "did you mean 'latency'?"),
        ('["latency", "error"]', "objectives must begin with error, not latency"),
        ('["error"]', "objectives must be at least two different names"),
    ],
)
def test_a_wrong_choice_is_told(value, expected):
    with pytest.raises(ConfigError, match=r"search\.objectives") as caught:
        read_config("watch", settings=[f"search.objectives={value}"])
    assert expected in str(caught.value)
