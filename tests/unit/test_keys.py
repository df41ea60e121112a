"""Keys of results: all that decides a result is in them, the code that computes it included, and prose is not."""

from __future__ import annotations

import ast
from dataclasses import dataclass

import pytest

from experiments.storage import sources
from experiments.storage.cache import Store
from experiments.storage.keys import RESULT_STAGES, STAGE_CODE, digest
from experiments.storage.sources import code_digest, source_files
from tests.conftest import ROOT

CODE = '''"""A module."""

from dataclasses import dataclass


@dataclass
class Price:
    """A price."""

    energy_j: float
    """Energy. [J]"""


def double(price: Price) -> float:
    """Return twice the energy."""
    return 2 * price.energy_j  # in joules
'''

OTHER_PROSE = '''"""A module with a longer text.

It has two paragraphs.
"""
from dataclasses import dataclass
@dataclass
class Price:
    # no text at all
    energy_j: float
def double(
    price: Price,
) -> float:
    return 2*price.energy_j
'''


@dataclass
class Settings:
    rate: float = 0.1
    epochs: tuple[int, ...] = (1, 2)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The file of a module in a sub-package of a package `own`, which is all there is."""
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    path = tmp_path / "own" / "inner" / "price.py"
    path.parent.mkdir(parents=True)
    path.write_text(CODE)
    (tmp_path / "own" / "other.py").write_text("x = 1\n")
    return path


def digest_of(package, modules=("own",)):
    """The digest as a new process finds it."""
    code_digest.cache_clear()
    return code_digest(tuple(modules), package.parents[2] / "cache" / "code.json")


def test_prose_and_layout_do_not_change_the_digest_of_code(package):
    before = digest_of(package)
    package.write_text(OTHER_PROSE)
    assert digest_of(package) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [("2 *", "3 *"), ("double", "twice"), ("energy_j: float", "energy_j: float = 0.0"), ("return 2", "return -2")],
)
def test_a_change_of_nested_code_changes_its_digest(package, old, new):
    before = digest_of(package)
    package.write_text(CODE.replace(old, new))
    assert digest_of(package) != before
    assert digest_of(package, ["own.other"]) == digest_of(package, ["own.other"]) != before


def test_texts_that_are_values_are_code(package):
    package.write_text("x = 'one'\n")
    before = digest_of(package)
    package.write_text("x = 'two'\n")
    assert digest_of(package) != before


def test_unchanged_sources_are_not_parsed_again(package, monkeypatch):
    before = digest_of(package)
    monkeypatch.setattr(sources, "_meaning_of", None)
    assert digest_of(package) == before


def test_a_memory_that_is_damaged_or_cannot_be_written_is_done_without(package):
    before = digest_of(package)
    memory = package.parents[2] / "cache" / "code.json"
    memory.write_text("{")
    assert digest_of(package) == before
    memory.unlink()
    memory.mkdir()
    assert digest_of(package) == before


def test_a_module_that_is_not_there_is_named(package):
    with pytest.raises(ValueError, match=r"own\.missing: module not found"):
        source_files(["own.missing"])


GLUE = (
    "config/resolve", "cards/front_training", "cards/sections", "commands/robust", "pipeline/finetune",
    "pipeline/quantise", "pipeline/standalone", "pipeline/stages",
)  # fmt: skip
"""Modules that serve several stages: their own text is part of the code of each, not all that they import."""


@pytest.mark.parametrize("stage", STAGE_CODE)
def test_code_of_a_stage_is_complete(stage):
    """Every import of a stage's code from the lower packages is part of its code too."""
    files = set(source_files(STAGE_CODE[stage]))
    for path in sorted(files - {ROOT / "experiments" / f"{name}.py" for name in GLUE}):
        for name in imported_modules(path):
            if name.split(".")[0] in ("energy", "evo", "models"):
                module = ROOT / name.replace(".", "/")
                found = module.with_suffix(".py") if module.with_suffix(".py").is_file() else module / "__init__.py"
                is_bare = found.name == "__init__.py" and not ast.parse(found.read_text()).body[1:]
                assert is_bare or found in files, f"{path.relative_to(ROOT)} imports {name}, not in the code of {stage}"


@pytest.mark.parametrize(
    ("stage", "name"),
    [
        ("supernet", "pipeline/stages"), ("predictor", "pipeline/stages"), ("search", "pipeline/stages"),
        ("finetune", "pipeline/finetune"), ("quantise", "pipeline/quantise"),
        ("standalone", "pipeline/standalone"), ("standalone", "pipeline/finetune"),
        ("standalone", "cards/front_training"), ("card", "cards/sections"), ("robust", "commands/robust"),
    ],
)  # fmt: skip
def test_the_module_that_prepares_a_stage_is_part_of_its_code(stage, name):
    """It chooses what the stage computes from: a teacher, the first weights, rows that are evaluated."""
    assert ROOT / "experiments" / f"{name}.py" in source_files(STAGE_CODE[stage])


def imported_modules(path):
    """Modules of whose names a file imports something."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_other_code_of_a_stage_gives_it_another_key_and_leaves_the_others(tmp_path, monkeypatch):
    store = Store(root=tmp_path)
    before = {name: store.stage(name, {"seed": 1}).key for name in STAGE_CODE}
    whole = code_digest

    def changed(modules, memory):
        return "changed" if "energy.planning" in modules else whole(modules, memory)

    monkeypatch.setattr("experiments.storage.cache.code_digest", changed)
    after = {name: store.stage(name, {"seed": 1}).key for name in STAGE_CODE}
    assert {name for name in before if before[name] != after[name]} == {"search", "robust"}


def test_stages_of_other_code_are_named(tmp_path):
    store = Store(root=tmp_path)
    code = store.present_code()
    assert tuple(code) == RESULT_STAGES
    assert store.changed_code({"code": code}) == ()
    assert store.changed_code({"code": {**code, "search": "older"}}) == ("search",)
    assert store.changed_code({}) == store.changed_code({"code": []}) == RESULT_STAGES


def test_a_stage_without_declared_code_has_no_key(tmp_path):
    with pytest.raises(KeyError, match="unheard"):
        Store(root=tmp_path).stage("unheard", {})


def test_a_record_stands_for_its_fields():
    assert digest(Settings()) == digest({"rate": 0.1, "epochs": [1, 2]}) != digest(Settings(rate=0.2))
    with pytest.raises(TypeError, match="JSON types and dataclasses, not set"):
        digest({1})
