"""One inference on an emulated processor whose power fails where it is told to.

The program of `models/deploy/boards/emulated.c` is asked for an inference through its mailbox and reports there. What
survives a failure is non-volatile memory; registers and RAM hold rubbish at every boot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Protocol

import numpy as np

from experiments.boards.exported import ExportedFolder, Words

RUNS, DONE, SLEEPS = range(3)
"""What the mailbox says, `enum board_report`; higher numbers are failures."""

FAILED = 0x100
_MOST_BOOTS = 1_000_000
_LOST_WHOLE, _LOST_ZERO = 0.5, 0.25


class Processor(Protocol):
    """A processor with a program in it."""

    @property
    def symbols(self) -> Mapping[str, int]:
        """Addresses of the program by name."""

    def reset(self, rubbish: np.random.Generator) -> None:
        """Lose registers and RAM, and stand at the first instruction."""

    def run(self, n_instructions: int | None) -> None:
        """Run so many instructions, or with None until the program halts."""

    def read(self, address: int, n_bytes: int) -> bytes:
        """Return the bytes of memory."""

    def write(self, address: int, data: bytes) -> None:
        """Put bytes into memory."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Inference:
    """What one inference was like.

    Attributes:
        outputs: `(pixels, channels)`.
        boots: Times that power came; one more than it went.
        failures: Times that power went between two instructions.
        sleeps: Times that the program gave up the rest of a power cycle.
    """

    outputs: Words
    boots: int
    failures: int
    sleeps: int


def lost_memory(rubbish: np.random.Generator, n_bytes: int) -> bytes:
    """What RAM holds from its start after a failure: anything or zeros, over all of it or its first bytes only.

    What stays as it was matters too: a program that trusts what it finds may find it plausible.
    """
    n_lost = n_bytes if rubbish.random() < _LOST_WHOLE else int(n_bytes ** rubbish.random())
    return bytes(n_lost) if rubbish.random() < _LOST_ZERO else rubbish.bytes(n_lost)


def ask(processor: Processor, folder: ExportedFolder, sample: Words, rubbish: np.random.Generator) -> None:
    """Put a sample into non-volatile memory and ask for an inference; maps and partial sums hold rubbish before it."""
    constants, nvm = folder.constants, processor.symbols["ebb_nvm"]
    used_words = constants["EBB_WEIGHTS_AT"] + constants["EBB_WEIGHT_WORDS"]
    processor.write(nvm + 2 * used_words, rubbish.bytes(2 * (constants["EBB_NVM_WORDS"] - used_words)))
    processor.write(nvm + 2 * constants["EBB_INPUT_AT"], folder.stored_input(sample))
    processor.write(processor.symbols["board_mailbox"], (1).to_bytes(2, "little") + bytes(2))


def power_up(processor: Processor, rubbish: np.random.Generator, n_instructions: int | None) -> int:
    """Run one power cycle of at most so many instructions; return the program's report, RUNS where it was cut.

    Raises:
        RuntimeError: The program cannot go on.
    """
    processor.write(processor.symbols["board_mailbox"] + 2, bytes(2))
    processor.reset(rubbish)
    processor.run(n_instructions)
    return report_of(processor)


def report_of(processor: Processor) -> int:
    """What the program has reported since power came, RUNS where nothing.

    Raises:
        RuntimeError: The program cannot go on.
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
        processor: With the program of the folder.
        folder: The exported folder.
        sample: `(pixels, channels)`.
        rubbish: Makes what memory holds after a failure.
        cycles: Instructions until power fails, cycle by cycle.

    Raises:
        RuntimeError: The program cannot go on, or does not end.
    """
    ask(processor, folder, sample, rubbish)
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
    """Return the outputs of the inference that is done, `(pixels, channels)`."""
    at = processor.symbols["ebb_nvm"] + 2 * folder.constants["EBB_OUTPUT_AT"]
    return folder.read_output(processor.read(at, folder.stored_output_bytes))
