"""Trained networks written as ONNX and as torch answer what our own module answers, on raw samples, and come back."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from models.data import Normalisation, synthetic
from models.exchange.convert import convert
from models.exchange.deployable import deployable
from models.exchange.read_onnx import read_onnx
from models.exchange.write_onnx import OPSET, onnx_bytes
from models.exchange.write_torch import MODULE_FILE, WEIGHTS_FILE, module_text, weights_bytes
from models.spaces import preset
from models.supernet.subnet import Subnet

SPACES = ("conv1d-3", "conv2d-5", "fc-4", "mbconv1d", "mbconv2d", "ebb1d", "ebb2d")


def trained(space, arch):
    """A network whose running statistics are not those that it starts with."""
    subnet = Subnet(space, arch, seed=1)
    generator = torch.Generator().manual_seed(2)
    for node in subnet.graph:
        if node.is_hidden:
            mean, variance = subnet.moments(node.slot)
            mean.copy_(torch.randn(mean.shape, generator=generator))
            variance.copy_(torch.rand(variance.shape, generator=generator) + 0.5)
    return subnet.eval()


def apart(space, arch):
    """A trained network, taken apart, its data normalised channel by channel."""
    rng = np.random.default_rng(3)
    data = synthetic(rng, input_shape=space.input_shape, n_classes=space.n_classes)
    mean, spread = rng.normal(size=(2, space.input_shape[2]))
    normalisation = Normalisation.by_channel(mean, 1 + spread**2, n_axes=space.n_dims + 1, raw="waves")
    data = replace(data, build_normalisation=lambda: normalisation)
    subnet = trained(space, arch)
    return subnet, deployable(subnet, data, f"a network of {space.name}")


def archs():
    """One network a space, one that resizes its samples where there is a choice."""
    found = []
    for name in SPACES:
        space = preset(name)
        arch = space.sample(np.random.default_rng(1), 1)[0]
        if space.heights:
            arch[[gene.name for gene in space.genes].index("height")] = 0
        found.append(pytest.param(space, arch, id=name))
    return found


def meant(layers):
    """Layers without what has no meaning: padding under a kernel of 1, the stride on a map of 1."""
    found = []
    for layer in layers:
        stride = layer.stride if (layer.in_h, layer.in_w) != (1, 1) else 1
        pad = layer.pad if (layer.kernel_h, layer.kernel_w) != (1, 1) else 0
        found.append(replace(layer, stride=stride, pad=pad))
    return found


def raw_samples(network):
    return np.random.default_rng(4).normal(size=(3, *network.sample_shape)).astype(np.float32) * 3


def answers(subnet, network, samples):
    with torch.no_grad():
        return subnet(torch.from_numpy(network.normalisation(samples))).numpy()


@pytest.mark.parametrize(("space", "arch"), archs())
def test_the_onnx_file_answers_the_same_and_gives_the_network_back(space, arch, tmp_path):
    subnet, network = apart(space, arch)
    content = onnx_bytes(network)
    samples = raw_samples(network)
    (found,) = ReferenceEvaluator(onnx.load_model_from_string(content)).run(None, {"samples": samples})
    expected = answers(subnet, network, samples)
    np.testing.assert_allclose(found, expected, atol=1e-5 * max(1, np.abs(expected).max()))

    (tmp_path / "network.onnx").write_bytes(content)
    again = convert(read_onnx(tmp_path / "network.onnx", None)).network
    assert meant(again.layers) == meant(space.network(arch).layers)
    assert again.inputs == space.network(arch).inputs


@pytest.mark.parametrize(("space", "arch"), archs())
def test_the_torch_folder_answers_the_same(space, arch, tmp_path):
    subnet, network = apart(space, arch)
    (tmp_path / MODULE_FILE).write_text(module_text(network), encoding="utf-8")
    (tmp_path / WEIGHTS_FILE).write_bytes(weights_bytes(network))
    spec = importlib.util.spec_from_file_location("written_model", tmp_path / MODULE_FILE)
    code = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(code)
    samples = raw_samples(network)
    module = code.load()
    assert not module.training
    with torch.no_grad():
        found = module(torch.from_numpy(samples)).numpy()
    expected = answers(subnet, network, samples)
    np.testing.assert_allclose(found, expected, atol=1e-5 * max(1, np.abs(expected).max()))
    assert network.class_names == code.CLASSES


@pytest.fixture(scope="module")
def small():
    space = preset("conv1d-3")
    return apart(space, space.smallest)[1]


def test_the_files_are_the_same_bytes_every_time_and_say_what_they_are(small):
    content = onnx_bytes(small)
    assert content == onnx_bytes(small)
    assert weights_bytes(small) == weights_bytes(small)
    model = onnx.load_model_from_string(content)
    assert [entry.version for entry in model.opset_import] == [OPSET]
    assert model.graph.doc_string == "a network of conv1d-3"
    assert json.loads(model.metadata_props[0].value) == list(small.class_names)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_the_torch_module_knows_nothing_of_ebbnas(small):
    imported = [line for line in module_text(small).splitlines() if line.startswith(("import", "from"))]
    assert {line.split()[1].split(".")[0] for line in imported} == {"pathlib", "torch", "safetensors"}


def test_no_name_of_a_config_becomes_code(small):
    names = ('a"""', '\\"', 'b"\n', "{c}", *small.class_names[4:])
    text = module_text(replace(small, title='x"""\nimport os\n"""', class_names=names))
    found: dict[str, object] = {"__file__": "model.py"}
    exec(compile(text, "model.py", "exec"), found)
    assert found["CLASSES"] == names
    assert "os" not in found


def test_without_the_package_the_line_says_what_to_install(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ValueError, match=r"writing an ONNX file needs the package onnx: pip install 'ebbnas\[onnx\]'"):
        onnx_bytes(small)
