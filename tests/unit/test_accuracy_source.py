"""Accuracies that are predicted until they are measured, and a search that asks for what its front proposes."""

import numpy as np
import pytest

from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import read_supply_family
from energy.networks.rules import rules
from energy.planning.planner import explorer_for
from energy.planning.protocol import ScenarioExplorer
from energy.scheduling.execution import PACKED
from evo.genome.layout import JointGenome
from evo.problem.problem import JointProblem, LearningSource, Pricing
from evo.search import LEARN_EVERY, Search, SearchSettings
from models.predictor.gaussian_process import Predictor
from models.predictor.source import PredictedAccuracies, Remembering
from models.spaces import Space, Stage

SPACE = Space(
    name="tiny",
    input_shape=(16, 1, 6),
    n_classes=7,
    stages=(Stage(kernels=(3, 5, 7), channels=(4, 8, 12)), Stage(kernels=(3, 5, 7), channels=(4, 8, 12))),
)


class Truth:
    """Accuracy that rises with every gene, and a bump that no additive guess foresees; counts what it is asked."""

    kind, split = "inherited", "val"

    def __init__(self):
        self.asked = []

    def evaluate(self, archs):
        self.asked += [arch.tobytes() for arch in archs]
        return 0.3 + 0.05 * archs.sum(axis=1) + 0.1 * (archs[:, 0] == archs[:, 2])


def sampled(n=12):
    return SPACE.enumerate()[np.random.default_rng(0).permutation(SPACE.size)[:n]]


def source(truth=None):
    truth = truth or Truth()
    archs = sampled()
    return PredictedAccuracies(Predictor.fit(SPACE, archs, truth.evaluate(archs)), Remembering(truth))


def test_what_was_measured_is_given_exactly_and_the_rest_is_predicted():
    one = source()
    assert np.array_equal(one.evaluate(sampled()), Truth().evaluate(sampled()))
    others = SPACE.enumerate()[~one.is_measured(SPACE.enumerate())]
    assert len(others) == SPACE.size - 12
    assert np.array_equal(one.evaluate(others), one.predictor.evaluate(others))


def test_learning_measures_each_network_once_and_changes_the_predictions():
    truth = Truth()
    one = source(truth)
    new = SPACE.enumerate()[~one.is_measured(SPACE.enumerate())][:5]
    before = one.predictor.evaluate(SPACE.enumerate())
    one.learn(np.vstack([new, new, sampled()]))
    assert np.array_equal(one.evaluate(new), Truth().evaluate(new))
    assert not np.array_equal(one.predictor.evaluate(SPACE.enumerate()), before)
    one.learn(new)
    assert len(truth.asked) == 12 + 5


def test_a_restored_source_predicts_what_the_first_did():
    one, two = source(), source()
    one.learn(SPACE.enumerate()[:7])
    one.learn(SPACE.enumerate()[30:35])
    two.restore(one.learnt, one.learnt_accuracies)
    assert np.array_equal(two.evaluate(SPACE.enumerate()), one.evaluate(SPACE.enumerate()))
    assert one.anew().evaluate(SPACE.enumerate()).tolist() == source().evaluate(SPACE.enumerate()).tolist()


def test_a_remembering_source_asks_once():
    truth = Truth()
    one = Remembering(truth)
    assert np.array_equal(one.evaluate(sampled()), one.evaluate(sampled()))
    assert len(truth.asked) == 12
    assert (one.kind, one.split) == ("inherited", "val")


def new_search(evaluations=80):
    supply = read_supply_family("tinas2025").supply(100e-6)
    device, ebbnas = read_device("msp430fr5994-tinas2025"), rules("ebbnas")
    layout = JointGenome(SPACE, ebbnas)
    explorer = ScenarioExplorer(explorer=explorer_for(device, Scenarios.of([supply]), ebbnas, PACKED), scenario=0)
    problem = JointProblem(layout, source(), Pricing(device=device, supply=supply))
    return Search(problem, explorer, SearchSettings(population=8, evaluations=evaluations))


def errors_of(search):
    found = search.archive.evaluations
    return found.values[:, 0], 1 - Truth().evaluate(found.genomes[:, search.problem.layout.architecture])


def test_the_front_of_a_search_is_measured_in_the_end():
    search = new_search()
    assert isinstance(search.problem.accuracy, LearningSource)
    while not search.done:
        search.step()
    search.measure_front()
    given, true = errors_of(search)
    assert given[search.front.rows] == pytest.approx(true[search.front.rows])
    assert len(search.problem.accuracy.learnt)


def test_a_search_that_learns_goes_on_bit_for_bit():
    whole, first = new_search(), new_search()
    for _ in range(LEARN_EVERY + 1):
        first.step()
    resumed = new_search()
    resumed.restore(first.state())
    while not whole.done:
        whole.step()
    while not resumed.done:
        resumed.step()
    assert np.array_equal(resumed.archive.evaluations.values, whole.archive.evaluations.values)


def test_the_population_is_valued_as_the_archive_is():
    search = new_search()
    for _ in range(LEARN_EVERY):
        search.step()
    assert len(search.problem.accuracy.learnt)
    found = search.archive.evaluations
    row_of = {genome.tobytes(): row for row, genome in enumerate(found.genomes)}
    for one in search._algorithm.pop:
        assert one.F[0] == found.values[row_of[one.X.tobytes()], 0]
