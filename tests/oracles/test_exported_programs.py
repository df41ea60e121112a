"""Exported C programs against the integer reference and the counts of the model, under any power failure.

See docs/programs.md, checks of `verify`. Random small networks with random plans: all operators, orders, batches,
vector modes, ragged tiles, residuals, padding.
"""

from __future__ import annotations

import subprocess
from contextlib import suppress

import numpy as np
import pytest

from energy.costing.plan_exact import exact_figures
from energy.hardware.scenarios import Scenarios
from energy.networks.designs import LayerDesign
from energy.networks.shapes import NETWORK_INPUT, LayerShape
from energy.scheduling.schedule import schedule
from models.deploy.integer import IntegerLayer, IntegerNetwork
from models.deploy.reference import run
from models.spaces import PRESETS, preset
from tests.support.exported_programs import (
    PRICER,
    SANITIZED,
    Case,
    ask,
    compile_as_told,
    compile_fast,
    counted,
    export,
    needs_compiler,
    safe_supply,
)
from tests.support.integer_networks import network_of_space, random_plan, random_samples

pytestmark = needs_compiler

N_PAIRS, N_A_PIECE = 300, 30
MUTANTS = {
    "commits before its data": (
        "        run_batch(layer, batch);\n        commit(next);",
        "        commit(next);\n        run_batch(layer, batch);",
    ),
    "writes the same slot twice": ("EBB_RECORD_AT + (sequence & 1u) * RECORD_WORDS", "EBB_RECORD_AT"),
    "checks no sum": ("checksum(record) == (uint16_t)record[RECORD_WORDS - 1] && ", ""),
    "writes over the partial sums that it read": ("(turn & 1u) * layer->partial_half", "0"),
    "trusts operands after a boot": ("        forget_operands();\n        ebb_vm.left_nj", "        ebb_vm.left_nj"),
}
"""What the checks must be able to see: a piece of the engine and what stands in its place."""


def model_counts(case: Case, cuts: str) -> dict:
    """What the model counts, in the form in which a program prints it."""
    scenarios = Scenarios.of([case.supply])
    sequence = PRICER.sequence(case.network.shape, case.plan)
    cycles = schedule(sequence, scenarios, cuts=cuts)
    figures = exact_figures(case.network.shape, case.plan, PRICER, scenarios, sequence, cycles)
    return {"power_cycles": len(cycles), "layers": [dict(layer.counts) for layer in figures.layers]}


def outputs(folder, network, samples):
    """Outputs of a compiled program for samples, `(n, out_h, out_w, out_ch)`."""
    (folder / "samples.bin").write_bytes(samples.astype("<i2").tobytes())
    answer = ask(folder, "run", "samples.bin", "outputs.bin")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    last = network.shape.layers[-1]
    found = np.frombuffer((folder / "outputs.bin").read_bytes(), dtype="<i2")
    return found.reshape(len(samples), last.out_h, last.out_w, last.out_ch)


@pytest.mark.parametrize("first", range(0, N_PAIRS, N_A_PIECE))
def test_a_program_computes_the_bits_of_the_reference_and_counts_what_the_model_counts(tmp_path, first):
    for seed in range(first, first + N_A_PIECE):
        case, cuts = Case.random(seed), ("optimal", "greedy", "each")[seed % 3]
        folder = export(case.program(cuts), tmp_path / str(seed))
        compile_fast(folder)
        assert ask(folder).returncode == 0, seed
        assert counted(folder) == model_counts(case, cuts), seed


@pytest.mark.parametrize("seed", range(1000, 1006))
def test_outputs_are_those_of_the_reference_for_more_samples(tmp_path, seed):
    case = Case.random(seed)
    folder = export(case.program(), tmp_path)
    compile_as_told(folder)
    samples = random_samples(np.random.default_rng(seed), case.network, 50)
    assert np.array_equal(outputs(folder, case.network, samples), run(case.network, samples))


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("seed", range(2))
def test_networks_of_every_space_are_right_as_programs(tmp_path, name, seed):
    rng = np.random.default_rng(seed)
    network = network_of_space(rng, preset(name))
    case = None
    while case is None or len(case.program().stops) > 100_000:
        plan = random_plan(rng, network.shape)
        with suppress(ValueError):  # more memory than the engine holds
            case = Case(network=network, plan=plan, supply=safe_supply(network, plan, 10 ** rng.uniform(-4, -2)))
            case.program()
            continue
        case = None
    folder = export(case.program(), tmp_path, n_vectors=1)
    compile_as_told(folder, "-O2")
    assert ask(folder).returncode == 0
    assert counted(folder) == model_counts(case, "optimal")
    assert "500 power failures" in ask(folder, "failures", 500, seed).stdout


