"""Calibration: robust fits, their intervals, the device made of them, and devices at the ends of their intervals."""

import pickle
import tomllib
from importlib import resources

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.hardware.calibration import Measurements, calibrated, fit_events
from energy.hardware.device import _device, read_device
from energy.hardware.robust_fit import fit_constant, fit_line, robust_regression, student_quantile

NAME = "msp430fr5994-tinas2025"
BASE = tomllib.loads((resources.files("energy.hardware") / "devices" / f"{NAME}.toml").read_text())
SIZES = np.repeat([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0], 3)
CALL_J, WORD_J = 1.9e-7, 2.4e-8


def rows_of(device, *, noise=0.0, seed=0):
    """Measurements of a device's own prices: 21 rows a line, 6 a constant, times beside energies."""
    rng, rows = np.random.default_rng(seed), []
    for event, unit in (("nvm_read", "word"), ("nvm_write", "word"), ("vector_mac", "element")):
        line = device[event]
        for size in SIZES:
            energy_j = line["energy_per_call_j"] + size * line[f"energy_per_{unit}_j"]
            cycles = line["cycles_per_call"] + size * line[f"cycles_per_{unit}"]
            rows.append((event, int(size), energy_j, cycles / device["clock_hz"]))
    for event, entry in device["cpu"].items():
        rows += [(event, 1, entry["energy_j"], entry["cycles"] / device["clock_hz"])] * 6
    rows += [("reboot", 1, device["reboot"]["energy_j"], device["reboot"]["time_s"])] * 6
    event, size, energy_j, time_s = zip(*rows, strict=True)
    scatter = 1.0 + noise * rng.standard_normal((2, len(rows)))
    return dict(
        event=event,
        size=np.array(size),
        energy_j=np.array(energy_j) * scatter[0],
        time_s=np.array(time_s) * scatter[1],
        repeats=np.full(len(rows), 1000),
        row=tuple(range(2, len(rows) + 2)),
    )


def device_of(rows):
    content = calibrated(fit_events(Measurements(**rows)), BASE, name="board", source="test")
    return content, _device(content)


def with_uncertainty(**lines):
    fractions = {
        line: dict(zip(("energy_fraction", "time_fraction"), pair, strict=True)) for line, pair in lines.items()
    }
    return _device({**BASE, "uncertainty": fractions})


# Fits


def test_perfect_lines_come_back_whatever_the_outliers():
    values = CALL_J + WORD_J * SIZES
    values[[1, 9, 13, 20]] *= [3.0, 0.2, 1.5, 10.0]
    fit = fit_line(SIZES, values, np.full(len(SIZES), 100.0))
    assert fit.per_call == pytest.approx(CALL_J, rel=1e-9, abs=0)
    assert fit.per_unit == pytest.approx(WORD_J, rel=1e-9, abs=0)
    assert fit.n_set_aside == 4
    assert fit.relative_rms < 1e-12
    assert fit.relative_largest == pytest.approx(9.0)


@pytest.mark.parametrize("kind", ["share of the price", "fixed amount"])
def test_nineteen_of_twenty_intervals_hold_the_price_at_every_size(kind):
    rng, prices, held, n = np.random.default_rng(5), CALL_J + WORD_J * SIZES, 0, 60
    for _ in range(n):
        scatter = rng.standard_normal(len(SIZES))
        noise = 0.01 * prices * scatter if kind == "share of the price" else 0.02 * CALL_J * scatter
        fit = fit_line(SIZES, prices + noise, np.full(len(SIZES), 100.0))
        off = (fit.per_call + fit.per_unit * SIZES) / prices - 1.0
        held += np.max(np.abs(off)) <= fit.half_fraction
    # 95 % of 60 are 57; 3.5 standard deviations sqrt(60 x 0.95 x 0.05) = 1.7 below that are 51
    assert held >= 51
    assert fit.half_fraction < 0.03


