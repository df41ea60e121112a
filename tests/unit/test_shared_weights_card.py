"""The card of the shared weights: its figures by hand, its networks over all sizes, and the command on a tiny run."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from experiments.cards.sections import Effort, fold_configs, inherited
from experiments.cards.shared_weights import SharedWeightsCard
from experiments.cards.sizes import networks_over_sizes
from experiments.cli import main
from experiments.config.read import read_config
from experiments.config.resolve import look_up
from experiments.config.toml import to_toml
from experiments.parallel.progress import Reporter
from experiments.pipeline.run import Run
from experiments.pipeline.stages import Stages
from models.spaces import Stage, preset

CARD = SharedWeightsCard(
    networks=["a", "b", "c", "d"],
    n_parameters=np.array([40, 10, 20, 30]),
    n_macs=np.array([1, 2, 4, 3]),
    inherited=np.array([0.5, 0.6, 0.7, 0.8]),
    log_likelihood=np.array([-4.0, -3.0, -1.0, -2.0]),
    alone=np.array([[0.54, 0.56], [0.64, 0.62], [0.76, 0.72], [0.78, 0.74]]),
    n_folds=5,
    n_samples=3605,
)
TINY = (
    "data.name=synthetic",
    "space.name=tiny",
    "space.stages=[{kernels=[1, 3], channels=[4, 8], strides=[4]}, {kernels=[1, 3], channels=[4, 8]}]",
    "supernet.epochs=1",
    "compute.processes=1",
)


def test_ceiling_is_the_agreement_of_a_seed_with_the_others():
    # both seeds order a < b < c < d: 6 of 6 pairs
    assert CARD.ceiling == 1
    # A third seed has c far above d: (5 - 1) / 6 against the others, 0.74 and 0.76. Each of those has d above c,
    # and the mean of its two others not: (0.72 + 0.9) / 2 > (0.74 + 0.61) / 2. A mean of all three would agree with
    # the third.
    third = np.array([[0.5], [0.6], [0.9], [0.61]])
    found = replace(CARD, alone=np.hstack([CARD.alone, third]))
    assert found.ceiling == pytest.approx(2 / 3)


def test_taus_count_pairs_in_order():
    # mean alone rises a to d. Log-likelihood and macs turn c and d round: (5 - 1) / 6; parameters: a is above b, c and
    # d, three of six pairs: 0
    assert CARD.taus == pytest.approx({"inherited": 1, "log_likelihood": 2 / 3, "parameters": 0, "macs": 2 / 3})


def test_gap_is_of_inherited_to_the_mean_over_seeds():
    # inherited - mean alone: 0.5 - 0.55, 0.6 - 0.63, 0.7 - 0.74, 0.8 - 0.76 = -0.05, -0.03, -0.04, +0.04
    assert CARD.mean_absolute_gap == pytest.approx(0.04)
    assert CARD.mean_gap == pytest.approx(-0.02)


def test_the_card_gives_figures_and_no_aims():
    text, found = CARD.text(), CARD.to_dict()
    assert not any(word in text for word in ("reached", "MISSED", "at least"))
    assert "reached" not in found
    assert (found["ceiling_tau"], found["mean_absolute_gap"]) == (1, pytest.approx(0.04))


def test_text_names_kind_split_and_every_row():
    text = CARD.text()
    for part in (
        "4 networks, 2 seeds alone, 5 folds",
        "inherited log-likelihood  ",
        "parameter count",
        "-2.0",
    ):
        assert part in text


def test_rows_hold_every_seed():
    assert CARD.rows()[1] == {
        "network": "b",
        "n_parameters": 10,
        "n_macs": 2,
        "accuracy_inherited_val": 0.6,
        "log_likelihood_inherited_val": -3.0,
        "accuracy_standalone_val_0": 0.64,
        "accuracy_standalone_val_1": 0.62,
    }


def test_ranks_of_one_seed_have_no_ceiling():
    with pytest.raises(ValueError, match=r"alone must have shape \(n, n_seeds\), both at least 2, not \(4, 1\)"):
        replace(CARD, alone=CARD.alone[:, :1])


def test_networks_are_spread_over_the_logarithm_of_their_work():
    two_layers = Stage(kernels=(1, 3, 5, 7), channels=(4, 8, 16, 24))
    space = replace(preset("conv1d-3"), stages=(two_layers, two_layers))
    archs = networks_over_sizes(space, 8, np.random.default_rng(0))
    size = np.log([space.network(arch).n_macs for arch in archs])
    least, most = (np.log(space.network(arch).n_macs) for arch in (space.smallest, space.largest))
    # one in each of 8 steps of equal length, in rising order
    steps = np.minimum((size - least) / (most - least) * 8, 7.999).astype(int)
    np.testing.assert_array_equal(steps, np.arange(8))


def test_choice_of_networks_depends_on_the_seed_alone():
    space = read_tiny_space()
    first, same, other = (networks_over_sizes(space, 5, np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


def test_all_networks_can_be_asked_for_and_no_more():
    space = read_tiny_space()
    archs = networks_over_sizes(space, space.size, np.random.default_rng(0))
    assert len(np.unique(archs, axis=0)) == space.size == 16
    with pytest.raises(ValueError, match="networks must be at most the 16 of space tiny, not 17"):
        networks_over_sizes(space, 17, np.random.default_rng(0))


def read_tiny_space():
    return look_up(read_config("watch", settings=TINY)).space


def test_folds_go_on_from_that_of_the_run():
    config = read_config("watch", settings=["data.fold=3"])
    assert [one.data.fold for one in fold_configs(config, 5)] == [3, 4, 0, 1, 2]
    assert [one.data.fold for one in fold_configs(config, 1)] == [3]
    assert fold_configs(config, 1)[0].key() == config.key()


@pytest.mark.parametrize(
    ("effort", "message"),
    [
        ({"networks": 1}, "networks must be at least 2, not 1"),
        ({"seeds": 1}, "seeds must be at least 2, not 1"),
        ({"folds": 6}, "folds must be from 1 to 5, not 6"),
    ],
)
def test_effort_outside_its_range_is_refused(effort, message):
    with pytest.raises(ValueError, match=message):
        Effort(**effort)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Folder of a run that has its config and nothing else yet."""
    config = read_config("watch", settings=TINY)
    folder = Run.of(config, source="watch", root=tmp_path_factory.mktemp("card")).folder
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(to_toml(config.to_dict()))
    return folder


