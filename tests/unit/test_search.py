"""The search: books, limits, bit-for-bit continuation, archive, infeasible runs, and that it beats chance."""

import hashlib
import pickle
import random
import subprocess
import sys
from functools import cache

import numpy as np
import pytest

from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import read_supply_family
from energy.networks.rules import rules
from energy.planning.planner import explorer_for
from energy.scheduling.execution import PACKED, PUBLISHED
from evo.fronts.front import Front
from evo.genome.layout import JointGenome
from evo.objectives import CONSTRAINTS
from evo.problem.problem import JointProblem, Pricing
from evo.search import STALL, Search, SearchSettings, stream
from models.spaces import Space, Stage, preset
from tests.support.baselines import random_explored, random_joint

TINY = Space(
    name="tiny",
    input_shape=(16, 1, 6),
    n_classes=7,
    stages=(Stage(kernels=(3, 5), channels=(4, 8), depths=(1, 2, 3), residuals=(False, True)),),
)
DEVICE = read_device("msp430fr5994-tinas2025")
FAMILY = read_supply_family("tinas2025")


class Formula:
    """Accuracy that saturates in the logarithm of the parameters; counts how often it is asked."""

    kind, split = "formula", "val"

    def __init__(self, space):
        self.space, self.asked = space, []

    def evaluate(self, archs):
        self.asked += [arch.tobytes() for arch in archs]
        n_parameters = np.array([self.space.network(arch).n_parameters for arch in archs])
        return 0.9 - 0.5 * np.exp(-np.log(n_parameters / 100) / 2) + 0.005 * np.sin(n_parameters)


EXECUTIONS = {"inas2021": PUBLISHED, "ebbnas": PACKED}

both_executions = pytest.mark.parametrize("name", EXECUTIONS)
"""Published rules and counting, one batch a power cycle; and ours, packed."""


def new_search(space=TINY, capacitance_f=100e-6, layout=None, name="inas2021", **settings):
    supply = FAMILY.supply(capacitance_f)
    layout = layout or layout_of(space, name)
    problem = JointProblem(layout, Formula(space), Pricing(device=DEVICE, supply=supply, execution=EXECUTIONS[name]))
    settings = SearchSettings(**{"population": 8, "evaluations": 40, **settings})
    return Search(problem, explorer_of(supply, name), settings)


@cache
def layout_of(space, name):
    return JointGenome(space, rules(name))


@cache
def explorer_of(supply, name):
    return explorer_for(DEVICE, Scenarios.of([supply]), rules(name), EXECUTIONS[name])


def finish(search):
    while not search.done:
        search.step()
    return search


def content(search):
    found = search.archive.evaluations
    return [
        found.genomes.tobytes(),
        found.values.tobytes(),
        found.violations.tobytes(),
        search.archive.generations.tobytes(),
    ]


def digest(search):
    return hashlib.sha256(b"".join(content(search))).hexdigest()


@both_executions
@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
def test_a_search_prices_no_more_than_it_may_and_nothing_twice(rate, name):
    search = new_search(evaluations=45, refinement_rate=rate, name=name)
    logs = []
    while not search.done:
        logs.append(search.step())
    found = search.archive.evaluations
    # 45 hold five generations of eight
    assert len(found) == 40
    assert len(np.unique(found.genomes, axis=0)) == len(found)
    assert np.array_equal(search.problem.layout.canonical(found.genomes), found.genomes)
    assert [(log.generation, log.n_evaluations) for log in logs] == [(k, 8 * k) for k in range(1, 6)]
    assert logs[-1].front_size == len(search.front) > 1


def test_accuracies_are_asked_once_a_network():
    search = finish(new_search())
    asked = search.problem.accuracy.asked
    assert len(asked) == len(set(asked)) == search.log().n_networks


def test_the_front_comes_from_everything_that_was_priced():
    search = finish(new_search())
    found = search.archive.evaluations
    assert search.front.rows.tolist() == Front.of(found.values, found.feasible).rows.tolist()


