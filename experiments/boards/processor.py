"""Inference on an emulated processor with power failures after given numbers of instructions.

The program of `models/deploy/boards/emulated.c` receives the request for an inference in its mailbox and reports there.
Only non-volatile memory survives a failure; registers and RAM hold random values at every boot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Protocol

import numpy as np

from experiments.boards.exported import ExportedFolder, Words

RUNS, DONE, SLEEPS = range(3)
"""Reports in the mailbox, `enum board_report`; higher numbers are failures."""

FAILED = 0x100
_MOST_BOOTS = 1_000_000
_LOST_WHOLE, _LOST_ZERO = 0.5, 0.25


class Processor(Protocol):
    """Processor with a program."""

    @property
    def symbols(self) -> Mapping[str, int]:
        """Addresses of the program by name."""

    def reset(self, rubbish: np.random.Generator) -> None:
        """Lose registers and RAM, and go to the first instruction."""

    def run(self, n_instructions: int | None) -> None:
        """Run a number of instructions, or with None until the program halts."""

    def read(self, address: int, n_bytes: int) -> bytes:
        """Return bytes of memory."""

    def write(self, address: int, data: bytes) -> None:
        """Write bytes into memory."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Inference:
    """Outputs of one inference and its power cycles.

    Attributes:
        outputs: `(pixels, channels)`.
        boots: Number of power cycles begun. [1]
        failures: Number of power failures between two instructions. [1]
        sleeps: Number of power cycles that the program ended by sleeping. [1]
    """

    outputs: Words
    boots: int
    failures: int
    sleeps: int


def lost_memory(rubbish: np.random.Generator, n_bytes: int) -> bytes:
    """Return the first bytes of RAM after a failure: random values or zeros, for all of RAM or a part of it.

    The rest of RAM keeps its values: a program that trusts RAM after a boot may find plausible values there.
    """
    n_lost = n_bytes if rubbish.random() < _LOST_WHOLE else int(n_bytes ** rubbish.random())
    return bytes(n_lost) if rubbish.random() < _LOST_ZERO else rubbish.bytes(n_lost)


def request_inference(
    processor: Processor, folder: ExportedFolder, sample: Words, rubbish: np.random.Generator
) -> None:
    """Make the processor a new device with its first sample; maps and partial sums hold random values."""
    constants, nvm = folder.constants, processor.symbols["ebb_nvm"]
    used_words = constants["EBB_WEIGHTS_AT"] + constants["EBB_WEIGHT_WORDS"]
    processor.write(nvm, bytes(2 * constants["EBB_WEIGHTS_AT"]))
    persistent, mailbox = processor.symbols["board_persistent"], processor.symbols["board_mailbox"]
    processor.write(persistent, bytes(mailbox + 2 - persistent))
    processor.write(nvm + 2 * used_words, rubbish.bytes(2 * (constants["EBB_NVM_WORDS"] - used_words)))
    processor.write(nvm + 2 * constants["EBB_INPUT_AT"], folder.stored_input(sample))
    request_next(processor)


def request_next(processor: Processor) -> None:
    """Request an inference for the sample in non-volatile memory, the one before being done."""
    mailbox = processor.symbols["board_mailbox"]
    wanted = int.from_bytes(processor.read(mailbox, 2), "little") + 1
    processor.write(mailbox, (wanted % 2**16).to_bytes(2, "little") + bytes(2))


def power_up(processor: Processor, rubbish: np.random.Generator, n_instructions: int | None) -> int:
    """Run one power cycle of at most a number of instructions; return the report, RUNS where power failed.

    Raises:
        RuntimeError: The program reports a failure.
    """
    processor.write(processor.symbols["board_mailbox"] + 2, bytes(2))
    processor.reset(rubbish)
    processor.run(n_instructions)
    return report_of(processor)


def report_of(processor: Processor) -> int:
    """Return the report of the program since the boot, RUNS where it has reported nothing.

    Raises:
        RuntimeError: The program reports a failure.
    """
    report = int.from_bytes(processor.read(processor.symbols["board_mailbox"] + 2, 2), "little")
    if report >= FAILED:
        raise RuntimeError(f"the program stopped with failure {report - FAILED} of ebb_hal.h")
    return report


def infer(
    processor: Processor,
    folder: ExportedFolder,
    sample: Words,
    rubbish: np.random.Generator,
    cycles: Iterable[int] = (),
) -> Inference:
    """Run one inference over power cycles of the given lengths; after them power stays until the program sleeps.

    Args:
        processor: Processor with the program of the folder.
        folder: The exported folder.
        sample: `(pixels, channels)`.
        rubbish: Generator of the values of memory after a failure.
        cycles: Instructions until power fails, for each power cycle.

    Raises:
        RuntimeError: The program reports a failure, or does not end.
    """
    request_inference(processor, folder, sample, rubbish)
    failures = sleeps = 0
    for boots, length in enumerate(chain(cycles, repeat(None, _MOST_BOOTS)), start=1):
        report = power_up(processor, rubbish, length)
        if report == DONE:
            outputs = read_outputs(processor, folder)
            return Inference(outputs=outputs, boots=boots, failures=failures, sleeps=sleeps)
        failures += report == RUNS
        sleeps += report == SLEEPS
    raise RuntimeError(f"the program is not done after {_MOST_BOOTS} power cycles")


def read_outputs(processor: Processor, folder: ExportedFolder) -> Words:
    """Return the outputs of a finished inference, `(pixels, channels)`."""
    at = processor.symbols["ebb_nvm"] + 2 * folder.constants["EBB_OUTPUT_AT"]
    return folder.read_output(processor.read(at, folder.stored_output_bytes))
