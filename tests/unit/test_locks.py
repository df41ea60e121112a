"""Locks between processes: held by one, marked by many, released by the death of the holder; and without `fcntl`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from experiments.storage.cache import Store
from experiments.storage.locks import in_use, is_in_use, is_locked, locked

HOLD = """
import sys
from pathlib import Path
from experiments.storage import locks
with getattr(locks, sys.argv[1])(Path(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""

WITHOUT_POSIX = """
import sys
sys.modules["fcntl"] = sys.modules["resource"] = None
from experiments.cli import main
sys.exit(main(sys.argv[1:]))
"""


def holder(kind, path, root):
    """A process that holds a lock or a mark until it ends."""
    command = [sys.executable, "-c", HOLD, kind, str(path)]
    process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_a_killed_process_releases_its_lock(tmp_path, root):
    path = tmp_path / "cache" / "lock"
    assert not is_locked(path)
    process = holder("locked", path, root)
    assert is_locked(path)
    kill(process)
    assert not is_locked(path)
    with locked(path):
        assert is_locked(path)
    assert not is_locked(path)


@pytest.mark.skipif(os.name != "posix", reason="marks of folders are POSIX")
def test_a_folder_is_in_use_until_the_last_process_that_marked_it_is_gone(tmp_path, root):
    first, second = (holder("in_use", tmp_path, root) for _ in range(2))
    with in_use(tmp_path):
        assert is_in_use(tmp_path)
    kill(first)
    assert is_in_use(tmp_path)
    kill(second)
    assert not is_in_use(tmp_path)
    assert not list(tmp_path.iterdir())


def test_who_waits_for_a_stage_is_named_it(tmp_path, root, capsys):
    folder = Store(root=tmp_path).stage("search", {})
    process = holder("locked", folder.path / "lock", root)
    waiting = subprocess.Popen(
        [sys.executable, "-c", HOLD.replace("(Path(sys.argv[2]))", "(Path(sys.argv[2]), work='it')"), "locked",
         str(folder.path / "lock")],
        cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert waiting.stderr.readline() == "waiting for another process that works on it\n"
    kill(process)
    assert waiting.communicate(timeout=60)[0] == "held\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", "--example"],
        ["network", "missing.onnx"],
        ["runs", "--root", "."],
        ["spaces"],
        ["grid", "missing", "run"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_commands_start_on_a_system_without_posix_modules(arguments, tmp_path, root):
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_POSIX, *arguments],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert done.returncode == (2 if "missing" in " ".join(arguments) else 0), done.stderr


def test_without_fcntl_a_folder_is_never_in_use(tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.storage.locks.fcntl", None)
    with in_use(tmp_path):
        assert not is_in_use(tmp_path)
