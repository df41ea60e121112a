"""Accuracy with its interval: closed forms of the bootstrap over groups, and what a network gets right."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from models.data import Split, synthetic
from models.evaluation.accuracy import Accuracy, accuracy, correct
from models.spaces import Space, Stage
from models.supernet.subnet import Subnet

SPACE = Space(name="tiny", input_shape=(16, 1, 2), n_classes=3, stages=(Stage(kernels=(3,), channels=(4,)),))


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def split():
    return synthetic(rng(), input_shape=(16, 1, 2), n_classes=3, n_per_class=4).split("val")


def test_value_is_the_share_of_right_answers():
    right = np.array([True, True, False, True])
    assert accuracy(right, np.arange(4), rng()).value == 0.75


def test_all_right_leaves_no_doubt():
    found = accuracy(np.ones(50, dtype=bool), np.arange(50) // 5, rng())
    assert (found.value, found.low, found.high) == (1, 1, 1)


def test_one_group_resampled_is_itself():
    right = np.array([True, False, True, True])
    found = accuracy(right, np.zeros(4, dtype=int), rng())
    assert (found.low, found.high) == (0.75, 0.75)


def test_interval_of_single_samples_is_the_binomial_one():
    # each of n samples its own group, share p right: the bootstrap is binomial, half width near 1.96 sqrt(p(1-p)/n)
    n, p = 2000, 0.8
    found = accuracy(np.arange(n) < p * n, np.arange(n), rng(), n_resamples=4000)
    half = 1.96 * math.sqrt(p * (1 - p) / n)
    assert found.low == pytest.approx(p - half, abs=0.1 * half)
    assert found.high == pytest.approx(p + half, abs=0.1 * half)


def test_interval_widens_with_the_root_of_the_group_size_where_groups_agree():
    # all 25 windows of a recording right or wrong together: as few independent samples as recordings, sqrt(25) = 5
    right = np.repeat(np.arange(80) < 60, 25)
    alone = accuracy(right, np.arange(2000), rng(), n_resamples=4000)
    together = accuracy(right, np.repeat(np.arange(80), 25), rng(), n_resamples=4000)
    assert (together.high - together.low) / (alone.high - alone.low) == pytest.approx(5, rel=0.1)


def test_two_groups_of_unlike_size_count_their_samples():
    # groups of 1 (right) and 3 (wrong): resamples give 1, 1/4 or 0 with chances 1/4, 1/2, 1/4
    found = accuracy(np.array([True, False, False, False]), np.array([5, 9, 9, 9]), rng(), n_resamples=500)
    assert (found.low, found.value, found.high) == (0, 0.25, 1)


def test_same_generator_state_gives_the_same_interval_and_names_of_groups_do_not_matter():
    right, groups = rng(1).random(300) < 0.7, np.arange(300) // 7
    assert accuracy(right, groups, rng(3)) == accuracy(right, groups * 11 + 4, rng(3))
    assert accuracy(right, groups, rng(3)) != accuracy(right, groups, rng(4))


def test_many_groups_are_resampled_in_parts_of_bounded_memory(monkeypatch):
    right, groups = rng(1).random(300) < 0.7, np.arange(300)
    whole = accuracy(right, groups, rng(3))
    monkeypatch.setattr("models.evaluation.accuracy._N_DRAWS_AT_A_TIME", 1000)
    assert accuracy(right, groups, rng(3)) == whole


@pytest.mark.parametrize(("n_right", "n_groups"), [(0, 0), (3, 4)])
def test_arrays_that_do_not_fit_are_refused(n_right, n_groups):
    with pytest.raises(ValueError, match="right and groups must have the same length, at least 1"):
        accuracy(np.ones(n_right, dtype=bool), np.zeros(n_groups, dtype=int), rng())


@pytest.mark.parametrize(
    ("values", "message"), [((0.5, 0.6, 0.4), "low must be at most"), ((1.1, 0, 1), "from 0 to 1")]
)
def test_impossible_accuracy_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Accuracy(**dict(zip(("value", "low", "high"), values, strict=True)))


def test_correct_compares_the_largest_score_with_the_label(split):
    subnet = Subnet(SPACE, SPACE.largest, seed=1).eval()
    with torch.no_grad():
        scores = subnet(torch.from_numpy(split.inputs)).numpy()
    np.testing.assert_array_equal(correct(subnet, split), scores.argmax(axis=1) == split.labels)


def test_correct_does_not_depend_on_the_parts_it_is_judged_in(split, monkeypatch):
    subnet = Subnet(SPACE, SPACE.largest, seed=1).eval()
    whole = correct(subnet, split)
    monkeypatch.setattr("models.evaluation.accuracy.BATCH_SIZE", 5)
    np.testing.assert_array_equal(correct(subnet, split), whole)


def test_correct_leaves_the_number_of_threads_as_it_was(split):
    before = torch.get_num_threads()
    correct(Subnet(SPACE, SPACE.largest).eval(), split)
    assert torch.get_num_threads() == before


def test_network_in_training_mode_is_refused(split):
    with pytest.raises(ValueError, match="evaluation mode"):
        correct(Subnet(SPACE, SPACE.largest).train(), split)


def test_network_that_always_answers_one_class_gets_its_share_right(split):
    subnet = Subnet(SPACE, SPACE.largest).eval()
    with torch.no_grad():
        subnet.layers["head"].weight.zero_()
        subnet.layers["head"].bias.copy_(torch.tensor([0.0, 1.0, 0.0]))
    np.testing.assert_array_equal(correct(subnet, split), split.labels == 1)
    assert isinstance(split, Split)
