"""Figures of breakdown and convergence, and their numbers, on tiny runs."""

from __future__ import annotations

import json
import re
import shutil
import struct
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from evo.fronts.front import Front, hypervolume
from experiments.cli import main
from experiments.figures.breakdown import MOST_BARS, thinned
from experiments.figures.convergence import curves
from experiments.formatting.colours import LATENCY_PARTS
from experiments.runs.finished import FinishedRun
from experiments.runs.group_by_settings import group_runs
from experiments.storage.tables import FRONTS, read_table, write_table
from tests.support.front_rows import front_row


@pytest.fixture
def copy(tiny_run, tmp_path):
    """A run to draw into."""
    return shutil.copytree(tiny_run, tmp_path / "run")


@pytest.fixture
def other_seed(tiny_run, tmp_path):
    """The same run under another seed, its accuracies a little lower and cut short."""
    folder = shutil.copytree(tiny_run, tmp_path / "other seed")
    config = folder / "config.toml"
    config.write_text(config.read_text().replace("seed = 0", "seed = 1", 1))
    for path in (folder / "evaluations").iterdir():
        table = pq.read_table(path)
        frame = table.to_pandas().head(30)
        frame["accuracy_inherited_val"] *= 0.9
        pq.write_table(table.from_pandas(frame, table.schema, preserve_index=False), path)
    return folder


def plotted(capsys, *arguments):
    assert main(["plot", *map(str, arguments), "--json"]) == 0
    return [Path(name) for name in json.loads(capsys.readouterr().out)["files"]]


def test_the_parts_of_a_breakdown_add_up_to_the_latency(tiny_run):
    for row in read_table(tiny_run / "fronts.parquet"):
        assert sum(row[name] for name in LATENCY_PARTS) == pytest.approx(row["latency_s"], rel=1e-9)


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("width", ["ieee1", "slide"])
def test_a_breakdown_has_a_panel_a_budget_and_a_bar_a_member(width, copy, capsys):
    svg, png = plotted(capsys, copy, "--kind", "breakdown", "--format", "svg,png", "--width", width)
    assert svg == copy / "figures" / "breakdown.svg"
    drawn = svg.read_text()
    assert all(text in drawn for text in ("47 µF", "470 µF", "share of the latency", "recharge", "test"))
    members = [row for row in read_table(copy / "fronts.parquet") if row["on_front"]]
    # tick labels are text such as 1.23 s or 991 ms
    assert len(re.findall(r">[\d.]+ m?s<", drawn)) == len(members)
    wanted = {"ieee1": 3.5, "slide": 10.0}[width]
    assert struct.unpack(">I", png.read_bytes()[16:20])[0] == round(wanted * 300)


def test_a_long_front_is_thinned_to_its_ends_and_what_lies_between():
    rows = [front_row(accuracy_finetuned_val=0.5 + k / 100, latency_s=1.1**k) for k in range(30)]
    kept = thinned(rows)
    assert len(kept) == MOST_BARS
    assert (kept[0], kept[-1]) == (rows[0], rows[-1])
    assert [row.latency_s for row in kept] == sorted(row.latency_s for row in kept)
    assert thinned(rows[:4]) == rows[:4]


def test_convergence_ends_at_the_hypervolume_of_everything_priced(tiny_run):
    run = FinishedRun.read(tiny_run)
    for curve in curves(group_runs([run])):
        values = run.values("inherited")[curve.budget]
        assert curve.evaluations[[0, -1]].tolist() == [1, len(run.evaluations(curve.budget))]
        (volumes,) = curve.hypervolumes
        assert volumes[-1] == pytest.approx(hypervolume(values, Front.of(values).bounds), rel=1e-12)
        assert (np.diff(volumes) >= 0).all()
        # half way, counted again: infeasible designs take an evaluation and give nothing
        at = len(volumes) // 2
        whole = run.evaluations(curve.budget)[: int(curve.evaluations[at])]
        feasible = whole[np.isfinite(whole).all(axis=1)]
        assert volumes[at] == pytest.approx(hypervolume(feasible, Front.of(values).bounds), rel=1e-12)


def test_seeds_share_a_curve_as_far_as_all_of_them_go(tiny_run, other_seed):
    found = curves(group_runs([FinishedRun.read(tiny_run), FinishedRun.read(other_seed)]))
    assert [curve.budget for curve in found] == ["47uF", "470uF"]
    for curve in found:
        assert curve.hypervolumes.shape == (2, 30)
        assert curve.evaluations[-1] == 30
        # the other has lower accuracies on the same networks
        assert (curve.hypervolumes[0] >= curve.hypervolumes[1]).all()
        assert curve.hypervolumes[0, -1] > curve.hypervolumes[1, -1]


@pytest.mark.filterwarnings("error::UserWarning")
def test_a_convergence_names_budgets_or_methods(copy, other_seed, tmp_path, capsys):
    (path,) = plotted(capsys, copy, "--kind", "convergence", "--format", "svg")
    assert path == copy / "figures" / "convergence.svg"
    assert "bands" not in path.read_text()
    (path,) = plotted(capsys, copy, "--kind", "convergence", "--format", "svg", "--beside", other_seed)
    assert path.name == "convergence-beside-other seed.svg"
    assert all(text in path.read_text() for text in ("470 µF", "bands: all seeds", "hypervolume"))
    greedy = shutil.copytree(copy, tmp_path / "greedy")
    config = greedy / "config.toml"
    config.write_text(config.read_text().replace('cuts = "optimal"', 'cuts = "greedy"'))
    beside = ["--beside", other_seed, "--beside", greedy]
    (path,) = plotted(capsys, copy, "--kind", "convergence", "--format", "svg", "--width", "ieee2", *beside)
    assert path.name == "convergence-beside-2-runs.svg"
    assert all(text in path.read_text() for text in ("cuts optimal", "cuts greedy", "47 µF", "470 µF"))


def mistake(capsys, *arguments):
    assert main(["plot", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


def test_mistakes_are_one_line(copy, other_seed, capsys):
    assert "--beside must be used with" in mistake(capsys, copy, "--kind", "breakdown", "--beside", other_seed)
    two = ["--beside", other_seed, "--beside", other_seed]
    assert "--beside must name one run with --kind front, not 2" in mistake(capsys, copy, *two)
    assert "are the same with seed 1" in mistake(capsys, copy, "--kind", "convergence", *two)
    for kind in ("breakdown", "convergence"):
        assert "must be a run's folder" in mistake(capsys, copy / "nowhere", "--kind", kind)
    rows = [{**row, "on_front": False} for row in read_table(copy / "fronts.parquet")]
    write_table(copy / "fronts.parquet", rows, FRONTS)
    assert "no design is on a front" in mistake(capsys, copy, "--kind", "breakdown")
    for path in (copy / "evaluations").iterdir():
        table = pq.read_table(path)
        frame = table.to_pandas()
        frame["feasible"] = False
        pq.write_table(table.from_pandas(frame, table.schema, preserve_index=False), path)
    assert "nothing is feasible at any budget" in mistake(capsys, copy, "--kind", "convergence")
