"""Fronts and hypervolumes equal the slow oracle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo.fronts.front import Front, hypervolume, non_dominated
from tests.oracles import hypervolume as oracle

points = st.tuples(st.integers(0, 6).map(lambda n: 0.1 + n / 20), st.integers(0, 6).map(lambda n: 1.5**n))
"""Few distinct coordinates, so that ties and repeats are common."""

sets = st.lists(points, min_size=1, max_size=9)


@given(sets)
def test_non_dominated_rows_are_those_of_all_pairs(rows):
    assert non_dominated(np.array(rows)).tolist() == oracle.non_dominated(rows)


@given(sets, sets)
def test_hypervolume_is_the_sum_of_dominated_cells(rows, reference_rows):
    reference = Front.of(reference_rows)
    expected = oracle.ratio_basis(rows, reference_rows)
    assert hypervolume(rows, reference.bounds) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert Front.of(rows).hypervolume(reference.bounds) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(sets, points)
def test_one_more_design_never_lowers_the_hypervolume(rows, another):
    bounds = Front.of(rows).bounds
    assert hypervolume([*rows, another], bounds) >= hypervolume(rows, bounds) - 1e-12
