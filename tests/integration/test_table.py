"""`table`: the members of the fronts, as text, LaTeX and CSV."""

from __future__ import annotations

import csv
import json

import pytest

from experiments.cli import main
from experiments.commands.table import cells
from experiments.runs.finished import read_front_rows
from tests.support.front_rows import front_row


def printed(capsys, *arguments):
    assert main(["table", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def members(run):
    return [row for row in read_front_rows(run) if row.on_front]


def test_a_row_by_hand():
    row = front_row(
        capacitance_f=4.7e-5, architecture="k7c4", accuracy_finetuned_val=0.7194, latency_s=0.098765,
        accuracy_finetuned_test=0.668, accuracy_finetuned_test_low=0.508, accuracy_finetuned_test_high=0.812,
        limit_plan_s=0.08, power_cycles=1234, energy_j=0.0245678, vm_bytes=936,
    )  # fmt: skip
    expected = ["47 µF", "k7c4", "71.9", "66.8", "51-81", "0.0988", "1.23", "1234", "24.6", "936"]
    assert cells(row) == expected


def test_every_format_has_a_row_a_member(tiny_run, capsys):
    expected = [cells(row) for row in members(tiny_run)]
    rows = list(csv.reader(printed(capsys, tiny_run, "--format", "csv").splitlines()))
    assert rows[1:] == expected
    text = printed(capsys, tiny_run).splitlines()
    assert len(text) == len(expected) + 2
    latex = printed(capsys, tiny_run, "--format", "latex")
    assert latex.startswith(r"\begin{tabular}{llrrrrrrrr}")
    assert latex.count(r"\textmu{}F &") == len(expected)
    assert r"interval [\%]" in latex
    found = json.loads(printed(capsys, tiny_run, "--json"))
    assert (found["columns"], found["rows"]) == (rows[0], expected)


def test_one_budget_and_a_file(tiny_run, tmp_path, capsys):
    path = tmp_path / "fronts.tex"
    arguments = [tiny_run, "--budget", "470uF", "--format", "latex"]
    assert printed(capsys, *arguments, "--out", path).strip() == str(path)
    assert path.read_text() == printed(capsys, *arguments)
    assert "47 " not in path.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "tex"], "--format must be one of text, latex, csv, not 'tex'; did you mean 'text'?"),
        (["--budget", "1mF"], "budget must be of 47uF, 470uF of"),
    ],
)
def test_a_mistake_is_one_line(arguments, message, tiny_run, capsys):
    assert main(["table", str(tiny_run), *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err
