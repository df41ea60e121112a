"""Tables as text, LaTeX, HTML and Markdown: cells escaped, columns aligned, rules where they belong."""

import re

import pytest

from experiments.formatting.table import Table, escape_latex


def test_every_special_character_is_escape_latex():
    assert escape_latex("a_b & 5 % of $x^2$ #1 {~}") == (
        r"a\_b \& 5 \% of \$x\textasciicircum{}2\$ \#1 \{\textasciitilde{}\}"
    )
    assert escape_latex(r"\input") == r"\textbackslash{}input"
    assert escape_latex("47 µF <1>") == r"47 \textmu{}F \textless{}1\textgreater{}"
    assert escape_latex("two\nlines") == "two lines"


def test_a_table_has_the_rules_of_booktabs_and_parts_its_groups():
    found = Table(("budget", "n"), [("a", "1"), ("a", "-"), ("b", "3")]).to_latex()
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
    found = Table(("name", "n"), [("[x]", "1"), ("b", "2")]).to_latex()
    assert found.count(r"\midrule") == 1
    assert not re.search(r"^\[", found, flags=re.MULTILINE)


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="a row must have 2 cells, as the head has, not 1"):
        Table(("name", "n"), [("b",)])


def test_a_text_table_is_as_wide_as_its_cells_and_numbers_stand_to_the_right():
    assert Table(("name", "n"), [("a", "1"), ("long", "23")]).to_text().splitlines() == [
        "name   n",
        "----  --",
        "a      1",
        "long  23",
    ]


def test_cells_of_html_are_escaped_and_numbers_marked():
    found = Table(("name", "n"), [("<a>", "1")]).to_html()
    assert "<td>&lt;a&gt;</td>" in found
    assert '<th class="number">n</th>' in found
    assert '<td class="number">1</td>' in found


def test_a_bar_does_not_end_a_cell_of_markdown():
    assert Table(("name", "n"), [("a|b", "1")]).to_markdown().splitlines() == [
        "| name | n |",
        "| --- | ---: |",
        "| a/b | 1 |",
    ]
