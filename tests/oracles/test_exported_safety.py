"""What an exported program does when nothing is as it should be: damaged memory, too little energy, torn records."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from tests.support.exported_programs import (
    COMPILER,
    SANITIZED,
    Case,
    ask,
    compile_as_told,
    compile_fast,
    export,
    needs_compiler,
    safe_supply,
)

SEED, FACTOR = 0x5EED, 31
"""Of the checksum of a progress record, as `runtime/ebb.c` has them."""

ENDS = {0: "DONE", 3: "STOPPED"}


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory):
    """A program that reports every access outside of an array, and every undefined operation."""
    folder = export(Case.random(2).program(), tmp_path_factory.mktemp("sanitized"))
    compile_as_told(folder, SANITIZED)
    return folder


def nvm_words(folder) -> int:
    (line,) = [line for line in (folder / "model.h").read_text().splitlines() if "EBB_NVM_WORDS" in line]
    return int(line.split()[-1].rstrip("ul"))


def record(sequence: int, layer: int, batch: int) -> list[int]:
    """The words of a whole progress record."""
    words = [sequence & 0xFFFF, sequence >> 16, layer & 0xFFFF, batch & 0xFFFF, batch >> 16]
    return [*words, checksum(words)]


def checksum(words) -> int:
    total = SEED
    for word in words:
        total = (FACTOR * total + word) & 0xFFFF
    return total


@needs_compiler
@pytest.mark.parametrize("seed", range(40))
def test_random_memory_at_boot_ends_in_a_fresh_start_or_a_defined_error(sanitized, tmp_path, seed):
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 2**16, nvm_words(sanitized)).astype("<u2")
    if seed % 2:  # whole records, of batches that may or may not be
        layer, batch = int(rng.choice([0, 1, 2, 500, 65_535])), int(rng.choice([0, 1, 3, 10_000, 2**32 - 1]))
        sequence = 2 * int(rng.integers(0, 2**31))
        words[:6] = record(sequence, layer, batch)
        words[6:12] = record((sequence + 1) % 2**32, layer, max(batch - 1, 0))
    (tmp_path / "nvm.bin").write_bytes(words.tobytes())
    answer = ask(sanitized, "boot", tmp_path / "nvm.bin")
    assert answer.stderr == ""
    assert answer.stdout.startswith(ENDS[answer.returncode])


@needs_compiler
@pytest.mark.parametrize("fill", [b"\x00", b"\xff"])
def test_erased_memory_is_a_device_that_has_never_run(sanitized, tmp_path, fill):
    (tmp_path / "nvm.bin").write_bytes(fill * (2 * nvm_words(sanitized)))
    answer = ask(sanitized, "boot", tmp_path / "nvm.bin")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith("DONE")


@needs_compiler
def test_a_record_of_a_batch_that_is_not_there_is_reported(sanitized, tmp_path):
    words = np.zeros(nvm_words(sanitized), dtype="<u2")
    words[:6] = record(2, 500, 0)
    (tmp_path / "nvm.bin").write_bytes(words.tobytes())
    answer = ask(sanitized, "boot", tmp_path / "nvm.bin")
    assert answer.returncode == 3
    assert "names no batch of this program" in answer.stdout


@needs_compiler
def test_the_sequence_goes_on_after_its_largest_number(sanitized, tmp_path):
    n_layers = len(Case.random(2).program().layers)
    words = np.zeros(nvm_words(sanitized), dtype="<u2")
    words[:6], words[6:12] = record(0, n_layers, 0), record(2**32 - 1, 0, 0)
    (tmp_path / "nvm.bin").write_bytes(words.tobytes())
    assert ask(sanitized, "boot", tmp_path / "nvm.bin").stdout == "DONE: in 1 power cycles\n"
    words[:6] = record(2**32 - 2, n_layers, 0)  # now the older of the two: the inference begins anew
    (tmp_path / "nvm.bin").write_bytes(words.tobytes())
    assert ask(sanitized, "boot", tmp_path / "nvm.bin").stdout != "DONE: in 1 power cycles\n"


@needs_compiler
def test_a_budget_that_a_batch_exceeds_is_reported_not_looped_on(tmp_path):
    case = Case.random(2)
    barely = safe_supply(case.network, case.plan, 1e-9)
    poor, poorest = (
        replace(case, supply=replace(barely, capacitance_f=share * barely.capacitance_f)) for share in (0.3, 1e-6)
    )
    for number, one in enumerate((poor, poorest)):
        folder = export(one.program(), tmp_path / str(number))
        compile_fast(folder)
        answer = ask(folder)
        assert answer.returncode == 3
        assert "does not fit into the energy of a power cycle" in answer.stdout


@needs_compiler
def test_power_that_never_lasts_for_a_commit_is_reported_not_looped_on(sanitized):
    answer = ask(sanitized, "starve", 0)
    assert answer.returncode == 3
    assert "no progress over many power cycles" in answer.stdout


@needs_compiler
def test_power_that_lasts_for_one_batch_at_a_time_is_enough(sanitized):
    starved = [ask(sanitized, "starve", n).returncode for n in range(200)]
    assert starved[0] == 3
    assert starved[-1] == 0
    assert starved == sorted(starved, reverse=True)


@needs_compiler
def test_the_engine_needs_nothing_but_its_board_and_its_tables(sanitized, tmp_path):
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("there is no nm to list symbols with")
    engine = tmp_path / "ebb.o"
    strict = ["-std=c99", "-Os", "-ffreestanding", "-Wall", "-Wextra", "-Werror", "-pedantic", "-mgeneral-regs-only"]
    command = [COMPILER, *strict, "-I.", "-Iruntime", "-c", "runtime/ebb.c", "-o", str(engine)]
    subprocess.run(command, cwd=sanitized, check=True)
    listed = subprocess.run([nm, "-u", str(engine)], capture_output=True, text=True, check=True).stdout.split()
    of_the_board = {"ebb_nvm_read", "ebb_nvm_write", "ebb_vector_mac", "ebb_sleep_until_charged", "ebb_fail"}
    assert {name for name in listed if name != "U"} <= {"ebb_layers", "ebb_stops", *of_the_board}


@needs_compiler
def test_the_template_board_compiles_as_it_stands(sanitized, tmp_path):
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I.", "-Iruntime"]
    sources = ["model.c", "runtime/ebb.c", "boards/template.c"]
    for extra in ([], ["-DEBB_COUNT"]):
        command = [COMPILER, *flags, *extra, *sources, "-o", str(tmp_path / "board")]
        subprocess.run(command, cwd=sanitized, check=True)


def torn_records(old: list[int], new: list[int]):
    """Every mixture that a write cut between two bytes can leave, without the two whole records."""
    before, after = (np.array(words, dtype="<u2").tobytes() for words in (old, new))
    for cut in range(1, len(after)):
        mixed = after[:cut] + before[cut:]
        if mixed not in (before, after):
            yield np.frombuffer(mixed, dtype="<u2").tolist()


def is_whole(words: list[int]) -> bool:
    return checksum(words[:5]) == words[5]


@pytest.mark.parametrize("n_batches", [1, 2, 3, 7, 255, 256, 257, 1000, 65_535, 65_537, 300_000])
def test_a_torn_record_never_looks_whole(n_batches):
    """A slot is written every second commit: all steps of two batches, within a layer and over its end."""
    sequences = [0, 1, 254, 255, 256, 65_534, 65_535, 65_536, 2**24 - 1, 2**32 - 2, 2**32 - 1]
    batches = {max(b, 0) for near in (0, 254, 65_534, n_batches) for b in range(near - 4, near + 3)}
    steps = [((3, b), (3, b + 2)) for b in batches if b + 2 < n_batches]
    steps += [((3, n_batches - k), (4, 2 - k)) for k in (1, 2) if n_batches >= k]
    steps += [((3, n_batches - 1), (5, 0)), ((9, 0), (0, 0)), ((8, n_batches - 1), (0, 0)), ((0, 0), (0, 0))]
    for sequence in sequences:
        for old, new in steps:
            pair = record(sequence, *old), record((sequence + 2) % 2**32, *new)
            assert all(is_whole(words) for words in pair)
            assert not any(is_whole(words) for words in torn_records(*pair)), (sequence, old, new)
