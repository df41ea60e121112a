"""Verification of many designs at once, in a pool of processes; `experiments.programs.verification` checks each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.designs.request import Request
from experiments.parallel.pool import run_tasks
from experiments.parallel.progress import Reporter
from experiments.programs.verification import LabelledSamples, Verification, verification_of_design
from models.data import DataSet
from models.deploy.integer import IntegerNetwork
from models.deploy.samples import quantise_input
from models.deploy.weights_file import read_network

N_VECTORS = 4
"""Test vectors of a program: samples spread over the validation split. [1]"""


def sample_vectors(data: DataSet, network: IntegerNetwork) -> NDArray[np.int16]:
    """Return the quantised samples of the test vectors of a program, `(n, height, width, channels)`."""
    val = data.split("val")
    return quantise_input(network, val.take(val.at_most(N_VECTORS)))


@dataclass(frozen=True, kw_only=True, eq=False)
class VerificationTask:
    """Verification of one design in a worker process; picklable.

    Attributes:
        id: Id of the design.
        request: Its plan and supply.
        network: Its network in integers, `models.deploy.weights_file` bytes.
        vectors: Samples of its test vectors, `(n, height, width, channels)`.
        labelled: Samples and the accuracy to reproduce; None where accuracy is not checked.
        n_failures: Random power failures. [1]
    """

    id: str
    request: Request
    network: bytes
    vectors: NDArray[np.int16]
    labelled: LabelledSamples | None
    n_failures: int


def verify_design(task: VerificationTask) -> Verification:
    """Verify one design; a worker process runs this."""
    return verification_of_design(
        task.request, read_network(task.network), task.vectors, n_failures=task.n_failures, labelled=task.labelled
    )


def verify_designs(tasks: Sequence[VerificationTask], reporter: Reporter, *, n_processes: int) -> list[Verification]:
    """Verify every design and return the results in the same order.

    Args:
        tasks: The designs.
        reporter: Progress display, one step per design.
        n_processes: Largest number of worker processes. [1]
    """
    found: dict[int, Verification] = {}
    with reporter.task("verifying", len(tasks)) as progress:
        for position, result in run_tasks(verify_design, tasks, n_processes):
            found[position] = result
            progress.advance(f"{tasks[position].id} {'verified' if result.is_verified else 'NOT verified'}")
    return [found[position] for position in range(len(tasks))]
