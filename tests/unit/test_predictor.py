"""The surrogate, its card and the card's figure."""

from __future__ import annotations

import json

import numpy as np
import pytest

from energy.networks.shapes import NetworkShape
from experiments.figures.predictor import CARD_FILE, plot_predictor
from models.predictor.agreement import agreement
from models.predictor.card import METHODS, PredictorCard, predictor_card
from models.predictor.gaussian_process import Predictor, encode
from models.predictor.matern import misfit
from models.spaces import Space, Stage

SPACE = Space(
    name="deep",
    input_shape=(32, 1, 3),
    n_classes=4,
    stages=(
        Stage(kernels=(1, 3, 5, 7), channels=(4, 8, 12), depths=(1, 2), residuals=(False, True)),
        Stage(kernels=(1, 3, 5), channels=(4, 8, 16, 24)),
    ),
)


def networks(n, seed=0):
    drawn = np.unique(SPACE.sample(np.random.default_rng(seed), 4 * n), axis=0)
    return np.random.default_rng(seed).permutation(drawn)[:n]


def additive(archs):
    """An accuracy that every active gene adds to, the first options most."""
    share = np.sqrt(archs / (SPACE.n_options - 1)) * SPACE.active(archs)
    return 0.4 + 0.5 * share @ np.linspace(1, 2, archs.shape[1]) / np.linspace(1, 2, archs.shape[1]).sum()


@pytest.fixture(scope="module")
def archs():
    return networks(150)


@pytest.fixture(scope="module")
def predictor(archs):
    return Predictor.fit(SPACE, archs[:80], additive(archs[:80]))


@pytest.fixture(scope="module")
def card(archs):
    return predictor_card(
        SPACE,
        archs[:110],
        additive(archs[:110]),
        np.random.default_rng(0),
        n_held_out=40,
        n_draws=2,
        sizes=(10, 30, 600),
    )


def test_features_say_which_options_are_reached_and_silent_genes_nothing():
    names = [gene.name for gene in SPACE.genes]
    arch = SPACE.smallest
    arch[names.index("s0.channels")] = 1
    features = encode(SPACE, arch[None])[0]
    by_gene = dict(zip(names, np.split(features, np.cumsum(SPACE.n_options)[:-1]), strict=True))
    assert by_gene["s0.channels"].tolist() == [1, 1, 0]
    assert by_gene["s0.b0.kernel"].tolist() == [1, 0, 0, 0]
    assert by_gene["s0.b1.kernel"].tolist() == [0, 0, 0, 0]  # depth 1 has no second block


def test_the_slope_of_the_misfit_is_that_of_its_differences(archs):
    features, targets = encode(SPACE, archs[:12]), additive(archs[:12]) - 0.5
    at = np.random.default_rng(0).normal(0, 0.3, features.shape[1] + 2)
    steps = 1e-5 * np.eye(len(at))
    differences = [
        (misfit(at + step, features, targets)[0] - misfit(at - step, features, targets)[0]) / 2e-5 for step in steps
    ]
    np.testing.assert_allclose(misfit(at, features, targets)[1], differences, atol=1e-6)


def test_an_additive_function_is_learnt_and_more_networks_help(archs):
    held, truth = archs[100:], additive(archs[100:])
    rmse = [
        agreement(Predictor.fit(SPACE, archs[:n], additive(archs[:n])).evaluate(held), truth).rmse
        for n in (10, 30, 100)
    ]
    assert rmse[0] > rmse[1] > rmse[2]
    assert rmse[2] < 0.01


def test_what_was_learnt_from_is_answered_and_trusted_most(archs, predictor):
    known, deviation = predictor.predict(archs[:80])
    np.testing.assert_allclose(known, additive(archs[:80]), atol=0.01)
    assert deviation.mean() < 0.7 * predictor.predict(archs[80:])[1].mean()


def test_deviations_are_as_large_as_errors(archs):
    rng = np.random.default_rng(0)
    noisy = Predictor.fit(SPACE, archs[:100], additive(archs[:100]) + rng.normal(0, 0.02, 100))
    predicted, deviation = noisy.predict(archs[100:])
    ratio = np.sqrt(np.mean(((predicted - additive(archs[100:])) / deviation) ** 2))
    assert 0.5 < ratio < 2
    assert 0.01 < noisy.noise < 0.03


def test_a_prediction_with_its_deviation_is_the_prediction(archs, predictor):
    np.testing.assert_array_equal(predictor.predict(archs)[0], predictor.evaluate(archs))


