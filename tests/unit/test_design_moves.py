"""Moves of execution alone: what they change, how their share learns, and when a search makes them."""

import numpy as np
import pytest

from evo.genome.legal_designs import ABSENT
from evo.methods import ADAPTIVE
from evo.objectives import DEFAULT_OBJECTIVES
from evo.operators import design_moves
from evo.operators.design_moves import LEAST_SHARE, MOST_SHARE, DesignShare, moved_designs
from evo.operators.repair import Refinement
from evo.operators.variation import random_genomes
from tests.unit.test_operators import LAYOUTS, designs_of
from tests.unit.test_search import EXECUTIONS, TINY, finish, new_search

LAYOUT = LAYOUTS["conv1d-3", "ebbnas"]


def test_a_move_changes_the_design_of_one_layer_or_of_two_neighbours_and_no_network():
    rng = np.random.default_rng(3)
    best_designs = designs_of(LAYOUT)
    parents = Refinement(best_designs, 1.0).refine(random_genomes(LAYOUT, 60, rng), rng)
    children = moved_designs(best_designs, parents, rng)
    assert np.array_equal(LAYOUT.canonical(children), children)
    assert np.array_equal(children[:, LAYOUT.architecture], parents[:, LAYOUT.architecture])
    is_changed = (LAYOUT.designs(children) != LAYOUT.designs(parents)).any(axis=2)
    assert is_changed.any(axis=1).mean() > 0.7
    for row, changed in zip(LAYOUT.shape_ids(parents), is_changed, strict=True):
        present = np.flatnonzero(row != ABSENT)
        places = np.searchsorted(present, np.flatnonzero(changed))
        assert len(places) <= 1 or (len(places) == 2 and places[1] == places[0] + 1)
    assert 0.05 < (is_changed.sum(axis=1) == 2).mean() < 0.5


def climbed(n_moves):
    """Worth after moves that never make it worse, where changing one of two layers alone always does."""
    rng = np.random.default_rng(0)
    best_designs = designs_of(LAYOUT)
    best = Refinement(best_designs, 1.0).refine(random_genomes(LAYOUT, 1, rng), rng)
    ids = LAYOUT.shape_ids(best)[0]
    first, second = np.flatnonzero(ids != ABSENT)[:2]
    proposed = [best_designs.proposals(int(ids[at])) for at in (first, second)]
    ranks = [{tuple(genes): rank for rank, genes in enumerate(one)} for one in proposed]

    def worth(genome):
        designs = LAYOUT.designs(genome[None])[0]
        one, other = (rank.get(tuple(designs[at]), -9) for rank, at in zip(ranks, (first, second), strict=True))
        return one + other - 4 * abs(one - other)

    for _ in range(n_moves):
        child = moved_designs(best_designs, best, rng)
        if worth(child[0]) >= worth(best[0]):
            best = child
    return worth(best[0]), [len(rank) for rank in ranks]


def test_moves_of_two_neighbours_reach_what_moves_of_one_do_not(monkeypatch):
    reached, counts = climbed(3000)
    assert min(counts) > 2
    monkeypatch.setattr(design_moves, "PAIR_SHARE", 0.0)
    alone, _ = climbed(3000)
    assert reached > alone


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
