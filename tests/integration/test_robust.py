"""`robust` on a tiny run: files that `price` agrees with, what it costs, and bad input."""

import json
import shutil

import pytest

from experiments.cli import main
from experiments.storage.tables import read_table


@pytest.fixture(scope="module")
def run(tiny_run, tmp_path_factory):
    """A copy of the tiny run with its cache, to write into."""
    root = tmp_path_factory.mktemp("robust")
    shutil.copytree(tiny_run.parent.parent, root, dirs_exist_ok=True)
    return root / "runs" / tiny_run.name


def answer(capsys, *arguments):
    status = main([*map(str, arguments), "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_robust_designs_are_safe_where_price_says_so(run, capsys, tmp_path):
    status, found = answer(capsys, "robust", run, "--budgets", "47uF,470uF", "--resistance-factors", "1,1.5")
    assert status == 0
    assert [case["case"] for case in found["cases"]] == ["47uF", "47uF x1.5", "470uF", "470uF x1.5"]
    folder = run / found["folder"].rsplit("/", 1)[-1]
    rows = read_table(folder / "robust.parquet")
    assert len(rows) == found["designs"] >= 1
    for case in found["cases"]:
        assert case["hypervolume_share"] > 0
        column = f"latency_s_{case['case'].replace(' ', '_')}"
        supply = ["--capacitance", str(case["capacitance_f"]), "--resistance", str(case["resistance_ohm"])]
        _, priced = answer(capsys, "price", folder / "designs" / f"{rows[0]['id']}.json", *supply)
        assert priced["feasible"]
        assert priced["latency_s"] == pytest.approx(rows[0][column], rel=1e-12)
    before = {path: path.read_bytes() for path in sorted(folder.rglob("*.*")) if path.is_file()}
    assert answer(capsys, "robust", run)[1]["designs"] == found["designs"]
    assert {path: path.read_bytes() for path in sorted(folder.rglob("*.*")) if path.is_file()} == before


def test_nothing_is_safe_on_a_capacitor_that_is_too_small(run, capsys):
    status, found = answer(capsys, "robust", run, "--budgets", "1uF,470uF", "--resistance-factors", "1")
    assert status == 1
    assert found["designs"] == 0
    assert found["cases"][0]["latency_factor"] is None
    assert main(["robust", str(run), "--budgets", "1uF,470uF", "--resistance-factors", "1", "--quiet"]) == 1
    assert capsys.readouterr().out.startswith("No design was found that is safe on all 2 supplies.")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--budgets", "47uF", "--resistance-factors", "1"], "supplies must be at least two and differ, not 47uF"),
        (["--budgets", "47uF,47uF"], "supplies must be at least two and differ"),
        (["--resistance-factors", "1,x"], "--resistance-factors must be numbers between commas, not 'x'"),
        (["--resistance-factors", "0"], "--resistance-factors must be above 0"),
        (["--over", "median"], "over must be one of worst, mean, not 'median'"),
        (["--evaluations", "3"], "evaluations must be a whole number of at least 10"),
    ],
)
def test_bad_input_is_one_line(run, capsys, arguments, expected):
    assert main(["robust", str(run), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert expected in captured.err
    assert captured.err.count("\n") == 1


def test_a_folder_without_a_run_is_told(capsys, tmp_path):
    assert main(["robust", str(tmp_path)]) == 2
    assert "must be a run's folder" in capsys.readouterr().err