def test_weights_and_addresses_may_need_more_than_sixteen_bits(tmp_path):
    shape = LayerShape(
        op="conv", in_h=3, in_w=3, in_ch=8_000, out_h=3, out_w=3, out_ch=2, kernel_h=3, kernel_w=3, pad=1
    )  # 72,000 words of weights an output channel
    rng = np.random.default_rng(0)
    weight = rng.choice([-1, 0, 1], p=[0.2, 0.6, 0.2], size=(2, 3, 3, 8_000)).astype(np.int16)
    layer = IntegerLayer(
        name="wide", shape=shape, reads=(NETWORK_INPUT,), fraction_bits=0, weight=weight, shift=8,
        bias=np.array([-5, 70_000], dtype=np.int32),
    )  # fmt: skip
    network = IntegerNetwork(name="wide", layers=(layer,), input_shape=(3, 3, 8_000), input_fraction_bits=0)
    design = LayerDesign(tile_h=2, tile_w=1, tile_out=1, tile_in=600, order="weight", batch=2, vector="channel")
    case = Case(network=network, plan=(design,), supply=safe_supply(network, (design,), 1e-3))
    made = case.program()
    assert made.placement.total_words > 2 * 2**16
    folder = export(made, tmp_path, n_vectors=1)
    compile_as_told(folder)
    assert ask(folder).returncode == 0
    assert counted(folder) == model_counts(case, "optimal")


@pytest.mark.parametrize(
    "seed", [*range(2000, 2005), *(pytest.param(n, marks=pytest.mark.slow) for n in range(2005, 2012))]
)
def test_a_failure_at_every_single_write_changes_no_output(tmp_path, seed):
    folder = export(Case.random(seed, most_layers=3).program(), tmp_path)
    compile_as_told(folder, SANITIZED)
    for how in ("each", "batches"):
        answer = ask(folder, how)
        assert (answer.returncode, answer.stderr) == (0, ""), answer.stdout
        assert "0 wrong outputs" in answer.stdout


@pytest.mark.parametrize("seed", range(3000, 3004))
def test_random_failures_change_no_output(tmp_path, seed):
    folder = export(Case.random(seed).program(), tmp_path)
    compile_as_told(folder, SANITIZED)
    answer = ask(folder, "failures", 500, seed)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "500 power failures" in answer.stdout


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4000, 4010))
def test_a_hundred_thousand_random_failures_change_no_output(tmp_path, seed):
    folder = export(Case.random(seed).program(), tmp_path)
    compile_as_told(folder)
    answer = ask(folder, "failures", 10_000, seed)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "10000 power failures" in answer.stdout


@pytest.fixture(scope="module")
def with_everything(tmp_path_factory):
    """A plan with partial sums in flight, operands that stay, and several batches a power cycle."""
    return export(Case.random(2).program(), tmp_path_factory.mktemp("mutants"))


@pytest.mark.parametrize("name", MUTANTS)
def test_an_engine_is_caught_that(with_everything, tmp_path, name):
    folder = tmp_path / "mutant"
    subprocess.run(["cp", "-r", str(with_everything), str(folder)], check=True)
    right, wrong = MUTANTS[name]
    engine = (folder / "runtime/ebb.c").read_text()
    assert engine.count(right) == 1
    (folder / "runtime/ebb.c").write_text(engine.replace(right, wrong))
    compile_fast(folder)
    answers = [ask(folder, *how).returncode for how in (("batches",), ("failures", 2000, 0))]
    assert any(code != 0 for code in answers)


def test_the_engine_as_it_is_passes_what_catches_the_mutants(with_everything):
    compile_fast(with_everything)
    assert [ask(with_everything, *how).returncode for how in (("batches",), ("failures", 2000, 0))] == [0, 0]
