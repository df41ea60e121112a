"""A search from the config to the files: the same everywhere, resumable after any kill, closed at the ends."""

from __future__ import annotations

import json
import shutil
import signal
import struct
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.cli import main
from experiments.storage.tables import FRONTS, read_table
from tests.integration.conftest import process, tiny_arguments
from tests.support.logs import read_log

KILLED_WHILE_WRITING = """
import os, signal, sys
from experiments.storage import files

prefix, folder, left = sys.argv[1], sys.argv[2], int(sys.argv[3])

def write_bytes(path, content, whole=files.write_bytes):
    global left
    if path.name.startswith(prefix) and folder in str(path.parent):
        left -= 1
        if left == 0:
            path.with_name(path.name + ".0.partial").write_bytes(content[:len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
    whole(path, content)

files.write_bytes = write_bytes
from experiments.pipeline import search_stage
from experiments.cli import main
search_stage.SAVE_EVERY_S = 0.0
main(sys.argv[4:])
"""
"""A program that is killed in the middle of writing the n-th file whose name and folder its arguments describe."""


def kill_while_writing(name, folder, nth, arguments, root):
    command = [sys.executable, "-c", KILLED_WHILE_WRITING, name, folder, str(nth), *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def run_folder(root):
    (folder,) = (root / "runs").iterdir()
    return folder


def fronts(folder):
    return read_table(folder / "fronts.parquet")


def evaluations(folder):
    return [row for path in sorted((folder / "evaluations").iterdir()) for row in read_table(path)]


def logged(folder):
    """Epochs and generations in the order in which they were logged."""
    entries = [entry for entry in read_log(folder / "log.jsonl") if entry["stage"] in ("supernet", "search")]
    return [tuple(entry.get(key) for key in ("stage", "budget", "epoch", "generation")) for entry in entries]


@pytest.fixture
def copied_root(tiny_run, tmp_path):
    """A folder with the cache of the undisturbed run, and no runs."""
    shutil.copytree(tiny_run.parent.parent / "cache", tmp_path / "cache")
    return tmp_path


def test_a_run_leaves_everything_that_the_interface_names(tiny_run):
    names = {path.relative_to(tiny_run).as_posix() for path in tiny_run.rglob("*") if path.is_file()}
    assert {"config.toml", "manifest.json", "fronts.parquet", "fronts.csv", "log.jsonl"} <= names
    assert {"figures/front.pdf", "figures/front.png", "report.html"} <= names
    rows = fronts(tiny_run)
    assert list(rows[0]) == FRONTS.names
    assert {f"designs/{row['id']}{end}" for row in rows for end in (".json", ".safetensors")} <= names
    assert not [name for name in names if name.endswith(".partial")]
    assert len({row["architecture"] for row in rows}) <= 5
    assert {row["budget"] for row in rows} == {"47uF", "470uF"}
    header = (tiny_run / "fronts.csv").read_text().splitlines()[0]
    assert header.split(",") == FRONTS.names


def test_every_distinct_evaluation_is_kept_once(tiny_run):
    rows = evaluations(tiny_run)
    assert 2 * 30 < len(rows) <= 2 * 40
    assert len({(row["budget"], row["genome"]) for row in rows}) == len(rows)


def test_a_run_packs_its_cycles_unless_it_is_told_otherwise(tiny_run):
    for row in fronts(tiny_run):
        design = json.loads((tiny_run / "designs" / f"{row['id']}.json").read_text())
        assert (design["policy"], design["counting"], design["rules"]) == ("packed", "exact", "ebbnas")


def test_a_run_under_the_published_policy_closes_its_loop_too(copied_root, capsys):
    published = [f"execution.{item}" for item in ("policy=one-batch-per-cycle", "rules=inas2021", "counting=published")]
    assert main(tiny_arguments(copied_root, "--budgets", "470uF", "--quiet", settings=published)) == 0
    capsys.readouterr()
    folder = run_folder(copied_root)
    rows = fronts(folder)
    assert rows
    for row in rows:
        assert (row["policy"], row["rules"]) == ("one-batch-per-cycle", "inas2021")
        assert main(["price", str(folder / "designs" / f"{row['id']}.json"), "--json"]) == 0
        priced = json.loads(capsys.readouterr().out)
        for name in ("latency_s", "energy_j", "power_cycles", "vm_bytes", "nvm_bytes"):
            assert priced[name] == pytest.approx(row[name], rel=1e-12), name


def test_every_row_of_the_fronts_is_priced_and_evaluated_to_itself_again(tiny_run, capsys):
    for row in fronts(tiny_run):
        assert main(["price", str(tiny_run / "designs" / f"{row['id']}.json"), "--json"]) == 0
        priced = json.loads(capsys.readouterr().out)
        for name in ("latency_s", "energy_j", "power_cycles", "active_s", "recharge_s", "vm_bytes", "nvm_bytes"):
            assert priced[name] == pytest.approx(row[name], rel=1e-12), name
        assert main(["evaluate", str(tiny_run), row["id"], "--json"]) == 0
        judged = json.loads(capsys.readouterr().out)
        assert judged["is_equal"]
        assert judged["accuracy_finetuned_test"] == row["accuracy_finetuned_test"]


def test_no_member_of_a_front_is_beaten_on_validation_by_another_row(tiny_run):
    def values(row):
        return -row["accuracy_finetuned_val"], row["latency_s"]

    rows = fronts(tiny_run)
    for one in rows:
        is_beaten = any(
            other["budget"] == one["budget"]
            and values(other)[0] <= values(one)[0]
            and values(other)[1] <= values(one)[1]
            and values(other) != values(one)
            for other in rows
        )
        assert one["on_front"] == (not is_beaten)


@pytest.mark.slow  # a whole run again; searches of other processes are compared in test_search
def test_another_process_gives_the_same_content(tiny_run, tmp_path, root):
    other = process(tiny_arguments(tmp_path, settings=["compute.processes=2"]), root)
    out, err = other.communicate()
    assert other.returncode == 0, err
    assert "still on the front after fine-tuning" in out.splitlines()[0]
    assert fronts(run_folder(tmp_path)) == fronts(tiny_run)
    assert evaluations(run_folder(tmp_path)) == evaluations(tiny_run)


@pytest.mark.slow  # three kills of a whole run; Ctrl-C and damaged files show resumption in seconds
def test_a_run_killed_in_training_and_in_the_search_ends_like_the_undisturbed_one(tiny_run, tmp_path, root):
    arguments = tiny_arguments(tmp_path, "--quiet")
    kill_while_writing("checkpoint", "supernet-", 2, arguments, root)
    kill_while_writing("checkpoint", "search-", 3, arguments, root)
    kill_while_writing("weights", "finetune-", 1, arguments, root)
    assert main(arguments) == 0
    folder = run_folder(tmp_path)
    assert fronts(folder) == fronts(tiny_run)
    assert evaluations(folder) == evaluations(tiny_run)
    # The kills struck after the work and before the log: each epoch and generation is logged once.
    assert logged(folder) == logged(tiny_run)
    assert [epoch for _, _, epoch, _ in logged(folder)][:3] == [1, 2, 3]


def test_a_truncated_checkpoint_costs_one_epoch(tiny_run, copied_root, capsys):
    (supernet,) = (copied_root / "cache").glob("supernet-*")
    newest = max(supernet.glob("checkpoint-*.bin"))
    newest.write_bytes(newest.read_bytes()[:1000])
    assert main(tiny_arguments(copied_root, "--quiet")) == 0
    folder = run_folder(copied_root)
    assert [entry["epoch"] for entry in read_log(folder / "log.jsonl") if entry["stage"] == "supernet"] == [3]
    assert fronts(folder) == fronts(tiny_run)


def test_other_budgets_do_not_train_again_and_the_same_command_only_reads(copied_root, capsys):
    arguments = tiny_arguments(copied_root, "--budgets", "100uF", "--quiet")
    assert main(arguments) == 0
    folder = run_folder(copied_root)
    assert {entry["stage"] for entry in read_log(folder / "log.jsonl")} <= {"search", "finetune"}
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    capsys.readouterr()
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith("Finished before")
    assert main(["search", str(folder), "--quiet"]) == 0
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.slow  # three searches
def test_a_run_that_is_extended_equals_one_that_went_as_far_at_once(copied_root, tmp_path, capsys):
    one_budget = ("--budgets", "470uF", "--quiet")
    assert main(tiny_arguments(copied_root, *one_budget)) == 0
    folder = run_folder(copied_root)
    assert main(["search", str(folder), "--extend", "search.evaluations=60", "--quiet"]) == 0
    at_once = tmp_path / "at once"
    for stage in ("supernet-*", "predictor-*"):
        for path in (copied_root / "cache").glob(stage):
            shutil.copytree(path, at_once / "cache" / path.name)
    assert main(tiny_arguments(at_once, *one_budget, settings=["search.evaluations=60"])) == 0
    assert fronts(folder) == fronts(run_folder(at_once))
    assert evaluations(folder) == evaluations(run_folder(at_once))
    parts = list((folder / "evaluations").iterdir())
    assert len(parts) == 2


def test_ctrl_c_ends_with_130_and_the_same_command_goes_on(tiny_run, copied_root, monkeypatch, capsys):
    from evo.search import Search

    shutil.rmtree(copied_root / "cache")
    for stage in ("supernet-*", "predictor-*"):
        for path in (tiny_run.parent.parent / "cache").glob(stage):
            shutil.copytree(path, copied_root / "cache" / path.name)
    steps = []

    def step(search, whole=Search.step):
        steps.append(search.generation)
        if len(steps) == 3:
            raise KeyboardInterrupt
        return whole(search)

    monkeypatch.setattr(Search, "step", step)
    monkeypatch.setattr("experiments.pipeline.search_stage.SAVE_EVERY_S", 0.0)
    assert main(tiny_arguments(copied_root)) == 130
    assert "goes on from here" in capsys.readouterr().err
    best = (run_folder(copied_root) / "best_so_far.csv").read_text().splitlines()
    assert len(best) > 1
    assert all(line.startswith("47uF,") for line in best[1:])
    assert main(tiny_arguments(copied_root, "--quiet")) == 0
    assert steps[:4] == [0, 1, 2, 2]
    assert fronts(run_folder(copied_root)) == fronts(tiny_run)


def test_a_report_that_is_gone_is_written_again_and_nothing_else(tiny_run, copied_root, capsys):
    folder = copied_root / "runs" / tiny_run.name
    shutil.copytree(tiny_run, folder)
    (folder / "report.html").unlink()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert main(["search", str(folder), "--quiet"]) == 0
    assert capsys.readouterr().out.rstrip().endswith(f"report   {folder / 'report.html'}")
    (report,) = {path for path in folder.rglob("*") if path.is_file() and before.get(path) != path.stat().st_mtime_ns}
    assert report.read_bytes() == (tiny_run / "report.html").read_bytes()


@pytest.mark.parametrize("is_recorded", [True, False])
def test_a_finished_run_of_other_code_is_shown_as_it_is_with_a_note(
    tiny_run, tmp_path, monkeypatch, capsys, is_recorded
):
    folder = shutil.copytree(tiny_run, tmp_path / "runs" / tiny_run.name)
    if not is_recorded:
        without(folder / "manifest.json", "code")
    monkeypatch.setattr("experiments.storage.cache.code_digest", lambda modules, memory: "other")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert main(tiny_arguments(tmp_path)) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Finished before")
    assert err == (
        "note: results of another version of the code (supernet, predictor, search, finetune, quantise differ); "
        "--fresh computes them again\n"
    )
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert not list((tmp_path / "cache").glob("*-*"))


def test_a_run_of_other_code_that_is_extended_takes_nothing_of_the_older_code(tiny_run, copied_root, monkeypatch):
    folder = shutil.copytree(tiny_run, copied_root / "runs" / tiny_run.name)
    before = {path.name for path in (copied_root / "cache").glob("*-*")}
    monkeypatch.setattr("experiments.storage.cache.code_digest", lambda modules, memory: "other")
    assert main(["search", str(folder), "--extend", "search.evaluations=41", "--quiet"]) == 0
    stages = json.loads((folder / "manifest.json").read_text())["stages"]
    keys = [stages["supernet"], stages["predictor"], *stages["search"].values(), *stages["finetune"]]
    assert not [name for name in before if name.rpartition("-")[2] in keys]


@pytest.mark.parametrize("command", ["robust", "card"])
def test_shared_weights_of_other_code_are_refused_with_the_command_that_trains_them(
    tiny_run, copied_root, monkeypatch, capsys, command
):
    folder = shutil.copytree(tiny_run, copied_root / "runs" / tiny_run.name)
    monkeypatch.setattr("experiments.storage.cache.code_digest", lambda modules, memory: "other")
    assert main([command, str(folder), "--quiet"]) == 2
    said = capsys.readouterr().err
    assert said == (
        f"ebbnas: {folder}: another version of the code trained the shared weights of the run; "
        f"make the run anew with ebbnas search {folder} --fresh\n"
    )


def test_where_nothing_is_feasible_the_least_infeasible_design_and_its_amount_are_named(copied_root, capsys):
    arguments = tiny_arguments(copied_root, "--budgets", "1uF", "--quiet")
    assert main([*arguments, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    (miss,) = found["infeasible"]
    assert (found["feasible"], found["rows"]) == (False, [])
    assert miss["amount"] > 0
    folder = run_folder(copied_root)
    assert not (folder / "fronts.csv").exists()
    assert main(["price", str(folder / "designs" / f"{miss['id']}.json"), "--json"]) == 1
    priced = json.loads(capsys.readouterr().out)
    assert priced["violations"]["energy_j"] == pytest.approx(miss["amount"], rel=1e-12)
    assert main(arguments) == 1
    assert "1uF: nothing feasible" in capsys.readouterr().out


def test_the_test_split_is_opened_only_when_everything_is_decided(copied_root, monkeypatch):
    from experiments.pipeline import fronts
    from models.data import DataSet

    events = []

    def split(data, name, whole=DataSet.split):
        events.append(name)
        return whole(data, name)

    def mark(*arguments, whole=fronts._mark_fronts):
        whole(*arguments)
        events.append("decided")

    monkeypatch.setattr(DataSet, "split", split)
    monkeypatch.setattr(fronts, "_mark_fronts", mark)
    assert main(tiny_arguments(copied_root, "--quiet")) == 0
    assert "test" not in events[: events.index("decided")]
    assert "test" in events


def without(path, key):
    """Take a key out of a JSON file."""
    path.write_text(json.dumps({name: value for name, value in json.loads(path.read_text()).items() if name != key}))


@pytest.mark.slow  # a run made again for each kind of file; a truncated checkpoint shows it in seconds
def test_damaged_files_of_a_run_are_made_again(tiny_run, copied_root):
    folder, before = shutil.copytree(tiny_run, copied_root / "runs" / tiny_run.name), fronts(tiny_run)
    manifest = folder / "manifest.json"
    whole = json.loads(manifest.read_text())
    lacking = {name: whole[name] for name in whole if name != "infeasible"}
    older = {name: whole["stages"][name] for name in whole["stages"] if name != "quantise"}
    for content in ({**whole, "stages": []}, {**whole, "stages": older}, lacking, {**whole, "schema": 0}):
        manifest.write_text(json.dumps(content))
        assert main(tiny_arguments(copied_root, "--quiet")) == 0
        assert [json.loads(manifest.read_text())[name] for name in ("schema", "stages")] == [1, whole["stages"]]
    for key in ("epoch", "n_val"):
        without(next((copied_root / "cache").glob("finetune-*/done.json")), key)
    manifest.unlink()
    (folder / "evaluations" / "part-470uF-mine.parquet").touch()
    assert main(tiny_arguments(copied_root, "--quiet")) == 0
    assert fronts(folder) == before


def test_evaluations_of_other_stages_are_not_taken_for_those_of_this_run(tiny_run, copied_root):
    folder = shutil.copytree(tiny_run, copied_root / "runs" / tiny_run.name)
    parts = {path.name: path.read_bytes() for path in (folder / "evaluations").iterdir()}
    for path in (folder / "evaluations").iterdir():
        path.write_bytes(b"of a space that had the same name")
    manifest = folder / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "stages": {**content["stages"], "supernet": "another"}}))
    assert main(tiny_arguments(copied_root, "--quiet")) == 0
    assert {path.name: path.read_bytes() for path in (folder / "evaluations").iterdir()} == parts


