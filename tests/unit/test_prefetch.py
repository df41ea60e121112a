"""Exploring beside the training: the same answers, ended with the block, and nothing in a large space."""

import threading

import pytest

from energy.precompile import precompile
from evo.genome.reachable_layers import reachable_layers
from experiments.pipeline import prefetch
from tests.unit.test_search import DEVICE, EXECUTIONS, FAMILY, TINY, Scenarios, explorer_for, rules

SCENARIOS = Scenarios.of([FAMILY.supply(100e-6)])
LAYERS = [layer for shapes in reachable_layers(TINY).values() for layer in shapes]


@pytest.fixture(autouse=True)
def compiled():
    precompile()


def new_explorer(name):
    return explorer_for(DEVICE, SCENARIOS, rules(name), EXECUTIONS[name])


@pytest.mark.parametrize("name", EXECUTIONS)
def test_layers_are_known_when_the_block_was_long_enough_and_the_answers_are_the_same(name, monkeypatch):
    explorer, own, asked, watched = new_explorer(name), new_explorer(name), [], threading.Event()

    def best(layers, whole=explorer.best):
        watched.wait(60)
        asked.append(layers)
        return whole(layers)

    monkeypatch.setattr(explorer, "best", best)
    with prefetch.exploring(explorer, TINY):
        (thread,) = [one for one in threading.enumerate() if one.name == "explorer"]
        watched.set()
        thread.join(60)
    assert {layer for layers in asked for layer in layers} == set(LAYERS)
    assert [explorer.designs(layer) for layer in LAYERS] == [own.designs(layer) for layer in LAYERS]


def test_the_thread_ends_with_the_block_even_where_that_raises():
    with pytest.raises(KeyboardInterrupt), prefetch.exploring(new_explorer("ebbnas"), TINY):
        raise KeyboardInterrupt
    assert "explorer" not in {one.name for one in threading.enumerate()}


def test_a_large_space_is_left_to_the_search(monkeypatch):
    monkeypatch.setattr(prefetch, "MOST_LAYERS", len(set(LAYERS)) - 1)
    with prefetch.exploring(new_explorer("ebbnas"), TINY):
        assert "explorer" not in {one.name for one in threading.enumerate()}
