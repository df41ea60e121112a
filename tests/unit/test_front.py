"""Fronts: filter, ties, hypervolume by hand, thinning, knee, and what is refused."""

import numpy as np
import pytest

from evo.fronts.front import Bounds, Front, hypervolume
from evo.objectives import OBJECTIVES, objectives, scaled

# error falls as latency rises: (0.1, 1000 s), (0.3, 100 s), (0.5, 10 s); log10 latency 3, 2, 1
STAIRS = [[0.3, 100.0], [0.5, 10.0], [0.1, 1000.0]]


def test_front_keeps_rows_that_no_other_dominates_sorted_by_error():
    front = Front.of([*STAIRS, [0.5, 100.0], [0.3, 101.0]])
    assert front.rows.tolist() == [2, 0, 1]
    assert front.values.tolist() == [[0.1, 1000.0], [0.3, 100.0], [0.5, 10.0]]


def test_equal_designs_are_kept_once_the_first_of_them():
    assert Front.of([[0.5, 10.0], [0.3, 20.0], [0.5, 10.0], [0.3, 20.0]]).rows.tolist() == [1, 0]


def test_a_tie_in_one_objective_is_decided_by_the_other():
    assert Front.of([[0.3, 20.0], [0.3, 10.0], [0.3, 30.0]]).rows.tolist() == [1]


def test_infeasible_rows_are_left_out_and_may_be_infinite():
    front = Front.of([[0.1, np.inf], [0.3, 100.0]], feasible=[False, True])
    assert front.rows.tolist() == [1]


def test_infinite_values_of_feasible_rows_are_refused():
    with pytest.raises(ValueError, match="must be finite; leave infeasible rows out"):
        Front.of([[0.1, np.inf], [0.3, 100.0]])


def test_an_empty_front_has_no_volume_and_no_bounds():
    front = Front.of(np.empty((0, 2)))
    assert len(front) == 0
    assert front.hypervolume(Front.of(STAIRS).bounds) == 0.0
    with pytest.raises(ValueError, match="empty front has no ideal"):
        _ = front.bounds


def test_hypervolume_of_three_stairs():
    front = Front.of(STAIRS)
    # normalised (0, 1), (0.5, 0.5), (1, 0) below (1.1, 1.1): 1.1 x 0.1 + 0.6 x 0.5 + 0.1 x 0.5
    assert front.hypervolume(front.bounds) == pytest.approx(0.11 + 0.30 + 0.05)


def test_ratio_is_measured_in_the_bounds_of_the_reference():
    reference = Front.of(STAIRS)
    # the middle alone: 0.6 x 0.6
    assert Front.of(STAIRS[:1]).hypervolume_ratio(reference) == pytest.approx(0.36 / 0.46)
    assert reference.hypervolume_ratio(reference) == 1.0


def test_designs_beyond_the_reference_point_add_nothing():
    bounds = Front.of(STAIRS).bounds
    assert hypervolume([[0.9, 5000.0]], bounds) == 0.0


def test_an_axis_without_extent_is_shifted_and_keeps_its_unit():
    one = Front.of([[0.3, 100.0]])
    assert one.hypervolume(one.bounds) == pytest.approx(1.1 * 1.1)
    # ten times slower is 1 on the log axis, a tenth of the box is left
    assert hypervolume([[0.3, 1000.0]], one.bounds) == pytest.approx(1.1 * 0.1)


def test_bounds_the_wrong_way_round_are_refused():
    with pytest.raises(ValueError, match="nadir at least ideal"):
        Bounds(ideal=(0.0, 2.0), nadir=(1.0, 1.0))


def test_bounds_are_stored_with_their_reference_point():
    stored = Front.of(STAIRS).bounds.to_dict()
    assert stored == {"ideal": [0.1, 1.0], "nadir": [0.5, 3.0], "reference_point": 1.1}


def test_thinning_keeps_both_ends_and_spreads_the_rest():
    # eleven points evenly on a line (log axis), three crowded ones near an end
    line = [(0.1 + 0.04 * k, 10 ** (3 - 0.2 * k)) for k in range(11)]
    crowd = [(0.1 + 0.001 * k, 10 ** (3 - 0.005 * k)) for k in (1, 2, 3)]
    front = Front.of(line + crowd)
    thin = front.thin(3)
    assert thin.rows.tolist() == [0, 5, 10]
    assert front.thin(14).rows.tolist() == front.rows.tolist()
    assert len(set(front.thin(13).rows.tolist())) == 13


def test_thinning_to_one_keeps_the_knee():
    front = Front.of([[0.1, 1000.0], [0.15, 20.0], [0.5, 10.0]])
    assert front.knee() == 1
    assert front.thin(1).rows.tolist() == [1]


def test_thinning_to_nothing_is_refused():
    with pytest.raises(ValueError, match="n must be a whole number of at least 1, not 0"):
        Front.of(STAIRS).thin(0)


def test_a_third_objective_is_one_more_column():
    rows = objectives(["error", "latency", "energy"])
    front = Front.of([[0.3, 10.0, 0.1], [0.3, 10.0, 0.2], [0.3, 20.0, 0.01]], objectives=rows)
    assert front.rows.tolist() == [0, 2]
    assert front.hypervolume(front.bounds) > 0


def test_objectives_have_a_scale_and_a_unit():
    assert scaled([[0.5, 100.0]]).tolist() == [[0.5, 2.0]]
    assert [(row.name, row.unit, row.is_log) for row in OBJECTIVES.values()] == [
        ("error", "1", False), ("latency", "s", True), ("worst_case", "s", True), ("energy", "J", True),
        ("nvm_writes", "B", True), ("memory", "B", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "message"),
    [(["error", "latncy"], "did you mean 'latency'"), (["error"], "at least two"), (["error", "error"], "different")],
)
def test_unknown_or_repeated_objectives_are_refused(names, message):
    with pytest.raises(ValueError, match=message):
        objectives(names)


def test_columns_that_do_not_match_the_objectives_are_refused():
    with pytest.raises(ValueError, match=r"shape \(n, 2\)"):
        scaled([[0.5, 100.0, 1.0]])
