"""MSP430 in the simulator of mspdebug: memory map of `models/deploy/boards/msp430.ld`, cycles of every instruction.

The simulator is a separate program that reads commands from its standard input. It simulates the CPU with 16-bit
addresses; FRAM has no wait states, and vector operations and transfers are loops of the CPU.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import NamedTuple

import numpy as np

from experiments.boards.elf import Executable, read_executable
from experiments.boards.exported import ExportedFolder
from experiments.boards.processor import lost_memory
from experiments.boards.toolchains import MissingTools, build_msp430, missing_for_msp430

_RAM, _RAM_BYTES = 0x1C00, 0x2000
_FIRST_FREE_REGISTER, _FIRST_ARGUMENT, _N_REGISTERS = 4, 12, 16
_TIMEOUT_S = 300
_ANSWERED = ("= 0x5eed", "0x05eed = 0x5eed\n")
_REGISTERS = re.compile(r"(R\d+): *(\w+)")
_COUNTERS = re.compile(r"Instruction count: (\d+)\s+MCLK:\s+(\d+)")


class Counters(NamedTuple):
    """Instructions and cycles since the simulator started."""

    instructions: int
    cycles: int


class Call(NamedTuple):
    """Value that a function returned in R13:R12, and the cycles from its first instruction to its return."""

    value: int
    cycles: int


class Msp430:
    """MSP430 with a program; an `experiments.boards.processor.Processor`."""

    def __init__(self, executable: Executable, simulator: subprocess.Popen[str], files: Path) -> None:
        self._simulator, self._file = simulator, files / "memory"
        self._symbols = executable.symbols
        self.command("simio add hwmult multiplier")
        self.command("simio add tracer counters")
        for address, data in executable.segments:
            self.write(address, data)
        self.command(f"setbreak {executable.symbols['board_halt']}")

    @classmethod
    @contextmanager
    def of(cls, folder: ExportedFolder, build: Path, *defined: str) -> Iterator[Msp430]:
        """Build the program of an exported folder, in the folder `build`, and load it into a simulator.

        Raises:
            MissingTools: mspdebug, the compiler or the linker is not installed.
        """
        missing = missing_for_msp430()
        if missing:
            raise MissingTools(missing)
        program = build / "msp430.elf"
        build_msp430(folder.path, program, *defined)
        with cls.loaded(read_executable(program)) as processor:
            yield processor

    @classmethod
    @contextmanager
    def loaded(cls, executable: Executable) -> Iterator[Msp430]:
        """Start a simulator with a program and yield it; the simulator ends with the context."""
        command = ["mspdebug", "-q", "sim"]
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        with (
            tempfile.TemporaryDirectory() as files,
            subprocess.Popen(command, text=True, **streams) as simulator,  # type: ignore[call-overload]
        ):
            try:
                yield cls(executable, simulator, Path(files))
            finally:
                simulator.kill()

    @property
    def symbols(self) -> Mapping[str, int]:
        """Addresses of the program by name."""
        return self._symbols

    def command(self, text: str) -> str:
        """Run a command of the simulator and return its output.

        Raises:
            RuntimeError: It does not answer.
        """
        to, answers = self._simulator.stdin, self._simulator.stdout
        assert to is not None
        assert answers is not None
        to.write(f"{text}\n{_ANSWERED[0]}\n")
        to.flush()
        found: list[str] = []
        watch = Timer(_TIMEOUT_S, self._simulator.kill)
        watch.start()
        try:
            while not found or found[-1] != _ANSWERED[1]:
                found.append(answers.readline())
                if not found[-1]:
                    raise RuntimeError(f"mspdebug stopped, or did not answer {text!r} for {_TIMEOUT_S} s")
        finally:
            watch.cancel()
        return "".join(found[:-1])

    def reset(self, rubbish: np.random.Generator) -> None:
        """Lose registers and RAM, and go to the first instruction, which the reset vector gives."""
        self.write(_RAM, lost_memory(rubbish, _RAM_BYTES))
        self.command("reset")
        for register in range(_FIRST_FREE_REGISTER, _N_REGISTERS):
            self.command(f"set {register} {int(rubbish.integers(2**16))}")

    def run(self, n_instructions: int | None) -> None:
        """Run a number of instructions, or with None until the program halts."""
        if n_instructions is None:
            self.command("run")
        elif n_instructions:
            self.command(f"step {n_instructions}")

    def call(self, name: str, *arguments: int, stacked: tuple[int, ...] = ()) -> Call:
        """Call a function of the program with words in R12, R13, ... and on the stack."""
        words = (self._symbols["board_halt"], *stacked)
        stack = self._symbols["board_stack_end"] - 2 * len(words)
        self.write(stack, b"".join(word.to_bytes(2, "little") for word in words))
        for register, value in ((0, self._symbols[name]), (1, stack), *enumerate(arguments, start=_FIRST_ARGUMENT)):
            self.command(f"set {register} {value}")
        before = self.counters().cycles
        answer = self.command("run")
        found = dict(_REGISTERS.findall(answer))
        value = int(found["R13"], 16) << 16 | int(found["R12"], 16)
        return Call(value, self.counters().cycles - before)

    def counters(self) -> Counters:
        """Return instructions and cycles since the simulator started."""
        answer = self.command("simio info counters")
        found = _COUNTERS.search(answer)
        assert found is not None, answer
        return Counters(int(found[1]), int(found[2]))

    def read(self, address: int, n_bytes: int) -> bytes:
        """Return bytes of memory."""
        self.command(f"save_raw {address} {n_bytes} {self._file}")
        return self._file.read_bytes()

    def write(self, address: int, data: bytes) -> None:
        """Write bytes into memory."""
        self._file.write_bytes(data)
        self.command(f"load_raw {self._file} {address}")
