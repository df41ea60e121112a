"""Verification of an exported program: right bits, the counts of the cost model, and no loss at power failures.

The program is compiled for this computer. Its outputs are compared with the integer reference, its counts with those
of the cost model, and power fails in every batch, at each write of a small program and at random writes.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energy.costing.plan import price_plan
from energy.hardware.scenarios import Scenarios
from energy.scheduling.schedule import Pricer, cycle_budget_nj, schedule
from experiments.designs.request import Request
from experiments.formatting.table import Table
from experiments.programs.life import planned_cycles, power_cycles
from experiments.programs.program import Compiled, program_of
from experiments.storage.files import write_bytes
from models.deploy.folder import ENGINE, program_files
from models.deploy.integer import HIGH, LOW, IntegerNetwork
from models.deploy.reference import answers_of, run

N_SAMPLES = 32
"""Random samples whose outputs are compared with the integer reference."""

_FAILURES = re.compile(r"(\d+) power failures")
_N_LIFE_SAMPLES = 12
"""Samples of the check of a whole life. [1]"""

_MOST_WRITES = 2_000
"""Largest number of NVM writes per inference at which a failure at each write is tried. [1]"""


@dataclass(frozen=True, kw_only=True)
class Check:
    """Result of one check.

    Attributes:
        name: Name of the check.
        is_right: Whether the check passed.
        found: Finding in words, for a person.
    """

    name: str
    is_right: bool
    found: str


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Results of all checks."""

    checks: tuple[Check, ...]

    @property
    def is_verified(self) -> bool:
        """Whether all checks passed."""
        return all(check.is_right for check in self.checks)

    @property
    def n_failures(self) -> int:
        """Number of power failures after which all outputs were right. [1]"""
        found = (_FAILURES.match(check.found) for check in self.checks if check.is_right)
        return sum(int(one[1]) for one in found if one)

    def found(self, name: str) -> str:
        """Return the finding of a check, empty where the check was not run."""
        return next((check.found for check in self.checks if check.name == name), "")

    def to_dict(self) -> dict[str, Any]:
        """Return the answer of `verify --json`."""
        rows = [{"check": one.name, "passed": one.is_right, "found": one.found} for one in self.checks]
        return {"verified": self.is_verified, "checks": rows}

    def text(self) -> str:
        """Return the answer for a person."""
        wrong = [check.name for check in self.checks if not check.is_right]
        head = f"NOT verified: {', '.join(wrong)}" if wrong else "verified: right bits, right counts, nothing lost"
        rows = [(one.name, "yes" if one.is_right else "NO", one.found) for one in self.checks]
        return f"{head}\n\n{Table(('check', 'passed', 'found'), rows, text=(0, 1, 2)).to_text()}"


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledSamples:
    """Labelled samples and the accuracy that a program must reproduce on them.

    Attributes:
        samples: int16 `(n, height, width, channels)`.
        labels: `(n,)`.
        accuracy: Expected share of right answers. [1]
    """

    samples: NDArray[np.int16]
    labels: NDArray[np.int64]
    accuracy: float


def verification(
    folder: Path,
    request: Request,
    network: IntegerNetwork,
    *,
    n_failures: int,
    each_write: bool = True,
    labelled: LabelledSamples | None = None,
) -> Verification:
    """Check an exported folder.

    Args:
        folder: The folder; nothing is written there.
        request: Its plan and supply.
        network: Its network in integers.
        n_failures: Random power failures. [1]
        each_write: Whether power fails at each write in turn, where there are few writes.
        labelled: Samples on which the accuracy is checked too.

    Raises:
        ValueError: The folder does not compile, or plan and network do not match.
    """
    program_of(request, network)
    with tempfile.TemporaryDirectory() as build:
        start_s = time.perf_counter()
        compiled = Compiled.of(folder, Path(build), network)
        compile_s = time.perf_counter() - start_s
        checks = [
            Check(name="compiles", is_right=True, found=f"without a warning, in {compile_s:.1f} s"),
            _engine(folder),
            _self_check("test vectors", compiled),
            _guarded("outputs", lambda: _outputs(compiled)),
            _guarded("counts", lambda: _counts(compiled, request)),
            _self_check("a failure in every batch", compiled, "batches"),
        ]
        if _has_identity(folder):
            checks.append(_self_check("a life of twelve samples", compiled, "life", _N_LIFE_SAMPLES, n_failures))
            checks.append(_guarded("charges of a life", lambda: _charges(compiled, request)))
        if labelled is not None:
            checks.append(_guarded("accuracy", lambda: _accuracy(compiled, labelled)))
        if each_write and _n_writes(compiled) <= _MOST_WRITES:
            checks.append(_self_check("a failure at each write", compiled, "each"))
        if n_failures:
            checks.append(_self_check("random failures", compiled, "failures", n_failures, 0))
        return Verification(checks=tuple(checks))