def test_a_prediction_does_not_depend_on_the_spelling_nor_on_the_other_networks(archs, predictor):
    column = [gene.name for gene in SPACE.genes].index("s0.b1.kernel")
    silent = archs[~SPACE.active(archs)[:, column]]
    respelt = silent.copy()
    respelt[:, column] = 2
    np.testing.assert_array_equal(predictor.evaluate(respelt), predictor.evaluate(silent))
    np.testing.assert_allclose(predictor.evaluate(archs[:1]), predictor.evaluate(archs)[:1], rtol=1e-9)


def test_the_order_of_the_networks_changes_no_bit(archs, predictor):
    order = np.random.default_rng(1).permutation(80)
    other = Predictor.fit(SPACE, archs[:80][order], additive(archs[:80])[order])
    np.testing.assert_array_equal(other.evaluate(archs), predictor.evaluate(archs))


def test_refitting_equals_fitting_on_all(archs, predictor):
    first = Predictor.fit(SPACE, archs[:30], additive(archs[:30]))
    refitted = first.refitted(archs[30:80], additive(archs[30:80]))
    np.testing.assert_array_equal(refitted.evaluate(archs), predictor.evaluate(archs))


def test_of_networks_that_repeat_the_mean_counts(archs):
    twice = np.concatenate([archs[:20], archs[:20]])
    known = additive(archs[:20])
    halves = Predictor.fit(SPACE, twice, np.concatenate([known - 0.01, known + 0.01]))
    once = Predictor.fit(SPACE, archs[:20], known)
    np.testing.assert_allclose(halves.evaluate(archs), once.evaluate(archs), atol=1e-5)


def test_the_order_of_networks_that_repeat_changes_no_bit(archs):
    thrice, values = np.concatenate([archs[:20]] * 3), np.random.default_rng(0).random(60)
    found = [
        Predictor.fit(SPACE, thrice[order], values[order]).accuracies for order in (np.arange(60), np.arange(60)[::-1])
    ]
    np.testing.assert_array_equal(*found)


def test_a_network_of_another_space_is_refused(archs, predictor):
    with pytest.raises(ValueError, match=r"gene s0.depth must be from 0 to 1, not 9"):
        predictor.evaluate(np.full_like(archs[:1], 9))


def test_a_constant_is_predicted_as_it_is(archs):
    constant = Predictor.fit(SPACE, archs[:20], np.full(20, 0.7))
    np.testing.assert_allclose(constant.evaluate(archs), 0.7, atol=1e-12)


def test_predictions_are_accuracies(archs):
    steep = Predictor.fit(SPACE, archs[:60], (additive(archs[:60]) > 0.6).astype(float)).evaluate(archs)
    assert steep.min() >= 0
    assert steep.max() <= 1


def test_no_networks_give_no_predictions(archs, predictor):
    assert [len(part) for part in predictor.predict(archs[:0])] == [0, 0]


@pytest.mark.parametrize(
    ("n", "accuracies", "message"),
    [
        (10, np.full(9, 0.5), r"accuracies must have shape \(10,\)"),
        (10, np.r_[np.full(9, 0.5), 1.5], "accuracies must be from 0 to 1, not 1.5 in row 9"),
        (10, np.r_[np.nan, np.full(9, 0.5)], "accuracies must be from 0 to 1, not nan in row 0"),
        (4, np.full(4, 0.5), "archs must have at least 5 distinct networks, not 4"),
    ],
)
def test_bad_input_is_refused(archs, n, accuracies, message):
    with pytest.raises(ValueError, match=message):
        Predictor.fit(SPACE, archs[:n], accuracies)


def test_the_card_has_the_curve_of_every_method_and_a_verdict(card):
    assert card.n_training.tolist() == [10, 30, 70]  # 110 - 40 held out are left for 600
    assert card.curves["macs"]["rmse"].shape == (2, 3)
    tau = card.curves["predictor"]["kendall_tau"].mean(axis=0)
    assert tau[0] < tau[1] < tau[2]
    assert card.beats_both
    assert "in space deep: beats both baselines." in card.text()


def test_the_cards_figures_are_those_of_its_first_held_out_networks(card):
    figures = agreement(card.predicted, card.measured)
    assert figures.kendall_tau == card.curves["predictor"]["kendall_tau"][0, -1]
    assert figures.rmse == card.curves["predictor"]["rmse"][0, -1]


