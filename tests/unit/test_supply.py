"""Supplies: budgets by hand, families of capacitors, and what is refused."""

import math

import pytest

from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import Supply, read_supply_family, supply_names

FIELDS = dict(
    capacitance_f=5e-3, resistance_ohm=2800.0, v_supply_v=5.892, v_on_v=4.535, v_off_v=3.29, usable_fraction=0.6
)


def test_the_budget_is_a_share_of_the_energy_between_the_thresholds():
    supply = Supply(**FIELDS)
    # 5e-3 x (4.535^2 - 3.29^2) / 2 = 5e-3 x (20.566225 - 10.8241) / 2 = 0.0243553125
    assert supply.stored_energy_j == pytest.approx(0.0243553125, rel=1e-12)
    assert supply.cycle_budget_j == pytest.approx(0.6 * 0.0243553125, rel=1e-12)


def test_a_full_discharge_recharges_from_the_cut_off_voltage():
    supply = Supply(**FIELDS)
    # R C ln((5.892 - 3.29) / (5.892 - 4.535)) = 14 s x ln(2.602 / 1.357)
    assert supply.recharge_time_s(supply.stored_energy_j) == pytest.approx(14.0 * math.log(2.602 / 1.357), rel=1e-12)


def test_the_margin_limits_the_plan_and_not_the_physics():
    narrow, wide = (Supply(**{**FIELDS, "usable_fraction": fraction}) for fraction in (0.3, 0.9))
    assert narrow.recharge_time_s(1e-3) == wide.recharge_time_s(1e-3)
    assert narrow.cycle_budget_j < wide.cycle_budget_j


def test_margin_scaled_recharge_follows_its_formula():
    supply = Supply(
        capacitance_f=1e-3,
        resistance_ohm=52.0,
        v_supply_v=3.0,
        v_on_v=2.99,
        v_off_v=2.8,
        usable_fraction=0.55,
        recharge="margin-scaled",
    )
    # E_av = 0.55 x 1e-3 x (2.99^2 - 2.8^2) / 2 = 3.025275e-4 ; V(E_av) = Voff
    assert supply.cycle_budget_j == pytest.approx(3.0252750000000e-4, rel=1e-9)
    assert supply.recharge_time_s(supply.cycle_budget_j) == pytest.approx(0.052 * math.log(0.2 / 0.01), rel=1e-9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"v_on_v": 6.0}, "v_supply_v must be above v_on_v 6, not 5.892"),
        ({"v_off_v": 4.6}, "v_on_v must be above v_off_v 4.6, not 4.535"),
        ({"usable_fraction": 1.2}, "usable_fraction must be at most 1, not 1.2"),
        ({"usable_fraction": 0}, "usable_fraction must be above 0, not 0"),
        ({"capacitance_f": -1e-3}, "capacitance_f must be above 0, not -0.001"),
        ({"resistance_ohm": float("nan")}, "resistance_ohm must be a finite number, not nan"),
        ({"resistance_ohm": "2800"}, "resistance_ohm must be a finite number, not '2800'"),
        ({"recharge": "margin-scale"}, "did you mean 'margin-scaled'"),
        ({"capacitence_f": 1.0}, "unknown key 'capacitence_f'; did you mean 'capacitance_f'"),
    ],
)
def test_a_supply_that_cannot_be_is_refused_with_field_rule_and_value(changes, message):
    with pytest.raises(ValueError, match=message):
        Supply.from_dict({**FIELDS, **changes})


def test_a_supply_survives_being_written_and_read():
    supply = Supply(**FIELDS, recharge="margin-scaled")
    assert Supply.from_dict(supply.to_dict()) == supply


def test_the_published_families_are_shipped_with_their_numbers():
    assert supply_names() == ("inas2021-activity", "inas2021-image", "inas2021-keyword", "tinas2025")
    listed = {
        "inas2021-image": {1e-3: 52, 5e-3: 24, 10e-3: 22},
        "inas2021-activity": {1e-3: 62, 5e-3: 41, 10e-3: 28},
        "inas2021-keyword": {1e-3: 62, 5e-3: 44, 10e-3: 35},
        "tinas2025": {5e-3: 2800, 470e-6: 3000, 100e-6: 3100},
    }
    for name, resistances in listed.items():
        family = read_supply_family(name)
        for capacitance_f, resistance_ohm in resistances.items():
            assert family.supply(capacitance_f=capacitance_f).resistance_ohm == resistance_ohm
            assert family.note(capacitance_f) is None


def test_another_capacitance_takes_the_nearest_resistance_on_a_log_scale_and_says_so():
    family = read_supply_family("tinas2025")
    # between 100 uF and 470 uF the border is sqrt(100 x 470) = 216.8 uF
    assert family.supply(capacitance_f=216e-6).resistance_ohm == 3100
    assert family.supply(capacitance_f=218e-6).resistance_ohm == 3000
    assert family.supply(capacitance_f=47e-6).resistance_ohm == 3100
    note = "supply tinas2025: no harvester resistance listed for 47 uF; using 3.1 kohm, the value for 100 uF"
    assert family.note(47e-6) == note
    assert "for 1 mF; using" in family.note(1e-3)


def test_an_explicit_resistance_wins():
    assert read_supply_family("tinas2025").supply(capacitance_f=47e-6, resistance_ohm=1234.5).resistance_ohm == 1234.5


def test_both_published_supplies_recharge_concavely():
    assert all(read_supply_family(name).supply().has_concave_recharge for name in supply_names())


def test_an_unknown_supply_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'tinas2025'"):
        read_supply_family("tinas2052")


def test_a_supply_file_is_checked(tmp_path):
    text = """
schema = 1
name = "mine"
source = "bench"
default_capacitance_f = 1e-3
v_supply_v = 4.0
v_on_v = 3.0
v_off_v = 2.0
usable_fraction = 0.5
[[harvester]]
capacitance_f = 1e-3
resistance_ohm = 100
"""
    path = tmp_path / "mine.toml"
    path.write_text(text)
    assert read_supply_family(path).supply().v_on_v == 3.0
    for old, new, message in (
        ("v_on_v = 3.0", "v_on_v = 4.5", "v_supply_v must be above v_on_v 4.5, not 4"),
        ("schema = 1", "schema = 2", "schema must be 1, not 2"),
        ("resistance_ohm = 100", "resistance_ohm = -1", "resistance_ohm must be above 0, not -1"),
        ("v_off_v", "v_of_v", "unknown key 'v_of_v'; did you mean 'v_off_v'"),
        ("default_capacitance_f = 1e-3", "default_capacitance_f = 2e-3", "default_capacitance_f must be one of"),
    ):
        path.write_text(text.replace(old, new))
        with pytest.raises(ValueError, match=message):
            read_supply_family(path)


def test_no_scenarios_are_refused():
    with pytest.raises(ValueError, match="supplies must not be empty"):
        Scenarios.of([])
