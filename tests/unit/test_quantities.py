"""Quantities as people write them."""

from __future__ import annotations

import pytest

from experiments.formatting.quantities import budget_name, parse, write


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("470uF", "F", 470e-6),
        ("470 µF", "F", 470e-6),
        ("5mF", "F", 5e-3),
        ("0.00047", "F", 470e-6),
        (4.7e-5, "F", 4.7e-5),
        ("2.8kohm", "ohm", 2800.0),
        ("2800", "ohm", 2800.0),
        ("60s", "s", 60.0),
        ("10min", "s", 600.0),
        ("1.5h", "s", 5400.0),
        ("2_048B", "B", 2048.0),
        ("2KiB", "B", 2048.0),
        ("1e-3 V", "V", 1e-3),
    ],
)
def test_quantities_become_the_nearest_float_in_si(text, unit, value):
    assert parse("x", text, unit) == value


@pytest.mark.parametrize("text", ["", "uF", "4.7e", "1,5mF", "nan", "inf", None, True, "1e999F"])
def test_what_is_no_quantity_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"capacitance must be .*"):
        parse("capacitance", text, "F")


def test_a_unit_of_another_kind_is_refused_with_the_nearest_one():
    with pytest.raises(ValueError, match=r"capacitance must be in F, such as 470uF, not '470uf'; did you mean 'uF'\?"):
        parse("capacitance", "470uf", "F")
    with pytest.raises(ValueError, match="must be in s, such as 10min, not '5mF'"):
        parse("time_limit", "5mF", "s")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (470e-6, "F", "470 uF"),
        (12.345, "s", "12.3 s"),
        (123456.0, "s", "123456 s"),
        (0.0123, "s", "12.3 ms"),
        (2800.0, "ohm", "2.8 kohm"),
        (999.9999, "J", "1 kJ"),
        (9.9996e-4, "J", "1 mJ"),
        (0.0, "J", "0 J"),
        (float("inf"), "s", "-"),
        (2048, "B", "2,048 B"),
    ],
)
def test_people_read_three_digits_and_a_prefix(value, unit, text):
    assert write(value, unit) == text


@pytest.mark.parametrize("capacitance_f", [47e-6, 100e-6, 470e-6, 5e-3, 1.5e-9, 0.1])
def test_the_name_of_a_budget_reads_back_as_the_budget(capacitance_f):
    assert parse("budget", budget_name(capacitance_f), "F") == capacitance_f