@pytest.mark.slow  # a whole run again
def test_a_run_with_an_own_device_keeps_its_file_and_closes_the_loop(copied_root, capsys):
    board = copied_root / "board.toml"
    text = (files("energy.hardware") / "devices" / "msp430fr5994-tinas2025.toml").read_text()
    board.write_text(text.replace("energy_j = 7.788e-5", "energy_j = 9e-5", 1))
    arguments = tiny_arguments(copied_root, "--budgets", "470uF", "--quiet", settings=[f"device.file={board}"])
    assert main(arguments) == 0
    board.unlink()
    folder = run_folder(copied_root)
    row = fronts(folder)[0]
    capsys.readouterr()
    assert main(["price", str(folder / "designs" / f"{row['id']}.json"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["latency_s"] == pytest.approx(row["latency_s"], rel=1e-12)
    assert main(["search", str(folder), "--quiet"]) == 0
    assert capsys.readouterr().out.startswith("Finished before")
    before = fronts(folder)
    (folder / "designs" / f"{row['id']}.json").unlink()
    assert main(["search", str(folder), "--quiet"]) == 0
    assert (folder / "designs" / f"{row['id']}.json").exists()
    assert main(["search", str(folder), "--quiet", "--fresh"]) == 0
    assert fronts(folder) == before


def test_explore_judges_every_network_with_the_weights_of_a_run(tiny_run, tmp_path, capsys):
    arguments = ["explore", "tiny", "--accuracies", str(tiny_run), "--budgets", "470uF", "--out", str(tmp_path)]
    assert main([*arguments, "--json"]) == 0
    (line,) = json.loads(capsys.readouterr().out)["budgets"]
    rows = {row["architecture"]: row for row in read_table(tmp_path / "explore.parquet")}
    assert len(rows) == line["networks"] == 80
    for row in fronts(tiny_run):
        assert rows[row["architecture"]]["accuracy"] == row["accuracy_inherited_val"]
        if row["budget"] == "470uF":
            assert rows[row["architecture"]]["latency_s_470uF"] <= row["latency_s"] * (1 + 1e-12)


def test_figures_have_exact_widths_and_searchable_text(tiny_run, tmp_path, capsys):
    copy = shutil.copytree(tiny_run, tmp_path / "run")
    assert main(["plot", str(copy), "--format", "png,svg,pdf", "--width", "ieee1", "--json"]) == 0
    paths = {Path(name).suffix: Path(name) for name in json.loads(capsys.readouterr().out)["files"]}
    width_px = struct.unpack(">I", paths[".png"].read_bytes()[16:20])[0]
    assert width_px == round(3.5 * 300)
    assert "latency of one inference" in paths[".svg"].read_text()
    assert b"/Subtype /Type3" not in paths[".pdf"].read_bytes()


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize(
    ("column", "value", "named"),
    [
        ("policy", "another", ("policy packed", "policy another")),
        ("network", "ebb1d k3c4s4", ("space tiny", "space ebb1d")),
        ("seed", 7, ("conv1d-3-0123456789ab", "conv1d-3-ba9876543210")),
    ],
)
def test_two_runs_in_one_figure_are_named_by_what_differs(column, value, named, tiny_run, tmp_path, capsys):
    first = shutil.copytree(tiny_run, tmp_path / "conv1d-3-0123456789ab")
    second = shutil.copytree(tiny_run, tmp_path / "conv1d-3-ba9876543210")
    table = pq.read_table(second / "fronts.parquet")
    changed = pa.array([value] * len(table), table.schema.field(column).type)
    pq.write_table(table.set_column(table.column_names.index(column), column, changed), second / "fronts.parquet")
    assert main(["plot", str(first), "--beside", str(second), "--format", "svg", "--json"]) == 0
    (path,) = json.loads(capsys.readouterr().out)["files"]
    drawn = Path(path).read_text()
    assert all(name in drawn for name in named)


def test_an_unknown_design_is_answered_with_the_nearest_one(tiny_run, capsys):
    name = fronts(tiny_run)[0]["id"]
    assert main(["evaluate", str(tiny_run), name[:-1]]) == 2
    assert f"did you mean {name!r}?" in capsys.readouterr().err


def front_of(n, offset):
    """A front of `n` members, evenly spread."""
    from evo.fronts.front import Front

    return Front.of([(0.5 - 0.3 * k / n, 10.0 ** (offset + k / n)) for k in range(n)])


@pytest.mark.parametrize("most", [6, 7, 11, 24, 60])
def test_thinning_keeps_the_ends_of_every_front_and_at_most_so_many_networks(most):
    from experiments.pipeline.finetune import chosen_members

    found = [front_of(n, offset) for n, offset in ((20, 0), (15, 1), (9, 2))]
    # The fastest ten networks of the second front are also on the first.
    names = [[f"a{k}" for k in range(20)], [f"{'ab'[k > 9]}{k}" for k in range(15)], [f"c{k}" for k in range(9)]]
    chosen = chosen_members(found, names, most)
    networks = {names[index][position] for index, positions in enumerate(chosen) for position in positions}
    assert len(networks) <= most
    assert len(networks) >= min(most, 34) - 2
    for front, positions in zip(found, chosen, strict=True):
        assert {0, len(front) - 1} <= set(positions.tolist())


def test_an_empty_front_takes_nothing_from_the_others():
    from evo.fronts.front import Front
    from experiments.pipeline.finetune import chosen_members

    empty, full = Front.of([(0.5, 1.0)], feasible=[False]), front_of(3, 0)
    chosen = chosen_members([empty, full], [[], ["a", "b", "c"]], 3)
    assert [positions.tolist() for positions in chosen] == [[], [0, 1, 2]]
