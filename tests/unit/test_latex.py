"""LaTeX tables: every special character escaped, rules where they belong."""

import re

import pytest

from experiments.formatting.latex import booktabs, escaped


def test_every_special_character_is_escaped():
    assert escaped("a_b & 5 % of $x^2$ #1 {~}") == (
        r"a\_b \& 5 \% of \$x\textasciicircum{}2\$ \#1 \{\textasciitilde{}\}"
    )
    assert escaped(r"\input") == r"\textbackslash{}input"
    assert escaped("47 µF <1>") == r"47 \textmu{}F \textless{}1\textgreater{}"
    assert escaped("two\nlines") == "two lines"


def test_a_table_has_the_rules_of_booktabs_and_parts_its_groups():
    found = booktabs(("budget", "n"), [("a", "1"), ("a", "-"), ("b", "3")])
    assert found.splitlines() == [
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"budget & n \\",
        r"\midrule",
        r"a & 1 \\",
        r"a & -- \\",
        r"\midrule",
        r"b & 3 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_rows_that_all_differ_have_no_inner_rules_and_no_row_reads_as_an_option():
    found = booktabs(("name", "n"), [("[x]", "1"), ("b", "2")])
    assert found.count(r"\midrule") == 1
    assert not re.search(r"^\[", found, flags=re.MULTILINE)


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="a row must have 2 cells, as the head has, not 1"):
        booktabs(("name", "n"), [("b",)])
