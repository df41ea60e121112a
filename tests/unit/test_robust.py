"""Designs for several supplies at once: what counts, what is safe, and where the search starts from."""

from itertools import product

import numpy as np
import pytest

from energy.costing.population import price_population
from energy.hardware.scenarios import Scenarios
from energy.networks.rules import rules
from energy.planning.planner import explorer_for
from energy.scheduling.execution import PACKED
from evo.fronts.front import Front
from evo.objectives import CONSTRAINTS
from evo.problem.problem import JointProblem, Pricing
from evo.robust import RobustExplorer, latency_factor
from evo.search import Search, SearchSettings
from tests.unit.test_search import DEVICE, FAMILY, TINY, Formula, finish, layout_of

SUPPLIES = [FAMILY.supply(*pair) for pair in product((47e-6, 470e-6), (3e3, 5e3))]
"""Two capacitors with two harvesters each."""


def pricing_of(over="worst", supplies=SUPPLIES, **settings):
    return Pricing(device=DEVICE, supply=supplies[0], more_supplies=tuple(supplies[1:]), over=over, **settings)


def problem_of(pricing):
    return JointProblem(layout_of(TINY, "ebbnas"), Formula(TINY), pricing)


def explorer_of(pricing):
    explorer = explorer_for(DEVICE, pricing.scenarios, rules("ebbnas"), PACKED)
    return RobustExplorer(explorer=explorer, pricing=pricing)


def evaluated(pricing, genomes):
    return problem_of(pricing).price(genomes)


@pytest.fixture(scope="module")
def genomes():
    settings = SearchSettings(population=8, evaluations=40, method="plain")
    search = Search(problem_of(pricing_of()), explorer_of(pricing_of()), settings)
    finish(search)
    return search.archive.evaluations.genomes


def test_several_supplies_count_as_each_alone(genomes):
    alone = [evaluated(pricing_of(supplies=[supply], deadline_s=4.0), genomes) for supply in SUPPLIES]
    latencies_s = np.column_stack([found.values[:, 1] for found in alone])
    worst = evaluated(pricing_of("worst", deadline_s=4.0), genomes)
    mean = evaluated(pricing_of("mean", deadline_s=4.0), genomes)
    np.testing.assert_array_equal(worst.values[:, 1], latencies_s.max(axis=1))
    np.testing.assert_allclose(mean.values[:, 1], np.exp(np.log(latencies_s).mean(axis=1)))
    for together in (worst, mean):
        np.testing.assert_array_equal(together.feasible, np.all([found.feasible for found in alone], axis=0))
        np.testing.assert_array_equal(together.amounts, np.max([found.amounts for found in alone], axis=0))
        np.testing.assert_allclose(together.violations, np.max([found.violations for found in alone], axis=0))
    assert together.feasible.any()
    assert not together.feasible.all()
    assert {row.name for row in np.array(CONSTRAINTS)[(worst.amounts > 0).any(axis=0)]} >= {"energy", "deadline"}


@pytest.mark.parametrize("over", ["worst", "mean"])
def test_the_plan_is_the_best_of_those_for_each_supply(over):
    pricing = pricing_of(over)
    explorer = explorer_of(pricing)
    network = TINY.network(TINY.largest)
    plans = [explorer.explorer.plan(network, index) for index in range(len(SUPPLIES))]
    latency_s = price_population([network] * 4, plans, DEVICE, pricing.scenarios, PACKED).latency_s
    counted = latency_s.max(axis=1) if over == "worst" else np.exp(np.log(latency_s).mean(axis=1))
    chosen = price_population([network], [explorer.plan(network)], DEVICE, pricing.scenarios, PACKED).latency_s[0]
    assert np.isfinite(chosen).all()
    assert np.isinf(latency_s).any(), "a plan for the large capacitor is unsafe on the small one"
    assert (chosen.max() if over == "worst" else np.exp(np.log(chosen).mean())) == pytest.approx(counted.min())


def test_the_search_finds_designs_that_are_safe_everywhere():
    pricing = pricing_of()
    search = Search(problem_of(pricing), explorer_of(pricing), SearchSettings(population=8, evaluations=80))
    finish(search)
    layout = search.problem.layout
    decoded = [layout.decode(genome) for genome in search.archive.evaluations.genomes[search.front.rows]]
    assert len(decoded) >= 2
    for supply in SUPPLIES:
        scenarios = Scenarios.of([supply])
        assert price_population(
            [one.network for one in decoded], [one.plan for one in decoded], DEVICE, scenarios
        ).feasible.all()
    again = Search(problem_of(pricing), explorer_of(pricing), search.settings)
    again.step()
    other = Search(problem_of(pricing), explorer_of(pricing), search.settings)
    other.restore(again.state())
    finish(other)
    np.testing.assert_array_equal(other.front.values, search.front.values)


def test_latency_factor_counts_designs_that_are_as_accurate():
    special = Front.of([[0.1, 8.0], [0.2, 4.0], [0.3, 2.0]])
    assert latency_factor(special, special) == 1
    assert latency_factor(Front.of([[0.15, 6.0]]), special) == pytest.approx((6 / 4 + 6 / 2) / 2)
    assert np.isnan(latency_factor(Front.of([[0.5, 1.0]]), special))


def test_an_unknown_mean_is_told():
    with pytest.raises(ValueError, match="over must be one of worst, mean, not 'median'"):
        pricing_of("median")
