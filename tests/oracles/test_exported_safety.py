"""What an exported program does when nothing is as it should be: damaged memory, too little energy, torn records."""

from __future__ import annotations

import re
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

FACTOR = 31
"""Of the checksum of a progress record, as `runtime/ebb.c` has it; its seed is the high half of the identity."""

ENDS = {0: "DONE", 3: "STOPPED"}


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory):
    """A program that reports every access outside of an array, and every undefined operation."""
    folder = export(Case.random(2).program(), tmp_path_factory.mktemp("sanitized"))
    compile_as_told(folder, SANITIZED)
    return folder


def constant(folder, name: str) -> int:
    """A constant of `model.h`."""
    return int(re.search(rf"#define {name} (\d+)", (folder / "model.h").read_text())[1])


def nvm_words(folder) -> int:
    return constant(folder, "EBB_NVM_WORDS")


def memory_with_weights(folder) -> np.ndarray:
    """Non-volatile memory as it is provisioned: weights, and no record."""
    words, weights = np.zeros(nvm_words(folder), dtype="<u2"), Case.random(2).program().weights
    at = constant(folder, "EBB_WEIGHTS_AT")
    words[at : at + len(weights)] = weights.view(np.uint16)
    return words


def boot_with(folder, path, words):
    """What the program answers at a boot with these words as its memory."""
    path.write_bytes(words.tobytes())
    answer = ask(folder, "boot", path)
    assert answer.stderr == ""
    return answer


def record(identity: int, sequence: int, layer: int, batch: int) -> list[int]:
    """The words of a whole progress record; the parity of the inference is the highest bit of `layer`."""
    words = [sequence & 0xFFFF, identity & 0xFFFF, layer & 0xFFFF, batch & 0xFFFF, batch >> 16]
    return [*words, checksum(words, identity)]


def checksum(words, identity: int) -> int:
    total = identity >> 16
    for word in words:
        total = (FACTOR * total + word) & 0xFFFF
    return total


def identity_of(folder) -> int:
    return constant(folder, "EBB_IDENTITY")


@needs_compiler
@pytest.mark.parametrize("seed", range(40))
def test_random_memory_at_boot_ends_in_a_fresh_start_or_a_defined_error(sanitized, tmp_path, seed):
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 2**16, nvm_words(sanitized)).astype("<u2")
    if seed % 2:  # whole records, of batches that may or may not be
        layer, batch = int(rng.choice([0, 1, 2, 500, 65_535])), int(rng.choice([0, 1, 3, 10_000, 2**32 - 1]))
        sequence = 2 * int(rng.integers(0, 2**15))
        words[:6] = record(identity_of(sanitized), sequence, layer, batch)
        words[6:12] = record(identity_of(sanitized), (sequence + 1) % 2**16, layer, max(batch - 1, 0))
    answer = boot_with(sanitized, tmp_path / "nvm.bin", words)
    assert answer.stdout.startswith(ENDS[answer.returncode])


@needs_compiler
@pytest.mark.parametrize("fill", [b"\x00", b"\xff"])
def test_erased_memory_holds_no_weights(sanitized, tmp_path, fill):
    answer = boot_with(sanitized, tmp_path / "nvm.bin", np.frombuffer(fill * (2 * nvm_words(sanitized)), dtype="<u2"))
    assert answer.returncode == 3
    assert "weights in non-volatile memory are not those of this program" in answer.stdout


@needs_compiler
def test_a_provisioned_device_waits_for_its_first_sample(sanitized, tmp_path):
    answer = boot_with(sanitized, tmp_path / "nvm.bin", memory_with_weights(sanitized))
    assert (answer.returncode, answer.stdout) == (0, "DONE: in 1 power cycles\n")