def test_a_predictor_that_is_no_better_is_reported_as_such(archs):
    def n_macs(arch) -> float:
        network: NetworkShape = SPACE.network(arch)
        return float(np.log(network.n_macs))

    by_macs = np.array([n_macs(arch) for arch in archs])
    line = 0.5 + 0.4 * (by_macs - by_macs.min()) / np.ptp(by_macs)
    found = predictor_card(SPACE, archs, line, np.random.default_rng(0), n_held_out=40, n_draws=1, sizes=(20,))
    assert found.curves["macs"]["kendall_tau"][0, 0] == pytest.approx(1)
    assert found.curves["macs"]["rmse"][0, 0] == pytest.approx(0, abs=1e-9)
    assert "does NOT beat both baselines" in found.text()


def test_networks_held_out_are_not_learnt_from(archs):
    chance = np.random.default_rng(1).random(len(archs))
    found = predictor_card(SPACE, archs, chance, np.random.default_rng(0), n_held_out=75, n_draws=1, sizes=(75,))
    assert abs(found.curves["predictor"]["kendall_tau"][0, 0]) < 0.3


def test_the_same_seed_gives_the_same_card_and_json_keeps_it(archs, card):
    again = predictor_card(
        SPACE,
        archs[:110],
        additive(archs[:110]),
        np.random.default_rng(0),
        n_held_out=40,
        n_draws=2,
        sizes=(10, 30, 600),
    )
    assert again.to_dict() == card.to_dict()
    assert PredictorCard.from_dict(json.loads(json.dumps(card.to_dict()))).to_dict() == card.to_dict()


@pytest.mark.parametrize(
    ("n", "options", "message"),
    [
        (44, {"n_held_out": 40}, "archs must be at least n_held_out [+] 5 = 45 networks, not 44"),
        (50, {"n_held_out": 1}, "n_held_out must be a whole number of at least 2"),
        (50, {"n_held_out": 20, "sizes": (3,)}, "sizes must be a whole number of at least 5"),
    ],
)
def test_a_card_from_too_few_networks_is_refused(archs, n, options, message):
    with pytest.raises(ValueError, match=message):
        predictor_card(SPACE, archs[:n], additive(archs[:n]), np.random.default_rng(0), **options)


def test_a_card_of_networks_that_repeat_is_refused(archs):
    twice = np.concatenate([archs[:30], archs[:30]])
    with pytest.raises(ValueError, match="archs must be distinct, or held-out networks are known: 30 of 60 repeat"):
        predictor_card(SPACE, twice, additive(twice), np.random.default_rng(0), n_held_out=10)


def test_a_damaged_card_is_refused(card):
    data = card.to_dict()
    with pytest.raises(ValueError, match="key 'noise' is missing"):
        PredictorCard.from_dict({key: value for key, value in data.items() if key != "noise"})
    with pytest.raises(ValueError, match=r"measured must have shape \(40,\), not \(39,\)"):
        PredictorCard.from_dict({**data, "measured": data["measured"][1:]})
    with pytest.raises(ValueError, match=f"curves: key {next(iter(METHODS))!r} is missing"):
        PredictorCard.from_dict({**data, "curves": {}})
    with pytest.raises(ValueError, match="curves must be an object, not int"):
        PredictorCard.from_dict({**data, "curves": 3})
    with pytest.raises(ValueError, match="noise must be a finite number, not 'a'"):
        PredictorCard.from_dict({**data, "noise": "a"})


def test_the_figure_is_drawn_from_the_file_alone_and_the_same_every_time(card, tmp_path):
    (tmp_path / CARD_FILE).write_text(json.dumps(card.to_dict()), encoding="utf-8")
    (path,) = plot_predictor(tmp_path, ["svg"], "ieee2")
    first = path.read_bytes()
    assert b"40 networks held out" in first
    plot_predictor(tmp_path, ["svg"], "ieee2")
    assert path.read_bytes() == first


def test_a_run_without_a_card_is_told_what_is_missing(tmp_path):
    with pytest.raises(ValueError, match="predictor's card not found"):
        plot_predictor(tmp_path, ["svg"], "ieee2")
    (tmp_path / CARD_FILE).write_text("[1, 2", encoding="utf-8")
    with pytest.raises(ValueError, match="must be a predictor's card"):
        plot_predictor(tmp_path, ["svg"], "ieee2")
