"""The report chooses what `ebbnas choose` chooses: the data and the function of its page, against the command."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from itertools import product

import pytest

from evo.fronts.decision import PREFERENCES, Limits
from experiments.commands.choose import answer
from experiments.report.data import read_report
from experiments.report.page import page
from experiments.runs.finished import FinishedRun
from experiments.storage.tables import FRONTS, read_table, write_table
from tests.conftest import ROOT
from tests.support.report_runs import write_run

CHOICE_JS = ROOT / "experiments" / "report" / "pages" / "choice.js"


def data_of(run):
    return json.loads(re.search(r'id="data">(.*?)</script>', page(read_report(run)))[1])


def limits_around(designs):
    """No limit, and limits on, just below and just above every design."""
    factors = (0.999, 1.0, 1.001)
    deadlines = [None, *(factor * time_s for time_s, _ in designs for factor in factors)]
    floors = [None, *(min(factor * accuracy, 1.0) for _, accuracy in designs for factor in factors)]
    return [Limits(deadline_s=deadline, min_accuracy=floor) for deadline, floor in product(deadlines, floors)]


def keeps(one, limit):
    deadline_s, floor = limit.deadline_s or float("inf"), limit.min_accuracy or 0
    return one["time_s"] <= deadline_s and one["accuracy"] >= floor


def by_the_page(ranked, limits):
    """Positions that the page's function gives, one per limit; where node is missing, the same rule in Python."""
    if (node := shutil.which("node")) is None:
        return [next((at for at, one in enumerate(ranked) if keeps(one, limit)), -1) for limit in limits]
    cases = [[limit.deadline_s, limit.min_accuracy or 0] for limit in limits]
    script = (
        f"{CHOICE_JS.read_text()}\nconst [ranked, cases] = JSON.parse(require('fs').readFileSync(0));"
        "console.log(JSON.stringify(cases.map(([s, a]) => chosenPosition(ranked, s ?? Infinity, a))))"
    )
    done = subprocess.run(
        [node, "-e", script], input=json.dumps([ranked, cases]), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_agreement(run):
    data, finished = data_of(run), FinishedRun.read(run)
    accuracies = {row["id"]: row[data["accuracy"]] for row in data["rows"]}
    n_chosen = 0
    for front, prefer in product(data["fronts"], PREFERENCES):
        times_s = {data["rows"][one["position"]]["id"]: one["time_s"] for one in front["designs"]}
        ids = front["ranking"][prefer]
        ranked = [{"time_s": times_s[id], "accuracy": accuracies[id]} for id in ids]
        limits = limits_around([(one["time_s"], one["accuracy"]) for one in ranked])
        expected = [answer(finished, front["name"], limit, prefer)["id"] for limit in limits]
        assert [ids[at] if at >= 0 else None for at in by_the_page(ranked, limits)] == expected
        n_chosen += len({one for one in expected if one is not None})
    assert n_chosen > len(PREFERENCES) * len(data["fronts"])


def test_the_report_of_a_run_chooses_what_the_command_chooses(tiny_run):
    assert_agreement(tiny_run)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"worst_case_latency_s": None},
        # members of a front by energy too are dominated in accuracy and time: choose leaves them out
        {"on_front": True},
        {"accuracy_finetuned_val": None},
    ],
    ids=["as it is", "no worst case", "a front of three objectives", "nothing fine-tuned"],
)
def test_they_agree_on_other_runs_too(changes, tmp_path):
    write_run(tmp_path / "run", changes=changes)
    if "accuracy_finetuned_val" in changes:
        _inherit(tmp_path / "run")
    assert_agreement(tmp_path / "run")


def _inherit(run):
    """Inherited accuracies that differ between designs."""
    path = run / "fronts.parquet"
    rows = [{**row, "accuracy_inherited_val": 0.3 + 0.01 * at} for at, row in enumerate(read_table(path))]
    write_table(path, rows, FRONTS)


@pytest.mark.slow  # thousands of choices
def test_they_agree_where_one_budget_alone_has_no_fine_tuned_design(tmp_path):
    write_run(tmp_path / "run")
    path = tmp_path / "run" / "fronts.parquet"
    rows = read_table(path)
    untuned = [{**row, "accuracy_finetuned_val": None} if row["budget"] == "100uF" else row for row in rows]
    write_table(path, untuned, FRONTS)
    assert data_of(tmp_path / "run")["accuracy"] == "accuracy_inherited_val"
    assert_agreement(tmp_path / "run")
    # one design without fine-tuning is left out, by both
    write_table(path, [{**rows[0], "accuracy_finetuned_val": None}, *rows[1:]], FRONTS)
    assert data_of(tmp_path / "run")["accuracy"] == "accuracy_finetuned_val"
    assert_agreement(tmp_path / "run")
