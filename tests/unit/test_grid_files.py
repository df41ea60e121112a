"""Grid files: cells are the product, what is wrong is one line before anything runs."""

from __future__ import annotations

import socket
import sys
from types import SimpleNamespace

import pytest

from experiments.cli import main
from experiments.commands.grid import shard_of
from experiments.grids.cells import CellBook
from experiments.grids.files import read_grid
from experiments.grids.pool import by_supernet
from experiments.grids.ray_engine import _check_room, _connect, _resources
from experiments.storage.cache import Store

HEAD = 'schema = 1\nname = "g"\nbase = "watch"\n'


@pytest.fixture
def grid_file(tmp_path):
    def write(text, head=HEAD):
        path = tmp_path / "g.toml"
        path.write_text(head + text)
        return path

    return write


def test_cells_are_the_product_with_the_last_axis_fastest(grid_file):
    text = (
        '[set]\n"search.evaluations" = 60\n[axes]\nseed = [3, 4]\nsupply.capacitances = ["47uF", ["100uF", "470uF"]]\n'
    )
    grid = read_grid(grid_file(text))
    assert grid.axes == ("seed", "supply.capacitances")
    found = [(cell.config.seed, cell.config.supply.capacitances) for cell in grid.cells]
    one, two = (47e-6,), (100e-6, 470e-6)
    assert found == [(3, one), (3, two), (4, one), (4, two)]
    assert {cell.config.search.evaluations for cell in grid.cells} == {60}
    assert grid.cells[1].values == {"seed": 3, "supply.capacitances": "100uF,470uF"}


def test_an_item_may_set_several_keys_under_one_label(grid_file):
    text = (
        '[axes]\nworkload = [{ label = "w", "data.name" = "watch", space.name = "conv1d-3" },\n'
        ' { label = "f", "data.name" = "fashion", space.name = "conv2d-5" }]\n'
    )
    grid = read_grid(grid_file(text, HEAD.replace("watch", "fashion")))
    assert [(cell.values["workload"], cell.config.data.name) for cell in grid.cells] == [
        ("w", "watch"),
        ("f", "fashion"),
    ]
    assert grid.cells[0].config.space.name == "conv1d-3"


def test_processes_are_one_unless_the_grid_says_otherwise_and_never_another_run(grid_file):
    one = read_grid(grid_file("[axes]\nseed = [0]\n")).cells[0]
    three = read_grid(grid_file('[set]\n"compute.processes" = 3\n[axes]\nseed = [0]\n')).cells[0]
    assert (one.config.compute.processes, three.config.compute.processes) == (1, 3)
    assert one.key == three.key


def test_one_cell_of_each_supernet_comes_first(grid_file):
    grid = read_grid(grid_file('[axes]\nseed = [0, 1]\nsupply.capacitances = ["47uF", "100uF"]\n'))
    assert [cell.number for cell in by_supernet(grid.cells)] == [1, 3, 2, 4]


def test_shards_share_the_cells_out():
    parts = [shard_of(range(7), f"{i}/3") for i in (1, 2, 3)]
    assert sorted(cell for part in parts for cell in part) == list(range(7))
    for wrong in ("0/3", "4/3", "1", "a/b"):
        with pytest.raises(ValueError, match=r"--shard must be .* not"):
            shard_of(range(7), wrong)


def one_line(capsys, arguments, status=2):
    assert main(arguments) == status
    out, err = capsys.readouterr()
    assert not out
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[axes]\nsead = [0, 1]\n", "did you mean 'seed'?"),
        ("[axes]\nsearch.refinement_rat = [0.5]\n", "did you mean 'refinement_rate'?"),
        ("[axes]\nseed = [-1]\n", "seed: input should be greater than or equal to 0, not -1"),
        ("[axes]\nseed = 3\n", "axes.seed: must be a list of at least one value, not 3"),
        ("[axes]\nseed = []\n", "axes.seed: must be a list"),
        ("[axes]\nw = [{ seed = 1 }]\n", "axes.w: a table must have a label"),
        ("", "axes: must have at least one axis"),
        ("[axis]\nseed = [1]\n", "axis: unknown key; did you mean 'axes'?"),
        ("[axes]\nseed = [0, 0]\n", "cells (seed=0) and (seed=0) are the same run"),
        (
            "[axes]\nsearch.evaluations = [100, 200]\n",
            "cells (search.evaluations=100) and (search.evaluations=200) are the same run",
        ),
    ],
)
def test_a_wrong_grid_is_one_line(grid_file, capsys, text, said):
    err = one_line(capsys, ["grid", str(grid_file(text)), "run"])
    assert said in err
    assert "g.toml" in err


