"""Checks of an exported program on an emulated processor: right outputs, also after power failures at instructions."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np

from experiments.boards.cortex_m4 import CortexM4
from experiments.boards.exported import ExportedFolder, read_exported
from experiments.boards.msp430 import Msp430
from experiments.boards.processor import DONE, RUNS, Processor, infer, power_up, request_inference
from experiments.boards.toolchains import missing_for_cortex_m4, missing_for_msp430
from experiments.programs.verification import Check

_MOST_FAILURES = 500
"""Largest number of power failures per inference. [1]"""

_FIRST_CYCLE = 1000
"""Length of the first power cycle that is tried. [instructions]"""

_LONG_SHARE, _SHORT_SHARE = 0.2, 0.001
"""Largest length of a long power cycle and mean length of a short one, as fractions of an inference. [1]"""

_LONG_CYCLES = 20
"""Mean number of long power cycles per inference. [1]"""


@contextmanager
def _cortex_m4(folder: ExportedFolder, build: Path) -> Iterator[Processor]:
    yield CortexM4.of(folder, build)


PROCESSORS: Mapping[str, Callable[[ExportedFolder, Path], AbstractContextManager[Processor]]] = {
    "cortex-m4": _cortex_m4,
    "msp430": Msp430.of,
}
"""Emulated processors, by the name of the board."""

_MISSING = {"cortex-m4": missing_for_cortex_m4, "msp430": missing_for_msp430}


def board_checks(path: Path, board: str, n_failures: int) -> tuple[Check, ...]:
    """Check an exported folder on an emulated processor.

    Args:
        path: The folder; it is only read.
        board: One of `PROCESSORS`.
        n_failures: Power failures at random instructions. [1]

    Raises:
        ValueError: A tool is not installed, the folder holds no program, or the program does not build or fit.
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
    """Check the outputs after power failures at random instructions, many per inference."""
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
    """Return random lengths of power cycles: a few long, most shorter than a batch. [instructions]"""
    is_long = rng.random(n) < _LONG_CYCLES / n
    long, short = rng.uniform(0, _LONG_SHARE * length, n), rng.exponential(_SHORT_SHARE * length + 50, n)
    return [int(cycle) for cycle in np.where(is_long, long, short)]


def instructions(processor: Processor, folder: ExportedFolder) -> int:
    """Return a rough number of instructions per inference.

    Power cycles double in length until the inference is done.
    """
    rubbish = np.random.default_rng(0)
    request_inference(processor, folder, folder.inputs[0], rubbish)
    report, length, total = RUNS, _FIRST_CYCLE, 0
    while report != DONE:
        report = power_up(processor, rubbish, length)
        total += length if report == RUNS else length // 2
        length *= 2 if report == RUNS else 1
    return total