def test_noise_and_outliers_leave_the_coefficients_in_their_intervals():
    rng = np.random.default_rng(1)
    values = (CALL_J + WORD_J * SIZES) * (1.0 + 0.01 * rng.standard_normal(len(SIZES)))
    values[[0, 10, 19]] *= 4.0
    fit = fit_line(SIZES, values, np.full(len(SIZES), 100.0))
    assert abs(fit.per_call - CALL_J) <= fit.per_call_half < 0.05 * CALL_J
    assert abs(fit.per_unit - WORD_J) <= fit.per_unit_half < 0.05 * WORD_J


def test_rows_far_off_move_a_noisy_fit_by_less_than_a_percent():
    rng = np.random.default_rng(1)
    values = (CALL_J + WORD_J * SIZES) * (1.0 + 0.01 * rng.standard_normal(len(SIZES)))
    off = np.array([0, 10, 19])
    kept = np.setdiff1d(np.arange(len(SIZES)), off)
    without = fit_line(SIZES[kept], values[kept], np.full(len(kept), 100.0))
    values[off] *= 1.3
    fit = fit_line(SIZES, values, np.full(len(SIZES), 100.0))
    assert fit.n_set_aside == 3
    assert (fit.per_call, fit.per_unit) == pytest.approx((without.per_call, without.per_unit), rel=0.01)


def test_a_negative_intercept_is_clipped_and_said():
    fit = fit_line(SIZES, 3e-9 * SIZES - 5e-10, np.ones(len(SIZES)))
    assert (fit.per_call, fit.clipped) == (0.0, "per_call")
    assert 0 < fit.per_unit <= 3e-9


def test_a_falling_line_becomes_a_constant():
    fit = fit_line(SIZES, 1e-6 - 1e-10 * SIZES, np.ones(len(SIZES)))
    assert (fit.per_unit, fit.clipped) == (0.0, "per_unit")
    assert 0.99e-6 < fit.per_call < 1e-6


def test_rows_of_more_repeats_count_more():
    # 1 and 1.02 with weights 3 and 1, far inside the biweight: close to 1.005
    fit = fit_constant(np.array([1.0, 1.02] * 4), np.array([300.0, 100.0] * 4))
    assert fit.per_call == pytest.approx(1.005, abs=1e-3)


def test_two_rows_give_a_line_and_no_interval():
    fit = fit_line(np.array([1.0, 11.0]), np.array([3.0, 23.0]), np.array([1.0, 9.0]))
    assert (fit.per_call, fit.per_unit) == pytest.approx((1.0, 2.0))
    assert fit.half_fraction is None
    assert fit.per_call_half is None


def test_a_third_row_off_the_line_is_not_thrown_away():
    fit = fit_line(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.2, 3.0]), np.ones(3))
    assert fit.n_set_aside == 0
    assert fit.half_fraction > 0.1


def test_quantiles_of_student_are_those_of_tables():
    assert [student_quantile(n, 0.975) for n in (1, 2, 3, 10, 1000)] == pytest.approx(
        [12.7062, 4.3027, 3.1824, 2.2281, 1.9623], rel=2e-3
    )


@given(
    seed=st.integers(0, 10**6),
    scale=st.floats(0.01, 100.0),
    sign=st.sampled_from([-1.0, 1.0]),
    shift=st.floats(-50.0, 50.0),
    slope=st.floats(-50.0, 50.0),
    stretch=st.floats(0.1, 10.0),
)
def test_the_line_moves_with_affine_changes_of_values_and_sizes(seed, scale, sign, shift, slope, stretch):
    rng = np.random.default_rng(seed)
    sizes = rng.uniform(1.0, 50.0, 12)
    values = 3.0 + 2.0 * sizes + rng.standard_normal(12)
    weights = rng.uniform(0.5, 2.0, 12)

    def line(sizes, values):
        return robust_regression(np.stack([np.ones(12), sizes], axis=1), values, weights)

    plain = line(sizes, values)
    moved = line(stretch * sizes, sign * scale * values + shift + slope * sizes)
    intercept, gradient = plain.coefficients
    expected = (sign * scale * intercept + shift, (sign * scale * gradient + slope) / stretch)
    assert moved.coefficients == pytest.approx(expected, rel=1e-6, abs=1e-6 * (scale + abs(shift) + abs(slope)))
    assert np.diag(moved.covariance) == pytest.approx(
        np.diag(plain.covariance) * scale**2 / np.array([1.0, stretch**2]), rel=1e-5
    )


