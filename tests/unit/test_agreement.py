"""Agreement of predicted with measured accuracies: closed forms, ties, constants, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from models.predictor.agreement import Agreement, agreement


def test_equal_values_agree_fully():
    values = np.array([0.5, 0.9, 0.7, 0.7])
    assert agreement(values, values) == Agreement(n=4, kendall_tau=1, spearman_rho=1, rmse=0, top_precision=1)


def test_the_reverse_order_disagrees_fully():
    found = agreement([0.3, 0.2, 0.1], [0.1, 0.2, 0.3])
    assert (found.kendall_tau, found.spearman_rho, found.top_precision) == (-1, -1, 0)
    # sqrt((0.2^2 + 0 + 0.2^2) / 3)
    assert found.rmse == pytest.approx(0.16329932)


def test_one_swapped_pair_of_four_by_hand():
    found = agreement([0.1, 0.2, 0.4, 0.3], [0.1, 0.2, 0.3, 0.4])
    # 5 pairs in order, 1 not: (5 - 1) / 6; rank differences 0, 0, 1, 1: 1 - 6 x 2 / (4 x 15)
    assert found.kendall_tau == pytest.approx(4 / 6)
    assert found.spearman_rho == pytest.approx(0.8)
    assert found.top_precision == 0


def test_tau_counts_ties_as_tau_b_does():
    # Pairs (a, b): the first is tied in the prediction, two are in order: 2 / sqrt(2 x 3)
    assert agreement([0.1, 0.1, 0.2], [0.1, 0.2, 0.3]).kendall_tau == pytest.approx(2 / 6**0.5)


@pytest.mark.parametrize(
    ("predicted", "measured"), [([0.5] * 20, np.arange(20) / 20), (np.arange(20) / 20, [0.5] * 20)]
)
def test_a_constant_orders_nothing(predicted, measured):
    found = agreement(predicted, measured)
    assert (found.kendall_tau, found.spearman_rho) == (0, 0)


def test_tied_predictions_are_taken_in_equal_parts():
    # All 20 tie for 2 places, and 2 are among the best: each is taken by a tenth.
    assert agreement([0.5] * 20, np.arange(20) / 20).top_precision == pytest.approx(0.1)


def test_whatever_is_as_good_as_the_best_tenth_counts_as_best():
    measured = np.array([0.9, 0.9, 0.9, *np.zeros(7)])
    predicted = np.array([0.1, 0.2, 0.8, *np.zeros(7)])
    assert agreement(predicted, measured).top_precision == 1


def test_precision_of_the_top_by_hand():
    measured = np.arange(30) / 30  # the best tenth: 27, 28, 29
    predicted = measured.copy()
    predicted[[0, 27]] = predicted[[27, 0]]  # the predicted best tenth: 0, 28, 29
    assert agreement(predicted, measured).top_precision == pytest.approx(2 / 3)


def test_order_alone_decides_the_ranks():
    rng = np.random.default_rng(0)
    predicted, measured = rng.random(50), rng.random(50)
    bent = agreement(np.exp(3 * predicted), measured)
    straight = agreement(predicted, measured)
    assert bent.kendall_tau == straight.kendall_tau
    assert bent.top_precision == straight.top_precision


@pytest.mark.parametrize(
    ("predicted", "measured", "message"),
    [
        ([0.1], [0.1], r"predicted must have shape \(n,\) with n at least 2"),
        ([0.1, 0.2], [[0.1], [0.2]], "measured must have shape"),
        ([0.1, 0.2], [0.1, 0.2, 0.3], "predicted must be as many as measured, 3, not 2"),
        ([0.1, np.nan], [0.1, 0.2], "predicted must be finite, not nan in row 1"),
    ],
)
def test_bad_input_is_refused(predicted, measured, message):
    with pytest.raises(ValueError, match=message):
        agreement(predicted, measured)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"kendall_tau": np.nan}, "kendall_tau must be from -1"), ({"rmse": -1.0}, "rmse"), ({"n": 1}, "n must be")],
)
def test_an_agreement_outside_its_range_is_refused(change, message):
    fields = dict(n=4, kendall_tau=0.5, spearman_rho=0.5, rmse=0.1, top_precision=0.5)
    with pytest.raises(ValueError, match=message):
        Agreement(**{**fields, **change})
