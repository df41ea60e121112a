"""Exported folder for an emulator: the map of non-volatile memory, samples and expected outputs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.int16]

_DEFINITION = re.compile(r"^#define (EBB_\w+) (\d+)u?l?$", re.MULTILINE)
_VECTORS = r"{name}\[EBB_N_TEST_VECTORS\]\[[^]]*\] = \{{(.*?)\n\}};"


@dataclass(frozen=True, kw_only=True, eq=False)
class ExportedFolder:
    """Sizes and test vectors of the program in a folder of `ebbnas export`.

    Attributes:
        path: The folder.
        constants: Numbers of `model.h` by name; offsets and sizes in words of 16 bits.
        inputs: Samples of the test vectors, `(n, pixels, channels)`.
        outputs: Expected outputs, `(n, pixels, channels)`.
    """

    path: Path
    constants: Mapping[str, int]
    inputs: Words
    outputs: Words

    def stored_input(self, sample: Words) -> bytes:
        """Return the bytes of a sample `(pixels, channels)` in non-volatile memory; padding channels are zero."""
        stored = np.zeros((self.constants["EBB_INPUT_PIXELS"], self.constants["EBB_INPUT_WORDS"]), dtype="<i2")
        stored[:, : self.constants["EBB_INPUT_CHANNELS"]] = sample
        return stored.tobytes()

    def read_output(self, stored: bytes) -> Words:
        """Return the outputs `(pixels, channels)` from the bytes of non-volatile memory at EBB_OUTPUT_AT."""
        words = np.frombuffer(stored, dtype="<i2").reshape(self.constants["EBB_OUTPUT_PIXELS"], -1)
        return words[:, : self.constants["EBB_OUTPUT_CHANNELS"]].astype(np.int16)

    @property
    def stored_output_bytes(self) -> int:
        """Size of the output in non-volatile memory. [B]"""
        return 2 * self.constants["EBB_OUTPUT_PIXELS"] * self.constants["EBB_OUTPUT_WORDS"]


def read_exported(path: Path) -> ExportedFolder:
    """Read the sizes and the test vectors of an exported folder.

    Raises:
        ValueError: The folder holds no exported program.
    """
    header, vectors = path / "model.h", path / "test_vectors.h"
    for file in (header, vectors):
        if not file.is_file():
            raise ValueError(f"{path} must be a folder that export wrote, and it has no {file.name}")
    constants = {name: int(value) for name, value in _DEFINITION.findall(header.read_text())}
    text = vectors.read_text()
    return ExportedFolder(
        path=path,
        constants=constants,
        inputs=_table(text, "ebb_test_inputs", constants["EBB_INPUT_CHANNELS"], constants["EBB_INPUT_PIXELS"]),
        outputs=_table(text, "ebb_test_outputs", constants["EBB_OUTPUT_CHANNELS"], constants["EBB_OUTPUT_PIXELS"]),
    )


def _table(text: str, name: str, channels: int, pixels: int) -> Words:
    found = re.search(_VECTORS.format(name=name), text, re.DOTALL)
    if found is None:
        raise ValueError(f"test_vectors.h must define {name}")
    words = [int(word) for word in re.findall(r"-?\d+", found[1])]
    return np.array(words, dtype=np.int16).reshape(-1, pixels, channels)
