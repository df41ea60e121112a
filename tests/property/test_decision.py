"""A choice is never dominated, keeps to the limits, and is what the preference asks for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evo.fronts.decision import PREFERENCES, Limits, choose

designs = st.lists(
    st.tuples(
        st.integers(0, 8).map(lambda n: 0.5 + n / 20),
        st.integers(0, 8).map(lambda n: 1.5**n),
        st.integers(1, 9).map(lambda n: n * 1e-3),
    ),
    min_size=1,
    max_size=12,
)
"""Accuracy, time, energy of few distinct values, so that ties are common."""

limits = st.builds(
    Limits,
    deadline_s=st.none() | st.integers(-1, 9).map(lambda n: 1.5**n),
    min_accuracy=st.none() | st.integers(0, 10).map(lambda n: 0.5 + n / 20),
)


def keeps(design, limit):
    accuracy, time_s, _ = design
    in_time = limit.deadline_s is None or time_s <= limit.deadline_s
    return in_time and (limit.min_accuracy is None or accuracy >= limit.min_accuracy)


def dominates(a, b):
    return a[0] >= b[0] and a[1] <= b[1] and a[:2] != b[:2]


@given(designs, limits, st.sampled_from(PREFERENCES))
def test_what_is_chosen_is_not_dominated_and_keeps_to_the_limits(rows, limit, prefer):
    found = choose(*np.array(rows).T, limit, prefer)
    if found.chosen is None:
        assert not any(keeps(row, limit) for row in rows)
        assert found.binding
        assert max(found.late_s, found.short) > 0
        return
    one = rows[found.members[found.chosen]]
    assert keeps(one, limit)
    assert not any(dominates(other, one) for other in rows)
    kept = [row for row in rows if keeps(row, limit)]
    if prefer == "accuracy":
        assert one[0] == max(row[0] for row in kept)
    if prefer == "latency":
        assert one[1] == min(row[1] for row in kept)
    if prefer == "energy":
        assert one[2] == min(rows[r][2] for r in found.members if keeps(rows[r], limit))


@given(designs, limits, st.sampled_from(PREFERENCES))
def test_a_limit_binds_where_and_only_where_it_changes_the_choice(rows, limit, prefer):
    columns = np.array(rows).T
    found = choose(*columns, limit, prefer)
    free = choose(*columns, Limits(), prefer)
    assert (free.chosen, free.binding) == (found.unlimited, ())
    if found.chosen is not None:
        assert bool(found.binding) == (not keeps(rows[found.members[found.unlimited]], limit))
        assert len(found.binding) < 2
        assert found.binding or found.chosen == found.unlimited


@given(designs, limits, st.sampled_from(PREFERENCES))
def test_loosening_the_limits_by_what_is_missing_gives_a_design(rows, limit, prefer):
    """Each amount on its own is enough where only it is missing; where both are, one of them is."""
    columns = np.array(rows).T
    found = choose(*columns, limit, prefer)
    if found.chosen is None and found.late_s > 0 and any(row[0] >= (limit.min_accuracy or 0) for row in rows):
        loose = Limits(deadline_s=(limit.deadline_s + found.late_s) * (1 + 1e-12), min_accuracy=limit.min_accuracy)
        assert choose(*columns, loose, prefer).chosen is not None
    if found.chosen is None and found.short > 0 and any(row[1] <= (limit.deadline_s or 1e9) for row in rows):
        loose = Limits(deadline_s=limit.deadline_s, min_accuracy=(limit.min_accuracy - found.short) * (1 - 1e-12))
        assert choose(*columns, loose, prefer).chosen is not None


FRONT = [(0.6, 1.0, 5.0), (0.8, 10**0.25, 4.0), (0.9, 10.0, 6.0), (0.7, 10.0, 1.0)]
"""Fastest, knee, most accurate; the last is dominated, for any energy."""


def chosen(prefer, **limit):
    found = choose(*np.array(FRONT).T, Limits(**limit), prefer)
    return None if found.chosen is None else int(found.members[found.chosen])


def test_each_preference_by_hand():
    # normalised (error, log time): (1, 0), (1/3, 1/4), (0, 1): the second has the least sum
    assert [chosen(prefer) for prefer in PREFERENCES] == [1, 2, 0, 1]
    # too fast for the knee: the only one left; too accurate for it: the slow end
    assert chosen("knee", deadline_s=1.5) == 0
    assert chosen("knee", min_accuracy=0.85) == 2
    assert chosen("energy", min_accuracy=0.85) == 2
    # exactly on the limits counts as kept
    assert chosen("accuracy", deadline_s=10.0, min_accuracy=0.9) == 2


def test_what_is_missing_by_hand():
    columns = np.array(FRONT).T
    late = choose(*columns, Limits(deadline_s=0.75))
    assert (late.chosen, late.binding, late.late_s, late.short) == (None, ("deadline",), 0.25, 0.0)
    short = choose(*columns, Limits(min_accuracy=1.0))
    assert (short.chosen, short.binding, short.short) == (None, ("accuracy",), pytest.approx(0.1))
    # each can be kept, not both: accurate enough takes 10 s, within 4 s it is 0.8
    both = choose(*columns, Limits(deadline_s=4.0, min_accuracy=0.85))
    assert both.binding == ("deadline", "accuracy")
    assert (both.late_s, both.short) == (6.0, pytest.approx(0.05))


def test_a_mistake_is_one_line():
    with pytest.raises(ValueError, match=r"prefer must be one of .*, not 'speed'"):
        choose([0.5], [1.0], [1.0], Limits(), "speed")
    with pytest.raises(ValueError, match="at least one design"):
        choose([], [], [], Limits())
    with pytest.raises(ValueError, match="deadline must be above 0, not -1"):
        Limits(deadline_s=-1.0)
    with pytest.raises(ValueError, match="min-accuracy must be at most 1, not 80"):
        Limits(min_accuracy=80.0)
