"""`ebbnas datasets`: what is included, what needs a folder, what was found in one, and a folder that is none."""

from __future__ import annotations

import json

import pytest

from experiments.cli import main
from experiments.commands import lists as listings


def listed(capsys, *arguments):
    assert main(["datasets", *arguments, "--json"]) == 0
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)["datasets"]}


def test_without_a_folder_every_data_set_says_whether_it_needs_one(capsys):
    found = listed(capsys)
    statuses = {name: row["status"] for name, row in found.items()}
    assert statuses == {
        "watch": "shipped",
        "fashion": "shipped",
        "cifar10": "needs --data-dir",
        "uci-har": "needs --data-dir",
        "speech": "needs --data-dir",
        "synthetic": "generated",
    }
    assert all(row["source"] and row["licence"] for row in found.values())


def test_a_folder_is_looked_in_for_each_of_them(capsys, tmp_path):
    (tmp_path / "speech").mkdir()
    (tmp_path / "speech" / "testing_list.txt").touch()
    found = listed(capsys, "--data-dir", str(tmp_path))
    assert found["speech"]["status"] == f"found in {tmp_path / 'speech'}"
    assert (found["cifar10"]["status"], found["fashion"]["status"]) == ("not found", "shipped")
    assert "data_batch_1.bin" in found["cifar10"]["problem"]


def test_printout_says_what_to_put_where(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(listings, "FULL_FASHION", tmp_path / "nowhere")
    assert main(["datasets"]) == 0
    last = capsys.readouterr().out.splitlines()[-3:]
    assert [line.split(" needs a folder with ")[0] for line in last] == ["cifar10", "uci-har", "speech"]
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").touch()
    assert main(["datasets", "--data-dir", str(tmp_path)]) == 0
    assert "the version for Python is there, whose pickles are never read" in capsys.readouterr().out


def test_the_full_fashion_set_is_mentioned_where_a_package_installed_it_and_not_read(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(listings, "FULL_FASHION", tmp_path)
    assert main(["datasets"]) == 0
    assert f"fashion: the full set is found with --data-dir {tmp_path}" in capsys.readouterr().out
    assert listed(capsys)["fashion"]["status"] == "shipped"


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_a_folder_that_is_none_is_one_line(capsys, tmp_path, arguments):
    assert main(["datasets", "--data-dir", str(tmp_path / "gone"), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [f"ebbnas: --data-dir must name a folder; not found: {tmp_path / 'gone'}"]
