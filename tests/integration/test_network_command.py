"""`ebbnas network`: networks of one's own become NETWORK.json, which plan takes; mistakes are one line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from energy.networks.shapes import NetworkShape
from experiments.cli import main

MODULE = """
from __future__ import annotations

from dataclasses import dataclass

from torch import nn

print("this file talks")
number = 3


@dataclass
class Settings:
    channels: int = 8


class Own(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv1d(6, Settings().channels, 7, stride=2, padding=3), nn.BatchNorm1d(8), nn.ReLU(),
            nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 7),
        )


def build():
    return Own()


def broken():
    return 1 / 0


def refuses():
    raise ValueError("not today")


def leaves():
    raise SystemExit(3)


def none():
    return "a module, honestly"
"""


@pytest.fixture
def module_file(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(MODULE, encoding="utf-8")
    return path


@pytest.fixture
def onnx_file(tmp_path):
    """A convolution and a softmax."""
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"], name="first"), helper.make_node("Softmax", ["c"], ["y"])]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", ["n", 6, "t"]), ("y", None))
    ]
    weights = [numpy_helper.from_array(np.zeros((8, 6, 3), np.float32), "w")]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], weights)
    path = tmp_path / "own.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())
    return path


def mistake(capsys, *arguments):
    assert main(["network", *map(str, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1 + captured.err.count("this file talks"), captured.err
    return captured.err


def test_a_torch_module_becomes_a_file_that_plan_takes(capsys, module_file, tmp_path):
    out = tmp_path / "made" / "own.json"
    assert main(["network", f"{module_file}:build", "--input", "6x128", "--out", str(out)]) == 0
    said = capsys.readouterr()
    # 6 x 7 x 8 + 8 weights and biases, then 8 x 7 + 7
    assert said.out.startswith("own: 3 layers, 407 parameters, ")
    assert f"{out} is written; plan it with: ebbnas plan {out}" in said.out
    assert "this file talks" in said.err
    assert main(["plan", str(out), "--capacitance", "100uF", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [row["layer"] for row in answer["layers"]] == ["0", "adaptive_avg_pool1d", "5"]
    assert answer["feasible"]


def test_json_is_the_network_alone_and_notes_go_to_stderr(capsys, onnx_file, write_design):
    assert main(["network", str(onnx_file), "--input", "6x30", "--json"]) == 0
    said = capsys.readouterr()
    network = NetworkShape.from_dict(json.loads(said.out))
    assert (network.layer_names, network.layers[0].out_h) == (("first",), 28)
    assert said.err == "ebbnas: note: Softmax behind the last layer is left out: the largest score stays the largest\n"
    assert main(["plan", write_design(json.loads(said.out))]) == 0


def test_batch_norm_and_relu_stay_layers_where_that_is_asked_for(capsys, module_file):
    arguments = ["network", f"{module_file}:Own", "--input", "6x128", "--json"]
    counts = []
    for more in ([], ["--fuse", "no"]):
        assert main([*arguments, *more]) == 0
        counts.append(len(json.loads(capsys.readouterr().out)["layers"]))
    assert counts == [3, 5]


def test_mistakes_about_a_torch_module_are_one_line(capsys, module_file):
    for factory, message in (
        ("bild", "function 'bild' not found; did you mean 'build'?"),
        ("number", "function 'number' not found"),
        ("broken", "broken must make a module, and raises ZeroDivisionError: division by zero"),
        ("refuses", "refuses must make a module, and raises ValueError: not today"),
        ("leaves", "leaves must make a module, and raises SystemExit: 3"),
        ("none", "none must give a torch.nn.Module, not str"),
    ):
        assert message in mistake(capsys, f"{module_file}:{factory}", "--input", "6x128")
    (module_file.parent / "bad.py").write_text("import nothing_of_that_name")
    told = mistake(capsys, module_file.parent / "bad.py:build", "--input", "6x128")
    assert "bad.py must run, and raises ModuleNotFoundError: No module named 'nothing_of_that_name'" in told
    assert "--input must be given with a torch module" in mistake(capsys, f"{module_file}:build")
    assert "--input 3x128 must suit the module" in mistake(capsys, f"{module_file}:build", "--input", "3x128")
    assert "file not found" in mistake(capsys, f"{module_file}x.py:build", "--input", "6x128")
    assert "name the function that makes the module" in mistake(capsys, module_file, "--input", "6x128")


@pytest.mark.parametrize("shape", ["6", "0x8", "6xx8", "6 x 8", "-6x8", "1x2x3x4", "6.5x8", ""])
def test_an_input_that_is_no_shape_is_one_line(capsys, onnx_file, shape):
    assert "--input must be " in mistake(capsys, onnx_file, f"--input={shape}")


def test_mistakes_about_files_are_one_line(capsys, onnx_file, tmp_path):
    assert "--input must be given, such as 6x128: input 'x' of the file is 6x?" in mistake(capsys, onnx_file)
    assert "own.onnxx.onnx: No such file or directory" in mistake(capsys, f"{onnx_file}x.onnx")
    (tmp_path / "text.onnx").write_text("what is this")
    assert "must be an ONNX file" in mistake(capsys, tmp_path / "text.onnx")
    for name, hint in (
        ("net.pt", "such files can run code when they are opened"),
        ("net.tflite", "export the network to ONNX"),
        ("net.json", "ebbnas plan reads it"),
        ("net", "MODEL must be such as net.onnx or net.py:build, not "),
    ):
        assert hint in mistake(capsys, tmp_path / name)
