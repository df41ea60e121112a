"""`ebbnas verify`: verification of an exported folder, or of every design on the fronts of a run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from experiments.boards.checks import board_checks
from experiments.commands.output import print_json
from experiments.designs.request import Overrides, Request
from experiments.designs.request_files import read_request
from experiments.formatting.table import Table
from experiments.parallel.progress import Reporter
from experiments.programs.export import NETWORK_FILE, PLAN_FILE
from experiments.programs.verification import LabelledSamples, Verification, verification
from experiments.programs.verify_pool import VerificationTask, sample_vectors, verify_designs
from experiments.runs.finished import read_front_rows
from experiments.runs.front_row import FrontRow
from experiments.runs.stored_design import StoredDesign, stored_design
from experiments.storage.files import read_json
from experiments.storage.run_folder import FRONTS_FILE, is_run_folder
from models.deploy.integer import IntegerNetwork
from models.deploy.samples import quantise_input
from models.deploy.weights_file import network_bytes, read_network

BOARDS = ("host", "cortex-m4", "msp430")
NOT_VERIFIED = 1


def verify(options: argparse.Namespace) -> int:
    """Run `ebbnas verify`."""
    if options.board not in BOARDS:
        raise ValueError(f"--board must be one of {', '.join(BOARDS)}, not {options.board!r}")
    if not options.failures.isdecimal():
        raise ValueError(f"--failures must be a whole number of at least 0, not {options.failures!r}")
    folder, n_failures = Path(options.dir), int(options.failures)
    if is_run_folder(folder):
        if options.board != BOARDS[0]:
            raise ValueError(
                f"--board {options.board} must go with a folder that export wrote, and {folder} is a run's"
            )
        return _verify_run(options, folder, n_failures)
    found = verification(folder, *_exported(folder), n_failures=n_failures)
    if options.board != BOARDS[0]:
        found = Verification(checks=(*found.checks, *board_checks(folder, options.board, n_failures)))
    if options.json:
        print_json(found.to_dict())
    else:
        print(found.text())
    return 0 if found.is_verified else NOT_VERIFIED


def _exported(folder: Path) -> tuple[Request, IntegerNetwork]:
    """Return plan and network of an exported folder."""
    for name in (PLAN_FILE, NETWORK_FILE):
        if not (folder / name).is_file():
            rule = "DIR must be a folder that export wrote, or a run's"
            raise ValueError(f"{folder / name}: file not found; {rule}")
    request = read_request(read_json(folder / PLAN_FILE), folder, Overrides())
    try:
        return request, read_network((folder / NETWORK_FILE).read_bytes())
    except ValueError as error:
        raise ValueError(f"{folder / NETWORK_FILE}: {error}") from None


def _verify_run(options: argparse.Namespace, run: Path, n_failures: int) -> int:
    rows = read_front_rows(run)
    if not rows:
        raise ValueError(f"{run / FRONTS_FILE}: must hold at least one design, and is empty")
    stored = [stored_design(run, row.id, data_dir=options.data_dir) for row in rows]
    tasks = [_task(one, n_failures) for one in stored]
    reporter = Reporter(quiet=options.quiet or options.json)
    found = verify_designs(tasks, reporter, n_processes=stored[0].work.config.compute.processes)
    is_verified = all(one.is_verified for one in found)
    if options.json:
        designs = [{"id": task.id, **one.to_dict()} for task, one in zip(tasks, found, strict=True)]
        print_json({"verified": is_verified, "designs": designs})
    else:
        print(_overview(rows, found))
    return 0 if is_verified else NOT_VERIFIED


def _task(stored: StoredDesign, n_failures: int) -> VerificationTask:
    network = stored.integer_network()
    test = stored.work.data.split("test")
    accuracy = stored.row.accuracy_deployed_test
    labelled = None
    if accuracy is not None:
        labelled = LabelledSamples(
            samples=quantise_input(network, test.take(slice(None))), labels=test.labels, accuracy=accuracy
        )
    return VerificationTask(
        id=stored.id,
        request=stored.request(),
        network=network_bytes(network),
        vectors=sample_vectors(stored.work.data, network),
        labelled=labelled,
        n_failures=n_failures,
    )


def _overview(rows: Sequence[FrontRow], found: Sequence[Verification]) -> str:
    """Return a table with one row per design, and the failed checks."""
    n_right = sum(one.is_verified for one in found)
    wrong = [f"{row.id}: {check.name}: {check.found}" for row, one in zip(rows, found, strict=True)
             for check in one.checks if not check.is_right]  # fmt: skip
    head = f"{n_right} of {len(found)} designs are verified: right bits, right counts, nothing lost"
    cells = [
        (row.id, row.architecture, "yes" if one.is_verified else "NO", f"{row.power_cycles:,}",
         f"{one.n_failures:,}", one.found("accuracy"))
        for row, one in zip(rows, found, strict=True)
    ]  # fmt: skip
    names = ("id", "network", "verified", "cycles", "failures", "test set through the program")
    return "\n\n".join([head, Table(names, cells, text=(0, 1, 2, 5)).to_text(), *(["\n".join(wrong)] if wrong else [])])
