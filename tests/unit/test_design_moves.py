"""Moves of execution alone: what they change, how their share learns, and when a search makes them."""

import numpy as np
import pytest

from evo.methods import ADAPTIVE
from evo.objectives import DEFAULT_OBJECTIVES
from evo.operators.design_moves import LEAST_SHARE, MOST_SHARE, DesignShare, moved_designs
from evo.operators.repair import Refinement
from evo.operators.variation import random_genomes
from tests.unit.test_operators import LAYOUTS, designs_of
from tests.unit.test_search import EXECUTIONS, TINY, finish, new_search

LAYOUT = LAYOUTS["conv1d-3", "ebbnas"]


def test_a_move_changes_the_design_of_one_layer_and_no_network():
    rng = np.random.default_rng(3)
    best_designs = designs_of(LAYOUT)
    parents = Refinement(best_designs, 1.0).refine(random_genomes(LAYOUT, 60, rng), rng)
    children = moved_designs(best_designs, parents, rng)
    assert np.array_equal(LAYOUT.canonical(children), children)
    assert np.array_equal(children[:, LAYOUT.architecture], parents[:, LAYOUT.architecture])
    is_changed = (LAYOUT.designs(children) != LAYOUT.designs(parents)).any(axis=2)
    assert is_changed.sum(axis=1).max() == 1
    assert is_changed.any(axis=1).mean() > 0.7


def test_some_moves_take_a_candidate_of_the_explorer():
    rng = np.random.default_rng(3)
    best_designs = designs_of(LAYOUT)
    parents = Refinement(best_designs, 1.0).refine(random_genomes(LAYOUT, 60, rng), rng)
    children = moved_designs(best_designs, parents, rng)
    proposed = 0
    for before, after in zip(parents, children, strict=True):
        old, new = LAYOUT.decode(before), LAYOUT.decode(after)
        for layer, was, now in zip(old.network.layers, old.plan, new.plan, strict=True):
            proposed += was != now and now in best_designs.explorer.proposals(layer)
    assert proposed > 10


def front(kinds):
    """A straight front of which each member has a genome of its own; `kinds` says who bred it."""
    values = np.column_stack([np.linspace(0.1, 0.9, len(kinds)), np.logspace(1, 0, len(kinds))])
    genomes = np.arange(len(kinds))[:, None]
    bred = {kind: [genomes[row].tobytes() for row in np.flatnonzero(np.array(kinds) == kind)] for kind in "nd"}
    return genomes, values, bred


@pytest.mark.parametrize(
    ("kinds", "low", "high"),
    [("odddnd", 0.5, MOST_SHARE), ("onnndn", LEAST_SHARE, 0.5), ("ondndo", 0.3, 0.7)],
)
def test_the_share_follows_what_the_children_gained(kinds, low, high):
    share = DesignShare()
    genomes, values, bred = front(list(kinds))
    for _ in range(30):
        share.bred(bred["n"], bred["d"])
        share.learn(genomes, values, DEFAULT_OBJECTIVES)
    assert low <= share.share <= high


def test_the_share_stays_within_its_bounds_and_waits_for_both_kinds():
    share = DesignShare()
    genomes, values, bred = front(list("oddddo"))
    share.bred([], bred["d"])
    share.learn(genomes, values, DEFAULT_OBJECTIVES)
    assert share.share == LEAST_SHARE
    share.bred([b"never on the front"], bred["d"])
    share.learn(genomes, values, DEFAULT_OBJECTIVES)
    assert share.share == MOST_SHARE
    for _ in range(40):
        share.bred(bred["d"], [b"never on the front"])
        share.learn(genomes, values, DEFAULT_OBJECTIVES)
    assert share.share == pytest.approx(LEAST_SHARE)


def test_where_the_explorer_is_exact_no_plan_is_changed_and_else_some_are():
    is_changed = {}
    for name in EXECUTIONS:
        search = finish(new_search(name=name, evaluations=200, refinement_rate=ADAPTIVE))
        layout, explorer = search.problem.layout, search.explorer
        decoded = [layout.decode(genome) for genome in search.archive.evaluations.genomes]
        is_changed[name] = any(explorer.plan(one.network) != one.plan for one in decoded)
    assert is_changed == {"inas2021": False, "ebbnas": True}


def test_a_search_goes_on_with_designs_when_all_networks_are_known():
    exhausted = finish(new_search(name="inas2021", evaluations=2 * TINY.size, refinement_rate=ADAPTIVE))
    assert exhausted.log().n_networks == len(exhausted.archive) <= TINY.size
    search = finish(new_search(name="ebbnas", evaluations=2 * TINY.size, refinement_rate=ADAPTIVE))
    assert len(search.archive) > TINY.size
    assert search.log().n_networks >= 0.9 * TINY.size
