"""Exported programs on an emulated Cortex-M4 against the integer reference, with power failures at any instruction.

See docs/programs.md, checks of `verify`. Random small networks with random plans; the outputs in test_vectors.h are
those of the NumPy reference.
"""

from __future__ import annotations

import numpy as np
import pytest

from experiments.boards.cortex_m4 import CortexM4
from experiments.boards.exported import ExportedFolder
from experiments.boards.processor import DONE, SLEEPS, infer, power_up, read_outputs, report_of, request_inference
from experiments.boards.toolchains import missing_for_cortex_m4
from tests.boards.exported import MUTANTS, exported_case, mutate
from tests.boards.life import wrong_in_a_life

MISSING = missing_for_cortex_m4()
pytestmark = [pytest.mark.boards, pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]

N_FAILURES, MOST_INFERENCES = 2000, 1000
MOST_INSTRUCTIONS = 20_000


def made(tmp_path, seed: int, **sizes: int) -> tuple[ExportedFolder, CortexM4]:
    folder = exported_case(tmp_path, seed, **sizes)
    return folder, CortexM4.of(folder, tmp_path)


def longest_first_cycle(cpu: CortexM4, folder: ExportedFolder) -> int:
    """Instructions of the first power cycle of an inference, to within a tenth."""
    rubbish = np.random.default_rng(0)
    length = 100
    while True:
        request_inference(cpu, folder, folder.inputs[0], rubbish)
        if power_up(cpu, rubbish, length) in (SLEEPS, DONE):
            return length
        length += length // 10


def under_random_failures(cpu: CortexM4, folder: ExportedFolder, n_failures: int) -> tuple[int, int]:
    """Inferences with wrong outputs, and failures: at any instruction, up to 50 in an inference."""
    rng = np.random.default_rng(0)
    usual = longest_first_cycle(cpu, folder)
    wrong = failures = 0
    for number in range(MOST_INFERENCES):
        vector = number % len(folder.inputs)
        cycles = rng.exponential(usual * 10 ** rng.uniform(-1.5, 0), 50).astype(int).tolist()
        result = infer(cpu, folder, folder.inputs[vector], rng, cycles)
        wrong += not np.array_equal(result.outputs, folder.outputs[vector])
        failures += result.failures
        if failures >= n_failures:
            break
    return wrong, failures


def after_every_instruction(cpu: CortexM4, twin: CortexM4, folder: ExportedFolder) -> tuple[int, int]:
    """Wrong outputs and failures where power fails once, after 0, 1, 2, ... instructions of an inference.

    One processor walks through the inference; after each of its instructions the other one boots with what lies in
    non-volatile memory then, and brings the inference to its end.
    """
    rng = np.random.default_rng(0)
    nvm = cpu.symbols["ebb_nvm"]
    n_bytes = cpu.symbols["board_mailbox"] + 4 - nvm
    wrong = failures = 0
    request_inference(cpu, folder, folder.inputs[0], rng)
    power_up(cpu, rng, 0)
    while failures < MOST_INSTRUCTIONS:
        cpu.run(1)
        if cpu.is_halted:
            if report_of(cpu) == DONE:
                break
            power_up(cpu, rng, 0)
        twin.write(nvm, cpu.read(nvm, n_bytes))
        while power_up(twin, rng, None) != DONE:
            pass
        wrong += not np.array_equal(read_outputs(twin, folder), folder.outputs[0])
        failures += 1
    return wrong, failures


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_outputs_are_those_of_the_reference(tmp_path, first):
    for seed in range(first, first + 10):
        folder, cpu = made(tmp_path, seed)
        for sample, expected in zip(folder.inputs, folder.outputs, strict=True):
            assert np.array_equal(infer(cpu, folder, sample, np.random.default_rng(seed)).outputs, expected), seed


@pytest.mark.parametrize("seed", range(2000, 2006))
def test_power_may_fail_at_random_instructions(tmp_path, seed):
    folder, cpu = made(tmp_path, seed)
    wrong, failures = under_random_failures(cpu, folder, N_FAILURES)
    assert wrong == 0
    assert failures >= N_FAILURES


@pytest.mark.parametrize("seed", [2, 1000])
def test_power_may_fail_after_every_single_instruction(tmp_path, seed):
    folder, cpu = made(tmp_path, seed, most_layers=2)
    wrong, failures = after_every_instruction(cpu, CortexM4.of(folder, tmp_path), folder)
    assert wrong == 0
    assert failures > 1000


@pytest.mark.parametrize("name", MUTANTS)
def test_an_engine_is_caught_that(tmp_path, name):
    folder = exported_case(tmp_path, 2)
    mutate(folder, name)
    wrong, _ = under_random_failures(CortexM4.of(folder, tmp_path), folder, N_FAILURES)
    assert wrong > 0


@pytest.mark.parametrize("seed", [5000, 5006, 6002])
def test_twelve_samples_in_a_row(tmp_path, seed):
    folder, cpu = made(tmp_path, seed)
    assert wrong_in_a_life(cpu, folder, 12, longest_first_cycle(CortexM4.of(folder, tmp_path), folder)) == 0
