"""Harvests: made, drawn, read from files and named on a command line, and what is refused."""

import re
import sys

import numpy as np
import pytest

from energy.hardware.supply import Supply
from energy.simulation.harvest import Harvest, constant_power, constant_source, random_source
from energy.simulation.harvest_csv import read_harvest
from energy.simulation.solar import clear_sky_power
from experiments.designs.harvest_specs import parse_harvest

SUPPLY = Supply(capacitance_f=1e-3, resistance_ohm=1000.0, v_supply_v=5.0, v_on_v=4.0, v_off_v=2.0, usable_fraction=0.6)


@pytest.fixture
def trace(tmp_path):
    """Writes the text of a trace file and returns its path."""

    def write(text):
        path = tmp_path / "trace.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def stairs(**changes):
    fields = {
        "name": "stairs",
        "time_s": np.array([0.0, 1.0, 3.0]),
        "duration_s": 6.0,
        "voltage_v": np.array([5.0, 4.0, 3.0]),
        "resistance_ohm": np.array([10.0, 20.0, 30.0]),
    }
    return Harvest(**{**fields, **changes})


def test_a_constant_harvest_never_starts_again():
    source, power = constant_source(2800.0, 5.9), constant_power(2e-3)
    assert (source.kind, power.kind) == ("voltage", "power")
    assert source.duration_s == power.duration_s == np.inf
    assert (source.voltage_v[0], source.resistance_ohm[0], power.power_w[0]) == (5.9, 2800.0, 2e-3)


def test_a_trace_entered_at_another_piece_goes_round():
    # Pieces last 1, 2 and 3 s; from the second on they are 2, 3 and 1 s long.
    turned = stairs().from_piece(1)
    assert turned.time_s.tolist() == [0.0, 2.0, 5.0]
    assert turned.voltage_v.tolist() == [4.0, 3.0, 5.0]
    assert turned.resistance_ohm.tolist() == [20.0, 30.0, 10.0]
    assert turned.duration_s == 6.0
    assert stairs().from_piece(0).time_s.tolist() == [0.0, 1.0, 3.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"power_w": np.ones(3)}, "either voltage_v with resistance_ohm, or power_w"),
        ({"voltage_v": None, "resistance_ohm": None}, "either voltage_v with resistance_ohm, or power_w"),
        ({"resistance_ohm": None}, "either voltage_v with resistance_ohm, or power_w"),
        ({"time_s": np.array([1.0, 2.0, 3.0])}, "time_s must start at 0"),
        ({"time_s": np.array([0.0, 2.0, 2.0])}, "time_s must rise by at least 1e-06, not by 0 after piece 1"),
        ({"duration_s": 3.0}, "time_s must rise by at least 1e-06, not by 0 after piece 2"),
        ({"duration_s": np.nan}, "time_s must rise"),
        ({"time_s": np.array([0.0, 1.0])}, "must have one value per piece, 2, not shape (3,)"),
        ({"voltage_v": np.array([5.0, -1.0, 3.0])}, "voltage_v must be finite and at least 0, not -1 in piece 1"),
        ({"voltage_v": np.array([5.0, 4.0, np.inf])}, "voltage_v must be finite and at least 0, not inf in piece 2"),
        ({"resistance_ohm": np.array([0.0, 1.0, 1.0])}, "resistance_ohm must be finite and above 0, not 0 in piece 0"),
    ],
)
def test_a_harvest_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        stairs(**changes)


def test_random_sources_stay_inside_their_set_and_reach_its_edges():
    harvest = random_source(SUPPLY, np.random.default_rng(1), resistance_factor=1.25, voltage_factor=0.9)
    assert harvest.resistance_ohm.min() >= 1000.0
    assert harvest.resistance_ohm.max() == pytest.approx(1250.0, rel=1e-12)
    assert harvest.voltage_v.min() == pytest.approx(4.5, rel=1e-12)
    assert harvest.voltage_v.max() <= 5.0
    lasts_s = np.diff(harvest.time_s, append=harvest.duration_s)
    # R C = 1 s: pieces last from 1 ms to 1 s, half of them less than 10^-1.5 s.
    assert lasts_s.min() >= 0.001 - 1e-9
    assert lasts_s.max() <= 1.0 + 1e-9
    assert np.median(lasts_s) == pytest.approx(10**-1.5, rel=0.3)


