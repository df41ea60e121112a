"""Methods compared: by hand, with empty fronts, one seed and one method, as text, CSV and LaTeX."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from experiments.comparison.comparison import Comparison, MethodFronts
from experiments.comparison.tables import files, pair_table, summary_table, text, verdict

# Two ends of the union, (0.2, 10 s) and (0.4, 1 s), become (0, 1) and (1, 0); (0.3, 10^0.5 s) the middle.
WIDE = np.array([(0.2, 10.0), (0.4, 1.0)])
MIDDLE = np.array([(0.3, 10**0.5)])
EMPTY = np.empty((0, 2))


def method(label, *fronts, first_seed=0):
    return MethodFronts(label=label, fronts={first_seed + i: {"47uF": front} for i, front in enumerate(fronts)})


def compare(*methods):
    return Comparison.of(methods, "finetuned")


def summary(found, label):
    (one,) = (one for one in found.summaries if one.method == label)
    return one


def test_all_runs_share_the_bounds_of_the_front_of_all():
    found = compare(method("a", WIDE), method("b", MIDDLE))
    # a: 1.1 * 0.1 + 0.1 * 1.1 less what both dominate, 0.1 * 0.1; b: 0.6 * 0.6
    assert summary(found, "a").values("hypervolume") == [pytest.approx(0.21)]
    assert summary(found, "b").values("hypervolume") == [pytest.approx(0.36)]
    # the reference has three members; a lacks 0.5 at the middle, b at both ends
    assert summary(found, "a").values("igd_plus") == [pytest.approx(0.5 / 3)]
    assert summary(found, "b").values("igd_plus") == [pytest.approx(1.0 / 3)]
    assert summary(found, "a").values("epsilon") == [pytest.approx(0.5)]
    # designs that all others dominate change nothing
    more = compare(method("a", np.vstack([WIDE, [(0.5, 20.0)]])), method("b", MIDDLE))
    assert summary(more, "a").values("hypervolume") == [pytest.approx(0.21)]


def test_medians_and_pairwise_tests_are_over_seeds():
    found = compare(method("a", WIDE, WIDE, MIDDLE), method("b", MIDDLE, MIDDLE, WIDE))
    median = summary(found, "a").medians["hypervolume"]
    assert (median.median, median.low, median.high) == pytest.approx((0.21, 0.21, 0.36))
    assert median.coverage == 0.75
    (one,) = found.pairwise_tests
    # of nine pairs a exceeds in one (0.36, 0.21), is equal in two by two
    assert one.test.effect == pytest.approx((1 + 4 / 2) / 9)
    assert (one.n_wins, one.n_shared) == (1, 3)
    assert one.p_holm == one.test.p
    apart = compare(method("a", WIDE), method("b", MIDDLE, first_seed=5))
    assert (apart.pairwise_tests[0].n_shared, apart.pairwise_tests[0].test) == (0, None)


def budgets(label, fronts):
    return MethodFronts(label=label, fronts={seed: {"1mF": one, "47uF": one} for seed, one in enumerate(fronts)})


def test_p_is_corrected_for_all_pairs_and_budgets_together():
    fronts = [np.array([(0.3 + 0.01 * i, 2.0)]) for i in range(15)]
    found = Comparison.of(
        [budgets(name, fronts[k : k + 5]) for k, name in ((0, "a"), (5, "b"), (10, "c"))], "finetuned"
    )
    assert len(found.pairwise_tests) == 6
    # each lies wholly apart: p = 2 / C(10, 5); six tests
    assert [one.test.p for one in found.pairwise_tests] == pytest.approx([2 / 252] * 6)
    assert [one.p_holm for one in found.pairwise_tests] == pytest.approx([12 / 252] * 6)
    assert "Significant at 0.05: 1mF a over b;" in verdict(found)


def test_one_seed_a_method_says_that_no_test_is_possible():
    found = compare(method("a", WIDE), method("b", MIDDLE))
    assert found.pairwise_tests[0].test is None
    assert "One seed per method: no test is possible" in text(found)
    assert pair_table(found).rows == [["47uF", "a", "b", "-", "-", "-", "0 of 1 seeds"]]
    assert summary_table(found).rows[0][:5] == ["47uF", "a", "1", "0.210", "-"]
    mixed = compare(method("a", WIDE, WIDE), method("b", MIDDLE))
    assert "No test is possible: in every pair one method has a single seed." in verdict(mixed)


def test_few_seeds_are_told_that_they_are_too_few():
    found = compare(method("a", WIDE, WIDE, WIDE), method("b", MIDDLE, MIDDLE, MIDDLE))
    said = verdict(found)
    assert "No difference is significant at 0.05.\nWith so few seeds none could be: p is at least 0.100" in said
    assert "covers 75 % with 3" in said


def test_one_method_alone_has_medians_and_no_pairwise_test():
    found = compare(method("all runs", WIDE, MIDDLE))
    assert found.pairwise_tests == ()
    assert "p (Holm)" not in text(found)
    assert set(files(found, {("all runs", 0): "x", ("all runs", 1): "y"})) == {
        "compare.txt", "runs.csv", "medians.csv", "medians.tex",
    }  # fmt: skip


def test_a_front_that_is_empty_has_no_distance_and_the_rest_has():
    found = compare(method("a", EMPTY, EMPTY), method("b", MIDDLE, MIDDLE))
    assert summary(found, "a").values("hypervolume") == [0.0, 0.0]
    as_json = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert as_json["summaries"][0]["seeds"]["0"]["igd_plus"] is None
    assert as_json["summaries"][0]["epsilon"]["median"] is None
    assert summary_table(found).rows[0][5:7] == ["-", "- to -"]
    nothing = compare(method("a", EMPTY), method("b", EMPTY))
    assert nothing.to_dict()["bounds"] == {"47uF": None}
    assert summary(nothing, "b").values("hypervolume") == [0.0]


def test_files_hold_full_precision_and_escaped_labels():
    found = compare(method("rate_0.5 & more", WIDE, MIDDLE), method("b", MIDDLE, WIDE))
    folders = {(label, seed): f"runs/{label}-{seed}" for label in ("rate_0.5 & more", "b") for seed in (0, 1)}
    written = files(found, folders)
    rows = list(csv.DictReader(written["runs.csv"].splitlines()))
    assert len(rows) == 4
    assert float(rows[0]["hypervolume"]) == summary(found, "rate_0.5 & more").values("hypervolume")[0]
    assert rows[0]["run"] == "runs/rate_0.5 & more-0"
    (tests,) = csv.DictReader(written["tests.csv"].splitlines())
    assert float(tests["p"]) == found.pairwise_tests[0].test.p
    medians = list(csv.DictReader(written["medians.csv"].splitlines()))
    assert float(medians[1]["hypervolume_median"]) == summary(found, "b").medians["hypervolume"].median
    assert r"rate\_0.5 \& more" in written["medians.tex"]
    assert r"rate\_0.5 \& more" in written["tests.tex"]


def test_methods_must_differ_and_share_their_budgets():
    with pytest.raises(ValueError, match="different labels"):
        compare(method("a", WIDE), method("a", MIDDLE))
    other = MethodFronts(label="b", fronts={0: {"1mF": WIDE}})
    with pytest.raises(ValueError, match="same budgets"):
        compare(method("a", WIDE), other)
    with pytest.raises(ValueError, match="at least one run"):
        MethodFronts(label="a", fronts={})
    with pytest.raises(ValueError, match="kind must be one of finetuned, inherited"):
        Comparison.of([method("a", WIDE)], "deployed")
