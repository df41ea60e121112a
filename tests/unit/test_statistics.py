"""Statistics over seeds: by hand, against scipy where it can, against slow counting where it cannot."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evo.fronts.statistics import attainment, holm, mann_whitney, median_interval
from tests.oracles import indicators as oracle

samples = st.lists(st.integers(0, 4), min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("n", "position", "coverage"),
    # 1 - 2 (1/2)^n: 1/2, 3/4, 15/16, 31/32; the second at n = 8 is not enough, 1 - 2 (1 + 8) / 256, at n = 9 it is
    [(2, 1, 0.5), (3, 1, 0.75), (5, 1, 0.9375), (6, 1, 0.96875), (8, 1, 1 - 2 / 256), (9, 2, 1 - 20 / 512)],
)
def test_an_interval_is_of_order_statistics(n, position, coverage):
    values = np.random.default_rng(0).permutation(n) * 10.0
    found = median_interval(values)
    assert (found.low, found.high) == (10.0 * (position - 1), 10.0 * (n - position))
    assert found.median == np.median(values)
    assert found.coverage == pytest.approx(coverage, rel=1e-12)


def test_an_interval_covers_the_true_median_as_often_as_it_says():
    rng = np.random.default_rng(1)
    for n in (4, 7, 12):
        intervals = [median_interval(row) for row in rng.exponential(size=(1500, n))]
        held = np.mean([one.low <= math.log(2) <= one.high for one in intervals])
        assert held == pytest.approx(intervals[0].coverage, abs=0.03)


def test_one_value_has_no_interval_and_none_no_median():
    assert median_interval([3.0]).coverage == 0.0
    for values in ([], [math.nan]):
        with pytest.raises(ValueError, match="a median needs at least one value"):
            median_interval(values)


@given(samples, samples)
def test_p_counts_every_way_to_deal_out_the_ranks(first, second):
    both = first + second
    ranks = stats.rankdata(both)
    centre = len(first) * (len(both) + 1) / 2
    sums = [sum(dealt) for dealt in itertools.combinations(ranks, len(first))]
    far = abs(sum(ranks[: len(first)]) - centre)
    expected = sum(abs(one - centre) >= far - 1e-9 for one in sums) / len(sums)
    found = mann_whitney(first, second)
    assert found.p == pytest.approx(expected, rel=1e-12)
    above = sum((x > y) + 0.5 * (x == y) for x in first for y in second) / (len(first) * len(second))
    assert found.effect == pytest.approx(above)


@given(st.permutations(range(14)), st.integers(1, 13))
def test_p_without_ties_is_that_of_scipy(values, n):
    found = mann_whitney(values[:n], values[n:])
    expected = stats.mannwhitneyu(values[:n], values[n:], method="exact")
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert found.effect == pytest.approx(expected.statistic / (n * (14 - n)))
    assert found.p >= found.least_p * (1 - 1e-12)


def test_samples_that_lie_apart_by_hand():
    # one of 20 ways each side: 2 / C(6, 3)
    found = mann_whitney([1, 2, 3], [4, 5, 6])
    assert (found.p, found.least_p, found.effect) == (pytest.approx(0.1), pytest.approx(0.1), 0.0)
    assert mann_whitney([1, 1], [1, 1, 1]).p == 1.0
    assert mann_whitney([1], [2]).least_p == 1.0
    # a large sample stays a probability
    assert mann_whitney(range(60), range(5, 65)).p == pytest.approx(
        stats.mannwhitneyu(range(60), range(5, 65), method="asymptotic").pvalue, rel=0.03
    )
    with pytest.raises(ValueError, match="two samples of at least one value"):
        mann_whitney([], [1])


def test_holm_by_hand():
    # sorted 0.01, 0.02, 0.03, 0.5 times 4, 3, 2, 1, never falling
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([]).tolist() == []


points = st.tuples(st.integers(0, 5).map(float), st.integers(0, 5).map(float))


@given(st.lists(st.lists(points, max_size=4), min_size=1, max_size=5))
def test_attainment_is_that_of_counting_at_every_crossing(fronts):
    found = attainment(fronts)
    n = len(fronts)
    for surface, least in ((found.best, 1), (found.median, math.ceil(n / 2)), (found.worst, n)):
        assert [tuple(row) for row in surface.tolist()] == oracle.attainment_surface(fronts, least)


def test_attainment_needs_a_front():
    with pytest.raises(ValueError, match="at least one front"):
        attainment([])
