"""A grid resumes after any kill with the same table; a cell that raises is reported, and repeated on request."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
import struct
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from experiments.cli import main
from experiments.grids.cells import CellBook
from experiments.grids.files import read_grid
from experiments.grids.pool import run_cell
from experiments.runs.index import all_runs
from experiments.storage.cache import Store
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
    """The grid file, its root, and its tables, of cells that this process has run one after another."""
    root = tmp_path_factory.mktemp("grid")
    grid_file = write_grid(root / "g.toml")
    book = CellBook(grid=read_grid(grid_file), store=Store(root=root))
    assert [run_cell(cell, book) for cell in book.grid.cells] == [None] * 4
    return grid_file, root, tables(grid_file, root)


def start(grid_file, root, *more, **kinds):
    return process(["grid", str(grid_file), "run", "--root", str(root), "--quiet", *more], ROOT, **kinds)


def take_interrupts():
    """Have SIGINT end this process, as in a terminal: a background job of a shell that is not inherits it ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow  # three starts of a whole grid
def test_an_interrupt_a_killed_worker_and_a_killed_grid_leave_no_trace_in_the_table(undisturbed, tmp_path, capsys):
    grid_file, root, expected = undisturbed
    # The cells of one seed are done already; those of the other share their stages.
    for cell in status(grid_file, root, capsys)["cells"][:2]:
        shutil.copytree(root / "runs" / cell["run"], tmp_path / "runs" / cell["run"])
    with start(grid_file, tmp_path, preexec_fn=take_interrupts) as running:
        when(lambda: len(lock_holders(tmp_path)) == 2)
        end(running, signal.SIGINT, 130)
    seen = wait_for_ends(tmp_path)
    with start(grid_file, tmp_path, "--workers", "1") as running:
        worker = new_worker(tmp_path, seen)
        when(lambda: list(tmp_path.glob("cache/search-*")))
        os.kill(worker, signal.SIGKILL)
        other = new_worker(tmp_path, {*seen, worker})
        end(running, signal.SIGKILL, -signal.SIGKILL)
    assert other in wait_for_ends(tmp_path)
    assert run_states(tmp_path) == ["finished", "finished", "stopped"]
    found = status(grid_file, tmp_path, capsys)
    assert [(cell["state"], cell["deaths"]) for cell in found["cells"]] == [
        ("done", 0), ("done", 0), ("waiting", 1), ("waiting", 0),
    ]  # fmt: skip
    with start(grid_file, tmp_path, "--workers", "1") as running:
        when(lambda: "running" in run_states(tmp_path))
        running.communicate(timeout=120)
    assert running.returncode == 0
    assert run_states(tmp_path) == ["finished"] * 4
    assert status(grid_file, tmp_path, capsys)["done"] == 4
    assert tables(grid_file, tmp_path) == expected


@pytest.mark.slow
def test_under_ray_a_killed_worker_leaves_no_trace_either(undisturbed, tmp_path, capsys):
    if find_spec("ray") is None:
        pytest.skip("ray is not installed")
    grid_file, _, expected = undisturbed
    with start(grid_file, tmp_path, "--engine", "ray") as running:
        os.kill(new_worker(tmp_path, set()), signal.SIGKILL)
        _, said = running.communicate(timeout=120)
    assert (running.returncode, said) == (0, "")
    found = status(grid_file, tmp_path, capsys)
    assert (found["done"], sum(cell["deaths"] for cell in found["cells"])) == (4, 1)
    assert tables(grid_file, tmp_path) == expected


def run_states(root):
    return sorted(row["state"] for row in all_runs(Store(root=root)))


def end(running, sign, returncode):
    """Have a grid ended by a signal."""
    running.send_signal(sign)
    _, said = running.communicate(timeout=60)
    assert running.returncode == returncode
    assert "Traceback" not in said


def wait_for_ends(root):
    """Workers whose parent is gone end by themselves; answers which they were."""
    pids = lock_holders(root)
    when(lambda: not any(map(is_alive, pids)), seconds=10)
    return pids


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def lock_holders(root):
    """Process numbers that cells name."""
    texts = [path.read_text() for path in root.glob("grids/g/cells/*.pid")]
    return {int(text) for text in texts if text.endswith("\n")}


def new_worker(root, seen):
    """The process number of a worker that was not seen before, once it has begun a cell."""
    when(lambda: lock_holders(root) - seen)
    return min(lock_holders(root) - seen)


