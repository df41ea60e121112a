"""`ebbnas export` and `ebbnas design`: exported designs answer as the run says, and the page states it."""

from __future__ import annotations

import importlib.util
import json
import shutil

import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from energy.networks.shapes import NetworkShape
from experiments.cli import main
from experiments.designs.request import Overrides
from experiments.designs.request_files import read_request
from experiments.storage.files import read_json
from experiments.storage.tables import read_table
from models.data import load


@pytest.fixture(scope="module")
def row(tiny_run):
    """The most accurate design of the tiny run."""
    return max(read_table(tiny_run / "fronts.parquet"), key=lambda row: row["accuracy_finetuned_val"])


@pytest.fixture(scope="module")
def exported(tiny_run, row, tmp_path_factory):
    """Folder of each format."""
    folders = {form: tmp_path_factory.mktemp("exported") / form for form in ("onnx", "torch")}
    for form, folder in folders.items():
        assert main(["export", str(tiny_run), row["id"], str(folder), "--format", form]) == 0
    return folders


def mistake(capsys, *arguments):
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1), captured.err
    return captured.err


def accuracy(scores, labels):
    return float((scores.argmax(axis=1) == labels).mean())


def test_the_onnx_file_is_as_accurate_as_the_table_says(exported, row):
    model = ReferenceEvaluator(onnx.load(exported["onnx"] / "network.onnx"))
    for split in ("val", "test"):
        samples = load("synthetic").split(split)
        (scores,) = model.run(["scores"], {"samples": samples.inputs})
        assert accuracy(scores, samples.labels) == row[f"accuracy_finetuned_{split}"]


def test_the_torch_folder_is_as_accurate_as_the_table_says(exported, row):
    spec = importlib.util.spec_from_file_location("exported_model", exported["torch"] / "model.py")
    code = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(code)
    samples = load("synthetic").split("test")
    with torch.no_grad():
        scores = code.load()(torch.from_numpy(samples.inputs)).numpy()
    assert accuracy(scores, samples.labels) == row["accuracy_finetuned_test"]


@pytest.mark.parametrize("form", ["onnx", "torch"])
def test_what_was_exported_gives_the_network_of_the_design_back(capsys, exported, tiny_run, row, form):
    model = {"onnx": "network.onnx", "torch": "model.py:load"}[form]
    assert main(["network", f"{exported[form]}/{model}", "--input", "6x128", "--json"]) == 0
    found = NetworkShape.from_dict(json.loads(capsys.readouterr().out))
    expected = NetworkShape.from_dict(read_json(tiny_run / "designs" / f"{row['id']}.json")["network"])
    assert (found.layers, found.inputs) == (expected.layers, expected.inputs)


def test_the_design_beside_it_costs_what_the_table_says(capsys, exported, row):
    path = exported["onnx"] / "design.json"
    assert main(["price", str(path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["latency_s"], answer["energy_j"]) == (row["latency_s"], row["energy_j"])
    assert read_request(read_json(path), path.parent, Overrides()).plan is not None


def test_the_page_tells_accuracies_costs_layers_and_data(exported, row):
    text = (exported["onnx"] / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"# Design {row['id']}\n")
    low, high = (100 * row[f"accuracy_finetuned_test_{end}"] for end in ("low", "high"))
    assert f"| fine-tuned | test | {100 * row['accuracy_finetuned_test']:.1f} % | {low:.1f} to {high:.1f} % |" in text
    assert f"| power cycles | {row['power_cycles']:,} |" in text
    assert "training 84 samples of 28 recordings" in text  # 7 classes x 12 waves, 3 a recording
    assert "Licence: none needed" in text
    assert "`network.onnx` (opset 17)" in text
    assert "| head | conv | 1 x 1 x " in text
    assert f"| as deployed | test | {100 * row['accuracy_deployed_test']:.1f} % |" in text


def test_the_page_alone_is_printed_or_written(capsys, tiny_run, row, tmp_path, exported):
    arguments = ["design", str(tiny_run), row["id"]]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert main([*arguments, "--out", str(tmp_path / "card.md")]) == 0
    assert (tmp_path / "card.md").read_text(encoding="utf-8") == printed
    beside = (exported["torch"] / "README.md").read_text(encoding="utf-8")
    assert set(printed.splitlines()) < set(beside.splitlines())
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["row"], found["price"]["latency_s"]) == (row, row["latency_s"])
    assert found["data"]["splits"]["test"] == {"samples": 84, "groups": 28}


def test_json_names_the_files(capsys, tiny_run, row, tmp_path):
    assert main(["export", str(tiny_run), row["id"], str(tmp_path), "--format", "torch", "--json"]) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert files == [str(tmp_path / name) for name in ("model.py", "weights.safetensors", "design.json", "README.md")]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(name.rpartition("/")[2] for name in files)


def test_mistakes_are_one_line(capsys, tiny_run, row, tmp_path):
    one = row["id"]
    out = tmp_path / "out"
    assert "did you mean 'onnx'?" in mistake(capsys, "export", tiny_run, one, out, "--format", "onx")
    (tmp_path / "file").touch()
    told = mistake(capsys, "export", tiny_run, one, tmp_path / "file", "--format", "torch")
    assert "DIR must be a folder" in told
    for command in (["export", tiny_run, f"{one}x", out, "--format", "torch"], ["design", tiny_run, f"{one}x"]):
        assert f"did you mean '{one}'?" in mistake(capsys, *command)
    assert not out.exists()


def test_missing_or_damaged_weights_are_one_line_and_nothing_is_written(capsys, tiny_run, row, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "runs" / "copy")
    path = run / "designs" / f"{row['id']}.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    told = mistake(capsys, "export", run, row["id"], tmp_path / "out", "--format", "torch")
    assert f"{path.name}: weights of network" in told
    path.unlink()
    told = mistake(capsys, "export", run, row["id"], tmp_path / "out", "--format", "torch")
    assert "file not found" in told
    assert not (tmp_path / "out").exists()