def call(run, *more):
    return main(["card", str(run), "--networks", "3", "--seeds", "2", "--folds", "2", "--quiet", *more])


def test_card_of_a_run_says_the_same_twice_and_writes_its_files(run, capsys):
    assert call(run, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["shared_weights"]["n_networks"] == 3
    assert found["shared_weights"]["n_samples_val"] == 2 * 84
    assert {"schema": 1, **found} == json.loads((run / "card.json").read_text())
    with (run / "card_networks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    alone = np.mean([[float(row[f"accuracy_standalone_val_{seed}"]) for seed in (0, 1)] for row in rows], axis=1)
    assert found["shared_weights"]["accuracy_standalone_val"]["mean"] == pytest.approx(alone.mean())
    done = [json.loads(path.read_text()) for path in (run.parent.parent / "cache").glob("standalone-*/done.json")]
    assert len(done) == 3 * 2 * 2
    for row in rows:
        own = [one["accuracy_standalone_val"] for one in done if (one["network"], one["seed"]) == (row["network"], 1)]
        # both folds have 84 samples
        assert float(row["accuracy_standalone_val_1"]) == pytest.approx(sum(own) / 2)
    assert call(run) == 0
    assert (
        "Shared weights: 3 networks, 2 seeds alone, 2 folds pooled (168 validation samples)" in capsys.readouterr().out
    )


def test_inherited_accuracy_is_that_of_the_shared_weights_on_each_fold(run):
    own = Run.of(read_config(str(run)), source=str(run), root=run.parent.parent)
    archs = networks_over_sizes(own.work.space, 3, np.random.default_rng(0))
    for config in fold_configs(own.work.config, 2):
        stages = Stages(work=look_up(config), store=own.store, reporter=Reporter(quiet=True), log=lambda entry: None)
        right, likelihood = inherited(stages, archs)
        judged = stages.evaluator(stages.supernet()).evaluate(archs)
        np.testing.assert_allclose(right.mean(axis=1), judged)
        # the likeliest of seven classes has at least a seventh
        assert (likelihood[right] >= np.log(1 / 7) - 1e-9).all()
        assert set(stages.work.data.opened) == {"train", "val"}


def test_mistake_in_the_call_is_one_line(run, capsys):
    assert main(["card", str(run), "--networks", "many"]) == 2
    assert capsys.readouterr().err == "ebbnas: --networks must be a whole number of at least 0, not 'many'\n"


@pytest.mark.parametrize("name", ["nowhere", "watch"])
def test_what_is_no_run_has_no_card(name, tmp_path, monkeypatch, capsys):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert main(["card", name]) == 2
    assert capsys.readouterr().err.startswith(f"ebbnas: {name}: must be a run's folder (folder not found)")
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]


def test_a_run_that_was_moved_away_from_its_cache_has_no_card(run, tmp_path, capsys):
    moved = shutil.copytree(run, tmp_path / "deep" / "mine")
    assert main(["card", str(moved)]) == 2
    assert f"{moved}: must lie where it was made, as runs/{run.name} beside its cache" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep"]
