"""A bare Python that forks one child per check, so that each check sees the modules of its own imports alone.

Numpy and pydantic, whose loading no check forbids, are loaded before the forks; nothing of this repository is.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

_SERVER = """
import json, os, sys, traceback
import numpy, pydantic
for line in sys.stdin:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        try:
            exec(json.loads(line), {"__name__": "__main__"})
            found = {"loaded": sorted(sys.modules)}
        except BaseException:
            found = {"error": traceback.format_exc()}
        with open(writing, "w") as report:
            json.dump(found, report)
        os._exit(0)
    os.close(writing)
    with open(reading) as report:
        print(report.read() or '{"error": "the child ended without a report"}', flush=True)
    os.waitpid(child, 0)
"""


@functools.cache
def _server() -> subprocess.Popen[str]:
    """Return the Python that forks, which ends with this process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", _SERVER], stdin=pipe, stdout=pipe, text=True, env=environment)


def loaded_modules(code: str) -> set[str]:
    """Return the dotted names of all modules that a fresh Python holds after running `code`."""
    if not hasattr(os, "fork"):
        pytest.skip("fresh Pythons are forked, which this system cannot do")
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(code) + "\n")
    server.stdin.flush()
    answer = json.loads(server.stdout.readline())
    assert "error" not in answer, answer["error"]
    return set(answer["loaded"])