def verification_of_design(
    request: Request,
    network: IntegerNetwork,
    vectors: NDArray[np.int16],
    *,
    n_failures: int,
    labelled: LabelledSamples | None,
) -> Verification:
    """Export a design into a temporary folder and check it.

    Args:
        request: Its plan and supply.
        network: Its network in integers.
        vectors: Samples for the test vectors, `(n, height, width, channels)`.
        n_failures: Random power failures. [1]
        labelled: Samples on which the accuracy is checked too.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in program_files(program_of(request, network), vectors).items():
            write_bytes(folder / file, content)
        return verification(folder, request, network, n_failures=n_failures, each_write=False, labelled=labelled)


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    """Return the result of a check; a `ValueError` of the program is a failed check."""
    try:
        return check()
    except ValueError as error:
        return Check(name=name, is_right=False, found=str(error))


def _self_check(name: str, compiled: Compiled, *arguments: object) -> Check:
    """Return the result of a check that the program runs itself."""
    done = compiled.run(*arguments)
    return Check(name=name, is_right=done.exit_code == 0, found=done.output.partition("\n")[0].removeprefix("PASS: "))


def _has_identity(folder: Path) -> bool:
    """Return whether the program names itself in its records; exports of older versions do not."""
    return "EBB_IDENTITY" in (folder / "model.h").read_text("utf-8")


def _engine(folder: Path) -> Check:
    if not _has_identity(folder):
        found = "that of an older version, which starts an inference without a recharge; export the design again"
        return Check(name="engine", is_right=False, found=found)
    package = resources.files("models.deploy")
    changed = [
        name
        for name in ENGINE
        if code_of_c((folder / name).read_text("utf-8")) != code_of_c((package / name).read_text("utf-8"))
    ]
    found = f"changed: {', '.join(changed)}" if changed else "that of this version, comments aside"
    return Check(name="engine", is_right=not changed, found=found)


_C_COMMENT = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|/\*.*?\*/|//[^\n]*""", re.DOTALL)


def code_of_c(source: str) -> str:
    """Return a C source without comments, each run of blank space as one blank."""
    return " ".join(_C_COMMENT.sub(lambda found: found[1] or " ", source).split())


def _outputs(compiled: Compiled) -> Check:
    """Check the outputs for random samples, from small ones to ones that saturate all activations."""
    rng = np.random.default_rng(0)
    scales = np.geomspace(16, HIGH, N_SAMPLES).reshape(-1, 1, 1, 1)
    samples = np.clip(rng.normal(size=(N_SAMPLES, *compiled.network.input_shape)) * scales, LOW, HIGH).astype(np.int16)
    n_wrong = int((compiled.outputs(samples) != run(compiled.network, samples)).sum())
    n = N_SAMPLES * compiled.network.shape.layers[-1].out_ch
    return Check(
        name="outputs",
        is_right=n_wrong == 0,
        found=f"{n_wrong} of {n} outputs of {N_SAMPLES} random samples differ from the integer reference",
    )


def _counts(compiled: Compiled, request: Request) -> Check:
    """Check the count of each event of each layer, and the number of power cycles."""
    assert request.plan is not None
    found = compiled.counts()
    expected = price_plan(request.network, request.plan, request.device, request.supply, request.execution)
    differing = [
        f"{layer.layer}: {event} {own.get(event, 0):,}, not {layer.counts.get(event, 0):,}"
        for layer, own in zip(expected.layers, found["layers"], strict=True)
        for event in sorted(set(layer.counts) | set(own))
        if own.get(event, 0) != layer.counts.get(event, 0)
    ]
    cycles = sum(entry.cycles for entry in expected.schedule)
    if found["power_cycles"] != cycles:
        differing.append(f"{found['power_cycles']} power cycles, not {cycles}")
    n = sum(len(layer.counts) for layer in expected.layers)
    right = f"{n} counts of {len(expected.layers)} layers and {cycles} power cycles equal the model's"
    return Check(name="counts", is_right=not differing, found="; ".join(differing[:3]) or right)


def _charges(compiled: Compiled, request: Request) -> Check:
    """Check that every inference of a life takes the power cycles of the plan, each from a charged capacitor."""
    assert request.plan is not None
    scenarios, pricer = Scenarios.of([request.supply]), Pricer(request.device)
    sequence = pricer.sequence(request.network, request.plan)
    planned = planned_cycles(schedule(sequence, scenarios, cuts=request.execution.cuts_of_schedule), sequence)
    log = compiled.run("log", _N_LIFE_SAMPLES, 0)
    found = power_cycles(log.output.splitlines(), sequence) if log.exit_code == 0 else []
    most_nj, budget_nj = max((cycle.energy_nj for cycle in found), default=0), cycle_budget_nj(scenarios)
    is_right = found == planned * _N_LIFE_SAMPLES and most_nj <= budget_nj
    share = (
        f"{len(found)} power cycles from a charged capacitor, at most {100 * most_nj / budget_nj:.1f} % of its budget"
    )
    return Check(name="charges of a life", is_right=is_right, found=share if found else log.output[-200:])


def _accuracy(compiled: Compiled, labelled: LabelledSamples) -> Check:
    """Check the accuracy of the program on all labelled samples."""
    start_s = time.perf_counter()
    right = answers_of(compiled.outputs(labelled.samples)) == labelled.labels
    took_s = time.perf_counter() - start_s
    return Check(
        name="accuracy",
        is_right=float(right.mean()) == labelled.accuracy,
        found=f"{100 * right.mean():.2f} % of {len(right):,} samples, {100 * labelled.accuracy:.2f} % in the table; "
        f"in {took_s:.1f} s",
    )


def _n_writes(compiled: Compiled) -> int:
    """Return the NVM writes of one inference; more than `_MOST_WRITES` where the inference fails."""
    try:
        layers = compiled.counts()["layers"]
    except ValueError:
        return _MOST_WRITES + 1
    return sum(count for layer in layers for event, count in layer.items() if event.endswith("write_calls"))
