"""Verification of many designs at once, in a pool of processes; `experiments.programs.verification` checks each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.designs.request import Request
from experiments.parallel.pool import run_tasks
from experiments.parallel.progress import Reporter
from experiments.programs.verification import Judged, Verification, verification_of_design
from models.data import DataSet
from models.deploy.integer import IntegerNetwork
from models.deploy.samples import quantise_input
from models.deploy.weights_file import read_network

N_VECTORS = 4
"""Real samples among the files of a program, spread over the validation split."""


def vectors_of(data: DataSet, network: IntegerNetwork) -> NDArray[np.int16]:
    """Return samples for the test vectors of a program, `(n, height, width, channels)`."""
    val = data.split("val")
    return quantise_input(network, val.take(val.at_most(N_VECTORS)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Proving:
    """One design for a worker to prove; picklable.

    Attributes:
        id: The design.
        request: Its plan and supply.
        network: Its network in integers, `models.deploy.weights_file` bytes.
        vectors: Samples of its test vectors, `(n, height, width, channels)`.
        judged: Samples of known accuracy.
        n_failures: Random power failures. [1]
    """

    id: str
    request: Request
    network: bytes
    vectors: NDArray[np.int16]
    judged: Judged | None
    n_failures: int


def prove(task: Proving) -> Verification:
    """Prove one design; runs in a worker."""
    return verification_of_design(
        task.request, read_network(task.network), task.vectors, n_failures=task.n_failures, judged=task.judged
    )


def prove_all(tasks: Sequence[Proving], reporter: Reporter, *, n_processes: int) -> list[Verification]:
    """What came of every design, in their order.

    Args:
        tasks: The designs.
        reporter: Who is told.
        n_processes: Workers at most. [1]
    """
    found: dict[int, Verification] = {}
    with reporter.task("proving", len(tasks)) as progress:
        for position, result in run_tasks(prove, tasks, n_processes):
            found[position] = result
            progress.advance(f"{tasks[position].id} {'verified' if result.is_verified else 'NOT verified'}")
    return [found[position] for position in range(len(tasks))]