# Devices


def test_perfect_measurements_of_a_device_give_it_back():
    content, device = device_of(rows_of(BASE))
    original = read_device(NAME)
    for table in ("published", "exact"):
        for field in ("energy_j", "time_s"):
            found, known = getattr(getattr(device, table), field), getattr(getattr(original, table), field)
            assert found.keys() == known.keys()
            for event, price in known.items():
                if table == "exact" or event != "batch_norm_elements":
                    assert found[event] == pytest.approx(price, rel=1e-9, abs=0), event
    assert content["max_vector"] == 64
    assert list(content) == [*BASE, "uncertainty"]


def test_noisy_measurements_enclose_the_prices_between_the_ends():
    _, device = device_of(rows_of(BASE, noise=0.01, seed=3))
    truth, low, high = read_device(NAME).exact, device.at_end(-1).exact, device.at_end(1).exact
    counts = {"input_fetch_calls": 10, "input_fetch_words": 250, "mac_calls": 40, "mac_elements": 640, "reboots": 1}
    for order in range(3):
        assert low.energy_of(counts, order) <= truth.energy_of(counts, order) <= high.energy_of(counts, order)
        assert low.time_of(counts, order) <= truth.time_of(counts, order) <= high.time_of(counts, order)


def test_what_was_not_measured_stays_that_of_the_base():
    rows = rows_of(BASE)
    kept = [index for index, event in enumerate(rows["event"]) if event == "nvm_read"]
    rows = {
        key: tuple(np.array(value)[kept]) if key in ("event", "row") else value[kept] for key, value in rows.items()
    }
    known = {"energy_fraction": 0.5, "time_fraction": 0.25}
    base = {**BASE, "max_vector": 77, "uncertainty": {"cpu": known, "nvm_read": known}}
    content = calibrated(fit_events(Measurements(**rows)), base, name="board", source="test")
    assert content["max_vector"] == 77
    assert all(content[table] == BASE[table] for table in ("nvm_write", "vector_mac", "cpu", "reboot", "overhead"))
    assert content["uncertainty"]["cpu"] == known
    assert content["uncertainty"]["nvm_read"]["energy_fraction"] < 1e-9


def test_doubtful_fits_say_why():
    rows = rows_of(BASE)
    kept = [
        index for index, event in enumerate(rows["event"]) if event == "nvm_read" and rows["size"][index] in (16, 32)
    ]
    rows = {
        key: tuple(np.array(value)[kept]) if key in ("event", "row") else value[kept] for key, value in rows.items()
    }
    rows["energy_j"] = rows["energy_j"] * np.array([0.7, 1.0, 1.3, 0.7, 1.0, 1.3])
    warnings = " ".join(fit_events(Measurements(**rows))["nvm_read"].warnings)
    assert "at 2 sizes only" in warnings
    assert "short range" in warnings
    assert "the fit is poor" in warnings


def test_ends_move_each_line_by_its_own_fraction_and_overheads_by_that_of_the_cpu():
    device = with_uncertainty(nvm_read=(0.10, 0.20), cpu=(0.50, 0.0))
    plain, high = read_device(NAME), device.at_end(1)
    read, cpu = BASE["nvm_read"], BASE["cpu"]
    # an input fetch: its line + 10 %, and 8 additions with 4 multiplications + 50 %; in time 430 cycles + 20 %
    call_j = 1.1 * read["energy_per_call_j"] + 1.5 * (8 * cpu["add"]["energy_j"] + 4 * cpu["multiply"]["energy_j"])
    call_s = (1.2 * 430 + 8 * 12 + 4 * 45) / 16e6
    for prices in (high.published, high.exact):
        assert prices.energy_j["input_fetch_calls"] == pytest.approx([call_j] * 3, rel=1e-12)
        assert prices.time_s["input_fetch_calls"] == pytest.approx([call_s] * 3, rel=1e-12)
        assert prices.energy_j["input_fetch_words"] == pytest.approx([1.1 * read["energy_per_word_j"]] * 3, rel=1e-12)
    assert high.exact.energy_j["epilogues"] == pytest.approx(1.5 * plain.exact.energy_j["epilogues"], rel=1e-12)
    assert np.array_equal(high.exact.energy_j["output_write_words"], plain.exact.energy_j["output_write_words"])
    low = device.at_end(-1)
    assert low.exact.energy_j["epilogues"] == pytest.approx(0.5 * plain.exact.energy_j["epilogues"], rel=1e-12)
    assert not low.uncertainty
    assert np.array_equal(low.at_end(1).exact.energy_j["epilogues"], low.exact.energy_j["epilogues"])


