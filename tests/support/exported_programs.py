"""Exported folders for tests: made from a network and a plan, compiled, asked.

Everything that needs a C compiler uses `needs_compiler`: without one these tests skip and say so.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import Supply, read_supply_family
from energy.networks.designs import Plan
from energy.scheduling.schedule import Pricer, cycle_budget_nj
from models.deploy.folder import program_files
from models.deploy.integer import IntegerNetwork
from models.deploy.program import Program, program
from tests.support import shared_engine
from tests.support.integer_networks import random_network, random_plan, random_samples

COMPILER = shutil.which("gcc") or shutil.which("cc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no gcc to compile exported programs with")

PRICER = Pricer(replace(read_device("msp430fr5994-tinas2025"), vm_bytes=30_000))
SANITIZED = "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all"
_UNITY = '#include "model.c"\n#include "runtime/ebb.c"\n#include "boards/host.c"\n#include "main.c"\n'
_MOST_S = 300


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network with a plan and a supply on which it is safe."""

    network: IntegerNetwork
    plan: Plan
    supply: Supply

    @classmethod
    def random(cls, seed: int, **sizes: int) -> Case:
        rng = np.random.default_rng(seed)
        network = random_network(rng, **sizes)
        plan = random_plan(rng, network.shape)
        return cls(network=network, plan=plan, supply=safe_supply(network, plan, 10 ** rng.uniform(-5, -3.5)))

    def program(self, cuts: str = "optimal") -> Program:
        return program(self.network, self.plan, PRICER, Scenarios.of([self.supply]), cuts)


def safe_supply(network: IntegerNetwork, plan: Plan, capacitance_f: float) -> Supply:
    """A capacitor of that size, or the smallest on which the costliest batch fits into a power cycle."""
    family = read_supply_family("tinas2025")
    sequence = PRICER.sequence(network.shape, plan)
    needed_nj = int(sequence.cold_nj.max()) + sequence.boot_nj
    budget = cycle_budget_nj(Scenarios.of([family.supply(capacitance_f)]))
    return family.supply(capacitance_f * max(1.0, 1.001 * needed_nj / budget))


def export(made: Program, folder: Path, *, n_vectors: int = 2) -> Path:
    """Write the folder of a program with random test vectors."""
    samples = random_samples(np.random.default_rng(0), made.network, n_vectors)
    for name, content in program_files(made, samples).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def compile_fast(folder: Path) -> None:
    """Link the shared engine where it fits; else compile all sources as one, without optimising."""
    assert COMPILER is not None
    if shared_engine.fits(folder):
        shared_engine.link(folder, COMPILER)
        return
    (folder / "all.c").write_text(_UNITY)
    command = [COMPILER, "-std=c99", "-O0", "-DEBB_COUNT", "-I.", "-Iruntime", "-Iboards", "-o", "design", "all.c"]
    subprocess.run(command, cwd=folder, check=True, timeout=_MOST_S)


def compile_as_told(folder: Path, flags: str = "-O1") -> None:
    """As the folder's README says, warnings being errors."""
    subprocess.run(["make", "-s", f"CC={COMPILER}", f"CFLAGS={flags}"], cwd=folder, check=True, timeout=_MOST_S)


def ask(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """What the program answers."""
    command = ["./design", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_MOST_S, check=False)


def counted(folder: Path) -> dict:
    """Counts of one inference."""
    answer = ask(folder, "counts")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return json.loads(answer.stdout)
