"""The proof of an exported program on an emulated processor: right bits, and nothing lost at any instruction."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np

from experiments.boards.cortex_m4 import CortexM4
from experiments.boards.exported import ExportedFolder, read_exported
from experiments.boards.msp430 import Msp430
from experiments.boards.processor import DONE, RUNS, Processor, ask, infer, power_up
from experiments.boards.toolchains import missing_for_cortex_m4, missing_for_msp430
from experiments.programs.verification import Check

_MOST_FAILURES = 500
"""Power failures of one inference: a tenth of the time of all of them is spent in long power cycles."""

_FIRST_CYCLE = 1000
_LONG_SHARE, _SHORT_SHARE = 0.2, 0.001
"""Power cycles in relation to an inference: long ones up to so much of it, short ones this on average."""

_LONG_CYCLES = 20


@contextmanager
def _cortex_m4(folder: ExportedFolder, build: Path) -> Iterator[Processor]:
    yield CortexM4.of(folder, build)


PROCESSORS: Mapping[str, Callable[[ExportedFolder, Path], AbstractContextManager[Processor]]] = {
    "cortex-m4": _cortex_m4,
    "msp430": Msp430.of,
}
"""Emulated processors by the name of their board."""

_MISSING = {"cortex-m4": missing_for_cortex_m4, "msp430": missing_for_msp430}


def board_checks(path: Path, board: str, n_failures: int) -> tuple[Check, ...]:
    """Check an exported folder on an emulated processor.

    Args:
        path: The folder; nothing is written there.
        board: One of `PROCESSORS`.
        n_failures: Power failures at random instructions. [1]

    Raises:
        ValueError: A tool is missing, the folder holds no program, or it does not build or fit.
    """
    missing = _MISSING[board]()
    if missing:
        raise ValueError(missing)
    folder = read_exported(path)
    with tempfile.TemporaryDirectory() as build, PROCESSORS[board](folder, Path(build)) as processor:
        return (_vectors(processor, folder, board), _failures(processor, folder, board, n_failures))


def _vectors(processor: Processor, folder: ExportedFolder, board: str) -> Check:
    rubbish = np.random.default_rng(0)
    outputs = [infer(processor, folder, sample, rubbish).outputs for sample in folder.inputs]
    n_wrong = sum(int((one != right).sum()) for one, right in zip(outputs, folder.outputs, strict=True))
    found = f"{n_wrong} of {folder.outputs.size} outputs of {len(outputs)} test vectors are wrong"
    return Check(name=f"{board}: outputs", is_right=n_wrong == 0, found=found)


def _failures(processor: Processor, folder: ExportedFolder, board: str, n_failures: int) -> Check:
    """Return failures at random instructions, many in an inference."""
    rng = np.random.default_rng(0)
    length = instructions(processor, folder) if n_failures else 0
    failures = inferences = wrong = 0
    while failures < n_failures:
        vector = inferences % len(folder.inputs)
        cycles = _cycles(rng, length, min(n_failures - failures, _MOST_FAILURES))
        result = infer(processor, folder, folder.inputs[vector], rng, cycles)
        wrong += int((result.outputs != folder.outputs[vector]).sum())
        failures += result.failures
        inferences += 1
    found = f"{failures} power failures between instructions in {inferences} inferences, {wrong} wrong outputs"
    return Check(name=f"{board}: failures", is_right=wrong == 0, found=found)


def _cycles(rng: np.random.Generator, length: int, n: int) -> list[int]:
    """Return power cycles of random lengths: some get on, most fail soon and often in the same batch. [instructions]"""
    is_long = rng.random(n) < _LONG_CYCLES / n
    long, short = rng.uniform(0, _LONG_SHARE * length, n), rng.exponential(_SHORT_SHARE * length + 50, n)
    return [int(cycle) for cycle in np.where(is_long, long, short)]


def instructions(processor: Processor, folder: ExportedFolder) -> int:
    """Return the instructions of an inference, roughly: power cycles are tried at twice the length while they fail."""
    rubbish = np.random.default_rng(0)
    ask(processor, folder, folder.inputs[0], rubbish)
    report, length, total = RUNS, _FIRST_CYCLE, 0
    while report != DONE:
        report = power_up(processor, rubbish, length)
        total += length if report == RUNS else length // 2
        length *= 2 if report == RUNS else 1
    return total
