"""C programs of stored designs: the folder that `export` writes, compiled and run on this computer."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from energy.hardware.scenarios import Scenarios
from energy.scheduling.schedule import Pricer
from experiments.designs.request import Request
from models.deploy.integer import IntegerNetwork
from models.deploy.program import Program, program

TIMEOUT_S = 600
"""Time limit of a compiler and of a program. [s]"""

SOURCES = ("main.c", "model.c", "runtime/ebb.c", "boards/host.c")
_FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2", "-DEBB_COUNT", "-I.", "-Iruntime", "-Iboards")


def program_of(request: Request, network: IntegerNetwork) -> Program:
    """Return the tables of a design.

    Args:
        request: Its plan and supply.
        network: Its network in integers.

    Raises:
        ValueError: The counting is published, the layers of request and network differ, or the engine cannot run it.
    """
    execution = request.execution
    if execution.counting != "exact":
        rule = "counting must be 'exact' for a program, whose batches exact counting describes"
        raise ValueError(f"design {request.name!r}: {rule}, not {execution.counting!r}")
    if (network.shape.layers, network.shape.inputs) != (request.network.layers, request.network.inputs):
        raise ValueError(
            f"design {request.name!r}: its network must be that of the weights, {network.name!r}, and has other layers"
        )
    assert request.plan is not None
    scenarios = Scenarios.of([request.supply])
    return program(network, request.plan, Pricer(request.device), scenarios, execution.cuts_of_schedule)


def compiler() -> str:
    """Return the path of a C compiler.

    Raises:
        ValueError: None is installed.
    """
    found = shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")
    if found is None:
        raise ValueError("no C compiler found (tried gcc, cc, clang); install gcc")
    return found


class ProgramRun(NamedTuple):
    """Exit code and output of one run of a program."""

    exit_code: int
    output: str


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """Compiled program of a design for this computer.

    Attributes:
        path: The executable.
        network: Network that it computes.
    """

    path: Path
    network: IntegerNetwork

    @classmethod
    def of(cls, folder: Path, build: Path, network: IntegerNetwork) -> Compiled:
        """Compile an exported folder; warnings are errors.

        Args:
            folder: The folder; nothing is written there.
            build: Folder of the executable.
            network: Network that it computes.

        Raises:
            ValueError: No compiler is installed, a source is missing, or a source does not compile.
        """
        found = compiler()
        for name in SOURCES:
            if not (folder / name).is_file():
                raise ValueError(f"{folder / name}: file not found; DIR must be a folder that export wrote")
        path = (build / "design").resolve()
        command = [found, *_FLAGS, "-o", str(path), *SOURCES]
        made = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        if made.returncode:
            first = next((line for line in made.stderr.splitlines() if "error" in line), made.stderr.strip()[:200])
            raise ValueError(f"{folder}: must compile without a warning, and does not: {first}")
        return cls(path=path, network=network)

    def run(self, *arguments: object) -> ProgramRun:
        """Run the program with arguments; the output is standard error where standard output is empty."""
        command = [str(self.path), *map(str, arguments)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            return ProgramRun(exit_code=-1, output=f"it did not end within {TIMEOUT_S} s")
        return ProgramRun(exit_code=done.returncode, output=(done.stdout or done.stderr).strip())

    def counts(self) -> dict[str, Any]:
        """Return the counts of one inference: `power_cycles`, and the events of each of `layers`.

        Raises:
            ValueError: The inference fails; the message is the output of the program.
        """
        done = self.run("counts")
        if done.exit_code:
            raise ValueError(done.output)
        found: dict[str, Any] = json.loads(done.output)
        return found

    def outputs(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return the outputs `(n, out_h, out_w, out_ch)` of the program for samples `(n, height, width, channels)`.

        Raises:
            ValueError: An inference fails; the message is the output of the program.
        """
        given, taken = self.path.with_name("samples.bin"), self.path.with_name("outputs.bin")
        given.write_bytes(samples.astype("<i2").tobytes())
        done = self.run("run", given, taken)
        if done.exit_code:
            raise ValueError(done.output)
        last = self.network.shape.layers[-1]
        found = np.frombuffer(taken.read_bytes(), dtype="<i2").astype(np.int16)
        return found.reshape(-1, last.out_h, last.out_w, last.out_ch)
