"""The proof that an exported program computes the right bits, counts what the model counts, and loses nothing.

It is compiled for this computer. Its outputs are compared with the integer reference, its counts with those of
the cost model, and power fails at every write and at random ones; every figure comes from the program that ran.
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
from experiments.designs.request import Request
from experiments.formatting.table import Table
from experiments.programs.program import Compiled, program_of
from experiments.storage.files import write_bytes
from models.deploy.folder import ENGINE, program_files
from models.deploy.integer import HIGH, LOW, IntegerNetwork
from models.deploy.reference import answers_of, run

N_SAMPLES = 32
"""Random samples whose outputs are compared with the integer reference."""

_FAILURES = re.compile(r"(\d+) power failures")
_MOST_WRITES = 2_000
"""NVM writes of one inference up to which each of them alone is made to fail."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was checked.

    Attributes:
        name: What.
        is_right: Whether it is as it should be.
        found: What was found, for a person.
    """

    name: str
    is_right: bool
    found: str


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What came of all checks."""

    checks: tuple[Check, ...]

    @property
    def is_verified(self) -> bool:
        """Whether everything is as it should be."""
        return all(check.is_right for check in self.checks)

    @property
    def n_failures(self) -> int:
        """Power failures that left all outputs right."""
        found = (_FAILURES.match(check.found) for check in self.checks if check.is_right)
        return sum(int(one[1]) for one in found if one)

    def found(self, name: str) -> str:
        """What a check found, empty where it was not made."""
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
class Judged:
    """Samples that a program must answer as a table says.

    Attributes:
        samples: int16 `(n, height, width, channels)`.
        labels: `(n,)`.
        accuracy: Share of right answers that is to come out. [1]
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
    judged: Judged | None = None,
) -> Verification:
    """Check an exported folder.

    Args:
        folder: The folder; nothing is written there.
        request: Its plan and supply.
        network: Its network in integers.
        n_failures: Random power failures. [1]
        each_write: Whether each write alone is made to fail, where they are few.
        judged: Samples of known accuracy to be answered too.

    Raises:
        ValueError: It cannot be compiled, or plan and network do not belong together.
    """
    program_of(request, network)
    with tempfile.TemporaryDirectory() as build:
        start_s = time.perf_counter()
        compiled = Compiled.of(folder, Path(build), network)
        compile_s = time.perf_counter() - start_s
        checks = [
            Check(name="compiles", is_right=True, found=f"without a warning, in {compile_s:.1f} s"),
            _engine(folder),
            _told("test vectors", compiled),
            _guarded("outputs", lambda: _outputs(compiled)),
            _guarded("counts", lambda: _counts(compiled, request)),
            _told("a failure in every batch", compiled, "batches"),
        ]
        if judged is not None:
            checks.append(_guarded("accuracy", lambda: _accuracy(compiled, judged)))
        if each_write and _n_writes(compiled) <= _MOST_WRITES:
            checks.append(_told("a failure at each write", compiled, "each"))
        if n_failures:
            checks.append(_told("random failures", compiled, "failures", n_failures, 0))
        return Verification(checks=tuple(checks))


def verification_of_design(
    request: Request, network: IntegerNetwork, vectors: NDArray[np.int16], *, n_failures: int, judged: Judged | None
) -> Verification:
    """Check a design without leaving its folder behind.

    Args:
        request: Its plan and supply.
        network: Its network in integers.
        vectors: Samples for the test vectors, `(n, height, width, channels)`.
        n_failures: Random power failures. [1]
        judged: Samples of known accuracy to be answered too.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in program_files(program_of(request, network), vectors).items():
            write_bytes(folder / file, content)
        return verification(folder, request, network, n_failures=n_failures, each_write=False, judged=judged)


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    """Return a check of a program that may stop in the middle of it."""
    try:
        return check()
    except ValueError as error:
        return Check(name=name, is_right=False, found=str(error))


def _told(name: str, compiled: Compiled, *arguments: object) -> Check:
    """What the program itself says."""
    code, answer = compiled.ask(*arguments)
    return Check(name=name, is_right=code == 0, found=answer.partition("\n")[0].removeprefix("PASS: "))


def _engine(folder: Path) -> Check:
    package = resources.files("models.deploy")
    changed = [name for name in ENGINE if (folder / name).read_bytes() != (package / name).read_bytes()]
    found = f"changed: {', '.join(changed)}" if changed else "that of this version, byte for byte"
    return Check(name="engine", is_right=not changed, found=found)


def _outputs(compiled: Compiled) -> Check:
    """Return random samples, small ones and such as drive everything into saturation."""
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
    """Return every event of every layer, and the power cycles."""
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


def _accuracy(compiled: Compiled, judged: Judged) -> Check:
    """Return the program's own answers for a whole split."""
    start_s = time.perf_counter()
    right = answers_of(compiled.outputs(judged.samples)) == judged.labels
    took_s = time.perf_counter() - start_s
    return Check(
        name="accuracy",
        is_right=float(right.mean()) == judged.accuracy,
        found=f"{100 * right.mean():.2f} % of {len(right):,} samples, {100 * judged.accuracy:.2f} % in the table; "
        f"in {took_s:.1f} s",
    )


def _n_writes(compiled: Compiled) -> int:
    """Return the writes of one inference to non-volatile memory; more than are tried where it does not end."""
    try:
        layers = compiled.counts()["layers"]
    except ValueError:
        return _MOST_WRITES + 1
    return sum(count for layer in layers for event, count in layer.items() if event.endswith("write_calls"))