def test_a_seed_draws_the_same_source_again_and_another_seed_another():
    first, again, other = (random_source(SUPPLY, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first.resistance_ohm, again.resistance_ohm)
    assert np.array_equal(first.time_s, again.time_s)
    assert not np.array_equal(first.resistance_ohm, other.resistance_ohm)


def test_a_random_source_below_the_boot_voltage_is_refused():
    # Von / Vs = 4 / 5
    with pytest.raises(ValueError, match=re.escape("voltage_factor must be above 0.8, where")):
        random_source(SUPPLY, np.random.default_rng(0), voltage_factor=0.8)
    with pytest.raises(ValueError, match="resistance_factor must be at least 1, not 0"):
        random_source(SUPPLY, np.random.default_rng(0), resistance_factor=0.5)


def test_a_voltage_file_takes_the_resistance_of_the_supply(trace):
    harvest = read_harvest(trace("time_s,voltage_v\n10,5\n11,4.5\n13,0\n\n"), 2800.0)
    # Times count from the first row; the last row lasts as long as the one before it, 2 s.
    assert harvest.time_s.tolist() == [0.0, 1.0, 3.0]
    assert harvest.duration_s == 5.0
    assert harvest.voltage_v.tolist() == [5.0, 4.5, 0.0]
    assert harvest.resistance_ohm.tolist() == [2800.0] * 3


def test_a_file_may_hold_resistances_or_powers_and_a_byte_order_mark(trace):
    harvest = read_harvest(trace(b"\xef\xbb\xbfresistance_ohm, time_s ,voltage_v\r\n10,0,5\r\n20,1,6\r\n"), 2800.0)
    assert harvest.resistance_ohm.tolist() == [10.0, 20.0]
    harvest = read_harvest(trace("time_s,power_w\n0,0.001\n60,0\n"), 2800.0)
    assert harvest.kind == "power"
    assert harvest.power_w.tolist() == [0.001, 0.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": a harvest trace must not be empty"),
        ("\n\n", ": a harvest trace must not be empty"),
        ("time_s,voltage_v\n", ": a harvest trace must have at least 2 rows under its header, not 0"),
        ("time_s,voltage_v\n0,5\n", ": a harvest trace must have at least 2 rows under its header, not 1"),
        ("time_s\n0\n1\n", ": must have either column voltage_v or column power_w, not neither"),
        ("time_s,voltage_v,power_w\n0,5,1\n", ": must have either column voltage_v or column power_w, not both"),
        ("voltage_v\n5\n5\n", ": column time_s is missing"),
        ("time_s,voltage\n0,5\n1,5\n", "not 'voltage'; did you mean 'voltage_v'?"),
        ("time_s,voltage_v,voltage_v\n0,5,5\n", ": column voltage_v must stand there once, not 2 times"),
        ("time_s,power_w,resistance_ohm\n0,5,5\n", "resistance_ohm must stand beside voltage_v, not beside power_w"),
        ("0,5\n1,5\n", "columns must be among time_s, voltage_v, power_w, resistance_ohm, not '0'"),
        ("time_s,voltage_v\n0,5\n1,\n", ", line 3: voltage_v must not be empty"),
        ("time_s,voltage_v\n0,5\n1\n", ", line 3: must have 2 cells like the header, not 1"),
        ("time_s,voltage_v\n0,5\n\n2,5\n", ", line 3: must have 2 cells like the header, not 0"),
        ("time_s,voltage_v\n0,5\n1,5,7\n", ", line 3: must have 2 cells like the header, not 3"),
        ("time_s,voltage_v\n0,5\n1,five\n", ", line 3: voltage_v must be a number, not 'five'"),
        ("time_s,voltage_v\n0,5\n1,nan\n", ", line 3: voltage_v must be a finite number, not nan"),
        ("time_s,voltage_v\n0,inf\n1,5\n", ", line 2: voltage_v must be a finite number, not inf"),
        ("time_s,voltage_v\n0,-2\n1,5\n", ", line 2: voltage_v must be at least 0, not -2"),
        ("time_s,voltage_v\n-1,5\n1,5\n", ", line 2: time_s must be at least 0, not -1"),
        ("time_s,voltage_v,resistance_ohm\n0,5,0\n1,5,1\n", ", line 2: resistance_ohm must be above 0, not 0"),
        ("time_s,voltage_v\n0,5\n2,5\n1,5\n", ", line 4: time_s must rise: 1 after 2"),
        ("time_s,voltage_v\n0,5\n2,5\n2,5\n", ", line 4: time_s must rise: 2 after 2"),
        (
            "time_s,voltage_v\n0,5\n1,5\n2,5\n3,5\n14,5\n",
            ", line 6: time_s leaves a gap, more than 10 times the median step: 14 after 3",
        ),
        ("time_s,voltage_v\n0,5\n1e-9,5\n", ": time_s must rise by at least 1e-06"),
        (b"time_s,voltage_v\n0,\xff\n", ": a harvest trace must be a text file with comma-separated values"),
    ],
)
def test_a_bad_file_is_refused_in_one_line_that_names_place_rule_and_value(trace, text, message):
    path = trace(text)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read_harvest(path, 2800.0)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_step_of_ten_medians_is_no_gap(trace):
    assert read_harvest(trace("time_s,voltage_v\n0,5\n1,5\n2,5\n3,5\n13,5\n"), 1.0).duration_s == 23.0


def test_a_missing_file_is_told_apart_from_a_bad_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_harvest(tmp_path / "none.csv", 1.0)


def test_a_constant_spec_takes_what_it_does_not_say_from_the_supply():
    (harvest,) = parse_harvest("constant", SUPPLY)
    assert (harvest.resistance_ohm[0], harvest.voltage_v[0]) == (1000.0, 5.0)
    (harvest,) = parse_harvest("constant:R=2800", SUPPLY)
    assert (harvest.resistance_ohm[0], harvest.voltage_v[0]) == (2800.0, 5.0)
    (harvest,) = parse_harvest("constant: V = 6 , R = 10", SUPPLY)
    assert (harvest.resistance_ohm[0], harvest.voltage_v[0]) == (10.0, 6.0)
    (harvest,) = parse_harvest("constant:P=0.002", SUPPLY)
    assert harvest.power_w[0] == 0.002


