"""Hypervolumes of several runs: by hand, with budgets that are missing or empty, and one run alone."""

from __future__ import annotations

import json

import pytest

from experiments.front_table import RunFronts, comparisons, hypervolumes, text, to_dict


def run(space, seed, finetuned, inherited=None):
    fronts = {"finetuned": finetuned, "inherited": finetuned if inherited is None else inherited}
    return RunFronts(name=f"runs/{space}-{seed}", space=space, seed=seed, wall_s=60.0, fronts=fronts)


# Two ends of the union, (0.2, 10 s) and (0.4, 1 s), become (0, 1) and (1, 0); (0.3, 10^0.5 s) the middle.
WIDE = [(0.2, 10.0), (0.4, 1.0)]
MIDDLE = [(0.3, 10**0.5)]


def volumes_of(runs):
    return {(one.budget, one.space): one.of for one in hypervolumes(runs)}


def test_hypervolume_is_scaled_by_the_front_of_all_runs():
    found = volumes_of([run("a", 0, {"47uF": WIDE}), run("b", 0, {"47uF": MIDDLE})])
    # a: 1.1 * 0.1 + 0.1 * 1.1 less what both dominate, 0.1 * 0.1; b: 0.6 * 0.6
    assert found["47uF", "a"]["finetuned"] == {0: pytest.approx(0.21)}
    assert found["47uF", "b"]["finetuned"] == {0: pytest.approx(0.36)}
    # dominated designs change neither the scale nor a volume: (0.5, 20 s) is worse than all
    more = volumes_of([run("a", 0, {"47uF": [*WIDE, (0.5, 20.0)]}), run("b", 0, {"47uF": MIDDLE})])
    assert more["47uF", "a"]["finetuned"] == {0: pytest.approx(0.21)}


def test_kinds_are_scaled_on_their_own():
    runs = [run("a", 0, {"47uF": WIDE}, {"47uF": MIDDLE}), run("b", 0, {"47uF": MIDDLE}, {"47uF": MIDDLE})]
    # on one point only the reference point gives an extent: 1.1 * 1.1
    assert volumes_of(runs)["47uF", "a"]["inherited"] == {0: pytest.approx(1.21)}


def test_budget_that_a_run_lacks_has_no_volume_and_an_empty_front_has_zero():
    runs = [run("a", 0, {"47uF": WIDE, "1mF": MIDDLE}), run("a", 1, {"47uF": []}), run("b", 0, {"47uF": MIDDLE})]
    found = volumes_of(runs)
    assert found["47uF", "a"]["finetuned"] == {0: pytest.approx(0.21), 1: 0.0}
    assert found["1mF", "b"]["finetuned"] == {}
    shown = [line.split() for line in text(runs).splitlines()]
    assert [cells for cells in shown if cells[:2] == ["1mF", "b"]] == [
        ["1mF", "b", "fine-tuned", "-", "-", "-"],
        ["1mF", "b", "inherited", "-", "-", "-"],
    ]
    of_1mf = [one for one in comparisons(hypervolumes(runs)) if one.budget == "1mF"]
    assert {(one.n_seeds, one.in_every_seed, one.in_median) for one in of_1mf} == {(0, None, None)}


def test_budget_at_which_nothing_is_feasible_is_zero_for_all():
    found = volumes_of([run("a", 0, {"1uF": []}), run("b", 0, {"1uF": []})])
    assert found["1uF", "a"]["finetuned"] == found["1uF", "b"]["inherited"] == {0: 0.0}


def test_first_space_is_compared_with_the_second_in_each_seed_and_in_the_median():
    runs = [run("b", seed, {"47uF": MIDDLE}) for seed in (0, 1, 2)]
    # 0.21 against 0.36 in seeds 0 and 2; in seed 1 nothing is greater than the same front, nor in a seed of its own
    runs += [run("a", seed, {"47uF": WIDE}) for seed in (0, 2)]
    runs += [run("a", 1, {"47uF": MIDDLE}), run("a", 3, {"47uF": WIDE})]
    one = comparisons(hypervolumes(runs))[0]
    assert (one.first, one.second, one.kind) == ("b", "a", "finetuned")
    assert (one.n_wins, one.n_seeds, one.in_every_seed, one.in_median) == (2, 3, False, True)
    assert "b > a                 no (2 of 3)    yes" in text(runs)
    every = comparisons(hypervolumes([*runs[:3:2], *runs[3:5]]))[0]
    assert (every.n_wins, every.n_seeds, every.in_every_seed) == (2, 2, True)


def test_one_run_alone_is_compared_with_nothing():
    runs = [run("a", 7, {"47uF": WIDE})]
    assert comparisons(hypervolumes(runs)) == []
    assert "exceeds" not in text(runs)
    found = json.loads(json.dumps(to_dict(runs)))
    assert found["runs"] == [{"name": "runs/a-7", "space": "a", "seed": 7, "wall_s": 60.0}]
    assert found["hypervolumes"][0]["finetuned"] == {"median": pytest.approx(0.21), "seeds": {"7": pytest.approx(0.21)}}


def test_two_runs_of_one_space_and_seed_are_refused():
    rule = "runs must differ in space or seed: runs/a-0 and runs/a-0 are both of a with seed 0"
    with pytest.raises(ValueError, match=rule):
        hypervolumes([run("a", 0, {"47uF": WIDE}), run("a", 0, {"47uF": MIDDLE})])


def test_kinds_must_have_the_same_budgets():
    with pytest.raises(ValueError, match="same budgets in all kinds, those of runs/a-0 are not"):
        run("a", 0, {"47uF": WIDE}, {"1mF": WIDE})
    with pytest.raises(ValueError, match="fronts must be of finetuned, inherited, not of finetuned"):
        RunFronts(name="a", space="a", seed=0, wall_s=0.0, fronts={"finetuned": {}})