def test_no_end_lies_below_nothing():
    low = with_uncertainty(reboot=(2.0, 0.5)).at_end(-1)
    assert low.exact.energy_j["reboots"].tolist() == [0.0] * 3
    assert low.exact.time_s["reboots"] == pytest.approx([0.0275] * 3)


@pytest.mark.parametrize("sign", [-1, 1])
def test_shipped_devices_are_the_same_at_their_ends(sign):
    device = read_device(NAME)
    end = device.at_end(sign)
    assert not device.uncertainty
    assert all(np.array_equal(end.exact.energy_j[event], price) for event, price in device.exact.energy_j.items())
    assert all(np.array_equal(end.exact.time_s[event], price) for event, price in device.exact.time_s.items())


def test_an_uncertain_device_travels_to_other_processes():
    device = with_uncertainty(cpu=(0.1, 0.1))
    assert pickle.loads(pickle.dumps(device)).uncertainty == device.uncertainty


def test_only_the_two_ends_can_be_asked_for():
    with pytest.raises(ValueError, match="sign must be one of -1, 1, not 0"):
        read_device(NAME).at_end(0)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"cpus": {"energy_fraction": 0.1, "time_fraction": 0.1}}, "unknown key 'cpus'; did you mean 'cpu'"),
        ({"cpu": {"energy_fraction": 0.1}}, "uncertainty.cpu: key 'time_fraction' is missing"),
        ({"cpu": {"energy_fraction": -0.1, "time_fraction": 0}}, "uncertainty.cpu.energy_fraction must be at least 0"),
    ],
)
def test_a_wrong_uncertainty_table_is_refused(table, message):
    with pytest.raises(ValueError, match=message):
        _device({**BASE, "uncertainty": table})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"event": ("nvm_raed", "nvm_read")}, "line 2: event must be one of .* did you mean 'nvm_read'"),
        ({"size": np.array([1, 0])}, "line 3: size must be a whole number of at least 1, not 0"),
        ({"repeats": np.array([0, 1])}, "line 2: repeats must be a whole number of at least 1, not 0"),
        ({"energy_j": np.array([-1e-9, 1e-9])}, "line 2: energy_j must be above 0"),
        ({"energy_j": np.array([np.nan, 1e-9])}, "line 2: energy_j must be a finite number"),
        ({"time_s": np.array([1e-6, np.inf])}, "line 3: time_s must be a finite number"),
        ({"time_s": np.array([1e-6, 1e7])}, "line 3: time_s must be in SI units"),
    ],
)
def test_a_wrong_measurement_is_refused_with_its_line(change, message):
    right = dict(
        event=("nvm_read", "nvm_read"),
        size=np.array([1, 2]),
        energy_j=np.array([1e-9, 2e-9]),
        time_s=np.array([1e-6, 2e-6]),
        repeats=np.array([1, 1]),
        row=(2, 3),
    )
    Measurements(**right)
    with pytest.raises(ValueError, match=message):
        Measurements(**{**right, **change})


def test_a_line_needs_two_sizes():
    rows = rows_of(BASE)
    rows["size"] = np.full_like(rows["size"], 8)
    with pytest.raises(ValueError, match=r"nvm_read: a line needs at least 2 different sizes, not 1 \(size 8\)"):
        fit_events(Measurements(**rows))