@both_executions
def test_the_log_never_gets_worse(name):
    search = new_search(refinement_rate=0.5, name=name)
    bounds = finish(new_search(seed=1, name=name)).front.bounds
    search.bounds = bounds
    logs = []
    while not search.done:
        logs.append(search.step())
    assert np.all(np.diff([log.hypervolume for log in logs]) >= 0)
    assert logs[-1].hypervolume == search.front.hypervolume(bounds) > 0
    assert logs[-1].best["latency"] == search.front.values[:, 1].min()


@both_executions
def test_the_same_seed_gives_the_same_search_whatever_the_global_state(name):
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002 - the global state must not matter
    first = content(finish(new_search(name=name)))
    random.seed(2)
    np.random.seed(2)  # noqa: NPY002
    assert content(finish(new_search(name=name))) == first
    assert content(finish(new_search(seed=1, name=name))) != first


def test_the_global_state_is_not_touched():
    np.random.seed(3)  # noqa: NPY002
    before = pickle.dumps(np.random.get_state())  # noqa: NPY002
    finish(new_search())
    assert pickle.dumps(np.random.get_state()) == before  # noqa: NPY002


@both_executions
@pytest.mark.parametrize("rate", [0.0, 0.25])
def test_a_restored_search_continues_bit_for_bit(rate, name):
    search = new_search(refinement_rate=rate, name=name)
    for _ in range(3):
        search.step()
    state = search.state()
    assert len(state) < 1_000_000
    resumed = new_search(refinement_rate=rate, name=name)
    resumed.restore(state)
    assert resumed.generation == 3
    assert content(finish(resumed)) == content(finish(search))


def test_patience_ends_a_search_whose_front_stands_still_and_changes_nothing_before():
    patient = finish(new_search(evaluations=400, name="ebbnas"))
    search = finish(new_search(evaluations=400, patience=3, name="ebbnas"))
    assert search.has_stalled
    assert 3 < search.generation < patient.generation
    n = len(search.archive)
    assert np.array_equal(search.archive.evaluations.genomes, patient.archive.evaluations.genomes[:n])
    found, generations = search.archive.evaluations, search.archive.generations
    fronts = [
        Front.of(found.values, found.feasible & (generations <= last)) for last in range(1, search.generation + 1)
    ]
    ratios = [before.hypervolume_ratio(after) for before, after in zip(fronts, fronts[3:], strict=False)]
    assert ratios[-1] > 1 - STALL
    assert all(ratio <= 1 - STALL for ratio in ratios[:-1])
    patient = new_search(evaluations=400, name="ebbnas")
    patient.restore(search.state())
    assert not patient.done


@both_executions
def test_a_state_does_not_depend_on_what_else_the_process_met(name):
    """Layer shapes are numbered as they are met; a checkpoint must not carry the numbers."""
    search = new_search(refinement_rate=0.25, name=name)
    search.step()
    state = search.state()
    resumed = new_search(refinement_rate=0.25, layout=JointGenome(TINY, rules(name)), name=name)
    for arch in TINY.enumerate()[::-1]:
        for layer in TINY.network(arch).layers[::-1]:
            resumed.problem.layout.legal.shape_id(layer)
    resumed.restore(state)
    assert content(finish(resumed)) == content(finish(search))


@both_executions
def test_a_finished_search_is_extended_as_if_it_had_never_stopped(name):
    short = finish(new_search(evaluations=30, name=name))
    longer = new_search(evaluations=48, name=name)
    longer.restore(short.state())
    assert content(finish(longer)) == content(finish(new_search(evaluations=48, name=name)))


@both_executions
def test_another_process_finds_the_same(root, name):
    program = f"from tests.unit.test_search import *; print(digest(finish(new_search(name={name!r}))))"
    run = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == digest(finish(new_search(name=name)))


@pytest.mark.parametrize(
    ("state", "message"),
    [(b"", "cannot be read"), (b"\x80\x05nonsense", "cannot be read")],
)
def test_a_damaged_state_is_refused(state, message):
    with pytest.raises(ValueError, match=message):
        new_search().restore(state)


def test_a_truncated_state_is_refused_and_changes_nothing():
    search = new_search()
    search.step()
    before = content(search)
    with pytest.raises(ValueError, match="cannot be read"):
        search.restore(search.state()[:-100])
    assert content(search) == before


def test_the_state_of_another_search_is_refused():
    other = new_search(seed=1)
    other.step()
    with pytest.raises(ValueError, match="state of a search must be that of"):
        new_search().restore(other.state())


