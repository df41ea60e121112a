"""`compare` on tiny runs: methods and seeds distinguished by their settings, files written, other ground refused."""

from __future__ import annotations

import csv
import json
import shutil
import struct

import numpy as np
import pyarrow.parquet as pq
import pytest

from experiments.cli import main
from experiments.runs.finished import FinishedRun
from experiments.runs.group_by_settings import group_runs
from experiments.storage.tables import FRONTS, read_table, write_table
from tests.integration.conftest import tiny_arguments


@pytest.fixture(scope="module")
def runs(tiny_run, tmp_path_factory):
    """Four runs: two seeds, each as it is and with another refinement rate in its config (the figures are the same)."""
    root = tmp_path_factory.mktemp("seeds")
    assert main(tiny_arguments(root, "--quiet", settings=["seed=1"])) == 0
    folders = {}
    for seed, source in ((0, tiny_run), (1, next((root / "runs").iterdir()))):
        for rate in ("0.25", "1.0"):
            folders[seed, rate] = shutil.copytree(source, root / "copies" / f"rate {rate} seed {seed}")
            changed(folders[seed, rate], 'refinement_rate = "adaptive"', f"refinement_rate = {rate}")
    return folders


def changed(folder, before, after):
    """A run with another config."""
    config = folder / "config.toml"
    text = config.read_text()
    assert before in text
    config.write_text(text.replace(before, after))
    return folder


def answer(capsys, *arguments):
    assert main(["compare", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def mistake(capsys, *arguments):
    assert main(["compare", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


@pytest.mark.parametrize("kind", ["finetuned", "inherited"])
def test_runs_that_differ_in_the_seed_are_one_method(kind, runs, capsys):
    found = answer(capsys, *runs.values(), "--on", kind)
    assert [(one["label"], [run["seed"] for run in one["runs"]]) for one in found["methods"]] == [
        ("refinement_rate 0.25", [0, 1]),
        ("refinement_rate 1.0", [0, 1]),
    ]
    assert found["on"] == f"accuracy_{kind}_val"
    assert [(one["budget"], one["method"]) for one in found["summaries"]][:2] == [
        ("47uF", "refinement_rate 0.25"),
        ("47uF", "refinement_rate 1.0"),
    ]
    # the same figures under two names: no difference at all, and the best run of all is the reference
    for one in found["contests"]:
        assert (one["effect"], one["p"], one["p_holm"], one["n_wins"], one["n_shared_seeds"]) == (0.5, 1.0, 1.0, 0, 2)
    assert all(one["hypervolume"]["median"] > 0 for one in found["summaries"])
    assert {budget: set(bounds) for budget, bounds in found["bounds"].items()} == {
        budget: {"ideal", "nadir", "reference_point"} for budget in ("47uF", "470uF")
    }


def test_inherited_fronts_are_of_everything_priced_and_finetuned_ones_of_the_table(runs):
    run = FinishedRun.read(runs[0, "0.25"])
    inherited, finetuned = run.values("inherited"), run.values("finetuned")
    for budget in run.budgets:
        rows = run.of_budget(budget)
        assert finetuned[budget].tolist() == [[1 - row.accuracy_finetuned_val, row.latency_s] for row in rows]
        assert len(inherited[budget]) > len(rows)
        for row in rows:
            own = [1 - row.accuracy_inherited_val, row.latency_s]
            assert np.isclose(inherited[budget], own, rtol=1e-12, atol=0).all(axis=1).any()


def test_designs_that_were_only_predicted_or_break_a_limit_do_not_count(runs, tmp_path, capsys):
    folder = shutil.copytree(runs[0, "0.25"], tmp_path / "predicted")
    (path,) = (folder / "evaluations").glob("part-47uF-*")
    table = pq.read_table(path)
    frame = table.to_pandas()
    frame["accuracy_predicted_val"] = frame["accuracy_inherited_val"]
    frame.loc[frame.index % 2 == 0, "accuracy_inherited_val"] = None
    pq.write_table(table.from_pandas(frame, table.schema, preserve_index=False), path)
    run = FinishedRun.read(folder)
    counted = frame[(frame.index % 2 == 1) & frame["feasible"]]
    assert not frame["feasible"].all()
    assert run.values("inherited")["47uF"].tolist() == [
        [1 - row.accuracy_inherited_val, row.latency_s] for row in counted.itertuples()
    ]
    assert len(run.evaluations("47uF")) == len(frame)


def test_a_run_of_which_nothing_was_finetuned_can_be_compared_on_inherited_accuracy(runs, tmp_path, capsys):
    folder = shutil.copytree(runs[1, "0.25"], tmp_path / "not tuned")
    rows = [{**row, "accuracy_finetuned_val": None} for row in read_table(folder / "fronts.parquet")]
    write_table(folder / "fronts.parquet", rows, FRONTS)
    assert "nothing of 47uF was fine-tuned" in mistake(capsys, runs[0, "0.25"], folder)
    answer(capsys, runs[0, "0.25"], folder, "--on", "inherited")


def test_tables_and_figures_are_written_where_asked(runs, tmp_path, capsys):
    found = answer(capsys, *runs.values(), "--out", tmp_path / "out", "--format", "svg,png", "--width", "acm1")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "compare.txt", "compare.json", "runs.csv", "medians.csv", "medians.tex", "tests.csv", "tests.tex",
        *(f"fronts-{budget}.{end}" for budget in ("47uF", "470uF") for end in ("svg", "png")),
    }  # fmt: skip
    assert {path.rpartition("/")[2] for path in found["files"]} == names
    rows = list(csv.DictReader((tmp_path / "out" / "runs.csv").read_text().splitlines()))
    assert {row["run"] for row in rows} == {str(folder) for folder in runs.values()}
    drawn = (tmp_path / "out" / "fronts-47uF.svg").read_text()
    assert all(text in drawn for text in ("refinement_rate 0.25 (2 seeds)", "47 µF", "validation accuracy"))
    png = (tmp_path / "out" / "fronts-47uF.png").read_bytes()
    assert struct.unpack(">I", png[16:20])[0] == round(3.33 * 300)


def test_a_person_reads_who_was_compared_and_what_it_is_worth(runs, capsys):
    assert main(["compare", *map(str, runs.values())]) == 0
    text = capsys.readouterr().out
    assert "With so few seeds none could be" in text
    assert all(str(folder) in text for folder in runs.values())
    assert "--out DIR writes" in text
    assert main(["compare", str(runs[0, "0.25"]), str(runs[0, "1.0"])]) == 0
    assert "One seed per method: no test is possible" in capsys.readouterr().out
    assert main(["compare", str(runs[0, "0.25"]), str(runs[1, "0.25"])]) == 0
    assert "all runs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("fold = 0", "fold = 1", "data set must be that of"),
        ("harvest_uncertainty = 1.0", "harvest_uncertainty = 1.0\nresistance = 9.0", "supply must be"),
        ("harvest_uncertainty = 1.0", "harvest_uncertainty = 1.25", "supply must be that of"),
    ],
)
def test_runs_on_other_ground_are_refused(before, after, message, runs, tmp_path, capsys):
    other = changed(shutil.copytree(runs[1, "0.25"], tmp_path / "other"), before, after)
    assert message in mistake(capsys, runs[0, "0.25"], other)


def test_runs_of_other_budgets_or_devices_are_refused(runs, tmp_path, capsys):
    other = shutil.copytree(runs[1, "0.25"], tmp_path / "other")
    path = other / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "n_inherited_front": {"47uF": 3}}))
    assert "budgets must be that of" in mistake(capsys, runs[0, "0.25"], other)
    turned = dict(reversed(manifest["n_inherited_front"].items()))
    path.write_text(json.dumps({**manifest, "n_inherited_front": turned}))
    assert [one["budget"] for one in answer(capsys, runs[0, "0.25"], other)["summaries"]] == ["47uF", "470uF"]
    path.write_text(json.dumps({**manifest, "hashes": {**manifest["hashes"], "device": "another"}}))
    assert "device must be that of" in mistake(capsys, runs[0, "0.25"], other)