def test_every_seed_of_a_random_spec_is_drawn_anew_and_the_spec_again_is_the_same():
    first = parse_harvest("random:R=1.5,V=0.9,seed=7", SUPPLY, n_seeds=3)
    again = parse_harvest("random:R=1.5,V=0.9,seed=7", SUPPLY, n_seeds=3, seed=99)
    assert len({harvest.resistance_ohm.tobytes() for harvest in first}) == 3
    assert [h.voltage_v.tobytes() for h in first] == [h.voltage_v.tobytes() for h in again]
    assert first[0].resistance_ohm.max() == pytest.approx(1500.0)
    other = parse_harvest("random", SUPPLY, seed=1)[0]
    assert not np.array_equal(other.time_s, parse_harvest("random", SUPPLY, seed=2)[0].time_s)
    assert np.all(other.voltage_v == 5.0)


def test_seeds_of_a_file_start_at_its_rows_the_first_at_its_beginning(trace):
    path = trace("time_s,power_w\n" + "".join(f"{row},{row}\n" for row in range(50)))
    harvests = parse_harvest(str(path), SUPPLY, n_seeds=4)
    assert harvests[0].power_w.tolist() == list(range(50))
    assert len({harvest.power_w[0] for harvest in harvests}) > 1
    assert all(sorted(harvest.power_w) == list(range(50)) for harvest in harvests)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("none.csv", "harvest 'none.csv': file not found; it must be constant:R="),
        ("constan:R=5", "did you mean 'constant'?"),
        ("constant:Q=5", "key must be one of R, V, P, not 'Q'"),
        ("constant:R", "must be KEY=VALUE, separated by commas, not 'R'"),
        ("constant:R=5,R=6", "R must be given once"),
        ("constant:R=five", "R must be a number, not 'five'"),
        ("constant:R=0", "resistance_ohm must be above 0, not 0"),
        ("constant:V=nan", "voltage_v must be a finite number, not nan"),
        ("constant:P=1,R=2", "P must be given without R and V"),
        ("constant:P=-1", "power_w must be at least 0, not -1"),
        ("random:R=0.9", "resistance_factor must be at least 1, not 0.9"),
        ("random:V=0.5", "voltage_factor must be above 0.8, where"),
        ("random:seed=-1", "seed must be a whole number of at least 0, not '-1'"),
        ("random:seed=1.5", "seed must be a whole number of at least 0, not '1.5'"),
        ("solar:lat=25", "lon is missing"),
        ("solar:lat=95,lon=0,date=2025-06-21,area=1,efficiency=1", "latitude must be at most 90, not 95"),
        ("solar:lat=5,lon=-181,date=2025-06-21,area=1,efficiency=1", "longitude must be at least -180, not -181"),
        ("solar:lat=5,lon=0,date=today,area=1,efficiency=1", "date must be a day as YYYY-MM-DD, not 'today'"),
        ("solar:lat=5,lon=0,date=2025-02-30,area=1,efficiency=1", "date must be a day as YYYY-MM-DD"),
        ("solar:lat=5,lon=0,date=2025-06-21,area=0,efficiency=1", "area_m2 must be above 0, not 0"),
        ("solar:lat=5,lon=0,date=2025-06-21,area=1,efficiency=20", "efficiency must be at most 1, not 20"),
    ],
)
def test_a_bad_spec_is_refused_in_one_line(spec, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        parse_harvest(spec, SUPPLY)
    assert repr(spec) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_pvlib_a_solar_harvest_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pvlib", None)
    with pytest.raises(ValueError, match=re.escape("pip install ebbnas[solar]")):
        clear_sky_power(25.0, 121.5, "2025-06-21", area_m2=1e-3, efficiency=0.2)


def test_a_clear_day_has_its_noon_at_noon_and_a_night():
    pytest.importorskip("pvlib", reason="pvlib, the extra `solar`, is not installed")
    day = clear_sky_power(25.0, 121.5, "2025-06-21", area_m2=1e-3, efficiency=0.2, hour=0.0)
    assert day.duration_s == 86400.0
    # Sun almost overhead: 1,050 W/m2 on 10 cm2 at 20 %, within the equation of time (2 minutes in June) of 12 h.
    assert day.power_w.max() == pytest.approx(1050 * 1e-3 * 0.2, rel=0.02)
    assert day.time_s[day.power_w.argmax()] == pytest.approx(12 * 3600, abs=300)
    is_dark = day.power_w == 0
    assert is_dark[: 4 * 60].all()
    assert not is_dark[6 * 60 : 18 * 60].any()
    later = clear_sky_power(25.0, 121.5, "2025-06-21", area_m2=1e-3, efficiency=0.2, hour=9.0)
    assert later.power_w[:60] == pytest.approx(day.power_w[9 * 60 : 10 * 60], rel=1e-9)
