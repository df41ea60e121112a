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


@pytest.mark.parametrize("word", ["What", "The", "Whether", "Returns", "Of"])
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
    wrapped = [(7, "A table has one\nrow a\nlayer.")]
    assert [finding.line for finding in check.phrases("a.md", iter(wrapped))] == [8]