def test_other_mistakes_are_one_line(runs, tmp_path, capsys):
    one = runs[0, "0.25"]
    assert "at least two runs" in mistake(capsys, one)
    assert "are the same with seed 0" in mistake(capsys, one, one)
    assert "--on must be one of finetuned, inherited" in mistake(capsys, one, one, "--on", "fine")
    assert "--format must be of pdf, png, svg, not 'gif'" in mistake(capsys, one, one, "--format", "gif")
    assert "must be a run's folder" in mistake(capsys, one, tmp_path / "nowhere")
    damaged = shutil.copytree(one, tmp_path / "damaged")
    for path in (damaged / "evaluations").iterdir():
        path.write_bytes(b"half a table")
    changed(damaged, "seed = 0", "seed = 7")
    assert "must be whole Parquet" in mistake(capsys, one, damaged, "--on", "inherited")
    shutil.rmtree(damaged / "evaluations")
    assert "no evaluations of 47uF found" in mistake(capsys, one, damaged, "--on", "inherited")


def test_labels_say_what_tells_methods_apart_and_the_rest_is_listed(runs, tmp_path):
    first = runs[0, "0.25"]
    other = shutil.copytree(first, tmp_path / "other")
    changed(other, 'policy = "packed"', 'policy = "one-batch-per-cycle"')
    changed(other, 'cuts = "optimal"', 'cuts = "greedy"')
    third = changed(shutil.copytree(other, tmp_path / "third"), 'name = "tiny"', 'name = "small"')
    found = group_runs([FinishedRun.read(folder) for folder in (first, other, third)])
    assert [one.label for one in found] == [
        "policy packed, space tiny",
        "policy one-batch-per-cycle, space tiny",
        "policy one-batch-per-cycle, space small",
    ]
    assert found[1].also == {"execution.cuts": "greedy"}
