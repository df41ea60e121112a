"""Indicators equal the slow oracle and agree with dominance."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from evo.fronts.front import Front
from evo.fronts.indicators import additive_epsilon, hypervolume_so_far, igd_plus, indicators
from tests.oracles import hypervolume as volume_oracle
from tests.oracles import indicators as oracle

points = st.tuples(st.integers(0, 6).map(lambda n: 0.1 + n / 20), st.integers(0, 6).map(lambda n: 1.5**n))
"""Few distinct coordinates, so that ties and repeats are common."""

sets = st.lists(points, min_size=1, max_size=9)
NAMES = ("hypervolume", "hypervolume_ratio", "igd_plus", "epsilon")
BETTER = {"hypervolume": 1, "hypervolume_ratio": 1, "igd_plus": -1, "epsilon": -1}


@given(sets, sets)
def test_indicators_are_those_of_their_definitions(rows, reference_rows):
    reference = Front.of(reference_rows)
    front = [tuple(row) for row in reference.values.tolist()]
    found = indicators(rows, reference)
    volume = volume_oracle.ratio_basis(rows, reference_rows)
    assert found.hypervolume == pytest.approx(volume, rel=1e-9, abs=1e-12)
    ratio = volume / volume_oracle.ratio_basis(front, reference_rows)
    assert found.hypervolume_ratio == pytest.approx(ratio, rel=1e-9, abs=1e-12)
    assert found.igd_plus == pytest.approx(oracle.igd_plus(rows, front), rel=1e-9, abs=1e-12)
    assert found.epsilon == pytest.approx(oracle.additive_epsilon(rows, front), rel=1e-9, abs=1e-12)


@given(sets, sets, sets)
def test_dominated_designs_change_nothing(rows, more, reference_rows):
    reference = Front.of(reference_rows)
    dominated = [row for row in more if any(volume_oracle.dominates(other, row) for other in rows)]
    assume(dominated)
    before, after = indicators(rows, reference), indicators([*rows, *dominated], reference)
    for name in NAMES:
        assert getattr(after, name) == pytest.approx(getattr(before, name), rel=1e-12, abs=1e-12), name


@given(sets, sets, st.integers(0, 8), st.sampled_from([(0.05, 1.0), (0.0, 1.5), (0.05, 1.5)]))
def test_a_better_front_is_never_worse(rows, reference_rows, index, step):
    """One design becomes better on one axis or both; no indicator may fall for it."""
    reference = Front.of(reference_rows)
    better = list(rows)
    error, latency_s = better[index % len(rows)]
    better[index % len(rows)] = (error - step[0], latency_s / step[1])
    before, after = indicators(rows, reference), indicators(better, reference)
    for name, sign in BETTER.items():
        assert sign * getattr(after, name) >= sign * getattr(before, name) - 1e-12, name


def test_the_reference_itself_is_perfect_and_nothing_at_all_is_worst():
    reference = Front.of([(0.4, 1.0), (0.3, 10**0.5), (0.2, 10.0)])
    found = indicators(reference.values, reference)
    assert (found.hypervolume_ratio, found.igd_plus, found.epsilon) == (1.0, 0.0, 0.0)
    empty = indicators(np.empty((0, 2)), reference)
    assert (empty.hypervolume, empty.hypervolume_ratio) == (0.0, 0.0)
    assert empty.igd_plus == empty.epsilon == math.inf


def test_one_point_by_hand():
    # ends become (0, 1) and (1, 0); the point (0.3, 10^0.5 s) becomes (0.5, 0.5): to (0, 1) it lacks 0.5 of error
    reference = Front.of([(0.2, 10.0), (0.4, 1.0)])
    assert igd_plus([(0.3, 10**0.5)], reference) == pytest.approx(0.5)
    assert additive_epsilon([(0.3, 10**0.5)], reference) == pytest.approx(0.5)
    # a point better than all of the reference leaves room: it may get worse by (0.1 / 0.2) and still cover
    assert additive_epsilon([(0.1, 0.1)], reference) == pytest.approx(-0.5)


def test_values_that_are_not_finite_are_refused():
    reference = Front.of([(0.2, 10.0)])
    for indicator in (igd_plus, additive_epsilon, indicators):
        with pytest.raises(ValueError, match="must be finite"):
            indicator([(0.2, math.inf)], reference)
    with pytest.raises(ValueError, match="empty front"):
        igd_plus([(0.2, 1.0)], Front.of(np.empty((0, 2))))


@given(sets, sets)
def test_hypervolume_so_far_is_that_of_the_designs_up_to_there(rows, reference_rows):
    reference = Front.of(reference_rows)
    values = np.array(rows)
    values[1::3] = math.inf  # neither counts nor harms
    found = hypervolume_so_far(values, range(len(rows) + 1), reference)
    kept = [[row for i, row in enumerate(rows[:count]) if i % 3 != 1] for count in range(len(rows) + 1)]
    expected = [volume_oracle.ratio_basis(part, reference_rows) for part in kept]
    assert found.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-12)
