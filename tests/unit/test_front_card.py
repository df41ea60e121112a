"""The card of the fronts: its figures by hand, and the command on a tiny run, test split last."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import experiments.pipeline.training
from experiments.cards.front import FrontCard
from experiments.cards.sections import Effort, front
from experiments.cli import main
from experiments.config.read import read_config
from experiments.config.toml import to_toml
from experiments.parallel.progress import Reporter
from experiments.pipeline.finetune import finetune, teacher_answers
from experiments.pipeline.run import Run
from experiments.pipeline.stages import Stages
from experiments.storage.tables import FRONTS, write_table
from models.data import DataSet
from models.evaluation.accuracy import correct
from models.supernet.subnet import Subnet
from tests.support.front_rows import front_columns

CARD = FrontCard(
    networks=["a", "b", "c"],
    on_front=np.array([True, False, True]),
    finetuned_val=np.array([0.80, 0.82, 0.84]),
    finetuned_test=np.array([0.70, 0.72, 0.77]),
    learning_rates=(0.002, 0.004),
    alone_val=np.array([[0.79, 0.81], [0.80, 0.84], [0.84, 0.81]]),
    alone_test=np.array([[0.60, 0.72], [0.60, 0.74], [0.60, 0.76]]),
    finetune_learning_rate=0.002,
    n_epochs=20,
    n_seeds=1,
)
RATES = (2e-3, 8e-3)
TINY = (
    "data.name=synthetic",
    "space.name=tiny",
    "space.stages=[{kernels=[1, 3], channels=[4, 8], strides=[4]}, {kernels=[1, 3], channels=[4, 8]}]",
    "supernet.epochs=1",
    "finetune.epochs=2",
    "finetune.seeds=2",
    "finetune.batch_size=64",
    "compute.processes=1",
)


def test_one_learning_rate_is_chosen_by_mean_validation_accuracy():
    # means 0.81 and 0.82, though the largest of all is at the first rate and every test accuracy speaks otherwise
    assert CARD.chosen == 1
    assert replace(CARD, alone_test=1 - CARD.alone_test).chosen == 1
    # of equals the smallest, also where sums are rounded: 0.1 + 0.2 is not 0.3
    equal = replace(CARD, alone_val=np.array([[0.0, 0.1], [0.3, 0.2], [0.3, 0.3]]))
    assert equal.alone_val[:, 0].sum() == 0.6 != 0.1 + 0.2 + 0.3
    assert equal.chosen == 0


def test_difference_is_finetuned_minus_alone_at_that_rate():
    # -0.01, -0.02, +0.03 on validation; -0.02, -0.02, +0.01 on test
    assert CARD.difference("val") == pytest.approx(0)
    assert CARD.difference("test") == pytest.approx(-0.01)
    assert CARD.difference("val", on_front=True) == pytest.approx(0.01)
    assert CARD.difference("test", on_front=True) == pytest.approx(-0.005)
    assert replace(CARD, on_front=np.zeros(3, dtype=bool)).difference("val", on_front=True) is None


def test_at_least_as_good_is_said_of_each_split_and_equal_is_enough():
    assert CARD.is_as_good == {"val": True, "test": False}
    assert replace(CARD, finetuned_val=CARD.finetuned_val - 0.001).is_as_good["val"] is False
    found = CARD.to_dict()
    assert (found["is_at_least_as_good_val"], found["is_at_least_as_good_test"]) == (True, False)
    assert found["chosen_learning_rate"] == 0.004
    assert found["mean_accuracy_standalone_val"] == pytest.approx([0.81, 0.82])
    assert (found["n_networks"], found["n_on_front"]) == (3, 2)


def test_text_says_everything_with_signs():
    text = CARD.text()
    for part in (
        "Fronts: 3 fine-tuned networks, and the same networks trained alone: teacher, 20 epochs and best of 1 seed",
        "fine-tuned, learning rate 0.002         82.00 %  73.00 %",
        "alone, learning rate 0.002              81.00 %  60.00 %",
        "alone, learning rate 0.004 (chosen)     82.00 %  74.00 %",
        "all 3: validation +0.00 points, test -1.00 points",
        "the 2 on a front: validation +1.00 points, test -0.50 points",
    ):
        assert part in text


def test_rows_hold_every_learning_rate():
    row = CARD.rows()[1]
    assert (row["network"], row["on_front"], row["learning_rate"]) == ("b", False, 0.004)
    assert (row["accuracy_standalone_val_0.002"], row["accuracy_standalone_test_0.004"]) == (0.80, 0.74)
    assert (row["difference_val"], row["difference_test"]) == pytest.approx((-0.02, -0.02))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"networks": []}, "networks must be at least one"),
        ({"on_front": np.array([True])}, r"on_front must have shape \(3,\), not \(1,\)"),
        ({"alone_test": np.zeros((3, 1))}, r"alone_test must have shape \(3, 2\), not \(3, 1\)"),
        ({"learning_rates": (0.004, 0.002)}, "learning_rates must be at least one, rising"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(CARD, **change)


@pytest.fixture(scope="module")
def finetuned_run(tmp_path_factory):
    """Folder of a run with two fine-tuned networks, one of them on two fronts; its search is left out."""
    config = read_config("watch", settings=TINY)
    run = Run.of(config, source="watch", root=tmp_path_factory.mktemp("front"))
    space = run.work.space
    stages = stages_of(run)
    trainer = stages.supernet()
    archs = np.array([space.smallest, space.largest])
    finetuned, keys = finetune(stages, trainer, stages.evaluator(trainer), archs)
    names = [space.encode(arch) for arch in archs]
    columns = {"accuracy_finetuned_test": 0.5, "latency_s": 1.0}
    rows = [
        front_columns(
            budget=budget, architecture=names[i], on_front=on_front,
            accuracy_finetuned_val=finetuned[names[i]].accuracy_finetuned_val, **columns,
        )
        for budget, i, on_front in (("47uF", 0, False), ("47uF", 1, False), ("100uF", 1, True))
    ]  # fmt: skip
    write_table(run.folder / "fronts.parquet", rows, FRONTS)
    (run.folder / "config.toml").write_text(to_toml(config.to_dict()))
    (run.folder / "manifest.json").write_text(json.dumps({"key": config.key(), "stages": {"finetune": keys}}))
    return run.folder


@pytest.fixture
def run(finetuned_run, tmp_path, monkeypatch):
    """A copy of that run, cache included; training alone has two learning rates."""
    monkeypatch.setattr("experiments.cards.front_training.LEARNING_RATES", RATES)
    shutil.copytree(finetuned_run.parent.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / "runs" / finetuned_run.name


def stages_of(run):
    return Stages(work=run.work, store=run.store, reporter=Reporter(quiet=True), log=lambda entry: None)


def read(folder):
    return Run.of(read_config(str(folder)), source=str(folder), root=folder.parent.parent)


def alone(folder):
    """What the cache holds of training alone: done.json and weights by network, learning rate and seed."""
    found = {}
    for path in (folder.parent.parent / "cache").glob("standalone-*/done.json"):
        done = json.loads(path.read_text())
        key = done["network"], done["settings"]["learning_rate"], done["seed"]
        found[key] = done, path.with_name("weights.safetensors").read_bytes()
    return found


def test_card_compares_as_fine_tuning_trains(run, monkeypatch):
    jobs, whole = [], experiments.pipeline.training.run_job
    monkeypatch.setattr(experiments.pipeline.training, "run_job", lambda job: jobs.append(job) or whole(job))
    own = read(run)
    found = front(own, Effort(front=True), Reporter(quiet=True))
    stages = stages_of(own)
    trainer = stages.supernet()
    teacher = teacher_answers(stages, trainer, stages.evaluator(trainer))
    assert len(jobs) == 2 * 2 * 2
    for job in jobs:
        assert job.start is None
        np.testing.assert_array_equal(job.teacher, teacher)
        assert (job.settings.epochs, job.settings.batch_size, job.settings.validate_every) == (2, 64, 2)
        assert job.settings.distillation == 0.5
    # the better seed of each on validation, the first of equals, and its weights on test
    space, test = own.work.space, own.work.data.split("test")
    kept = alone(run)
    for i, name in enumerate(found.networks):
        for j, rate in enumerate(RATES):
            first, second = (kept[name, rate, seed] for seed in (0, 1_000_003))
            done, weights = max(first, second, key=lambda one: one[0]["accuracy_standalone_val"])
            assert found.alone_val[i, j] == done["accuracy_standalone_val"]
            subnet = Subnet.from_bytes(space, space.decode(name), weights)
            assert found.alone_test[i, j] == correct(subnet, test).mean()
    assert found.on_front.tolist() == [False, True]


def test_command_prints_writes_and_goes_on_where_it_was_stopped(run, capsys, monkeypatch):
    monkeypatch.setattr("experiments.commands.card.SECTIONS", (front,))
    whole, calls = experiments.pipeline.training.run_job, []

    def stopped(job):
        calls.append(job)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(job)

    monkeypatch.setattr(experiments.pipeline.training, "run_job", stopped)
    assert main(["card", str(run), "--front", "--quiet"]) == 130
    assert main(["card", str(run), "--front", "--json"]) == 0
    assert len(calls) == 8 + 1
    capsys.readouterr()
    assert main(["card", str(run), "--front", "--quiet"]) == 0
    assert len(calls) == 8 + 1
    assert "fine-tuned minus alone, all 2: validation " in capsys.readouterr().out
    found = json.loads((run / "card.json").read_text())["front"]
    with (run / "card_front.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["on_front"] for row in rows] == ["False", "True"]
    chosen = f"accuracy_standalone_val_{found['chosen_learning_rate']:g}"
    alone_val = np.mean([float(row[chosen]) for row in rows])
    assert alone_val == max(found["mean_accuracy_standalone_val"])
    differences = [float(row["accuracy_finetuned_val"]) - float(row[chosen]) for row in rows]
    assert found["mean_difference_val"] == pytest.approx(np.mean(differences))


def test_test_split_is_opened_after_the_last_training(run, monkeypatch):
    events, split, whole = [], DataSet.split, experiments.pipeline.training.run_job

    def opening(self, name):
        events.append(name)
        return split(self, name)

    monkeypatch.setattr(DataSet, "split", opening)
    monkeypatch.setattr(experiments.pipeline.training, "run_job", lambda job: events.append("trained") or whole(job))
    front(read(run), Effort(front=True), Reporter(quiet=True))
    first = events.index("test")
    assert events[:first].count("trained") == 8
    assert set(events[first:]) == {"test"}


def test_card_without_the_flag_has_no_such_section(run):
    assert front(read(run), Effort(), Reporter(quiet=True)) is None


def test_networks_that_were_fine_tuned_otherwise_are_refused(run, capsys):
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["stages"]["finetune"] = manifest["stages"]["finetune"][1:]
    (run / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="networks of the fronts must be fine-tuned as this version of the program"):
        front(read(run), Effort(front=True), Reporter(quiet=True))
    # before any other section takes its time
    assert main(["card", str(run), "--front"]) == 2
    assert "run `search --fresh` on it first" in capsys.readouterr().err
    assert {path.name.partition("-")[0] for path in (run.parent.parent / "cache").glob("*-*")} == {
        "supernet",
        "finetune",
    }


def test_run_without_fronts_is_refused_in_one_line(run, capsys):
    write_table(run / "fronts.parquet", [], FRONTS)
    assert main(["card", str(run), "--front"]) == 2
    assert capsys.readouterr().err.endswith("fronts.parquet: must hold at least one network, and is empty\n")
    (run / "fronts.parquet").unlink()
    assert main(["card", str(run), "--front"]) == 2
    assert "file not found; has the run finished?" in capsys.readouterr().err