def test_the_state_of_a_search_under_other_rules_is_refused():
    other = new_search(name="ebbnas")
    other.step()
    with pytest.raises(ValueError, match="state of a search must be that of"):
        new_search().restore(other.state())


@both_executions
def test_without_anything_feasible_the_least_infeasible_is_named_with_its_amount(name):
    # 5 uF store less than a boot takes: 0.6 x 5e-6 x (4.535^2 - 3.29^2) / 2 = 14.6 uJ, a boot 77.9 uJ
    search = finish(new_search(capacitance_f=5e-6, name=name))
    log = search.log()
    assert (log.n_feasible, log.front_size, len(search.front)) == (0, 0, 0)
    assert log.best == {"error": np.inf, "latency": np.inf}
    misses = search.least_infeasible(3)
    assert len(misses) == 3
    assert misses[0].constraint.name == "energy"
    cycle_budget_j = search.problem.pricing.supply.cycle_budget_j
    assert misses[0].amount > 7.788e-5 - cycle_budget_j
    assert misses[0].violation == pytest.approx(log.least_violation)
    assert misses[0].violation >= misses[0].amount / cycle_budget_j
    assert [miss.violation for miss in misses] == sorted(miss.violation for miss in misses)


def test_evolution_alone_lowers_the_violation():
    """At 25 uF nearly nothing fits: selection by violation must work although every latency is infinite."""
    search = new_search(preset("conv1d-3"), 25e-6, refinement_rate=0.0, evaluations=200)
    first = search.step()
    assert first.n_feasible == 0
    finish(search)
    assert search.log().least_violation < first.least_violation


@pytest.mark.parametrize(("name", "n_evaluations"), [("inas2021", 300), ("ebbnas", 150)])
def test_evolution_alone_beats_random_joint_genomes(name, n_evaluations):
    effort = {"population": 30, "evaluations": n_evaluations, "refinement_rate": 0.0}
    for seed in range(2):
        search = finish(new_search(preset("conv1d-3"), name=name, seed=seed, **effort))
        chance = random_joint(search.problem, n_evaluations, stream(seed, "random"))
        lucky = Front.of(chance.values, chance.feasible)
        both = Front.of(np.vstack([search.front.values, lucky.values]))
        assert search.front.hypervolume_ratio(both) > lucky.hypervolume_ratio(both)


@pytest.mark.parametrize(("name", "population"), [("inas2021", 30), ("ebbnas", 15)])
def test_exact_refinement_beats_random_networks_with_exact_designs(name, population):
    effort = {"population": population, "evaluations": 5 * population, "refinement_rate": 0.5}
    search = finish(new_search(preset("conv1d-3"), name=name, **effort))
    chance = random_explored(search.problem, search.explorer, 5 * population, stream(0, "random"))
    lucky = Front.of(chance.values, chance.feasible)
    assert search.front.hypervolume(lucky.bounds) > lucky.hypervolume(lucky.bounds)


@both_executions
def test_violations_are_shares_of_their_limits(name):
    search = finish(new_search(capacitance_f=5e-6, refinement_rate=0.0, name=name))
    found = search.archive.evaluations
    assert found.amounts.shape == found.violations.shape == (40, len(CONSTRAINTS))
    # without a deadline nothing is late, for any divisor
    limits = [search.problem.pricing.supply.cycle_budget_j, DEVICE.vm_bytes, DEVICE.nvm_bytes, 1.0]
    assert not found.amounts[:, 3].any()
    np.testing.assert_allclose(found.violations * limits, found.amounts)
    assert not found.feasible.any()
    assert np.isinf(found.values[:, 1]).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": 1}, "population must be a whole number of at least 2, not 1"),
        ({"population": 50, "evaluations": 49}, "evaluations must be a whole number of at least 50, not 49"),
        ({"patience": 0}, "patience must be a whole number of at least 1, not 0"),
        ({"refinement_rate": 1.5}, "refinement_rate must be at most 1, not 1.5"),
        ({"refinement_rate": -0.1}, "refinement_rate must be at least 0, not -0.1"),
        ({"seed": -1}, "seed must be a whole number of at least 0, not -1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SearchSettings(**settings)
