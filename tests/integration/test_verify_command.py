"""`ebbnas export` to C and `ebbnas verify`: a design of a run becomes a program, and the program is verified."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from experiments.cli import main
from experiments.programs.program import Compiled
from experiments.programs.verification import code_of_c
from experiments.runs.stored_design import stored_design
from experiments.storage.tables import read_table
from models.deploy.accuracy import deployed_correct
from models.deploy.reference import answers_of
from models.deploy.samples import quantise_input
from models.deploy.weights_file import read_network
from tests.support.exported_programs import needs_compiler

CHECKS = [
    "compiles", "engine", "test vectors", "outputs", "counts", "a failure in every batch", "a life of twelve samples",
    "charges of a life", "a failure at each write", "random failures",
]  # fmt: skip


@pytest.fixture(scope="module")
def row(tiny_run):
    """The fastest design of the tiny run."""
    return min(read_table(tiny_run / "fronts.parquet"), key=lambda row: row["latency_s"])


@pytest.fixture(scope="module")
def exported(tiny_run, row, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "design"
    assert main(["export", str(tiny_run), row["id"], str(folder)]) == 0
    return folder


@pytest.fixture
def copy(exported, tmp_path):
    """The folder, to be damaged."""
    return shutil.copytree(exported, tmp_path / "copy")


def verified(capsys, folder, *options) -> tuple[int, dict]:
    code = main(["verify", str(folder), "--json", *options])
    return code, json.loads(capsys.readouterr().out)


def failed(answer) -> list[str]:
    return [check["check"] for check in answer["checks"] if not check["passed"]]


def mistake(capsys, *arguments) -> str:
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1), captured.err
    return captured.err


@needs_compiler
def test_a_design_of_a_run_is_verified(capsys, exported, row):
    code, answer = verified(capsys, exported, "--failures", "500")
    assert (code, answer["verified"], failed(answer)) == (0, True, [])
    assert [check["check"] for check in answer["checks"]] == CHECKS
    found = {check["check"]: check["found"] for check in answer["checks"]}
    assert found["test vectors"] == f"4 test vectors, each in {row['power_cycles']} power cycles"
    assert found["random failures"].startswith("500 power failures in ")


@needs_compiler
def test_the_folder_stands_alone(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "alone")
    subprocess.run(["make", "-s"], cwd=folder, check=True)
    answer = subprocess.run(["./design"], cwd=folder, capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("PASS: 4 test vectors")


@needs_compiler
def test_verifying_writes_nothing_and_reads_as_a_table(capsys, exported):
    before = sorted(exported.rglob("*"))
    assert main(["verify", str(exported), "--failures", "0"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("verified: right bits, right counts, nothing lost\n")
    assert "random failures" not in text
    assert sorted(exported.rglob("*")) == before


@needs_compiler
def test_a_wrong_weight_is_found(capsys, copy):
    source = copy / "model.c"
    head, table = source.read_text().split("ebb_weights[EBB_WEIGHT_WORDS] = {\n", 1)
    first, rest = table.split(",", 1)
    source.write_text(f"{head}ebb_weights[EBB_WEIGHT_WORDS] = {{\n{int(first) + 5},{rest}")
    code, answer = verified(capsys, copy)
    assert code == 1
    assert "outputs" in failed(answer)
    assert "counts" not in failed(answer)


@needs_compiler
def test_a_plan_that_is_not_that_of_the_program_is_found(capsys, copy):
    plan = json.loads((copy / "plan.json").read_text())
    plan["plan"][0] |= {"tile_h": 1, "batch": 1}
    (copy / "plan.json").write_text(json.dumps(plan))
    code, answer = verified(capsys, copy, "--failures", "0")
    assert (code, failed(answer)) == (1, ["counts", "charges of a life"])


@needs_compiler
def test_a_changed_engine_is_found(capsys, copy):
    engine = copy / "runtime/ebb.c"
    engine.write_text(engine.read_text().replace("EBB_RECORD_AT + (sequence & 1u) * RECORD_WORDS", "EBB_RECORD_AT"))
    code, answer = verified(capsys, copy)
    assert code == 1
    assert {"engine", "random failures"} <= set(failed(answer))


@needs_compiler
def test_an_engine_with_other_comments_is_that_of_this_version(capsys, copy):
    engine = copy / "runtime/ebb.c"
    engine.write_text("// of an older export\n" + engine.read_text().replace("/* ", "/* once: "))
    code, answer = verified(capsys, copy, "--failures", "0")
    assert (code, failed(answer)) == (0, [])


def test_a_comment_mark_in_a_string_is_code():
    assert code_of_c('a = "/* b */"; /* c */ d // e\n  f') == 'a = "/* b */"; d f'


@needs_compiler
def test_a_program_that_does_not_compile_is_told_in_one_line(capsys, copy):
    (copy / "model.c").write_text("int main(")
    assert "must compile without a warning, and does not" in mistake(capsys, "verify", copy)


def test_the_folder_tells_where_everything_lies(exported, row):
    text = (exported / "README.md").read_text()
    assert "make && ./design" in text
    assert "| two progress records | 0 | 12 |" in text
    assert json.loads((exported / "plan.json").read_text())["network"]["name"] == row["network"]
    network = read_network((exported / "network.int16.safetensors").read_bytes())
    assert f"q = floor(2^{network.input_fraction_bits} (x - mean)" in text


def test_mistakes_are_one_line(capsys, exported, copy, tmp_path):
    assert "plan.json: file not found; DIR must be a folder that export wrote" in mistake(
        capsys, "verify", tmp_path / "nowhere"
    )
    assert "--failures must be a whole number" in mistake(capsys, "verify", exported, "--failures", "many")
    assert "--board must be one of host, cortex-m4, msp430" in mistake(capsys, "verify", exported, "--board", "m4")
    weights = copy / "network.int16.safetensors"
    weights.write_bytes(weights.read_bytes()[:-3])
    assert "an integer network must be whole safetensors data" in mistake(capsys, "verify", copy)
    weights.unlink()
    assert "network.int16.safetensors: file not found" in mistake(capsys, "verify", copy)


def test_without_a_compiler_it_says_what_to_install(capsys, exported, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert "no C compiler found (tried gcc, cc, clang); install gcc" in mistake(capsys, "verify", exported)


def test_the_program_is_as_accurate_as_the_table_says(tiny_run, row):
    stored = stored_design(tiny_run, row["id"])
    network = stored.integer_network()
    for split in ("val", "test"):
        assert deployed_correct(network, stored.work.data.split(split)).mean() == row[f"accuracy_deployed_{split}"]
        low, high = (row[f"accuracy_deployed_{split}_{end}"] for end in ("low", "high"))
        assert low <= row[f"accuracy_deployed_{split}"] <= high


@needs_compiler
def test_the_compiled_program_answers_the_whole_test_set_as_the_table_says(tiny_run, row, exported, tmp_path):
    stored = stored_design(tiny_run, row["id"])
    network, test = stored.integer_network(), stored.work.data.split("test")
    outputs = Compiled.of(exported, tmp_path, network).outputs(quantise_input(network, test.take(slice(None))))
    assert (answers_of(outputs) == test.labels).mean() == row["accuracy_deployed_test"]


def test_a_run_of_an_older_version_is_quantised_when_it_is_exported(tiny_run, row, exported, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "runs" / "older")
    (run / "designs" / f"{row['id']}.int16.safetensors").unlink()
    assert main(["export", str(run), row["id"], str(tmp_path / "out"), "--quiet"]) == 0
    name = "network.int16.safetensors"
    assert (tmp_path / "out" / name).read_bytes() == (exported / name).read_bytes()


def test_an_integer_network_of_another_design_is_refused(capsys, tiny_run, row, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "runs" / "mixed")
    others = [one for one in read_table(run / "fronts.parquet") if one["architecture"] != row["architecture"]]
    own, foreign = (run / "designs" / f"{one['id']}.int16.safetensors" for one in (row, others[0]))
    own.write_bytes(foreign.read_bytes())
    told = mistake(capsys, "export", run, row["id"], tmp_path / "out")
    assert "must be of network" in told
    assert not (tmp_path / "out").exists()
