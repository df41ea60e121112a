"""The store: nothing half written, the newest whole checkpoint counts."""

from __future__ import annotations

import errno
import json
import os
import re

import pytest

from experiments.storage.cache import Checkpoints, Store
from experiments.storage.files import append_log, read_json, write_bytes
from experiments.storage.keys import digest
from experiments.storage.run_folder import CONFIG_FILE, require_run_folder
from tests.support.logs import read_log


def test_a_digest_does_not_depend_on_the_order_of_keys():
    assert digest({"a": 1, "b": [2, 3]}) == digest({"b": [2, 3], "a": 1}) != digest({"a": 1, "b": [3, 2]})


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    write_bytes(path, b"old")

    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("experiments.storage.files.os.fsync", fail)
    with pytest.raises(OSError, match=r"No space left on device: .*result\.json"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


def test_the_last_two_checkpoints_are_kept(tmp_path):
    checkpoints = Checkpoints(folder=tmp_path)
    for step in (1, 2, 10):
        checkpoints.save(step, f"state {step}".encode())
    assert checkpoints.newest() == (10, b"state 10")
    assert checkpoints.newest(most=9) == (2, b"state 2")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_truncated_checkpoint_is_skipped(tmp_path):
    checkpoints = Checkpoints(folder=tmp_path)
    checkpoints.save(1, b"state 1")
    path = checkpoints.save(2, b"state 2")
    path.write_bytes(b"sta")
    assert checkpoints.newest() == (1, b"state 1")


def test_without_a_whole_checkpoint_there_is_none(tmp_path):
    checkpoints = Checkpoints(folder=tmp_path)
    assert checkpoints.newest() is None
    checkpoints.save(1, b"state 1").write_bytes(b"")
    assert checkpoints.newest() is None


def test_a_stage_has_a_folder_of_its_own_for_everything_it_reads(tmp_path):
    store = Store(root=tmp_path)
    one, same, other = (store.stage("supernet", {"epochs": epochs}) for epochs in (1, 1, 2))
    assert one.path == same.path != other.path
    assert one.path.parent == tmp_path / "cache"
    assert one.result() is None
    with one.locked():
        one.finish({"epochs": 1})
    assert same.result() == {"schema": 1, "epochs": 1}


def test_what_a_killed_write_left_behind_is_cleared_when_the_stage_is_taken_up_again(tmp_path):
    folder = Store(root=tmp_path).stage("search", {})
    folder.path.mkdir(parents=True)
    (folder.path / "checkpoint.bin.17.partial").write_bytes(b"half")
    with folder.locked():
        assert {path.name for path in folder.path.iterdir()} == {"lock"}


def test_a_log_line_cut_short_spoils_no_other(tmp_path):
    path = tmp_path / "log.jsonl"
    append_log(path, {"epoch": 1})
    with path.open("a") as file:
        file.write('{"epoch": ')
    append_log(path, {"epoch": 2})
    assert read_log(path) == [{"epoch": 1}, {"epoch": 2}]


@pytest.mark.parametrize(
    ("content", "message"), [(None, "file not found"), (b"{", "must be JSON"), (b"\xff\xfe", "must be JSON")]
)
def test_a_json_file_that_cannot_be_read_is_named(tmp_path, content, message):
    path = tmp_path / "design.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=f"design.json: {message}"):
        read_json(path)


def test_json_is_written_whole_and_refuses_what_json_cannot_say(tmp_path):
    from experiments.storage.files import write_json

    write_json(tmp_path / "a.json", {"x": 0.1})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": 0.1}
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "b.json", {"x": float("nan")})
    assert not (tmp_path / "b.json").exists()


def test_what_is_no_run_folder_is_said_with_its_reason(tmp_path):
    file, empty = tmp_path / "file", tmp_path / "empty"
    file.touch()
    empty.mkdir()
    for path, reason in (
        (file, "it is a file"),
        (empty, "no config.toml in it"),
        (tmp_path / "gone", "folder not found"),
    ):
        with pytest.raises(ValueError, match=re.escape(f"{path}: must be a run's folder ({reason})")):
            require_run_folder(path)
    (empty / CONFIG_FILE).touch()
    require_run_folder(empty)
