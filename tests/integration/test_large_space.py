"""A run in a space too large to evaluate every network: predicted, measured where the front is, resumed, carded."""

import json

import numpy as np
import pytest

from experiments.cli import main
from experiments.config.read import read_config
from experiments.config.resolve import look_up
from experiments.config.toml import to_toml
from experiments.parallel.progress import Reporter
from experiments.pipeline.inherited_accuracy import LARGEST_TABLE, sampled_networks
from experiments.pipeline.stages import Stages
from experiments.storage.cache import Store
from experiments.storage.tables import read_table
from models.spaces import preset

LARGE = (
    "data.name=synthetic",
    "space.name=large",
    "space.stages=[{kernels=[1, 3, 5], channels=[2, 4, 6], strides=[4]}, {kernels=[1, 3, 5], channels=[2, 4, 6]},"
    " {kernels=[1, 3, 5], channels=[2, 4, 6]}, {kernels=[1, 3, 5], channels=[2, 4, 6, 8]},"
    " {kernels=[1, 3, 5], channels=[2]}]",
    "supernet.epochs=1",
    "predictor.networks=20",
    "search.evaluations=56",
    "search.population=8",
    "finetune.epochs=1",
    "finetune.max_networks=2",
    "compute.processes=1",
)


def run_in(root, *more):
    arguments = ["search", "watch", "--root", str(root), "--budgets", "470uF", "--quiet"]
    for setting in (*LARGE, *more):
        arguments += ["--set", setting]
    assert main(arguments) == 0
    return next((root / "runs").iterdir())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_in(tmp_path_factory.mktemp("large"))


def evaluations_of(run):
    return [row for path in sorted((run / "evaluations").iterdir()) for row in read_table(path)]


def test_every_evaluation_says_whether_its_accuracy_was_measured_or_predicted(run):
    rows = evaluations_of(run)
    kinds = [(row["accuracy_inherited_val"] is None, row["accuracy_predicted_val"] is None) for row in rows]
    assert set(kinds) == {(True, False), (False, True)}


def test_the_members_of_a_front_are_measured(run):
    measured = {
        row["architecture"]: row["accuracy_inherited_val"]
        for row in evaluations_of(run)
        if row["accuracy_inherited_val"] is not None
    }
    rows = read_table(run / "fronts.parquet")
    assert rows
    assert all(measured[row["architecture"]] == row["accuracy_inherited_val"] for row in rows)


@pytest.mark.slow  # a search again; test_accuracy_source goes on bit for bit
def test_a_search_that_was_left_off_ends_like_one_that_was_not(run, tmp_path):
    run_in(tmp_path, "search.evaluations=24")
    again = run_in(tmp_path)
    assert (again / "fronts.csv").read_bytes() == (run / "fronts.csv").read_bytes()


@pytest.mark.slow
def test_the_card_of_the_predictor_is_printed_kept_and_drawn(run, capsys):
    assert main(["card", str(run), "--quiet"]) == 0
    printed = capsys.readouterr().out
    assert "both baselines" in printed
    card = json.loads((run / "card.json").read_text())
    assert card["predictor"]["kind"] == "inherited"
    assert main(["plot", str(run), "--kind", "predictor", "--format", "png"]) == 0
    assert (run / "figures" / "predictor.png").stat().st_size > 10_000


@pytest.mark.parametrize(("config", "is_dense"), [("watch", False), ("ebb1d", True)])
def test_networks_of_a_large_space_are_judged_by_more_windows_of_the_same_people(config, is_dense, tmp_path):
    work = look_up(read_config(config))
    stages = Stages(work=work, store=Store(root=tmp_path), reporter=Reporter(quiet=True), log=lambda entry: None)
    val = work.data.split("val")
    assert (len(stages.evaluation_samples) > 3 * len(val)) == is_dense
    np.testing.assert_array_equal(np.unique(stages.evaluation_samples.groups), np.unique(val.groups))
    assert "test" not in work.data.opened


def test_sampled_networks_are_distinct_and_hold_both_ends():
    space = preset("mbconv1d")
    assert space.size > LARGEST_TABLE
    archs = sampled_networks(space, 50, np.random.default_rng(0))
    assert len(np.unique(archs, axis=0)) == 50
    assert {space.encode(arch) for arch in archs[:2]} == {space.encode(space.smallest), space.encode(space.largest)}


@pytest.mark.parametrize("name", ["watch", "ebb1d", "fashion", "cifar10", "speech"])
def test_every_shipped_config_is_read_and_read_again_once_resolved(name, tmp_path):
    config = read_config(name)
    assert config.name == name
    (tmp_path / "config.toml").write_text(to_toml(config.to_dict()))
    assert read_config(str(tmp_path)) == config
