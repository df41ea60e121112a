"""C text of a program: `model.h`, `model.c` with the tables of `models.deploy.program`, and `test_vectors.h`."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energy.counting.commit_record import RECORD_SLOTS_WORDS
from models.deploy.image import Words
from models.deploy.program import EnergyTable, LayerTable, Program

ENGINE_VERSION = 2
"""Version of the engine's data in non-volatile memory; part of the identity of a program."""

LEAST_MOST_BOOTS = 64
"""Boots without a commit that every program allows: failures have other causes than a plan, too. [1]"""

_LINE = 110
_FNV_SEED, _FNV_FACTOR = 2166136261, 16777619


def model_header(program: Program) -> str:
    """Return `model.h`: sizes and addresses in words, and the identity of the program, a CRC-32 of all its tables."""
    network, placement = program.network, program.placement
    height, width, channels = network.input_shape
    last = network.shape.layers[-1]
    constants: dict[str, int | str] = {
        "EBB_N_LAYERS": len(program.layers),
        "EBB_VM_WORDS": program.vm_words,
        "EBB_NVM_WORDS": placement.total_words,
        "EBB_RECORD_AT": 0,
        "EBB_WEIGHTS_AT": RECORD_SLOTS_WORDS,
        "EBB_WEIGHT_WORDS": len(program.weights),
        "EBB_BUDGET_NJ": f"{program.cycle_budget_nj}u",
        "EBB_BOOT_NJ": f"{program.boot_nj}u",
        "EBB_INPUT_AT": placement.map_offset_words[-1],
        "EBB_INPUT_PIXELS": height * width,
        "EBB_INPUT_CHANNELS": channels,
        "EBB_INPUT_WORDS": program.input_words,
        "EBB_OUTPUT_AT": placement.map_offset_words[len(program.layers) - 1],
        "EBB_OUTPUT_PIXELS": last.out_h * last.out_w,
        "EBB_OUTPUT_CHANNELS": last.out_ch,
        "EBB_OUTPUT_WORDS": program.layers[-1].out_words,
        "EBB_MOST_BOOTS": max(program.power_cycles, LEAST_MOST_BOOTS),
        "EBB_WEIGHTS_SUM": weights_sum(program.weights),
    }
    text = f"{ENGINE_VERSION} {constants} {model_source(program)}"
    constants["EBB_IDENTITY"] = zlib.crc32(text.encode())
    lines = "\n".join(f"#define {name} {_number(value)}" for name, value in constants.items())
    title = _in_comment(network.name)
    return f"""/* {title}: sizes and addresses in words of 16 bits; EBB_INPUT_WORDS, EBB_OUTPUT_WORDS: per pixel. */
#ifndef EBB_MODEL_H
#define EBB_MODEL_H

{lines}

#endif
"""


def weights_sum(weights: Words) -> int:
    """Return the checksum of stored weights, FNV-1a over words, as `ebb_weights_are_whole` computes it."""
    total = _FNV_SEED
    for word in weights.view(np.uint16).tolist():
        total = (total ^ word) * _FNV_FACTOR & 0xFFFFFFFF
    return total


def _in_comment(text: str) -> str:
    """Return a name without marks that open or end a comment."""
    return text.replace("*/", "* /").replace("/*", "/ *")


def _number(value: int | str) -> str:
    """Return a C constant, of 32 bits where 16 do not suffice: int may have 16."""
    return f"{value}ul" if isinstance(value, int) and value > 32767 else str(value).replace("u", "ul")


def model_source(program: Program) -> str:
    """Return `model.c`: layers, energies, stop bits, weights."""
    parts = ['#include "ebb.h"\n']
    for index, table in enumerate(program.energies):
        parts.append(_energies(index, table))
    rows = [_layer(index, table) for index, table in enumerate(program.layers)]
    names = [_in_comment(layer.name) for layer in program.network.layers]
    layers = "\n".join(f"    /* {name} */\n    {row}," for name, row in zip(names, rows, strict=True))
    parts.append(f"const struct ebb_layer ebb_layers[EBB_N_LAYERS] = {{\n{layers}\n}};\n")
    stops = np.packbits(program.stops, bitorder="little")
    parts.append(f"const uint8_t ebb_stops[] = {{\n{_wrapped(stops.tolist())}\n}};\n")
    weights = program.weights.tolist()
    parts.append(f"const int16_t ebb_weights[EBB_WEIGHT_WORDS] = {{\n{_wrapped(weights)}\n}};\n")
    return "\n".join(parts)


def _energies(index: int, table: EnergyTable) -> str:
    arrays = {"first_rows": table.first_rows, "second_rows": table.second_rows, "kinds": table.kinds}
    lines = [
        f"static const uint16_t {name}_{index}[] = {{\n{_wrapped(values.ravel().tolist())}\n}};"
        for name, values in arrays.items()
    ]
    pairs = (f"{{{warm}ul, {cold}ul}}" for warm, cold in table.energies_nj.tolist())
    lines.append(f"static const struct ebb_energy energies_{index}[] = {{\n{_wrapped(pairs)}\n}};")
    return "\n".join(lines) + "\n"


def _layer(index: int, table: LayerTable) -> str:
    """Return a row of `ebb_layers`, members by name."""
    members = [f".{field.name} = {_value(getattr(table, field.name))}" for field in fields(table)]
    members += [f".{name} = {name}_{index}" for name in ("first_rows", "second_rows", "kinds", "energies")]
    return "{" + _wrapped(members, indent="     ").strip() + "}"


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return "{" + ", ".join(_value(item) for item in value) + "}"
    return _number(value) if isinstance(value, int) else str(value)


def test_vectors(program: Program, inputs: NDArray[np.int16], outputs: NDArray[np.int16]) -> str:
    """Return `test_vectors.h`: samples and the outputs of the integer reference.

    Args:
        program: The program.
        inputs: Samples, `(n, height, width, channels)`.
        outputs: Their outputs, `(n, out_h, out_w, out_ch)`.
    """

    def table(name: str, size: str, rows: NDArray[np.int16]) -> str:
        content = ",\n".join(f"    {{\n{_wrapped(row.ravel().tolist(), indent='     ')}}}" for row in rows)
        return f"static const int16_t {name}[EBB_N_TEST_VECTORS][{size}] = {{\n{content}\n}};\n"

    return f"""/* Real samples (height, width, channels; channels fastest) and their expected outputs. */
#ifndef EBB_TEST_VECTORS_H
#define EBB_TEST_VECTORS_H

#include "model.h"

#define EBB_N_TEST_VECTORS {len(inputs)}

{table("ebb_test_inputs", "EBB_INPUT_PIXELS * EBB_INPUT_CHANNELS", inputs)}
{table("ebb_test_outputs", "EBB_OUTPUT_PIXELS * EBB_OUTPUT_CHANNELS", outputs)}
#endif
"""


def _wrapped(items: Iterable[object], indent: str = "    ") -> str:
    """Return the items with commas between them, in lines of at most `_LINE` characters."""
    lines, line = [], ""
    for item in items:
        text = str(item)
        if line and len(line) + len(text) > _LINE:
            lines.append(line.rstrip())
            line = ""
        line += f"{text}, "
    return "\n".join(f"{indent}{one}" for one in [*lines, line.rstrip(", ")])