def test_a_base_that_is_not_there_is_named_with_the_nearest(grid_file, capsys):
    assert main(["grid", str(grid_file("[axes]\nseed = [0]\n", HEAD.replace("watch", "wach"))), "status"]) == 2
    assert "did you mean 'watch'?" in capsys.readouterr().err


def test_the_script_runs_one_shard_a_task(grid_file, capsys):
    path = grid_file("[axes]\nseed = [0, 1]\n")
    assert main(["grid", str(path), "script", "--shards", "4"]) == 0
    script = capsys.readouterr().out
    assert script.startswith("#!/bin/bash\n")
    assert "#SBATCH --array=1-4\n" in script
    assert '--shard "$SLURM_ARRAY_TASK_ID/4"' in script


def test_a_cell_whose_worker_died_three_times_is_failed_until_it_is_forgotten(grid_file, tmp_path):
    grid = read_grid(grid_file("[axes]\nseed = [0, 1]\n"))
    book, cell = CellBook(grid=grid, store=Store(root=tmp_path)), grid.cells[0]
    assert [(book.record_death(cell, "SIGKILL"), book.state(cell)) for _ in range(3)] == [
        (False, "waiting"),
        (False, "waiting"),
        (True, "failed"),
    ]
    assert book.record(cell)["error"] == "its worker ended 3 times, at last by SIGKILL"
    book.forget(cell)
    assert book.state(cell) == "waiting"
    with book.working_on(cell):
        assert [book.state(one) for one in grid.cells] == ["running", "waiting"]
    assert book.state(cell) == "waiting"


def test_without_ray_its_engine_is_one_line(grid_file, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    path = grid_file("[axes]\nseed = [0, 1]\n")
    call = ["grid", str(path), "run", "--root", str(tmp_path), "--quiet"]
    assert "pip install ray" in one_line(capsys, [*call, "--engine", "ray"])
    assert "--address must be used with --engine ray" in one_line(capsys, [*call, "--address", "auto"])
    assert "'pool', 'ray'" in one_line(capsys, [*call, "--engine", "rya"])


def test_an_address_where_nothing_listens_is_told_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ValueError, match=rf"--address must be .* cluster, and '{address}' is not: .*refused"):
        _connect(SimpleNamespace(init=lambda **_: pytest.fail("Ray is asked")), address, 1)


def test_a_cell_that_no_machine_has_room_for_is_told_before_anything_runs(grid_file):
    text = '[set]\n"compute.processes" = 3\n[axes]\nwhere = [{ label = "cpu", seed = 1 }, '
    text += '{ label = "gpu", seed = 2, compute.device = "cuda" }]\n'
    on_cpu, on_gpu = read_grid(grid_file(text)).cells
    assert (_resources(on_cpu), _resources(on_gpu)) == ({"num_cpus": 3, "num_gpus": 0}, {"num_cpus": 3, "num_gpus": 1})
    down = {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}}
    small = [{"Alive": True, "Resources": one} for one in ({"CPU": 4.0}, {"CPU": 2.0, "GPU": 1.0})]
    cluster = SimpleNamespace(nodes=lambda: [down, *small])
    _check_room(cluster, [on_cpu])
    with pytest.raises(ValueError, match=r"cell 2 needs 3 CPUs and 1 GPUs .* no machine of the Ray cluster"):
        _check_room(cluster, [on_cpu, on_gpu])
