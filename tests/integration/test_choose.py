"""`choose` on a tiny run: what it picks, why, and what it says when nothing will do."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from evo.fronts.decision import PREFERENCES
from experiments.cli import main
from experiments.storage.tables import FRONTS, read_table, write_table
from tests.support.front_rows import front_columns


def answer(capsys, *arguments):
    status = main(["choose", *map(str, arguments), "--json"])
    return status, json.loads(capsys.readouterr().out)


def said(capsys, *arguments):
    main(["choose", *map(str, arguments)])
    return capsys.readouterr().out


def row(name, accuracy, latency_s, **more):
    """A row of fronts as far as choosing reads it; worst on test where best on validation."""
    found = {
        "id": name, "architecture": f"net-{name}", "latency_s": latency_s, "power_cycles": 3,
        "energy_j": latency_s * 1e-3, "worst_case_latency_s": latency_s, "accuracy_inherited_val": 0.1,
        "accuracy_finetuned_val": accuracy, "accuracy_finetuned_test": 1 - (accuracy or 0.5),
    }  # fmt: skip
    return front_columns(**{**found, **more})


ROWS = [row("fast", 0.6, 1.0), row("knee", 0.8, 2.0), row("best", 0.89, 10.0), row("beaten", 0.7, 3.0)]


@pytest.fixture
def written(tmp_path):
    """Writes rows as a finished run of one budget and gives its folder."""

    def write(rows, **manifest):
        folder = tmp_path / "run"
        found = {"schema": 1, "is_finished": True, "n_inherited_front": {"470uF": len(rows)}, "infeasible": []}
        (folder / "designs").mkdir(parents=True, exist_ok=True)
        (folder / "config.toml").write_text("schema = 1\n")
        (folder / "manifest.json").write_text(json.dumps({**found, **manifest}))
        (folder / "fronts.parquet").unlink(missing_ok=True)
        if rows:
            write_table(folder / "fronts.parquet", rows, FRONTS)
        return folder

    return write


def test_each_budget_of_a_real_run_gets_a_design_of_its_front(tiny_run, capsys):
    rows = {row["id"]: row for row in read_table(tiny_run / "fronts.parquet")}
    for prefer in PREFERENCES:
        status, found = answer(capsys, tiny_run, "--prefer", prefer)
        assert (status, found["feasible"]) == (0, True)
        assert [one["budget"] for one in found["choices"]] == ["47uF", "470uF"]
        for one in found["choices"]:
            assert rows[one["id"]]["on_front"]
            assert rows[one["id"]] == one["design"]
            assert all(Path(path).is_file() for path in one["files"].values())
            assert set(one["files"]) == {"design", "weights"}
    text = said(capsys, tiny_run)
    assert "No budget was named" in text
    assert all(one["id"] in text for one in answer(capsys, tiny_run)[1]["choices"])


def test_the_validation_split_decides_and_the_test_split_is_only_read(written, capsys):
    folder = written(ROWS)
    _, found = answer(capsys, folder, "--prefer", "accuracy")
    (one,) = found["choices"]
    assert one["id"] == "best"
    # with all figures of the test split turned round the choice stays
    turned = [{**row, "accuracy_finetuned_test": row["accuracy_finetuned_val"]} for row in ROWS]
    assert answer(capsys, written(turned), "--prefer", "accuracy")[1]["choices"][0]["id"] == "best"
    assert "Test accuracy 89.0 %; not used for selection." in said(capsys, folder, "--prefer", "accuracy")


def test_the_reasons_by_hand(written, capsys):
    folder = written(ROWS)
    _, found = answer(capsys, folder, "--budget", "0.47mF")
    (one,) = found["choices"]
    assert (one["id"], one["binding_constraint"], one["n_on_front"]) == ("knee", "none", 3)
    assert (one["faster"]["id"], one["more_accurate"]["id"]) == ("fast", "best")
    assert one["more_accurate"]["accuracy_change"] == pytest.approx(0.09)
    assert one["more_accurate"]["time_change_s"] == pytest.approx(8)
    text = said(capsys, folder)
    assert "9 points more accuracy costs 8 s more (best)." in text
    assert "20 points less accuracy saves 1 s (fast)." in text
    assert "It is the knee, the best balance of accuracy and log latency, of the 3 designs on the front." in text
    text = said(capsys, folder, "--prefer", "accuracy", "--deadline", "4s")
    assert "It is the most accurate of the 3 designs on the front, of which 2 keep to the limits." in text
    assert "The deadline decided: without it the choice is best: 89.0 %, 10 s, 6 s too late." in text
    assert "costs 8 s more and breaks the deadline (best)" in text
    text = said(capsys, folder, "--prefer", "latency", "--min-accuracy", "65%")
    assert "The accuracy floor decided: without it the choice is fast: 60.0 %, 1 s, 5 points too low." in text
    text = said(capsys, folder, "--deadline", "5s", "--min-accuracy", "0.7")
    assert "No limit decided: 3 s of the deadline are left, it is 10 points above the floor." in text


def test_nothing_that_keeps_to_the_limits_is_exit_1_with_the_amount(written, capsys):
    folder = written(ROWS)
    status, found = answer(capsys, folder, "--deadline", "0.25s")
    (one,) = found["choices"]
    assert (status, found["feasible"], one["id"]) == (1, False, None)
    assert (one["binding_constraint"], one["violations"]) == ("deadline", {"deadline_s": 0.75, "accuracy": 0.0})
    assert "The fastest design takes 1 s, 750 ms longer than the deadline." in one["explanation"]
    status, found = answer(capsys, folder, "--deadline", "4s", "--min-accuracy", "0.85")
    assert (status, found["choices"][0]["binding_constraint"]) == (1, "deadline and accuracy")
    text = said(capsys, folder, "--deadline", "4s", "--min-accuracy", "0.85")
    assert "The fastest design that is accurate enough takes 10 s, 6 s longer than the deadline." in text
    assert "The most accurate design within the deadline reaches 80.0 %, 5 points below the floor." in text


def test_a_deadline_is_compared_with_the_worst_case_where_there_is_one(written, capsys):
    slow = [{**row, "worst_case_latency_s": 2 * row["latency_s"]} for row in ROWS]
    _, found = answer(capsys, written(slow), "--prefer", "accuracy", "--deadline", "10s")
    assert (found["choices"][0]["id"], found["choices"][0]["time_column"]) == ("knee", "worst_case_latency_s")
    some = [*slow[:2], {**slow[2], "worst_case_latency_s": None}]
    _, found = answer(capsys, written(some), "--prefer", "accuracy", "--deadline", "10s")
    assert (found["choices"][0]["id"], found["choices"][0]["time_column"]) == ("best", "latency_s")
    none = [{**row, "worst_case_latency_s": None} for row in ROWS]
    _, found = answer(capsys, written(none), "--prefer", "accuracy", "--deadline", "10s")
    assert (found["choices"][0]["id"], found["choices"][0]["time_column"]) == ("best", "latency_s")
    assert "compared with the latency; a worst case is not known here" in said(
        capsys, written(none), "--deadline", "9s"
    )


def test_inherited_accuracy_decides_only_where_nothing_was_finetuned(written, capsys):
    some = [*ROWS, row("unknown", None, 0.5, accuracy_inherited_val=0.99)]
    assert answer(capsys, written(some), "--prefer", "accuracy")[1]["choices"][0]["id"] == "best"
    none = [{**row, "accuracy_finetuned_val": None} for row in some]
    (one,) = answer(capsys, written(none), "--prefer", "accuracy")[1]["choices"]
    assert (one["id"], one["accuracy_kind"]) == ("unknown", "inherited")
    assert "(inherited)" in said(capsys, written(none))


def test_a_budget_at_which_the_search_found_nothing_says_by_how_much(written, capsys):
    miss = {"budget": "1uF", "id": "1uF-x", "binding_constraint": "energy", "amount": 2.5e-5, "unit": "J"}
    folder = written(ROWS, n_inherited_front={"1uF": 0, "470uF": 4}, infeasible=[miss])
    status, found = answer(capsys, folder, "--budget", "1uF")
    assert (status, found["choices"][0]["violations"]) == (1, {"energy_j": 2.5e-5})
    assert "breaks the limit of energy by 25 uJ" in said(capsys, folder, "--budget", "1uF")
    # one budget of two has a design: that is one
    assert answer(capsys, folder)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--budget", "480uF"], "budget must be of 470uF of"),
        (["--budget", "470"], "did you mean '470uF'?"),
        (["--prefer", "nee"], "did you mean 'knee'?"),
        (["--deadline", "0s"], "deadline must be above 0, not 0"),
        (["--min-accuracy", "80"], "min-accuracy must be at most 1, not 80"),
        (["--min-accuracy", "high"], "min-accuracy must be a number"),
    ],
)
def test_a_mistake_in_the_call_is_one_line(arguments, message, written, capsys):
    assert main(["choose", str(written(ROWS)), *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err


def test_what_is_no_finished_run_of_this_version_is_one_line(written, tmp_path, capsys):
    def mistake(folder):
        assert main(["choose", str(folder)]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        return err

    assert "must be a run's folder" in mistake(tmp_path / "nowhere")
    assert "no config.toml in it" in mistake(tmp_path)
    assert "schema must be 1, not 0" in mistake(written(ROWS, schema=0))
    assert "must be a finished run" in mistake(written(ROWS, is_finished=False))
    assert "fronts.parquet: file not found" in mistake(written([], n_inherited_front={"470uF": 2}))
    folder = written(ROWS)
    old = pq.read_table(folder / "fronts.parquet").drop_columns(["worst_case_latency_s"])
    pq.write_table(old, folder / "fronts.parquet")
    assert "column 'worst_case_latency_s' is missing; the run was written by another version" in mistake(folder)
    (folder / "fronts.parquet").write_bytes(b"half a table")
    assert "must be whole Parquet" in mistake(folder)
    (folder / "manifest.json").unlink()
    assert "file not found" in mistake(folder)
