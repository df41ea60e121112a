"""Ways to search: what each leaves out, what selection sees, and that all price and log alike."""

from dataclasses import replace

import numpy as np
import pytest

from energy.costing.population import price_population
from energy.hardware.scenarios import Scenarios
from energy.planning.planner import explorer_for
from energy.planning.protocol import ScenarioExplorer
from evo.fronts.front import Front
from evo.methods import METHODS, Planning, continuous_power, method, planning
from evo.operators.variation import random_genomes
from evo.problem.problem import Pricing
from evo.problem.variants import PROBLEMS
from evo.search import Search, SearchSettings
from tests.unit.test_search import DEVICE, EXECUTIONS, FAMILY, TINY, Formula, explorer_of, finish, layout_of


class NoExplorer:
    """An explorer that must not be asked."""

    shares_cycles = True

    def best(self, layers):
        raise AssertionError("the explorer was asked")

    plan = designs = best


def new(name, execution="ebbnas", capacitance_f=100e-6, explorer=None, **settings):
    chosen, supply = method(name), FAMILY.supply(capacitance_f)
    if explorer is None:
        plan_for = planning(chosen, Planning(device=DEVICE, supplies=(supply,), rules=layout_of(TINY, execution).rules))
        scenarios = Scenarios.of(plan_for.supplies)
        explorer = explorer_for(plan_for.device, scenarios, plan_for.rules, EXECUTIONS[execution])
        explorer = ScenarioExplorer(explorer=explorer, scenario=0)
    pricing = Pricing(device=DEVICE, supply=supply, execution=EXECUTIONS[execution])
    problem = PROBLEMS[chosen.selects_by](layout_of(TINY, execution), Formula(TINY), pricing)
    settings = {"population": 8, "evaluations": 40, "method": name, **settings}
    return Search(problem, explorer, SearchSettings(**settings))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("execution", EXECUTIONS)
def test_all_have_the_same_budget_and_can_be_left_off(name, execution):
    whole = new(name, execution)
    finish(whole)
    assert len(whole.archive) == 40
    begun = new(name, execution)
    for _ in range(2):
        begun.step()
    again = new(name, execution)
    again.restore(begun.state())
    finish(again)
    np.testing.assert_array_equal(again.archive.evaluations.genomes, whole.archive.evaluations.genomes)
    np.testing.assert_array_equal(again.front.values, whole.front.values)


@pytest.mark.parametrize("name", ["plain", "random"])
def test_without_the_explorer(name):
    finish(new(name, explorer=NoExplorer()))
    with pytest.raises(AssertionError, match="asked"):
        finish(new("nested", explorer=NoExplorer()))


@pytest.mark.parametrize("name", ["nested", "random-networks", "score"])
def test_every_network_has_the_plan_of_the_explorer(name):
    search = new(name)
    finish(search)
    for genome in search.archive.evaluations.genomes:
        decoded = search.problem.layout.decode(genome)
        assert decoded.plan == search.explorer.plan(decoded.network)


def test_random_ways_draw_without_a_look_at_what_was_found():
    search = new("random")
    finish(search)
    found = search.archive.evaluations.genomes
    drawn = search._algorithm.mating._do(search.problem, None, 6, front=found, random_state=np.random.default_rng(3))
    expected = random_genomes(search.problem.layout, 6, np.random.default_rng(3))
    np.testing.assert_array_equal(drawn.get("X"), expected)


def test_the_score_is_what_selection_sees():
    search = new("score")
    finish(search)
    found = search.archive.evaluations
    values, violations = search.problem.fitness(found)
    assert values.shape == (40, 1)
    row = int(np.flatnonzero(found.feasible)[0])
    error, latency_s = found.values[row]
    assert -values[row, 0] == pytest.approx((1 - error) * latency_s**-0.07)
    np.testing.assert_array_equal(violations, found.violations)
    # The survivors of the last generation are those that score best.
    best = np.sort(values[found.feasible, 0])[:8]
    np.testing.assert_allclose(np.sort(search._algorithm.pop.get("F")[:, 0]), best)


def test_continuous_power_is_one_cycle_without_a_wait():
    supply = continuous_power(FAMILY.supply(47e-6))
    network = TINY.network(TINY.largest)
    explorer = explorer_of(supply, "ebbnas")
    priced = price_population([network], [explorer.plan(network)], DEVICE, Scenarios.of([supply]), EXECUTIONS["ebbnas"])
    assert priced.power_cycles.item() == 1
    powerful = replace(supply, capacitance_f=10 * supply.capacitance_f, resistance_ohm=supply.resistance_ohm / 100)
    again = price_population(
        [network], [explorer.plan(network)], DEVICE, Scenarios.of([powerful]), EXECUTIONS["ebbnas"]
    )
    assert again.latency_s.item() == pytest.approx(priced.latency_s.item(), rel=1e-6)


def test_designs_for_continuous_power_are_priced_as_power_fails():
    search = new("continuous", "inas2021", capacitance_f=30e-6)
    finish(search)
    found = search.archive.evaluations
    _, violations = search.problem.fitness(found)
    assert (violations == 0).all(), "plugged in, every design is safe"
    assert not found.feasible.all(), "on a small capacitor some are not"
    assert len(search.front) == len(Front.of(found.values, found.feasible))
    nested = new("nested", "inas2021", capacitance_f=30e-6)
    finish(nested)
    assert nested.archive.evaluations.feasible.sum() > found.feasible.sum()


def test_an_unknown_way_is_told():
    with pytest.raises(ValueError, match=r"method must be one of .*'nestd'; did you mean 'nested'\?"):
        SearchSettings(method="nestd")
