"""C programs of stored designs: the folder that `export` writes, compiled and asked on this computer."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energy.hardware.supply import Scenarios
from energy.scheduling.schedule import Pricer
from experiments.designs.request import Request
from models.deploy.integer import IntegerNetwork
from models.deploy.program import Program, program

MOST_S = 600
"""Time after which a compiler or a program is given up. [s]"""

SOURCES = ("main.c", "model.c", "runtime/ebb.c", "boards/host.c")
_FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2", "-DEBB_COUNT", "-I.", "-Iruntime", "-Iboards")


def program_of(request: Request, network: IntegerNetwork) -> Program:
    """Return the tables of a design.

    Args:
        request: Its plan and supply.
        network: Its network in integers.

    Raises:
        ValueError: It is counted as publications do, its shape is another, or the engine does not hold it.
    """
    execution = request.execution
    if execution.counting != "exact":
        rule = "counting must be 'exact' for a program, which runs batches as exact counting counts them"
        raise ValueError(f"design {request.name!r}: {rule}, not {execution.counting!r}")
    if (network.shape.layers, network.shape.inputs) != (request.network.layers, request.network.inputs):
        raise ValueError(f"design {request.name!r}: its network must be that of its weights, {network.name!r}")
    assert request.plan is not None
    scenarios = Scenarios.of([request.supply])
    return program(network, request.plan, Pricer(request.device), scenarios, execution.cuts_of_schedule)


def compiler() -> str:
    """Return the path of a C compiler.

    Raises:
        ValueError: There is none.
    """
    found = shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")
    if found is None:
        raise ValueError("a C compiler must be found as gcc, cc or clang, and there is none; install gcc")
    return found


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """A program that this computer runs.

    Attributes:
        path: The executable.
        network: What it computes.
    """

    path: Path
    network: IntegerNetwork

    @classmethod
    def of(cls, folder: Path, build: Path, network: IntegerNetwork) -> Compiled:
        """Compile an exported folder, warnings being errors.

        Args:
            folder: The folder; nothing is written there.
            build: Where the executable goes.
            network: What it computes.

        Raises:
            ValueError: There is no compiler, a source is missing, or one does not compile.
        """
        found = compiler()
        for name in SOURCES:
            if not (folder / name).is_file():
                raise ValueError(f"{folder / name}: there is no such file; DIR must be a folder that export wrote")
        path = (build / "design").resolve()
        command = [found, *_FLAGS, "-o", str(path), *SOURCES]
        made = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=MOST_S, check=False)
        if made.returncode:
            first = next((line for line in made.stderr.splitlines() if "error" in line), made.stderr.strip()[:200])
            raise ValueError(f"{folder}: must compile without a warning, and does not: {first}")
        return cls(path=path, network=network)

    def ask(self, *arguments: object) -> tuple[int, str]:
        """Return exit status and answer of the program, its complaint where it has no answer."""
        command = [str(self.path), *map(str, arguments)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=MOST_S, check=False)
        except subprocess.TimeoutExpired:
            return -1, f"it did not end within {MOST_S} s"
        return done.returncode, (done.stdout or done.stderr).strip()

    def counts(self) -> dict[str, Any]:
        """What one inference counts: `power_cycles`, and the events of each of `layers`.

        Raises:
            ValueError: The inference does not end as it should.
        """
        code, answer = self.ask("counts")
        if code:
            raise ValueError(answer)
        found: dict[str, Any] = json.loads(answer)
        return found

    def outputs(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return the outputs of the program for samples `(n, height, width, channels)`, `(n, out_h, out_w, out_ch)`.

        Raises:
            ValueError: An inference does not end as it should.
        """
        given, taken = self.path.with_name("samples.bin"), self.path.with_name("outputs.bin")
        given.write_bytes(samples.astype("<i2").tobytes())
        code, answer = self.ask("run", given, taken)
        if code:
            raise ValueError(answer)
        last = self.network.shape.layers[-1]
        found = np.frombuffer(taken.read_bytes(), dtype="<i2").astype(np.int16)
        return found.reshape(-1, last.out_h, last.out_w, last.out_ch)
