"""Workers of a grid: new processes that run one cell after another and are replaced when they die.

A pool of `concurrent.futures` breaks with its first dead worker; here the parent watches each worker's sentinel.
"""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from experiments.grids.cells import CellBook
from experiments.grids.files import Cell
from experiments.parallel.pool import start_worker


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Error that a cell raised.

    Attributes:
        line: The error in one line.
        traceback: Its traceback.
    """

    line: str
    traceback: str


@dataclass
class _Worker:
    """Worker process, our end of its pipe, and its cell."""

    process: SpawnProcess
    pipe: Connection
    cell: Cell | None = None


@dataclass
class GridPool:
    """Pool of workers that run cells.

    Attributes:
        book: The records of the cells.
        n_workers: Cells at once. [1]
        report: Called with a line for each event of a cell.
    """

    book: CellBook
    n_workers: int
    report: Callable[[str], None]

    def run(self, cells: Sequence[Cell]) -> None:
        """Run cells until none waits; errors and deaths are recorded and do not stop the others."""
        waiting = by_supernet(cells)
        trained: set[str] = set()
        workers: list[_Worker] = []
        try:
            while waiting or any(worker.cell for worker in workers):
                self._assign(workers, waiting, trained)
                busy = [worker for worker in workers if worker.cell]
                ready = connection.wait([handle for one in busy for handle in (one.pipe, one.process.sentinel)])
                for worker in busy:
                    if worker.pipe in ready or worker.process.sentinel in ready:
                        self._receive(worker, workers, waiting, trained)
        finally:
            for worker in workers:
                worker.process.terminate()
            for worker in workers:
                worker.process.join()

    def _assign(self, workers: list[_Worker], waiting: list[Cell], trained: set[str]) -> None:
        while waiting and sum(worker.cell is not None for worker in workers) < self.n_workers:
            training = {worker.cell.supernet_group for worker in workers if worker.cell} - trained
            cell = next((one for one in waiting if one.supernet_group not in training), waiting[0])
            waiting.remove(cell)
            idle = next((worker for worker in workers if worker.cell is None), None)
            if idle is None:
                idle = self._new_worker()
                workers.append(idle)
            idle.cell = cell
            # The sentinel of a worker that died idle is ready.
            try:
                idle.pipe.send(cell)
            except OSError:
                continue

    def _new_worker(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self.book))
        process.start()
        theirs.close()
        return _Worker(process=process, pipe=ours)

    def _receive(self, worker: _Worker, workers: list[_Worker], waiting: list[Cell], trained: set[str]) -> None:
        """Record the result of a worker's cell, or the death of the worker."""
        cell = worker.cell
        assert cell is not None
        try:
            failure: Failure | None = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join()
            workers.remove(worker)
            if not record_death(self.book, cell, _how(worker.process.exitcode), self.report):
                waiting.append(cell)
            return
        worker.cell = None
        if failure is None:
            trained.add(cell.supernet_group)
        record_result(self.book, cell, failure, self.report)


def record_death(book: CellBook, cell: Cell, how: str, report: Callable[[str], None]) -> bool:
    """Record and report the death of a worker; return whether its cell has failed."""
    is_over = book.record_death(cell, how)
    report(f"cell {cell.number}: worker ended by {how}{', given up' if is_over else ', tried again'}")
    return is_over


def record_result(book: CellBook, cell: Cell, failure: Failure | None, report: Callable[[str], None]) -> None:
    """Record and report the result of a cell."""
    if failure is not None:
        book.record_error(cell, failure.line, failure.traceback)
    report(f"cell {cell.number}: {cell.label}: {'done' if failure is None else failure.line}")


def by_supernet(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells, one of each group that shares a supernet first, so that groups train beside each other."""
    seen: set[str] = set()
    first: list[Cell] = []
    others: list[Cell] = []
    for cell in cells:
        (others if cell.supernet_group in seen else first).append(cell)
        seen.add(cell.supernet_group)
    return [*first, *others]


def _how(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return signal.Signals(-exitcode).name
    return f"exit status {exitcode}"


def _work(pipe: Connection, book: CellBook) -> None:
    """Run cells from a pipe and send back None or the failure of each; runs in a worker."""
    start_worker()
    while True:
        try:
            cell = pipe.recv()
        except EOFError:
            return
        pipe.send(run_cell(cell, book))


def run_cell(cell: Cell, book: CellBook) -> Failure | None:
    """Run a cell in this process and return its failure, if any, for the parent to record."""
    try:
        with book.working_on(cell):
            from experiments.pipeline.run import Run

            Run.of(cell.config, source=f"cell {cell.number}", root=book.store.root).execute(quiet=True)
    except Exception as error:  # noqa: BLE001  # an error of a cell is recorded and must not end the grid
        line = " ".join(f"{type(error).__name__}: {error}".split())
        return Failure(line=line, traceback=traceback.format_exc())
    return None
