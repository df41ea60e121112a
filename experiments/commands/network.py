"""`network`: NETWORK.json of an ONNX file or of a torch module, so that a network of one's own can be planned."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from energy.networks.shapes import NETWORK_INPUT, LayerShape, NetworkShape
from energy.validation import closest
from experiments.commands.output import print_json
from experiments.formatting.quantities import whole
from experiments.formatting.table import Table
from experiments.storage.files import write_json

if TYPE_CHECKING:
    from models.exchange.operations import ForeignGraph

_EXAMPLE = "such as net.onnx or net.py:build"
_HINTS = {
    **dict.fromkeys(
        (".pt", ".pth", ".pt2", ".bin", ".pkl", ".ckpt"),
        "such files can run code when they are opened, so none is; name the Python function that makes the module",
    ),
    **dict.fromkeys((".tflite", ".h5", ".keras", ".pb"), "export the network to ONNX"),
    ".py": "name the function that makes the module behind a colon",
    ".json": "that is what this command writes; ebbnas plan reads it",
}
"""What to do with a file of another kind."""


def network(options: argparse.Namespace) -> int:
    """`ebbnas network`."""
    from models.exchange.convert import convert

    shape = None if options.input is None else _shape(options.input)
    found = convert(_graph(options.model, shape), fuse=options.fuse == "yes")
    if options.out is not None:
        write_json(Path(options.out), found.network.to_dict())
    if options.json:
        print_json(found.network.to_dict())
        sys.stderr.writelines(f"ebbnas: note: {note}\n" for note in found.notes)
    else:
        print(_text(found.network, found.notes, options.out))
    return 0


def _shape(text: str) -> tuple[int, ...]:
    """Return channels and sizes from text such as `6x128`."""
    parts = text.lower().split("x")
    if not 1 <= len(parts) <= 3 or not all(part.isdecimal() for part in parts):
        raise ValueError(f"--input must be channels and 1 or 2 sizes, such as 6x128 or 3x32x32, not {text!r}")
    return tuple(whole("--input", part) for part in parts)


def _graph(model: str, shape: tuple[int, ...] | None) -> ForeignGraph:
    path, _, factory = model.rpartition(":")
    if factory and path.endswith(".py"):
        if shape is None:
            raise ValueError("--input must be given with a torch module, such as --input 6x128: channels, then sizes")
        module = _made(Path(path), factory)
        from models.exchange.read_torch import read_torch

        return read_torch(module, shape, Path(path).stem)
    if not model.endswith(".onnx"):
        hint = _HINTS.get(Path(model).suffix.lower())
        raise ValueError(f"MODEL must be {_EXAMPLE}, not {model!r}{f': {hint}' if hint else ''}")
    from models.exchange.read_onnx import read_onnx

    return read_onnx(Path(model), shape)


def _made(path: Path, factory: str) -> Any:
    """Return the module that a function of a Python file makes; what the file prints goes to stderr."""
    if not path.is_file():
        raise ValueError(f"{path}: file not found")
    from torch import nn

    with _owners_code(f"{path} must run"):
        names = _run(path)
    make = names.get(factory)
    if not callable(make):
        known = [name for name, value in names.items() if callable(value) and not name.startswith("_")]
        raise ValueError(f"{path}: function {factory!r} not found{closest(factory, known)}")
    with _owners_code(f"{path}: {factory} must make a module"):
        made = make if isinstance(make, nn.Module) else make()
    if not isinstance(made, nn.Module):
        raise ValueError(f"{path}: {factory} must give a torch.nn.Module, not {type(made).__name__}")
    return made


def _run(path: Path) -> dict[str, Any]:
    """Return the names that a Python file defines; it may import its neighbours."""
    spec = importlib.util.spec_from_file_location(f"_ebbnas_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    code = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = code  # dataclasses, for one, look their module up
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(code)
    finally:
        sys.path.remove(folder)
    return vars(code)


@contextmanager
def _owners_code(rule: str) -> Iterator[None]:
    """Run code of others: its output goes to stderr, its exceptions become an error of one line."""
    try:
        with redirect_stdout(sys.stderr):
            yield
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it may raise anything
        raise ValueError(f"{rule}, and raises {type(error).__name__}: {error}") from None


def _text(found: NetworkShape, notes: tuple[str, ...], out: str | None) -> str:
    n_layers = len(found.layers)
    height, width, channels = found.input_shape
    first = (
        f"{found.name}: {n_layers} layer{'' if n_layers == 1 else 's'}, {found.n_parameters:,} parameters, "
        f"{found.n_macs:,} multiply-accumulates, input {height} x {width} x {channels} (height, width, channels)"
    )
    rows = [_row(found, index, layer) for index, layer in enumerate(found.layers)]
    head = ("layer", "operator", "input", "output", "kernel", "stride", "pad", "reads")
    lines = [first, "", Table(head, rows, text=(0, 1, 7)).to_text(), *(f"note: {note}" for note in notes)]
    if out is not None:
        lines += ["", f"{out} is written; plan it with: ebbnas plan {out}"]
    return "\n".join(lines)


def _row(found: NetworkShape, index: int, layer: LayerShape) -> tuple[str, ...]:
    is_chained = found.inputs[index] == (index - 1,)
    names = ["input" if source == NETWORK_INPUT else found.layer_names[source] for source in found.inputs[index]]
    has_kernel = layer.op in ("conv", "depthwise_conv")
    return (
        found.layer_names[index],
        layer.op,
        f"{layer.in_h} x {layer.in_w} x {layer.in_ch}",
        f"{layer.out_h} x {layer.out_w} x {layer.out_ch}",
        f"{layer.kernel_h} x {layer.kernel_w}" if has_kernel else "",
        str(layer.stride) if has_kernel else "",
        str(layer.pad) if has_kernel else "",
        "" if is_chained and index > 0 else ", ".join(names),
    )
