"""`ebbnas export`: the trained network of a design as files for other programs, with a page that describes them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from energy.validation import require_choice
from experiments.commands.output import print_json

if TYPE_CHECKING:
    from models.exchange.deployable import Deployable

FORMATS = ("c", "onnx", "torch")
ONNX_FILE, DESIGN_FILE, CARD_FILE = "network.onnx", "design.json", "README.md"


def export(options: argparse.Namespace) -> int:
    """Run `ebbnas export`."""
    require_choice("--format", options.format, FORMATS)
    folder = Path(options.dir)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"DIR must be a folder, and {folder} is a file")
    if options.format == "onnx":
        from models.exchange.write_onnx import require_onnx

        require_onnx()
    from experiments.runs.design_card import Card
    from experiments.runs.stored_design import stored_design
    from experiments.storage.files import write_bytes, write_json, write_text

    stored = stored_design(Path(options.run), options.id, data_dir=options.data_dir)
    if options.format == "c":
        from experiments.programs.export import exported_files

        contents = exported_files(stored, folder)
        for name, content in contents.items():
            write_bytes(folder / name, content)
        _say(options, [str(folder / name) for name in contents])
        return 0
    from models.exchange.deployable import deployable

    network = deployable(stored.subnet(), stored.work.data, f"EbbNAS design {stored.id}: {stored.row.network}")
    card = Card.of(stored)
    files = _files(network, options.format)
    for name, content in files.items():
        write_bytes(folder / name, content)
    write_json(folder / DESIGN_FILE, card.request.to_dict(folder))
    write_text(folder / CARD_FILE, card.text(use=_use(network, options.format)))
    _say(options, [str(folder / name) for name in (*files, DESIGN_FILE, CARD_FILE)])
    return 0


def _say(options: argparse.Namespace, paths: list[str]) -> None:
    if options.json:
        print_json({"id": options.id, "format": options.format, "files": paths})
    else:
        print("\n".join(paths))


def _files(network: Deployable, form: str) -> dict[str, bytes]:
    """Return the content of the files of a format, by name."""
    if form == "onnx":
        from models.exchange.write_onnx import onnx_bytes

        return {ONNX_FILE: onnx_bytes(network)}
    from models.exchange.write_torch import MODULE_FILE, WEIGHTS_FILE, module_text, weights_bytes

    return {MODULE_FILE: module_text(network).encode(), WEIGHTS_FILE: weights_bytes(network)}


def _use(network: Deployable, form: str) -> str:
    """Return the section of the page on running the files."""
    shape = ", ".join(str(size) for size in network.sample_shape)
    normalisation = network.normalisation
    means, spreads = (
        ", ".join(f"{value:.6g}" for value in values.ravel().tolist())
        for values in (normalisation.mean, normalisation.spread)
    )
    if form == "onnx":
        from models.exchange.write_onnx import OPSET

        how = f"""`{ONNX_FILE}` (opset {OPSET}):

```python
import numpy as np, onnxruntime

samples = np.zeros((1, {shape}), dtype=np.float32)
scores = onnxruntime.InferenceSession("{ONNX_FILE}").run(["scores"], {{"samples": samples}})[0]
```"""
    else:
        how = f"""`model.py` with `weights.safetensors`:

```python
import torch
from model import CLASSES, load

scores = load()(torch.zeros(1, {shape}))
```"""
    return f"""## How to use it

{how}

A sample is raw, float32 (channels, then sizes) = ({shape}): {normalisation.raw}.
The network subtracts the mean and divides by the spread of the training data, so samples are not normalised:

* mean: {means}
* spread: {spreads}

The largest of the {len(network.class_names)} scores is the answer: {", ".join(network.class_names)}.
`{DESIGN_FILE}` is the plan of its execution; `ebbnas price {DESIGN_FILE}` prices it."""