def when(happens, seconds=60):
    """Return as soon as something happens."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        if happens():
            return
        time.sleep(0.002)
    raise AssertionError("it does not happen")


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


def test_finished_cells_of_other_code_are_done_and_named(copied, capsys, monkeypatch):
    grid_file, root = copied
    monkeypatch.setattr("experiments.storage.cache.code_digest", lambda modules, memory: "other")
    note = "note: cells 1, 2, 3, 4: results of another version of the code; `search RUN --fresh` computes one again"
    for action in ("run", "table"):
        assert main(["grid", str(grid_file), action, "--root", str(root)]) == 0
        assert note in capsys.readouterr().err.splitlines()


def test_the_table_has_the_axes_as_columns_and_the_fronts_as_rows(undisturbed):
    _, root, (_, csv) = undisturbed
    lines = csv.decode().splitlines()
    assert lines[0].startswith("seed,supply.capacitances,run,id,budget,")
    assert {tuple(line.split(",")[:2]) for line in lines[1:]} == {(s, c) for s in "01" for c in ("47uF", "470uF")}
    assert len(lines) - 1 == sum(len(p.read_text().splitlines()) - 1 for p in root.glob("runs/*/fronts.csv"))


@pytest.fixture
def copied(undisturbed, tmp_path):
    """The undisturbed grid in a root of its own, without the cache."""
    grid_file, root, _ = undisturbed
    for name in ("runs", "grids"):
        shutil.copytree(root / name, tmp_path / name)
    return grid_file, tmp_path


@pytest.mark.slow  # a cell that trains on images, three starts of a grid
def test_a_cell_that_raises_is_told_and_joins_the_table_once_its_cause_is_mended(copied, tmp_path, capsys):
    # The good cell is a run of the other grid; the images of the other are not where they are looked for.
    axes = '[axes]\nwork = [{ label = "good", supply.capacitances = ["47uF"] },\n'
    axes += ' { label = "bad", supply.capacitances = ["47uF"], supernet.epochs = 1,'
    axes += ' data = { name = "fashion", dir = "images" } }]\n'
    grid_file = write_grid(tmp_path / "g.toml", axes)
    call = ["--root", str(tmp_path), "--workers", "1", "--quiet"]
    assert main(["grid", str(grid_file), "run", *call]) == 1
    assert "cell 2 failed: ConfigError: cell 2: data: " in capsys.readouterr().out
    found = status(grid_file, tmp_path, capsys)
    assert [cell["state"] for cell in found["cells"]] == ["done", "failed"]
    error, traceback = found["cells"][1]["error"], found["cells"][1]["traceback"]
    assert "ConfigError" in error
    assert "\n" not in error
    assert Path(traceback).read_text().startswith("Traceback")
    assert labels(grid_file, tmp_path) == {"good"}
    write_images(tmp_path / "images")
    assert main(["grid", str(grid_file), "run", *call]) == 1
    assert status(grid_file, tmp_path, capsys)["cells"] == found["cells"]
    assert main(["grid", str(grid_file), "retry", *call]) == 0
    assert status(grid_file, tmp_path, capsys)["done"] == 2
    assert labels(grid_file, tmp_path) == {"good", "bad"}


def labels(grid_file, root):
    """What the first column of the table holds."""
    return {line.split(",")[0] for line in tables(grid_file, root)[1].decode().splitlines()[1:]}


def write_images(folder):
    """A hundred images to train with and twenty to test with, in the files of Fashion-MNIST."""
    folder.mkdir()
    for name, n in (("train", 100), ("t10k", 20)):
        images, labels = np.random.default_rng(n).integers(0, 256, (n, 28, 28)), np.arange(n) % 10
        for kind, values in (("images-idx3", images), ("labels-idx1", labels)):
            head = struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
            (folder / f"{name}-{kind}-ubyte").write_bytes(head + values.astype(np.uint8).tobytes())


def change_manifest(folder, **changes):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda folder: (folder / "fronts.parquet").write_bytes(b"PAR1 and no more"), "must be whole Parquet"),
        (lambda folder: (folder / "fronts.parquet").unlink(), "fronts.parquet: file not found"),
        (lambda folder: change_manifest(folder, schema=0), "schema must be 1, not 0"),
    ],
    ids=["damaged table", "missing table", "older schema"],
)
def test_a_run_that_cannot_be_read_is_named_and_no_table_written(copied, capsys, harm, said):
    grid_file, root = copied
    before = tables(grid_file, root)
    harm(root / "runs" / status(grid_file, root, capsys)["cells"][2]["run"])
    assert main(["grid", str(grid_file), "table", "--root", str(root)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "cell 3 must be run again" in err
    assert said in err
    assert [(root / "grids" / "g" / name).read_bytes() for name in ("table.parquet", "table.csv")] == before
    found = status(grid_file, root, capsys)
    assert [cell["state"] for cell in found["cells"]] == ["done", "done", "waiting", "done"]
    assert said in found["cells"][2]["problem"]


def fail_at(monkeypatch, nth):
    """Have the disk full when the n-th file is written."""
    calls = []

    def sync(_):
        calls.append(1)
        if len(calls) >= nth:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("experiments.storage.files.os.fsync", sync)


def test_a_full_disk_leaves_the_older_table(copied, capsys, monkeypatch):
    grid_file, root = copied
    folder = root / "grids" / "g"
    for name in ("table.parquet", "table.csv"):
        (folder / name).write_text("older")
    fail_at(monkeypatch, 1)
    assert main(["grid", str(grid_file), "table", "--root", str(root)]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err == f"ebbnas: {folder / 'table.parquet'}: No space left on device\n"
    assert [(folder / name).read_text() for name in ("table.parquet", "table.csv")] == ["older", "older"]
    assert not list(root.rglob("*.partial"))


@pytest.mark.parametrize("nth", [1, 4, 8])
def test_a_cell_on_a_full_disk_answers_in_a_line_and_goes_on_later(undisturbed, tmp_path, monkeypatch, nth):
    grid_file, root, _ = undisturbed
    (tmp_path / "cache").symlink_to(root / "cache")
    book = CellBook(grid=read_grid(grid_file), store=Store(root=tmp_path))
    with monkeypatch.context() as patched:
        fail_at(patched, nth)
        failure = run_cell(book.grid.cells[0], book)
    assert failure.line.startswith("OSError: [Errno 28] No space left on device: ")
    assert not list(tmp_path.rglob("*.partial"))
    assert book.state(book.grid.cells[0]) == "waiting"


def test_a_disk_without_room_for_the_records_ends_the_grid_in_one_line(undisturbed, tmp_path):
    grid_file, _, _ = undisturbed
    with start(grid_file, tmp_path, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))) as running:
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith(f"ebbnas: {tmp_path / 'grids' / 'g' / 'cells'}")
    assert "File too large" in err
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size]
