"""Recharge times equal the charging equation integrated in small steps, and have its shape."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import Supply, read_supply_family, supply_names


@st.composite
def supplies(draw, recharge="energy-balance"):
    """Supplies whose charging is concave or not, of any size."""
    v_supply_v = draw(st.floats(1.0, 10.0))
    v_on_v = v_supply_v * draw(st.floats(0.3, 0.999))
    return Supply(
        capacitance_f=draw(st.floats(1e-6, 1e-1)),
        resistance_ohm=draw(st.floats(1.0, 1e4)),
        v_supply_v=v_supply_v,
        v_on_v=v_on_v,
        v_off_v=v_on_v * draw(st.floats(0.05, 0.99)),
        usable_fraction=draw(st.floats(0.05, 1.0)),
        recharge=recharge,
    )


shares = st.floats(0.001, 0.999)


def integrated_s(supply, start_v, n_steps=4000):
    """Charge from `start_v` to the boot voltage in small voltage steps, dt = R C dV / (Vs - V) at their middles."""
    edges_v = np.linspace(start_v, supply.v_on_v, n_steps + 1)
    middles_v = (edges_v[1:] + edges_v[:-1]) / 2
    step_v = (supply.v_on_v - start_v) / n_steps
    return float((supply.resistance_ohm * supply.capacitance_f * step_v / (supply.v_supply_v - middles_v)).sum())


def drained_v(supply, energy_j, n_steps=4000):
    """Take `energy_j` from a full capacitor bit by bit, dV = -dE / (C V) by the midpoint rule."""
    voltage_v, step_j = supply.v_on_v, energy_j / n_steps
    for _ in range(n_steps):
        middle_v = voltage_v - step_j / (2 * supply.capacitance_f * voltage_v)
        voltage_v -= step_j / (supply.capacitance_f * middle_v)
    return voltage_v


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.999])
@pytest.mark.parametrize("name", supply_names())
def test_recharge_time_matches_integration(name, share):
    """Both halves integrated: the voltage left after spending, and the climb back."""
    family = read_supply_family(name)
    for capacitance_f in family.resistance_ohm:
        shipped = family.supply(capacitance_f=capacitance_f)
        supply = Supply(**{**shipped.to_dict(), "recharge": "energy-balance"})
        energy_j = share * supply.stored_energy_j
        expected_s = integrated_s(supply, drained_v(supply, energy_j))
        assert supply.recharge_time_s(energy_j) == pytest.approx(expected_s, rel=1e-5)


@given(supplies(), shares)
def test_any_supply_recharges_as_its_charging_equation_says(supply, share):
    energy_j = share * supply.stored_energy_j
    left_v = np.sqrt(supply.v_on_v**2 - 2 * energy_j / supply.capacitance_f)
    assert supply.recharge_time_s(energy_j) == pytest.approx(integrated_s(supply, left_v), rel=1e-3)


@given(supplies(), shares)
def test_charging_puts_back_what_was_spent(supply, share):
    """Conservation: the charging power V (Vs - V) / R, integrated over the recharge, is the energy that was spent."""
    energy_j = share * supply.stored_energy_j
    duration_s = float(supply.recharge_time_s(energy_j))
    left_v = np.sqrt(supply.v_on_v**2 - 2 * energy_j / supply.capacitance_f)
    rc_s = supply.resistance_ohm * supply.capacitance_f
    times_s = (np.arange(20000) + 0.5) / 20000 * duration_s
    voltage_v = supply.v_supply_v - (supply.v_supply_v - left_v) * np.exp(-times_s / rc_s)
    power_w = voltage_v * (supply.v_supply_v - voltage_v) / supply.resistance_ohm
    assert power_w.mean() * duration_s == pytest.approx(energy_j, rel=1e-4)


@given(supplies(), shares, shares)
def test_spending_more_takes_longer_to_recharge(supply, one, other):
    less, more = sorted((one, other))
    times_s = supply.recharge_time_s(np.array([0.0, less, more]) * supply.stored_energy_j)
    assert times_s[0] == pytest.approx(0, abs=1e-12 * supply.resistance_ohm * supply.capacitance_f)
    assert times_s[0] <= times_s[1] <= times_s[2]


@given(supplies(), shares, shares)
def test_one_deep_discharge_recharges_faster_where_the_voltage_stays_above_half_the_source(supply, one, other):
    """t(a) + t(b) >= t(a + b): t is concave with t(0) = 0 wherever V >= Vs / 2."""
    if not supply.has_concave_recharge:
        supply = Supply(**{**supply.to_dict(), "v_on_v": 0.9 * supply.v_supply_v, "v_off_v": 0.5 * supply.v_supply_v})
    first, second = 0.5 * one * supply.stored_energy_j, 0.5 * other * supply.stored_energy_j
    apart_s = supply.recharge_time_s(first) + supply.recharge_time_s(second)
    assert supply.recharge_time_s(first + second) <= apart_s * (1 + 1e-9)


def test_a_source_far_above_the_capacitor_makes_recharging_convex():
    """V << Vs / 2 charges at nearly constant current: the voltage lost per joule grows, and so does the time."""
    supply = Supply(
        capacitance_f=1e-3, resistance_ohm=100.0, v_supply_v=10.0, v_on_v=3.0, v_off_v=1.0, usable_fraction=1.0
    )
    assert not supply.has_concave_recharge
    half_j = supply.stored_energy_j / 2
    assert supply.recharge_time_s(2 * half_j) > 2 * supply.recharge_time_s(half_j)


@given(supplies(recharge="margin-scaled"), shares)
def test_margin_scaled_recharge_starts_at_the_planned_energy(supply, share):
    """The 2021 formula: the capacitor is taken to hold the budget above the cut-off voltage, and climbs from there."""
    energy_j = share * supply.cycle_budget_j
    left_v = np.sqrt(2 * (supply.cycle_budget_j - energy_j) / supply.capacitance_f + supply.v_off_v**2)
    assert supply.recharge_time_s(energy_j) == pytest.approx(integrated_s(supply, left_v), rel=1e-3)


@given(supplies())
def test_both_recharge_formulas_agree_where_there_is_no_margin(supply):
    whole = Supply(**{**supply.to_dict(), "usable_fraction": 1.0})
    scaled = Supply(**{**whole.to_dict(), "recharge": "margin-scaled"})
    spent_j = np.linspace(0.1, 0.9, 9) * whole.stored_energy_j
    assert scaled.recharge_time_s(spent_j) == pytest.approx(whole.recharge_time_s(spent_j), rel=1e-6)


def test_scenarios_are_an_axis_of_independent_supplies():
    family = read_supply_family("tinas2025")
    supplies = [family.supply(capacitance_f=c) for c in (47e-6, 100e-6, 470e-6)]
    spent_j = np.array([1e-5, 5e-5])
    together_s = Scenarios.of(supplies).recharge_time_s(spent_j[:, None])
    assert together_s.shape == (2, 3)
    for column, supply in enumerate(supplies):
        assert np.array_equal(together_s[:, column], supply.recharge_time_s(spent_j))
