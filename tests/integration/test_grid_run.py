"""A grid goes on after any kill and its table does not show it; a cell that raises is told, and tried on request."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from experiments.cli import main
from tests.conftest import ROOT
from tests.integration.conftest import TINY, process

AXES = '[axes]\nseed = [0, 1]\nsupply.capacitances = ["47uF", "470uF"]\n'


TINIER = (*TINY, "search.evaluations=10", "finetune.max_networks=1")


def write_grid(path, axes=AXES):
    """A grid of cells that take a second or two; later settings win."""
    found = dict(one.split("=", 1) for one in TINIER)
    settings = "".join(f"{key} = {as_toml(value)}\n" for key, value in found.items())
    path.write_text(f'schema = 1\nname = "g"\nbase = "watch"\n[set]\n{settings}{axes}')
    return path


def as_toml(value):
    return json.dumps(value) if value.isalpha() else value


def tables(grid_file, root):
    assert main(["grid", str(grid_file), "table", "--root", str(root), "--json"]) == 0
    return [(root / "grids" / "g" / name).read_bytes() for name in ("table.parquet", "table.csv")]


def status(grid_file, root, capsys):
    capsys.readouterr()
    assert main(["grid", str(grid_file), "status", "--root", str(root), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The grid file, its root, and its tables."""
    root = tmp_path_factory.mktemp("grid")
    grid_file = write_grid(root / "g.toml")
    assert main(["grid", str(grid_file), "run", "--root", str(root), "--quiet"]) == 0
    return grid_file, root, tables(grid_file, root)


def start(grid_file, root):
    return process(["grid", str(grid_file), "run", "--root", str(root), "--quiet"], ROOT)


def test_an_interrupt_a_killed_grid_and_a_killed_worker_leave_no_trace_in_the_table(undisturbed, tmp_path, capsys):
    grid_file, _, expected = undisturbed
    seen = set()
    for sign in (signal.SIGINT, signal.SIGKILL):
        with start(grid_file, tmp_path) as running:
            seen.add(new_worker(tmp_path, seen))
            running.send_signal(sign)
            _, said = running.communicate(timeout=60)
        assert running.returncode == (130 if sign == signal.SIGINT else -sign)
        assert "Traceback" not in said
        for pid in lock_holders(tmp_path):
            wait_for_end(pid)
            seen.add(pid)
    assert status(grid_file, tmp_path, capsys)["done"] < 4
    with start(grid_file, tmp_path) as running:
        os.kill(new_worker(tmp_path, seen), signal.SIGKILL)
        running.communicate(timeout=60)
    assert running.returncode == 0
    found = status(grid_file, tmp_path, capsys)
    assert found["done"] == 4
    assert sum(cell["deaths"] for cell in found["cells"]) == 1
    assert tables(grid_file, tmp_path) == expected


def wait_for_end(pid, seconds=10):
    """A worker whose parent is gone ends by itself."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        state = Path(f"/proc/{pid}/stat")
        if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.01)
    raise AssertionError(f"{pid} outlives its parent")


def lock_holders(root):
    """Process numbers in the locks of cells."""
    texts = [path.read_text() for path in root.glob("grids/g/cells/*.lock")]
    return {int(text) for text in texts if text.endswith("\n")}


def new_worker(root, seen, seconds=60):
    """The process number of a worker that was not seen before, once it has begun a cell."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        if found := lock_holders(root) - seen:
            return min(found)
        time.sleep(0.005)
    raise AssertionError("no cell was begun")


def test_done_cells_are_skipped_and_are_the_runs_of_search(undisturbed, capsys):
    grid_file, root, _ = undisturbed
    before = {path: path.stat().st_mtime_ns for path in (root / "runs").rglob("*")}
    assert main(["grid", str(grid_file), "run", "--root", str(root)]) == 0
    assert "4 cells, 0 to run" in capsys.readouterr().err
    arguments = ["search", "watch", "--root", str(root), "--budgets", "470uF", "--set", "seed=1", "--json", "--quiet"]
    for setting in TINIER:
        arguments += ["--set", setting]
    assert main(arguments) == 0
    run = json.loads(capsys.readouterr().out)["run"]
    assert run == str(root / "runs" / status(grid_file, root, capsys)["cells"][3]["run"])
    assert {path: path.stat().st_mtime_ns for path in (root / "runs").rglob("*")} == before


def test_the_table_has_the_axes_as_columns_and_the_fronts_as_rows(undisturbed):
    _, root, (_, csv) = undisturbed
    lines = csv.decode().splitlines()
    assert lines[0].startswith("seed,supply.capacitances,run,id,budget,")
    assert {tuple(line.split(",")[:2]) for line in lines[1:]} == {(s, c) for s in "01" for c in ("47uF", "470uF")}
    assert len(lines) - 1 == sum(len(p.read_text().splitlines()) - 1 for p in root.glob("runs/*/fronts.csv"))


def test_a_cell_that_raises_is_told_and_run_again_only_by_retry(undisturbed, tmp_path, capsys):
    _, root, _ = undisturbed
    # The stages of the good cell are there already; fashion is not where it is looked for.
    (tmp_path / "cache").symlink_to(root / "cache")
    axes = '[axes]\nwork = [{ label = "good", supply.capacitances = ["47uF"] },\n'
    axes += ' { label = "bad", supply.capacitances = ["47uF"], data = { name = "fashion", dir = "none" } }]\n'
    grid_file = write_grid(tmp_path / "g.toml", axes)
    call = ["--root", str(tmp_path), "--workers", "1", "--quiet"]
    assert main(["grid", str(grid_file), "run", *call]) == 1
    found = status(grid_file, tmp_path, capsys)
    assert [cell["state"] for cell in found["cells"]] == ["done", "failed"]
    error, traceback = found["cells"][1]["error"], found["cells"][1]["traceback"]
    assert "ConfigError" in error
    assert "\n" not in error
    path = Path(traceback)
    assert path.read_text().startswith("Traceback")
    written = path.stat().st_mtime_ns
    assert main(["grid", str(grid_file), "run", *call]) == 1
    assert path.stat().st_mtime_ns == written
    assert main(["grid", str(grid_file), "retry", *call]) == 1
    assert path.stat().st_mtime_ns > written
