"""The life of a device: sample, start, inference, output, next sample, with power failing at every write of the loop.

The capacitor of these tests is drawn from by boots and batches, and charged only while the program sleeps or after a
power failure; what the engine believes about its energy is not asked.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from energy.counting import nvm
from energy.counting.commit_record import RECORD_SLOTS_WORDS, RECORD_WORDS
from energy.hardware.scenarios import Scenarios
from energy.scheduling.schedule import cycle_budget_nj, schedule
from experiments.programs.life import planned_cycles, power_cycles
from models.deploy.c_source import model_header
from tests.support.exported_programs import (
    PRICER,
    Case,
    ask,
    compile_as_told,
    compile_fast,
    export,
    needs_compiler,
    safe_supply,
)

pytestmark = needs_compiler

N_SAMPLES = 12
CHARGE = "        while (!ebb_is_charged())\n            ebb_sleep_until_charged();\n"


def exported(tmp_path, seed: int, **sizes: int):
    """A random program; every second one on the smallest capacitor on which it is safe, so with many power cycles."""
    case = Case.random(seed, **sizes)
    if seed % 2 == 0:
        case = replace(case, supply=safe_supply(case.network, case.plan, 1e-9))
    return case, export(case.program(), tmp_path / str(seed), n_vectors=3)


def compiled(tmp_path, seed: int, **sizes: int):
    case, folder = exported(tmp_path, seed, **sizes)
    compile_fast(folder)
    return case, folder


def mutate(folder, right: str, wrong: str, name: str = "runtime/ebb.c") -> None:
    text = (folder / name).read_text()
    assert text.count(right) == 1
    (folder / name).write_text(text.replace(right, wrong))
    compile_fast(folder)


def told(folder, n_samples: int, seed: int = 0) -> list[str]:
    """Boots, commits, sleeps, failures and resets of a life."""
    answer = ask(folder, "log", n_samples, seed)
    assert answer.returncode == 0, answer.stdout[-500:]
    return answer.stdout.splitlines()


@pytest.mark.parametrize(
    "seed", [*range(5000, 5007), *(pytest.param(n, marks=pytest.mark.slow) for n in range(5007, 5040))]
)
def test_twelve_inferences_in_a_row_take_the_power_cycles_of_the_schedule(tmp_path, seed):
    case, folder = compiled(tmp_path, seed)
    scenarios = Scenarios.of([case.supply])
    sequence = PRICER.sequence(case.network.shape, case.plan)
    planned = planned_cycles(schedule(sequence, scenarios), sequence)
    found = power_cycles(told(folder, N_SAMPLES), sequence)
    assert found == planned * N_SAMPLES
    assert max(cycle.energy_nj for cycle in found) <= cycle_budget_nj(scenarios)


def starts_uncharged(events: list[str]) -> int:
    """Power cycles that start although the device has not been charged since the last one."""
    is_charged, n = True, 0
    for event in events:
        if event == "boot":
            n += not is_charged
            is_charged = False
        elif event in ("sleep", "failure"):
            is_charged = True
    return n


@pytest.mark.parametrize("seed", [5000, 5001, 5004])
def test_a_reset_is_no_charge(tmp_path, seed):
    _, folder = compiled(tmp_path, seed)
    events = [told(folder, N_SAMPLES, number) for number in range(1, 20)]
    assert sum(Counter(one)["reset"] for one in events) > 20
    assert [starts_uncharged(one) for one in events] == [0] * len(events)


def test_an_engine_that_takes_its_budget_at_its_entry_is_caught(tmp_path):
    case, folder = exported(tmp_path, 5004)
    mutate(folder, CHARGE, "")
    events = told(folder, N_SAMPLES)
    assert starts_uncharged(events) == N_SAMPLES
    budget_nj = cycle_budget_nj(Scenarios.of([case.supply]))
    sequence = PRICER.sequence(case.network.shape, case.plan)
    assert max(cycle.energy_nj for cycle in power_cycles(events, sequence)) > budget_nj


def life(folder, n_random: int = 300):
    return ask(folder, "life", N_SAMPLES, n_random)


@pytest.mark.parametrize("seed", range(6000, 6010))
def test_power_may_fail_at_every_write_of_a_life(tmp_path, seed):
    _, folder = compiled(tmp_path, seed, most_layers=3)
    answer = life(folder)
    assert answer.returncode == 0, answer.stdout
    assert "0 wrong, 0 lost" in answer.stdout
    assert int(re.search(r"(\d+) repeated under their number", answer.stdout)[1]) > 0


@pytest.mark.slow
@pytest.mark.parametrize("first", range(7000, 7100, 10))
def test_power_may_fail_at_every_write_of_a_hundred_lives_and_at_ten_thousand_instants(tmp_path, first):
    for seed in range(first, first + 10):
        _, folder = compiled(tmp_path, seed)
        answer = life(folder, 10_000)
        assert answer.returncode == 0, (seed, answer.stdout)


def test_an_output_that_shares_words_with_the_next_sample_is_caught(tmp_path, monkeypatch):
    """As placed before: the input is alive to its last reader, from the start of the inference."""
    lives_of = nvm.map_lives

    def apart(network):
        *lives, (last, _), (_, reader) = lives_of(network)
        return (*lives, (last, last), (0, reader))

    monkeypatch.setattr(nvm, "map_lives", apart)
    wrong = [life(compiled(tmp_path, seed, most_layers=3)[1]).returncode == 1 for seed in range(6000, 6010)]
    assert any(wrong)


def test_an_engine_that_does_not_change_the_parity_is_caught(tmp_path):
    _, folder = exported(tmp_path, 6000, most_layers=3)
    mutate(folder, "    next.parity ^= 1u;\n", "")
    assert life(folder).returncode == 1


def test_an_engine_without_a_counter_of_boots_is_caught(tmp_path):
    _, folder = compiled(tmp_path, 6000)
    assert "no progress over many power cycles" in ask(folder, "starve", 0).stdout
    mutate(folder, "    if (boots > EBB_MOST_BOOTS)\n        ebb_fail(EBB_NO_PROGRESS);\n", "")
    assert "does not see that it makes no progress" in ask(folder, "starve", 0).stdout


def boots_with_records_of_another_program(folder, tmp_path) -> str:
    """What a program answers that finds the start of an inference of another program in its memory."""
    case = Case.random(5006)
    words, weights = np.zeros(case.program().placement.total_words, dtype="<u2"), case.program().weights
    words[RECORD_SLOTS_WORDS:][: len(weights)] = weights.view(np.uint16)
    foreign = [2, 0x1234, 0, 0, 0]
    checksum = 0x5EED
    for word in foreign:
        checksum = (31 * checksum + word) & 0xFFFF
    words[:RECORD_WORDS] = [*foreign, checksum]
    (tmp_path / "nvm.bin").write_bytes(words.tobytes())
    return ask(folder, "boot", tmp_path / "nvm.bin").stdout


def test_an_engine_that_knows_no_identity_is_caught(tmp_path):
    """It takes the start of an inference of another program for one of its own, and runs on what lies there."""
    _, folder = exported(tmp_path, 5006)
    compile_fast(folder)
    assert boots_with_records_of_another_program(folder, tmp_path) == "DONE: in 1 power cycles\n"
    mutate(folder, " &&\n           (uint16_t)record[1] == (uint16_t)(EBB_IDENTITY & 0xffffu);", ";")
    mutate(folder, "uint16_t sum = (uint16_t)(EBB_IDENTITY >> 16);", "uint16_t sum = 0x5eedu;")
    assert boots_with_records_of_another_program(folder, tmp_path) != "DONE: in 1 power cycles\n"


def test_identities_follow_weights_and_plan(tmp_path):
    cases = [Case.random(6000), Case.random(6001), replace(Case.random(6000), supply=Case.random(6001).supply)]
    headers = [model_header(case.program()) for case in (*cases, cases[0])]
    identities = [re.search(r"EBB_IDENTITY (\d+)", header)[1] for header in headers]
    assert len(set(identities)) == len(cases)
    assert identities[0] == identities[-1]


def test_sanitizers_find_nothing_in_a_life(tmp_path):
    _, folder = exported(tmp_path, 6000, most_layers=3)
    compile_as_told(folder, "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all")
    answer = life(folder, 100)
    assert (answer.returncode, answer.stderr) == (0, ""), answer.stdout


def test_random_programs_share_no_word_of_input_and_output():
    for seed in range(40):
        placement = Case.random(seed).program().placement
        spans = [
            np.arange(placement.map_words[at]) + placement.map_offset_words[at]
            for at in (len(placement.weight_words) - 1, -1)
        ]
        assert not np.intersect1d(*spans).size
