"""The index of runs says what the folders say, after any change of either; `ebbnas runs` shows and filters it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from experiments.cli import main
from experiments.config.read import read_config
from experiments.config.toml import to_toml
from experiments.runs import index as run_index
from experiments.runs.index import all_runs
from experiments.storage.cache import Store
from experiments.storage.files import write_json, write_text
from experiments.storage.keys import SCHEMA
from experiments.storage.locks import in_use
from experiments.storage.tables import FRONTS, write_table
from tests.support.front_rows import front_columns

FRONT = [
    front_columns(accuracy_finetuned_val=val, accuracy_finetuned_test=test, latency_s=latency_s, on_front=on_front)
    for val, test, latency_s, on_front in ((0.8, 0.7, 2.0, True), (0.9, 0.6, 3.0, True), (0.5, 0.9, 4.0, False))
]


def write_run(root, seed, *, is_finished=True, data="watch"):
    """The files of a run that the index reads; answers its folder."""
    config = read_config("watch", settings=[f"seed={seed}", f"data.name={data}"], budgets="47uF,470uF")
    folder = root / "runs" / f"watch-{config.key()}"
    write_text(folder / "config.toml", to_toml(config.to_dict()))
    manifest = {"schema": SCHEMA, "key": config.key(), "is_finished": is_finished}
    if is_finished:
        manifest |= {"n_inherited_front": {"47uF": 1, "470uF": 2}, "wall_times_s": {"data": 0.5, "search": 2}}
        write_table(folder / "fronts.parquet", FRONT, FRONTS)
    write_json(folder / "manifest.json", manifest)
    return folder


@pytest.fixture
def root(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path, seed)
    write_run(tmp_path, 2, is_finished=False, data="synthetic")
    (tmp_path / "runs" / "explore.csv").touch()
    (tmp_path / "runs" / "notes").mkdir()
    return tmp_path


def listed(root):
    return {row["run"]: row for row in all_runs(Store(root=root))}


def test_a_finished_run_is_told_by_its_best_on_validation_and_its_fastest(root):
    (row,) = (row for row in listed(root).values() if row["seed"] == 0)
    assert (row["state"], row["name"], row["data"], row["space"]) == ("finished", "watch", "watch", "conv1d-3")
    assert row["budgets"] == ["47uF", "470uF"]
    assert (row["best_accuracy_val"], row["best_accuracy_test"]) == (0.9, 0.6)
    assert (row["fastest_latency_s"], row["n_front"], row["wall_time_s"]) == (2.0, 2, 2.5)
    assert row["run"] == f"watch-{row['id']}"


def test_what_is_not_finished_is_running_while_a_process_works_on_it(root):
    (name,) = (name for name, row in listed(root).items() if row["seed"] == 2)
    assert listed(root)[name]["state"] == "stopped"
    with in_use(root / "runs" / name):
        assert listed(root)[name]["state"] == "running"
    assert listed(root)[name]["state"] == "stopped"


def test_what_did_not_change_is_not_read_again_and_what_did_is(root, monkeypatch):
    before, read = listed(root), []
    plain = run_index._read
    monkeypatch.setattr(run_index, "_read", lambda folder: read.append(folder.name) or plain(folder))
    assert listed(root) == before
    assert not read
    folder = write_run(root, 1)
    assert listed(root).keys() == before.keys()
    assert read == [folder.name]
    shutil.rmtree(folder)
    added = write_run(root, 7)
    assert listed(root).keys() == before.keys() - {folder.name} | {added.name}
    assert read == [folder.name, added.name]


def cut(path):
    path.write_bytes(path.read_bytes()[:5000])


def scramble(path):
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * 600 + content[700:])


def change_a_figure(path):
    """Damage that SQLite does not see."""
    content = path.read_bytes()
    assert content.count(b"conv1d-3")
    path.write_bytes(content.replace(b"conv1d-3", b"conv1d-5"))


def other_version(path):
    with sqlite3.connect(path) as base:
        base.execute("PRAGMA user_version = 99")
        base.execute("UPDATE runs SET seed = 42")


def other_table(path):
    path.unlink()
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE runs (run TEXT, what TEXT)")


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no database at all" * 1000),
        cut,
        scramble,
        change_a_figure,
        other_version,
        other_table,
    ],
    ids=["missing", "empty", "text", "cut", "scrambled", "one cell", "version", "table"],
)
def test_a_harmed_index_is_made_anew(root, harm, monkeypatch):
    before = listed(root)
    harm(root / "cache" / run_index.FILE)
    assert listed(root) == before
    monkeypatch.setattr(run_index, "_read", lambda folder: pytest.fail(f"{folder} is read again"))
    assert listed(root) == before


@pytest.mark.parametrize("kind", ["no folder", "no file", "read-only"])
def test_where_no_index_can_be_written_the_folders_are_read(root, kind):
    cache = root / "cache"
    if kind == "no folder":
        cache.write_text("in the way")
    elif kind == "no file":
        (cache / run_index.FILE / "in the way").mkdir(parents=True)
    else:
        cache.mkdir(mode=0o555)
    assert len(listed(root)) == 3


def test_many_may_list_at_once(root):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: listed(root), range(16)))
    assert all(one == found[0] for one in found)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("fronts.parquet", b"PAR1", "fronts.parquet: must be whole Parquet"),
        ("config.toml", b"= 1", "config.toml: must be TOML"),
        ("config.toml", b"seed = 1\n", "its files must be those of a run: KeyError"),
        ("manifest.json", b"{", "manifest.json: must be JSON"),
        ("manifest.json", b'{"schema": 0, "is_finished": true}', "schema must be 1, not 0"),
        ("manifest.json", b"[1]", "its files must be those of a run"),
    ],
)
def test_a_damaged_run_is_named_among_the_others(root, name, content, said, capsys):
    folder = next(root / "runs" / run for run, row in listed(root).items() if row["seed"] == 1)
    (folder / name).write_bytes(content)
    assert main(["runs", "--root", str(root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith(f"{folder.name}: ")
    assert said in lines[-1]
    assert sorted(row["state"] for row in listed(root).values()) == ["damaged", "finished", "stopped"]


def answer(root, capsys, *where):
    arguments = [part for one in where for part in ("--where", one)]
    status = main(["runs", "--root", str(root), "--json", *arguments])
    out, err = capsys.readouterr()
    return [row["seed"] for row in json.loads(out)["runs"]] if status == 0 else err


@pytest.mark.parametrize(
    ("where", "seeds"),
    [
        ((), {0, 1, 2}),
        (("data=watch",), {0, 1}),
        (("data=watch", "seed=1"), {1}),
        (("state=stopped",), {2}),
        (("budgets=470uF",), {0, 1, 2}),
        (("budgets=100uF",), set()),
        (("search.method=joint", "supply.capacitances=4.7e-5"), {0, 1, 2}),
        (("n_front=2",), {0, 1}),
    ],
)
def test_runs_are_filtered_by_columns_and_config(root, capsys, where, seeds):
    assert set(answer(root, capsys, *where)) == seeds


def test_a_wrong_filter_or_root_is_one_line(root, capsys):
    assert "not 'sate'; did you mean 'state'?" in answer(root, capsys, "sate=stopped")
    assert "must look like data=watch" in answer(root, capsys, "data")
    assert "--root must be a folder" in answer(root / "nowhere", capsys)


def test_a_root_without_runs_stays_as_it_is(tmp_path, capsys):
    assert answer(tmp_path, capsys) == []
    assert list(tmp_path.iterdir()) == []
