"""Folder of a design as a C program: its files, and the page that describes them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from experiments.formatting.quantities import write
from experiments.formatting.table import Table
from experiments.programs.program import program_of
from experiments.programs.verify_pool import sample_vectors
from experiments.runs.design_card import Card
from experiments.runs.stored_design import StoredDesign
from models.deploy.folder import program_files
from models.deploy.program import Program
from models.deploy.weights_file import network_bytes

PLAN_FILE, NETWORK_FILE, CARD_FILE = "plan.json", "network.int16.safetensors", "README.md"


def exported_files(stored: StoredDesign, folder: Path) -> dict[str, bytes]:
    """Return the content of all files of the folder, by name.

    Args:
        stored: The design.
        folder: Folder that will hold the files; paths in them are relative to it.

    Raises:
        ValueError: The design cannot be exported.
    """
    card = Card.of(stored)
    if not card.answer["feasible"]:
        raise ValueError(f"ID must name a feasible design, and {stored.id} is not feasible")
    network = stored.integer_network()
    made = program_of(card.request, network)
    return {
        **program_files(made, sample_vectors(stored.work.data, network)),
        PLAN_FILE: (json.dumps(card.request.to_dict(folder), indent=2) + "\n").encode(),
        NETWORK_FILE: network_bytes(network),
        CARD_FILE: card.text(use=_use(made, stored)).encode(),
    }


def _use(made: Program, stored: StoredDesign) -> str:
    """Return the sections of the page on running the files and on the memory map."""
    network, data = made.network, stored.work.data
    normalisation = data.normalisation
    means, spreads = (
        ", ".join(f"{value:.6g}" for value in values.ravel().tolist())
        for values in (normalisation.mean, normalisation.spread)
    )
    height, width, channels = network.input_shape
    return f"""## How to use it

```sh
make && ./design        # the test vectors on this computer, and what was counted
ebbnas verify .         # checks outputs, counts and power failures
```

`runtime/` is the engine, the same for every design; it needs only C99 and the nine calls of `runtime/ebb_hal.h`.
`boards/host.c` implements these calls on a computer, `boards/template.c` lists what to fill in for a real board.
`model.c` holds the weights, the plan and the schedule, `{NETWORK_FILE}` the same network for other programs,
`{PLAN_FILE}` the plan: `ebbnas price {PLAN_FILE}` prices it.

A sample is {normalisation.raw}. Before it is put into non-volatile memory it is normalised and quantised,
q = floor(2^{network.input_fraction_bits} (x - mean) / spread + 0.5) inside a word of 16 bits:
{height} x {width} pixels of {channels} channels, channels fastest.

* mean: {means}
* spread: {spreads}

Weights are provisioned at word {min(made.placement.weight_offset_words)}. At its first boot the program reads all
{len(made.weights):,} words once and compares their checksum. Every output has the number of its sample, `ebb_number`:
an output that is there again after a power failure has the number of before.

The largest of the {len(data.class_names)} outputs is the answer: {", ".join(data.class_names)}.

## Memory map

Non-volatile memory, in words of 16 bits from the start of the program's area. {write(2 * made.vm_words, "B")} of
volatile memory hold the operands; the stack needs a little more.

{Table(("what", "from", "words"), _memory_map(made)).to_markdown()}"""


def _memory_map(made: Program) -> list[tuple[str, str, str]]:
    placement, shape = made.placement, made.network.shape
    rows = [("two progress records", 0, min(placement.weight_offset_words))]
    for index, name in enumerate(shape.layer_names):
        if words := placement.weight_words[index]:
            rows.append((f"weights of {name}", placement.weight_offset_words[index], words))
    arena = [("input", placement.map_offset_words[-1], placement.map_words[-1])]
    for index, name in enumerate(shape.layer_names):
        arena.append((f"output of {name}", placement.map_offset_words[index], placement.map_words[index]))
        if words := placement.partial_words[index]:
            arena.append((f"partial sums of {name}", placement.partial_offset_words[index], words))
    rows += [arena[position] for position in np.argsort([start for _, start, _ in arena], kind="stable")]
    return [(what, f"{start:,}", f"{words:,}") for what, start, words in rows]
