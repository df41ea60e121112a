"""Exported programs on a simulated MSP430, where int has 16 bits: bits of the reference, failures, arithmetic, symbols.

See docs/programs.md, checks of `verify`.
"""

from __future__ import annotations

import operator
import re

import numpy as np
import pytest

from experiments.boards.footprint import engine_footprint
from experiments.boards.msp430 import Msp430
from experiments.boards.processor import infer
from experiments.boards.toolchains import missing_for_msp430
from tests.boards.exported import exported_case, mutate
from tests.boards.life import wrong_in_a_life

MISSING = missing_for_msp430()
pytestmark = [pytest.mark.boards, pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]

N_FAILURES = 500
MEAN_CYCLE = 4000
"""Instructions between failures, of the order of a batch."""

BOARD_CALLS = {"ebb_nvm_read", "ebb_nvm_write", "ebb_vector_mac", "ebb_sleep_until_charged", "ebb_fail"}
BOARD_CALLS |= {"ebb_is_charged", "ebb_persist", "ebb_persisted"}
TABLES = {"ebb_layers", "ebb_stops"}

INTEGER_ARITHMETIC = re.compile(r"__mspabi_(mpy[il]_hw|(div|rem)(u|ul|i|li)|s[lr][la][il])")
"""Helpers of whole numbers; those of floating point have other names."""

SHIFT_BITS = {"slli": 16, "srli": 16, "srai": 16, "slll": 32, "srll": 32, "sral": 32}


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_outputs_are_those_of_the_reference(tmp_path, first):
    for seed in range(first, first + 10):
        folder = exported_case(tmp_path, seed)
        with Msp430.of(folder, tmp_path) as cpu:
            for sample, expected in zip(folder.inputs, folder.outputs, strict=True):
                assert np.array_equal(infer(cpu, folder, sample, np.random.default_rng(seed)).outputs, expected), seed


def under_random_failures(cpu, folder, n_failures=N_FAILURES) -> tuple[int, int]:
    """Inferences with wrong outputs, and failures: at any instruction, up to 50 in an inference."""
    rng = np.random.default_rng(0)
    wrong = failures = 0
    while failures < n_failures:
        cycles = rng.exponential(MEAN_CYCLE, 50).astype(int).tolist()
        result = infer(cpu, folder, folder.inputs[0], rng, cycles)
        wrong += not np.array_equal(result.outputs, folder.outputs[0])
        failures += result.failures
    return wrong, failures


@pytest.mark.parametrize("seed", [2, 2001, 2002])
def test_power_may_fail_at_random_instructions(tmp_path, seed):
    folder = exported_case(tmp_path, seed)
    with Msp430.of(folder, tmp_path) as cpu:
        wrong, failures = under_random_failures(cpu, folder)
    assert wrong == 0
    assert failures >= N_FAILURES


@pytest.mark.parametrize("seed", [5000, 6002])
def test_twelve_samples_in_a_row(tmp_path, seed):
    folder = exported_case(tmp_path, seed)
    with Msp430.of(folder, tmp_path) as cpu:
        assert wrong_in_a_life(cpu, folder, 12, MEAN_CYCLE) == 0


def test_an_engine_that_commits_before_its_data_is_caught(tmp_path):
    folder = exported_case(tmp_path, 2)
    mutate(folder, "commits before its data")
    with Msp430.of(folder, tmp_path) as cpu:
        assert under_random_failures(cpu, folder, 100)[0] > 0


@pytest.fixture(scope="module")
def any_program(tmp_path_factory):
    path = tmp_path_factory.mktemp("any")
    with Msp430.of(exported_case(path, 2), path) as cpu:
        yield cpu


def words_of(value: int) -> tuple[int, int]:
    return value & 0xFFFF, value >> 16 & 0xFFFF


def signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def rounded_to_zero(a: int, b: int) -> int:
    return int(np.sign(a) * np.sign(b)) * (abs(a) // abs(b))


EDGES_16 = (0, 1, 2, 3, 0x7FFF, 0x8000, 0x8001, 0xFFFE, 0xFFFF, 0x1234, 0x00FF)
EDGES_32 = (0, 1, 3, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFF, 0x12345678)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mpyl_hw", operator.mul),
        ("divul", operator.floordiv),
        ("remul", operator.mod),
        ("divli", lambda a, b: rounded_to_zero(signed(a, 32), signed(b, 32))),
    ],
)
def test_arithmetic_of_32_bits(any_program, name, expected):
    for a in EDGES_32:
        for b in EDGES_32:
            if b or name.startswith("mpy"):
                found, _ = any_program.call(f"__mspabi_{name}", *words_of(a), *words_of(b))
                assert found == expected(a, b) & 0xFFFFFFFF, (a, b)


@pytest.mark.parametrize(
    ("name", "expected"), [("mpyi_hw", operator.mul), ("divu", operator.floordiv), ("remu", operator.mod)]
)
def test_arithmetic_of_16_bits(any_program, name, expected):
    for a in EDGES_16:
        for b in EDGES_16:
            if b or name.startswith("mpy"):
                found, _ = any_program.call(f"__mspabi_{name}", a, b)
                assert found & 0xFFFF == expected(a, b) & 0xFFFF, (a, b)


@pytest.mark.parametrize("name", SHIFT_BITS)
def test_shifts(any_program, name):
    bits = SHIFT_BITS[name]
    for value in EDGES_16 if bits == 16 else EDGES_32:
        for by in (0, 1, 2, 7, 8, bits - 1):
            arguments = (value, by) if bits == 16 else (*words_of(value), by)
            found, _ = any_program.call(f"__mspabi_{name}", *arguments)
            shifted = value << by if name[1] == "l" else (signed(value, bits) if name[2] == "a" else value) >> by
            assert found & ((1 << bits) - 1) == shifted & ((1 << bits) - 1), (value, by)


def test_the_vector_unit_adds_products_with_their_signs(any_program):
    rng = np.random.default_rng(0)
    at = any_program.symbols["ebb_vm"]
    for length in (1, 2, 8):
        a, b = rng.integers(-(2**15), 2**15, (2, length))
        any_program.write(at, np.concatenate([a, b]).astype("<i2").tobytes())
        found = any_program.call("ebb_vector_mac", at, at + 2 * length, length).value
        assert found == int((a * b).sum()) & 0xFFFFFFFF


def test_the_engine_needs_the_board_and_integer_arithmetic_only(tmp_path):
    found = engine_footprint(exported_case(tmp_path, 2), tmp_path)
    arithmetic = {name for name in found.undefined if name.startswith("__mspabi_")}
    assert set(found.undefined) - arithmetic == BOARD_CALLS | TABLES
    assert all(INTEGER_ARITHMETIC.fullmatch(name) for name in arithmetic), arithmetic
    assert found.data_bytes == 0
    assert found.text_bytes < 16_384