@needs_compiler
@pytest.mark.parametrize("bit", [0, 16, 31])
def test_a_record_of_another_program_is_none(sanitized, tmp_path, bit):
    words, n_layers = memory_with_weights(sanitized), len(Case.random(2).program().layers)
    foreign = identity_of(sanitized) ^ (1 << bit)
    words[:6] = record(foreign, 2, 0, 0)
    assert boot_with(sanitized, tmp_path / "nvm.bin", words).stdout == "DONE: in 1 power cycles\n"
    # A record of this program stands beside one of another that is newer by its number.
    words[6:12] = record(identity_of(sanitized), 1, n_layers, 0)
    assert boot_with(sanitized, tmp_path / "nvm.bin", words).stdout == "DONE: in 1 power cycles\n"


@needs_compiler
def test_one_wrong_word_of_the_weights_is_found(sanitized, tmp_path):
    rng = np.random.default_rng(0)
    at, n = constant(sanitized, "EBB_WEIGHTS_AT"), constant(sanitized, "EBB_WEIGHT_WORDS")
    for word in (0, n - 1, *rng.integers(0, n, 20)):
        words = memory_with_weights(sanitized)
        words[at + word] ^= 1 << rng.integers(0, 16)
        assert boot_with(sanitized, tmp_path / "nvm.bin", words).returncode == 3


@needs_compiler
def test_a_record_of_a_batch_that_is_not_there_is_reported(sanitized, tmp_path):
    words = memory_with_weights(sanitized)
    words[:6] = record(identity_of(sanitized), 2, 500, 0)
    answer = boot_with(sanitized, tmp_path / "nvm.bin", words)
    assert answer.returncode == 3
    assert "names no batch of this program" in answer.stdout


@needs_compiler
def test_the_sequence_goes_on_after_its_largest_number(sanitized, tmp_path):
    n_layers, words = len(Case.random(2).program().layers), memory_with_weights(sanitized)
    words[:6], words[6:12] = (
        record(identity_of(sanitized), 0, n_layers, 0),
        record(identity_of(sanitized), 2**16 - 1, 0, 0),
    )
    assert boot_with(sanitized, tmp_path / "nvm.bin", words).stdout == "DONE: in 1 power cycles\n"
    words[:6] = record(
        identity_of(sanitized), 2**16 - 2, n_layers, 0
    )  # now the older of the two: the inference begins anew
    assert boot_with(sanitized, tmp_path / "nvm.bin", words).stdout != "DONE: in 1 power cycles\n"


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
    of_the_board |= {"ebb_is_charged", "ebb_persist", "ebb_persisted"}
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


def is_whole(words: list[int], identity: int) -> bool:
    return words[1] == identity & 0xFFFF and checksum(words[:5], identity) == words[5]


@pytest.mark.parametrize("n_batches", [1, 2, 3, 7, 255, 256, 257, 1000, 65_535, 65_537, 300_000])
def test_a_torn_record_never_looks_whole(n_batches):
    """A slot is written every second commit: all steps of two batches, within a layer and over its end."""
    sequences = [0, 1, 254, 255, 256, 32_767, 65_533, 65_534, 65_535]
    batches = {max(b, 0) for near in (0, 254, 65_534, n_batches) for b in range(near - 4, near + 3)}
    other = 1 << 15
    steps = [((3, b), (3, b + 2)) for b in batches if b + 2 < n_batches]
    steps += [((3, n_batches - k), (4, 2 - k)) for k in (1, 2) if n_batches >= k]
    steps += [
        ((3, n_batches - 1), (5, 0)),
        ((9, 0), (other, 0)),
        ((8, n_batches - 1), (other, 0)),
        ((0, 0), (other, 0)),
    ]
    steps += [
        ((layer ^ other, batch), (next_layer ^ other, next_batch)) for (layer, batch), (next_layer, next_batch) in steps
    ]
    for sequence in sequences:
        for identity in (0, 0x5EED0001, 0xFFFFFFFF):
            for old, new in steps:
                pair = record(identity, sequence, *old), record(identity, (sequence + 2) % 2**16, *new)
                assert all(is_whole(words, identity) for words in pair)
                assert not any(is_whole(words, identity) for words in torn_records(*pair)), (sequence, old, new)
