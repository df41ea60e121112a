"""Pages of docs/ say what is so: their files are written, their commands run, and shown output is what comes out.

In a page a block that begins with `# NAME.py` or `# NAME.toml` is a file, a line of an `sh` block is a command, which
may end with `# exit status N`, and a `text` block behind it is the output of its last command.
"""

from __future__ import annotations

import re
import shlex

import pytest

from experiments.cli import main
from experiments.columns import read_table
from tests.conftest import ROOT

PAGES = {"networks.md": 10, "own-space.md": 2}
"""Tested pages, and how many commands each has at least."""

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    """Language and content of every fenced block of a page."""
    return _BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))


def commands(content):
    """Arguments and expected exit status of every line."""
    for line in content.splitlines():
        command, _, remark = line.partition("#")
        status = re.search(r"exit status (\d)", remark)
        program, *arguments = shlex.split(command)
        assert program == "ebbnas", line
        yield arguments, int(status[1]) if status else 0


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_what_is_so(page, capsys, monkeypatch, tiny_run, tmp_path):
    row = read_table(tiny_run / "fronts.parquet")[0]
    stand_for = {"RUN": str(tiny_run), "ID": row["id"]}
    monkeypatch.chdir(tmp_path)
    output, n_commands = "", 0
    for language, content in blocks(page):
        if content.startswith("# ") and "." in (name := content.splitlines()[0].removeprefix("# ")):
            (tmp_path / name).write_text(content, encoding="utf-8")
        elif language == "sh":
            for arguments, status in commands(content):
                assert main([stand_for.get(argument, argument) for argument in arguments]) == status, arguments
                captured = capsys.readouterr()
                output = captured.out if status == 0 else captured.err
                n_commands += 1
        elif language == "text":
            assert output.rstrip() == content.rstrip()
    assert n_commands >= PAGES[page]


def test_a_page_is_taken_apart_as_its_reader_sees_it():
    found = _BLOCK.findall("a\n```sh\nebbnas plan x\n```\nb\n```text\nout\n\nput\n```\n")
    assert found == [("sh", "ebbnas plan x\n"), ("text", "out\n\nput\n")]
    assert list(commands("ebbnas plan 'a b' --json\nebbnas price x  # exit status 1\n")) == [
        (["plan", "a b", "--json"], 0),
        (["price", "x"], 1),
    ]
