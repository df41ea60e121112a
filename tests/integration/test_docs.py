"""Pages of docs/ say what is so: their files are written, their commands run, and shown output is what comes out.

In a page a block that begins with `# NAME.py`, `# NAME.toml` or `# NAME.csv` is a file, a line of an `sh` block is a
command, which may end with `# exit status N`, and a `text` block behind it is the output of its last command, where a
line of `...` stands for any lines.

Every other command of a page or a README is checked as far as seconds allow: lists, `choose` and `table` run, the
config of a `search` is checked with its settings, and the others, which train for minutes or hours, want files of the
reader's own or write into a run, are parsed with their options and no more.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from experiments.cli import _parser, main
from experiments.config.read import read_config
from experiments.storage.tables import read_table
from tests.conftest import ROOT
from tests.integration.conftest import TINY

PAGES = {"networks.md": 10, "own-space.md": 2, "own-board.md": 7, "paper-table.md": 10}
"""Pages that are run from top to bottom, and how many commands each has at least."""

TEXTS = {
    "README.md": 40, "docs/datasets.md": 2, "docs/finished-runs.md": 10, "docs/grids.md": 5, "docs/networks.md": 10,
    "docs/own-board.md": 8, "docs/own-space.md": 2, "docs/paper-table.md": 12, "docs/programs.md": 4,
    "docs/report.md": 1, "docs/finding-your-way.md": 0,
    "docs/fronts/cifar10/README.md": 3,
}  # fmt: skip
"""All that a user reads, and how many commands each has at least."""

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(?:^ *|`|^\$ |; do )(ebbnas [^`;>#]+?)(?=`|;| > |  +#|$)", re.MULTILINE)
_SHIPPED = ("watch", "ebb1d", "fashion", "cifar10", "speech")
_SMALLER = {
    "own-board.md": TINY,
    "own-space.md": ("data.name=synthetic", "search.evaluations=20", "search.population=10"),
}
"""Settings that the searches of a page run with as well: generated waves, few designs, and little space."""

_AT_ONCE = {"devices", "supplies", "spaces", "choose", "table"}
"""Commands that also run where a text outside of `PAGES` names them: no training, nothing written, on any run."""


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


def shown(block, output):
    """Whether a page shows an output, where `...` stands for any lines."""
    pattern = "(?s:.*)".join(re.escape(part.rstrip("\n")) for part in re.split(r"^\.\.\.$", block, flags=re.MULTILINE))
    return re.fullmatch(pattern, output.rstrip()) is not None


def of_checkout(argument):
    """A path of the checkout made whole; everything else as it is."""
    folder = argument.partition("/")[0]
    return str(ROOT / argument) if folder in ("docs", "experiments", "tests") else argument


@pytest.fixture
def stand_for(tiny_run, tmp_path, monkeypatch):
    """What the names in a page stand for, in an empty folder; the runs of several seeds lie in its `runs`."""
    monkeypatch.chdir(tmp_path)
    for seed in range(3):
        config = shutil.copytree(tiny_run, tmp_path / "runs" / f"little-{seed}") / "config.toml"
        text = config.read_text()
        assert "seed = 0" in text
        config.write_text(text.replace("seed = 0", f"seed = {seed}"))
    run = str(shutil.copytree(tiny_run, tmp_path / "one run"))
    return {"RUN": run, "THE_OTHER_RUN": run, "ID": read_table(tiny_run / "fronts.parquet")[0]["id"]}


def filled(arguments, stand_for):
    """Arguments as a shell would hand them over in that folder."""
    for argument in arguments:
        if argument == "runs/*":
            yield from sorted(str(path) for path in Path("runs").glob("little-*"))
        else:
            yield stand_for.get(argument, of_checkout(argument))


@pytest.mark.parametrize("page", [pytest.param(page, marks=[pytest.mark.slow] * (page in _SMALLER)) for page in PAGES])
def test_a_page_says_what_is_so(page, capsys, stand_for, tmp_path):
    output, n_commands = "", 0
    for language, content in blocks(page):
        if content.startswith("# ") and "." in (name := content.splitlines()[0].removeprefix("# ")):
            (tmp_path / name).write_text(content, encoding="utf-8")
        elif language == "sh":
            for arguments, status in commands(content):
                if arguments[0] == "search":
                    arguments = [*arguments, *(word for setting in _SMALLER[page] for word in ("--set", setting))]
                assert main(list(filled(arguments, stand_for))) == status, arguments
                captured = capsys.readouterr()
                output = (captured.out if status < 2 else captured.err).replace(f"{ROOT}/", "")
                n_commands += 1
        elif language == "text":
            assert shown(content, output), f"{content}\n---\n{output}"
    assert n_commands >= PAGES[page]


def all_commands(text):
    """Arguments of every command in a text: of blocks, of loops and between backticks; options in brackets too."""
    for found in _COMMAND.finditer(re.sub(r" *\\\n\s*", " ", text)):
        arguments = shlex.split(re.sub(r"[\[\]]", " ", found[1]))[1:]
        if len(arguments) > 1 or arguments[0] in ("devices", "datasets", "spaces", "supplies"):
            yield [argument for argument in arguments if argument != "..."]


def parsed(arguments):
    """What the parser makes of a command; what it does not know is a mistake."""
    parser, known = _parser()
    assert arguments[0] in known, arguments
    options, unknown = parser.parse_known_args(arguments)
    assert unknown == [], arguments
    return options


@pytest.mark.parametrize("text", TEXTS)
def test_every_command_of_a_text_is_understood(text, stand_for, capsys):
    found = [
        [re.sub(r"^runs/watch-\w+", "RUN", re.sub(r"(?<=\w)\|.*", "", argument)) for argument in arguments]
        for arguments in all_commands((ROOT / text).read_text(encoding="utf-8"))
    ]
    assert len(found) >= TEXTS[text]
    for arguments in found:
        options = parsed(arguments)
        if options.command == "search" and options.config in _SHIPPED:
            settings = [setting.replace("$seed", "0").replace("$rate", "0.25") for setting in options.set]
            read_config(options.config, settings=settings, budgets=options.budgets)
        elif options.command in _AT_ONCE and "--out" not in arguments:
            assert main(list(filled(arguments, stand_for))) in (0, 1), arguments
            assert capsys.readouterr().out


def test_the_list_of_commands_is_complete():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `ebbnas")]
    listed = {word for row in rows for name in re.findall(r"`(?:ebbnas )?([^`]+)`", row) for word in name.split()[:1]}
    assert listed == set(_parser()[1])


def test_no_text_is_forgotten():
    found = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")} | {"README.md"}
    assert found == set(TEXTS)


def test_the_map_of_the_rooms_has_every_folder_and_no_other_and_its_files_exist():
    text = (ROOT / "docs" / "finding-your-way.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+/(?:\w+/)?)` \|", text, re.MULTILINE)
    packages = ("energy", "models", "evo", "experiments")
    folders = {f"{package}/" for package in packages}
    folders |= {
        f"{path.parent.relative_to(ROOT)}/" for package in packages for path in (ROOT / package).glob("*/__init__.py")
    }
    assert sorted(listed) == sorted(folders)
    named = re.findall(r"`((?:energy|models|evo|experiments)/[\w./]+)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []
