"""Tasks spread over worker processes; the results do not depend on their number.

Workers are new interpreters. They leave Ctrl-C to the parent, and end when the parent ends in any way.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import connection
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def run_tasks(
    function: Callable[[Task], Result], tasks: Sequence[Task], n_processes: int
) -> Iterator[tuple[int, Result]]:
    """Yield results in the order of completion, each with the position of its task.

    Args:
        function: A function of a module, so that workers find it.
        tasks: Its arguments, picklable.
        n_processes: Most workers; with one worker or one task, this process does the work. [1]
    """
    if min(n_processes, len(tasks)) <= 1:
        for position, task in enumerate(tasks):
            yield position, function(task)
        return
    context = multiprocessing.get_context("spawn")
    n_workers = min(n_processes, len(tasks))
    with ProcessPoolExecutor(n_workers, mp_context=context, initializer=start_worker) as pool:
        futures = {pool.submit(function, task): position for position, task in enumerate(tasks)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def start_worker() -> None:
    """Ignore Ctrl-C, which the parent handles, and end when the parent has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
