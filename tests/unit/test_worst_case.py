"""Worst cases by hand, their order, and response times against devices simulated cycle by cycle."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import Supply, read_supply_family
from energy.scheduling.response_times import Task, by_deadline, response_times
from energy.scheduling.schedule import BatchSequence, Schedule, schedule
from energy.scheduling.worst_case import (
    HarvestUncertainty,
    longest_cycle_s,
    worst_case_s,
    worst_scenarios,
)

# E_full = 1e-3 x (16 - 4) / 2 = 6 mJ, E_av = 5.4 mJ, R C = 1 s
SUPPLY = Supply(capacitance_f=1e-3, resistance_ohm=1000.0, v_supply_v=5.0, v_on_v=4.0, v_off_v=2.0, usable_fraction=0.9)
NONE = HarvestUncertainty()
FAMILY = read_supply_family("tinas2025")
SHIPPED = [*(FAMILY.supply(capacitance_f) for capacitance_f in FAMILY.resistance_ohm)]
MARGIN_SCALED = read_supply_family("inas2021-image").supply()


def made(energies_nj, active_s, *, over_nj=0):
    """A schedule of power cycles; its recharge times are never read."""
    energy_nj = np.array(energies_nj, dtype=np.int64)
    nothing_s = np.full(len(energy_nj), np.nan)
    starts = np.arange(len(energy_nj))
    return Schedule(
        starts=starts, energy_nj=energy_nj, active_s=np.array(active_s), recharge_s=nothing_s, over_nj=over_nj
    )


def bounds(plan, supply=SUPPLY, **uncertainty):
    """Worst case and longest cycle of a plan."""
    arguments = (plan, Scenarios.of([SHIPPED[0], supply]), 1, HarvestUncertainty(**uncertainty))
    return worst_case_s(*arguments), longest_cycle_s(*arguments)


def sequences(cycle_budget_nj):
    """Random batches that fit the budget each, with the boot."""

    def sequence(rows, boot_nj):
        columns = [np.array(column) for column in zip(*rows, strict=True)]
        warm, reload, warm_s, reload_s = columns
        return BatchSequence(
            warm_nj=warm,
            cold_nj=warm + reload,
            warm_s=warm_s,
            cold_s=warm_s + reload_s,
            layer=np.zeros(len(warm), dtype=np.int64),
            boot_nj=boot_nj,
            boot_s=0.055,
        )

    energies, seconds = st.integers(1, cycle_budget_nj // 3), st.floats(1e-3, 0.5)
    rows = st.lists(st.tuples(energies, energies, seconds, seconds), min_size=1, max_size=12)
    return st.builds(sequence, rows, st.integers(1, cycle_budget_nj // 3))


# --- one inference ----------------------------------------------------------------------------------------------------


def test_the_worst_case_is_that_of_the_constant_worst_harvester():
    # 3.5 mJ leave sqrt(16 - 7) = 3 V, 5.375 mJ leave sqrt(16 - 10.75) V; R C = 1.5 s, Vs = 0.9 x 5 = 4.5 V
    deep_s = 1.5 * math.log((4.5 - math.sqrt(5.25)) / 0.5)
    total_s = 0.25 + 1.5 * math.log(1.5 / 0.5) + 0.5 + deep_s
    plan = made([3_500_000, 5_375_000], [0.25, 0.5])
    found = bounds(plan, resistance_factor=1.5, v_supply_factor=0.9)
    assert found == pytest.approx((total_s, 0.5 + deep_s), rel=1e-12)


def test_an_empty_start_adds_one_charge_from_the_cut_off_under_the_worst_harvester():
    plan = made([3_500_000], [0.25])
    # From 2 V: 2 s x ln((5 - 2) / (5 - 4)); a cycle does not become longer.
    (full_s, cycle_s), (empty_s, same_s) = (
        bounds(plan, resistance_factor=2, starts_empty=starts_empty) for starts_empty in (False, True)
    )
    assert empty_s - full_s == pytest.approx(2 * math.log(3), rel=1e-12)
    assert same_s == cycle_s


@given(st.data())
def test_without_uncertainty_the_worst_case_is_the_latency(data):
    supply = data.draw(st.sampled_from([*SHIPPED, MARGIN_SCALED]))
    scenarios = Scenarios.of([supply])
    plan = schedule(data.draw(sequences(int(supply.cycle_budget_j * 1e9))), scenarios)
    assert worst_case_s(plan, scenarios, 0, NONE) == plan.latency_s
    assert longest_cycle_s(plan, scenarios, 0, NONE) == (plan.active_s + plan.recharge_s).max()


@given(st.data())
def test_the_worst_case_never_falls_when_the_uncertainty_widens(data):
    supply = data.draw(st.sampled_from([*SHIPPED, SUPPLY]))
    scenarios = Scenarios.of([supply])
    # Cuts for any harvester at all: they are what they are.
    other = Scenarios.of([replace(supply, resistance_ohm=data.draw(st.floats(1, 1e4)))])
    plan = schedule(data.draw(sequences(int(supply.cycle_budget_j * 1e9))), other)
    low, high = sorted(data.draw(st.tuples(*[st.floats(1, 100)] * 2)))
    least = supply.v_on_v / supply.v_supply_v * (1 + 1e-6)
    small, large = sorted(data.draw(st.tuples(*[st.floats(least, 1)] * 2)))
    empty = data.draw(st.booleans())
    narrow, *wider = (
        HarvestUncertainty(resistance_factor=r, v_supply_factor=v, starts_empty=e)
        for r, v, e in [(low, large, empty), (high, large, empty), (low, small, empty), (high, small, True)]
    )
    for bound in (worst_case_s, longest_cycle_s):
        assert all(bound(plan, scenarios, 0, wide) >= bound(plan, scenarios, 0, narrow) for wide in wider)
    assert worst_case_s(plan, scenarios, 0, narrow) >= longest_cycle_s(plan, scenarios, 0, narrow)


@pytest.mark.parametrize("uncertainty", [{}, {"resistance_factor": 2.0}, {"starts_empty": True}])
def test_the_worst_case_of_an_unsafe_plan_is_infinite(uncertainty):
    # Either its batches do not fit its own budget when repeated, or its cycles not that of this capacitor, 5.4 mJ.
    for plan in (made([1_000_000], [0.1], over_nj=1), made([1_000_000, 5_400_001], [0.1, 0.1])):
        assert bounds(plan, **uncertainty) == (np.inf, np.inf)
    assert np.all(np.isfinite(bounds(made([5_400_000], [0.1]), **uncertainty)))


@pytest.mark.parametrize("uncertainty", [{"resistance_factor": 1.5}, {"v_supply_factor": 0.99}, {"starts_empty": True}])
def test_the_worst_case_is_not_defined_for_margin_scaled_recharge(uncertainty):
    assert bounds(made([100_000], [0.1]), MARGIN_SCALED, **uncertainty) == (None, None)
    assert None not in bounds(made([100_000], [0.1]), MARGIN_SCALED)


def test_only_the_harvester_of_the_worst_scenarios_differs():
    scenarios = Scenarios.of([*SHIPPED, SUPPLY])
    worst = worst_scenarios(scenarios, HarvestUncertainty(resistance_factor=1.25, v_supply_factor=0.9))
    expected = [
        replace(supply, resistance_ohm=1.25 * supply.resistance_ohm, v_supply_v=0.9 * supply.v_supply_v)
        for supply in (*SHIPPED, SUPPLY)
    ]
    for name, column in vars(Scenarios.of(expected)).items():
        assert getattr(worst, name).tolist() == column.tolist()


def test_a_harvester_that_may_never_reach_the_boot_voltage_is_refused():
    # 0.8 x 5 V = 4 V = Von; 0.8 x 5.892 = 4.7136 V is enough for the other supply.
    message = "v_supply_factor must keep v_supply_v above v_on_v 4, not 0.8, which makes it 4$"
    with pytest.raises(ValueError, match=message):
        worst_scenarios(Scenarios.of([SHIPPED[0], SUPPLY]), HarvestUncertainty(v_supply_factor=0.8))
    with pytest.raises(ValueError, match=message):
        bounds(made([1000], [0.1]), v_supply_factor=0.8)
    both = Scenarios.of([SHIPPED[0], SUPPLY])
    assert worst_case_s(made([1000], [0.1]), both, 0, HarvestUncertainty(v_supply_factor=0.8))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resistance_factor": 0.9}, "resistance_factor must be at least 1, not 0.9"),
        ({"resistance_factor": math.inf}, "resistance_factor must be a finite number, not inf"),
        ({"v_supply_factor": 0}, "v_supply_factor must be above 0, not 0"),
        ({"v_supply_factor": 1.1}, "v_supply_factor must be at most 1, not 1.1"),
        ({"starts_empty": 1}, "starts_empty must be true or false, not 1"),
    ],
)
def test_an_uncertainty_out_of_range_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        HarvestUncertainty(**changes)


# --- several inferences -----------------------------------------------------------------------------------------------


def task(name, cycles, period, deadline=None):
    """A task whose power cycles last so long."""
    return Task(name=name, worst_case_s=sum(cycles), longest_cycle_s=max(cycles), period_s=period, deadline_s=deadline)


def responses(*tasks):
    """Response times in the order of the tasks."""
    return [response.response_s for response in response_times(tasks)]


def test_a_task_alone_is_schedulable_when_its_period_is_no_shorter_than_its_worst_case():
    for period_s, expected_s in ((7.5, 7.5), (7.6, 7.5), (7.499, math.inf)):
        (response,) = response_times([task("one", [2.5, 5.0], period_s)])
        assert (response.response_s, response.is_schedulable) == (expected_s, period_s >= 7.5)
    (response,) = response_times([task("one", [2.5, 5.0], 10, deadline=7.4)])
    assert not response.is_schedulable


def test_response_times_by_hand():
    tasks = (task("a", [1, 1], 10), task("b", [3, 3], 20), task("c", [4, 1, 5], 60))
    # a: 5 + 2 = 7; b: 5 + 6 = 11 -> 11 + 2 x 2 = 15 -> 2 releases of a again, 15;
    # c: 10 -> 10 + 2 + 6 = 18 -> 10 + 4 + 6 = 20 -> 2 releases of a, 1 of b: 20
    found = response_times(tasks)
    assert [response.response_s for response in found] == [7, 15, 20]
    assert [response.blocking_s for response in found] == [5, 5, 0]
    assert [response.name for response in found] == ["a", "b", "c"]


def test_one_release_more_is_counted_only_where_it_comes_before_the_end():
    # c ends at 20 where a and b are released again; were it any longer, both would come before.
    a, b = task("a", [1, 1], 10), task("b", [3, 3], 20)
    assert responses(a, b, task("c", [5, 5], 60))[-1] == 20
    # 20.5 -> 10.5 + 3 x 2 + 2 x 6 = 28.5
    assert responses(a, b, task("c", [5, 5.5], 60))[-1] == 28.5
    # Tenths: three of them are a hair more than 0.3, and a release at 0.3 comes before the end of 0.1 + 0.2.
    assert responses(task("a", [0.1], 0.3), task("b", [0.2], 10))[-1] > 0.39


def test_a_missed_deadline_or_too_much_use_is_infinite_and_others_may_still_do():
    a, b = task("a", [1], 2), task("b", [1], 2)
    assert responses(a, b, task("c", [1], 100)) == [2, math.inf, math.inf]
    # b: 1.5 -> 1.5 + 1 = 2.5 -> 1.5 + 2 = 3.5; c: 0.5 -> 2.5 -> 0.5 + 2 + 1 = 3.5
    assert responses(a, replace(b, period_s=4), task("c", [0.5], 100)) == [2, 3.5, 3.5]
    # 1.5 + 2 = 3.5 with its deadline at 3.5, not at 3.25
    late, timely = (task("a", [2], 8, deadline=due) for due in (3.25, 3.5))
    low = task("b", [1.5], 8)
    assert responses(late, low) == [math.inf, 3.5]
    assert responses(timely, low) == [3.5, 3.5]


def test_an_unsafe_plan_stops_itself_and_whom_it_may_delay():
    unsafe = task("unsafe", [math.inf], 10)
    assert responses(task("a", [1], 10), unsafe, task("c", [1], 10)) == [math.inf] * 3


@pytest.mark.parametrize("left", [2.0**-53, 2.0**-20])
def test_hardly_any_time_left_by_others_is_time_all_the_same(left):
    # R = 1e9 + R (1 - left), and R is whole.
    busy, late = task("a", [1 - left], 1.0), task("b", [1e9], 1e300)
    assert responses(busy, late)[-1] == 1e9 / left


def test_the_iteration_ends_when_releases_hardly_ever_leave_a_gap():
    # Periods of no common multiple leave 5e-10 of the time: tens of thousands of steps to the fixed point
    tasks = (task("a", [0.5], 1.0), task("b", [math.sqrt(0.5) * (1 - 1e-9)], math.sqrt(2)))
    assert responses(*tasks, task("c", [1.0], 1e300))[-1] == math.inf


def test_priorities_follow_deadlines():
    tasks = (task("a", [1], 30), task("b", [1], 20), task("c", [1], 40, deadline=5), task("d", [1], 20))
    assert [one.name for one in by_deadline(tasks)] == ["c", "b", "d", "a"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"worst_case_s": None}, "worst_case_s of one must be a finite number, not None"),
        ({"worst_case_s": 0}, "worst_case_s of one must be above 0, not 0"),
        ({"longest_cycle_s": -1}, "longest_cycle_s of one must be above 0, not -1"),
        ({"longest_cycle_s": 4}, "longest_cycle_s of one must be at most worst_case_s 3, not 4"),
        ({"period_s": math.inf}, "period_s of one must be a finite number, not inf"),
        ({"deadline_s": 0}, "deadline_s of one must be above 0, not 0"),
        ({"deadline_s": 8}, "deadline_s of one must be at most period_s 7, not 8"),
    ],
)
def test_a_task_out_of_range_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(task("one", [1, 2], 7), **changes)


def test_two_tasks_of_one_name_are_refused():
    with pytest.raises(ValueError, match="name must be different for every task, not 'a' twice"):
        response_times([task("a", [1], 9), task("b", [1], 9), task("a", [2], 9)])


# --- against a device simulated cycle by cycle ------------------------------------------------------------------------


def longest_seen(cycles_of, releases, duration=lambda task, cycle: cycle):
    """Longest response of every task when power cycles are given to the first that has something to do.

    Args:
        cycles_of: Longest duration of every power cycle, a list a task.
        releases: Instants of release, a rising list a task.
        duration: What a power cycle really takes.
    """
    waiting = [(release, which) for which, instants in enumerate(releases) for release in instants]
    left = {job: list(cycles_of[job[1]]) for job in waiting}
    longest = [0] * len(cycles_of)
    now = 0
    while left:
        ready = [job for job in left if job[0] <= now]
        if not ready:
            now = min(job[0] for job in left)
            continue
        job = min(ready, key=lambda job: (job[1], job[0]))
        now += duration(job[1], left[job].pop(0))
        if not left[job]:
            del left[job]
            longest[job[1]] = max(longest[job[1]], now - job[0])
    return longest


def rising(first, gaps):
    """Instants of release."""
    return list(itertools.accumulate([first, *gaps]))


cycles = st.lists(st.integers(1, 8), min_size=1, max_size=4)


@st.composite
def task_sets(draw):
    """Cycles of two to four tasks and their periods, which leave some time to one another."""
    cycles_of = draw(st.lists(cycles, min_size=2, max_size=4))
    share = len(cycles_of) * draw(st.floats(0.7, 2.5))
    return cycles_of, [max(sum(own), round(share * sum(own)) + draw(st.integers(0, 10))) for own in cycles_of]


@settings(max_examples=300)
@given(task_sets(), st.data())
def test_no_pattern_of_releases_exceeds_the_response_times(task_set, data):
    cycles_of, periods = task_set
    bound = responses(
        *(task(str(i), own, period) for i, (own, period) in enumerate(zip(cycles_of, periods, strict=True)))
    )
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    for strict in (False, True) * 3:
        # Lower tasks first, the others all together an instant later, then as often as they may: nearly the worst.
        first = sorted(rng.integers(0, 4, len(periods)).tolist(), reverse=True)
        gaps = [[period + (0 if strict else rng.integers(0, period)) for _ in range(12)] for period in periods]
        releases = [rising(at, own) for at, own in zip(first, gaps, strict=True)]
        seen = longest_seen(
            cycles_of, releases, lambda _, cycle, strict=strict: cycle if strict else rng.uniform(0, cycle)
        )
        assert all(response <= most for response, most in zip(seen, bound, strict=True))


def test_the_bound_of_the_highest_priority_is_all_but_attained():
    cycles_of, periods = [[2, 1], [3, 2], [6, 1]], [12, 24, 36]
    bound = responses(*(task(str(i), own, periods[i]) for i, own in enumerate(cycles_of)))
    # 6 + 3 = 9; 6 + 5 -> 11 + 3 = 14 -> two releases, 17; 7 + 3 + 5 = 15 -> 7 + 2 x 3 + 5 = 18
    assert bound == [9, 17, 18]
    seen = [0, 0, 0]
    for first in itertools.product(range(12), range(24), range(36)):
        releases = [list(range(at, 72 + at, period)) for at, period in zip(first, periods, strict=True)]
        seen = np.maximum(seen, longest_seen(cycles_of, releases)).tolist()
    # In whole steps a cycle blocks from the step before on: 5 + 3. The release at 12 does come before the end of b,
    # but after its last cycle of 2 has begun at 5 + 3 + 3 = 11, and the bound counts it.
    assert seen[0] == 8
    assert seen[1] == 13
    assert all(one <= most for one, most in zip(seen, bound, strict=True))
