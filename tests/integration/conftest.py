"""Designs and tiny runs that the integration tests share."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from experiments.cli import main

TINY = (
    "data.name=synthetic",
    "space.name=tiny",
    "space.stages=[{kernels=[1, 3], channels=[4, 8], depths=[1, 2], residuals=[false, true]},"
    " {kernels=[3, 5], channels=[4, 8], strides=[2]}]",
    "supernet.epochs=3",
    "search.evaluations=40",
    "search.population=10",
    "finetune.epochs=1",
    "finetune.max_networks=5",
    "compute.processes=1",
)
"""Settings of a run that takes seconds: 80 networks with silent genes and residuals on generated waves."""


def tiny_arguments(root: Path, *more: str, settings: Sequence[str] = ()) -> list[str]:
    """Arguments of a tiny `search` under `root`; two budgets unless `more` says otherwise."""
    arguments = ["search", "watch", "--root", str(root), "--budgets", "47uF,470uF"]
    for setting in (*TINY, *settings):
        arguments += ["--set", setting]
    return [*arguments, *more]


def process(arguments: Sequence[str], root: Path, **options: Any) -> subprocess.Popen[str]:
    """The command in a process of its own, in the folder of the checkout; `options` are those of `Popen`."""
    command = [sys.executable, "-m", "experiments", *arguments]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished tiny run, made once for all workers of pytest-xdist; nobody writes into it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    root = folder / "undisturbed"
    with (folder / "undisturbed.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not (root / "made").exists():
            assert main(tiny_arguments(root, "--quiet")) == 0
            (root / "made").touch()
    return next((root / "runs").iterdir())


@pytest.fixture
def design() -> dict[str, Any]:
    """A small complete DESIGN.json."""
    layer = {"in_w": 1, "out_w": 1, "kernel_w": 1, "stride": 1, "pad": 0}
    return {
        "name": "small",
        "network": {
            "name": "two layers",
            "layers": [
                {"name": "c", "op": "conv", "in_h": 16, "in_ch": 6, "out_h": 14, "out_ch": 8, "kernel_h": 3, **layer},
                {"name": "p", "op": "global_avg_pool", "in_h": 14, "in_ch": 8, "out_h": 1, "out_ch": 8,
                 "kernel_h": 14, **layer},
            ],
        },
        "plan": [
            {"tile_h": 7, "tile_w": 1, "tile_out": 8, "tile_in": 6, "order": "output", "batch": 1},
            {"tile_h": 14, "tile_w": 1, "tile_out": 8, "tile_in": 1, "order": "output", "batch": 1},
        ],
    }  # fmt: skip


@pytest.fixture
def write_design(tmp_path: Path) -> Callable[[Any], str]:
    """Writes a value as `design.json` and gives its path."""

    def write(value: Any) -> str:
        path = tmp_path / "design.json"
        path.write_text(json.dumps(value))
        return str(path)

    return write
