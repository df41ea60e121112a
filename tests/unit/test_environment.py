"""Tests start without the variables that a shell, `make` or a git hook passes on."""

import os
import subprocess
import sys

from tests.conftest import ROOT

HOSTILE = {
    "MAKEFLAGS": "-n -j2 --jobserver-auth=8,9", "CFLAGS": "-Wrong", "CC": "/nonexistent", "COLUMNS": "40",
    "FORCE_COLOR": "1", "GIT_DIR": "/nonexistent", "SOURCE_DATE_EPOCH": "1",
}  # fmt: skip


def test_variables_that_change_results_are_removed():
    environment = {**os.environ, **HOSTILE, "MPLBACKEND": "TkAgg", "PYTHONPATH": str(ROOT)}
    code = "import os, tests.conftest; print(*os.environ, os.environ['MPLBACKEND'], sep='\\n')"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    names = done.stdout.splitlines()
    assert not HOSTILE.keys() & set(names)
    assert names[-1] == "agg"
