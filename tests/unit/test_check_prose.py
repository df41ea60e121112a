"""The check of prose finds what it is for, and nothing in prose that keeps to the rules."""

import importlib.util
import sys

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def check():
    spec = importlib.util.spec_from_file_location("check_prose", ROOT / ".ci" / "check_prose.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


FUNCTION = 'def f():\n    """{} of a layer."""\n'
PROPERTY = 'class C:\n    """Layer."""\n\n    @property\n    def f(self):\n        """{} of a layer."""\n'


@pytest.mark.parametrize("word", ["What", "The", "Whether", "Returns", "Of", "Without"])
def test_a_function_that_does_not_begin_with_a_verb_is_found(check, word):
    (found,) = check.first_words("energy/a.py", FUNCTION.format(word))
    assert (found.line, repr(word) in found.text) == (2, True)


def test_a_property_begins_with_a_noun_and_a_function_with_a_verb(check):
    assert not list(check.first_words("energy/a.py", FUNCTION.format("Return the energy")))
    assert not list(check.first_words("energy/a.py", PROPERTY.format("Energy")))
    assert list(check.first_words("energy/a.py", PROPERTY.format("What is known")))
    assert list(check.first_words("energy/a.py", '"""How a layer is counted."""\n'))


def test_phrases_are_found_in_strings_and_comments_across_lines_but_not_in_names(check):
    source = 'x = 1  # one row a layer\n"""A sentence that which\n"""\ny = "there is\n none"\n'.replace(
        '"there is\n none"', '"there is none"'
    )
    found = list(check.phrases("energy/a.py", check.words_of(source)))
    assert [finding.line for finding in found] == [1, 2, 4]
    assert not list(check.phrases("energy/a.py", check.words_of("appraise = there_is_none = 1\n")))
    assert not list(check.phrases("energy/a.py", check.words_of('print(f"result: {told}")\n')))
    wrapped = [(7, "A table has one\nrow a\nlayer.")]
    assert [finding.line for finding in check.phrases("a.md", iter(wrapped))] == [8]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("100 designs a second.", ["designs a second"]),
        ("writes a second record", []),
        ("the board is told and judged", ["told", "judged"]),
        ("plays a plan, played twice", ["plays a", "played"]),
        ("it plays no part", []),
        ("a shipped file, `models/data/shipped/watch.md`", ["shipped"]),
        ("COST_MODEL section 3 of the interface", ["COST_MODEL"]),
        ("the run is of another version, of no use", ["is of"]),
    ],
)
def test_phrases_and_what_resembles_them(check, text, words):
    found = check.phrases("a.md", iter([(1, text)]))
    assert [finding.text.split("'")[1] for finding in found] == words


def test_a_folder_with_findings_fails_and_one_without_passes(check, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(check, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text("All is well.\n")
    assert check.main(["docs"]) == 0
    (tmp_path / "docs" / "page.md").write_text("All is well,\nwhatever comes.\n")
    assert check.main(["docs"]) == 1
    assert "docs/page.md:2: 'whatever'; write" in capsys.readouterr().out
    assert check.main(["--count"]) == 1
    assert "1 docs" in capsys.readouterr().out
