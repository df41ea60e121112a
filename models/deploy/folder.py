"""Files of an exported design: its tables as C, the engine, a board for a PC, test vectors."""

from __future__ import annotations

from importlib import resources

import numpy as np
from numpy.typing import NDArray

from models.deploy.c_source import model_header, model_source, test_vectors
from models.deploy.program import Program
from models.deploy.reference import run

ENGINE = ("runtime/ebb.h", "runtime/ebb.c", "runtime/ebb_hal.h")
"""Files of the engine, copied unchanged."""

_COPIED = {name: name for name in (*ENGINE, "boards/host.h", "boards/host.c", "boards/template.c")}
_COPIED |= {"main.c": "boards/main.c", "Makefile": "boards/Makefile"}


def program_files(program: Program, samples: NDArray[np.int16]) -> dict[str, bytes]:
    """Return the content of the files by name.

    Args:
        program: The program.
        samples: Inputs of the test vectors, `(n, height, width, channels)`.
    """
    outputs = run(program.network, samples)
    texts = {
        "model.h": model_header(program),
        "model.c": model_source(program),
        "test_vectors.h": test_vectors(program, samples, outputs),
    }
    package = resources.files("models.deploy")
    copied = {name: (package / source).read_bytes() for name, source in _COPIED.items()}
    return {**{name: text.encode() for name, text in texts.items()}, **copied}
