"""Cells of a grid as tasks of Ray, on this machine or a cluster; function, records and limits are those of the pool.

All machines of a cluster need the same folder of runs and cache, and this program; Ray says which of them runs a cell.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import ModuleType

from experiments.grids.cells import CellBook
from experiments.grids.files import Cell
from experiments.grids.pool import by_supernet, record_death, record_result, run_cell
from experiments.storage.cache import Store

_ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""Ray sends no usage statistics, and does not warn that it hides GPUs from tasks that need none."""

_OBJECT_STORE_BYTES = 100 * 2**20
"""Memory for the messages of tasks, here one line of text each. [B]"""


def run_on_ray(
    book: CellBook, cells: Sequence[Cell], *, address: str | None, n_workers: int, report: Callable[[str], None]
) -> None:
    """Run cells; errors and deaths are recorded and do not stop the others.

    Args:
        book: The records of the cells.
        cells: The cells.
        address: Address of a cluster, such as `auto`; where None, Ray runs on this machine until the cells are done.
        n_workers: Cells at once on this machine; a cluster runs as many as fit. [1]
        report: Called with a line for each event of a cell.

    Raises:
        ValueError: Ray is not installed, no cluster is found at the address, or a cell fits no machine of it.
    """
    # Before the import, which reads it; processes that Ray starts inherit it.
    os.environ.update(_ENVIRONMENT)
    try:
        import ray
    except ModuleNotFoundError:
        raise ValueError("--engine ray needs the package ray, which is not installed: pip install ray") from None

    _connect(ray, address, n_workers * max((cell.config.compute.processes for cell in cells), default=1))
    try:
        _check_room(ray, cells)
        there = replace(book, store=Store(root=book.store.root.resolve()))
        task = ray.remote(max_retries=0)(run_cell)
        running = {task.options(**_resources(cell)).remote(cell, there): cell for cell in by_supernet(cells)}
        while running:
            (answered,), _ = ray.wait(list(running))
            cell = running.pop(answered)
            try:
                failure = ray.get(answered)
            except ray.exceptions.RayError as error:
                if not record_death(book, cell, type(error).__name__, report):
                    running[task.options(**_resources(cell)).remote(cell, there)] = cell
                continue
            record_result(book, cell, failure, report)
    finally:
        ray.shutdown()


def _resources(cell: Cell) -> dict[str, int]:
    """Return the CPUs and GPUs that a cell needs."""
    compute = cell.config.compute
    return {"num_cpus": compute.processes, "num_gpus": int(compute.device == "cuda")}


def _connect(ray: ModuleType, address: str | None, n_cpus: int) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        own = {"num_cpus": n_cpus, "object_store_memory": _OBJECT_STORE_BYTES, "include_dashboard": False}
        ray.init(address="local", **own, **quiet)
        return
    try:
        _check_reachable(address)
        ray.init(address=address, **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"--address must be that of a Ray cluster, and {address!r} is not: {error}") from None


def _check_reachable(address: str) -> None:
    """Demand that an address with a port answers; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "//" not in host:
        socket.create_connection((host, int(port)), timeout=10).close()


def _check_room(ray: ModuleType, cells: Sequence[Cell]) -> None:
    """Demand a machine that each cell fits, for which Ray itself would wait for ever."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for cell in cells:
        asked = {"CPU": _resources(cell)["num_cpus"], "GPU": _resources(cell)["num_gpus"]}
        if not any(all(one.get(name, 0) >= n for name, n in asked.items()) for one in machines):
            rule = f"cell {cell.number} needs {asked['CPU']} CPUs and {asked['GPU']} GPUs by its compute settings"
            raise ValueError(f"{rule}, and no machine of the Ray cluster has them")
