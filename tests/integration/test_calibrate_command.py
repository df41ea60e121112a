"""`ebbnas calibrate` from a CSV to a device file that prices, and everything that it refuses."""

import argparse
import csv
import hashlib
import json
import re
import tomllib
from importlib import resources

import numpy as np
import pytest

from energy.hardware.device import read_device
from experiments.commands.calibrate import calibrate

NAME = "msp430fr5994-tinas2025"
HEAD = "event,size,energy_j,time_s,repeats"
LINES = ("nvm_read,1,2.2e-7,3e-5,100", "nvm_read,8,4e-7,6e-5,100", "nvm_read,64,1.7e-6,2.8e-4,100")


def options(**given):
    names = ("measurements", "name", "base", "out", "template")
    return argparse.Namespace(**{**dict.fromkeys(names), "json": False, "quiet": False, **given})


def written(path, *lines, head=HEAD):
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return str(path)


@pytest.fixture
def measured(tmp_path):
    """Noisy measurements of all lines, one operation and the boot of a built-in device, with two outliers."""
    base = tomllib.loads((resources.files("energy.hardware") / "devices" / f"{NAME}.toml").read_text())
    rng, rows = np.random.default_rng(2), []
    for event, unit in (("nvm_read", "word"), ("nvm_write", "word"), ("vector_mac", "element")):
        for size in [1, 2, 4, 8, 16, 32, 48] * 3:
            energy_j = base[event]["energy_per_call_j"] + size * base[event][f"energy_per_{unit}_j"]
            cycles = base[event]["cycles_per_call"] + size * base[event][f"cycles_per_{unit}"]
            rows.append([event, size, energy_j, cycles / 16e6, 1000])
    rows += [["add", "", base["cpu"]["add"]["energy_j"], 12 / 16e6, 100000]] * 5
    rows += [["reboot", 1, 7.788e-5, 0.055, 1]] * 10
    for row in (rows := [list(row) for row in rows]):
        row[2] *= 1 + 0.01 * rng.standard_normal()
        row[3] *= 1 + 0.002 * rng.standard_normal()
    rows[5][2] *= 5
    rows[30][3] *= 0.5
    path = tmp_path / "bench.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([HEAD.split(","), ["# a remark"], [], *rows])
    return path


def test_a_board_is_calibrated_and_read_back(measured, tmp_path, capsys):
    out = tmp_path / "made" / "myboard.toml"
    assert calibrate(options(measurements=str(measured), name="myboard", out=str(out), json=True)) == 0
    answer = json.loads(capsys.readouterr().out)
    device, original = read_device(out), read_device(NAME)
    assert device.name == "myboard"
    assert device.max_vector == answer["max_vector"] == 48
    assert answer["from_base"] == ["multiply", "divide", "compare"]
    assert answer["measurements"]["sha256"] == hashlib.sha256(measured.read_bytes()).hexdigest()
    assert answer["measurements"]["sha256"] in device.source
    assert "TiNAS" in device.source
    assert set(device.uncertainty) == {"reboot", "nvm_read", "nvm_write", "vector_mac", "cpu"}
    assert {fit["event"]: fit["energy"]["n_set_aside"] for fit in answer["fits"]}["nvm_read"] >= 1
    for event, price in original.exact.energy_j.items():
        if event.endswith("_calls"):
            assert device.exact.energy_j[event] == pytest.approx(price, rel=0.03), event
    assert [path.name for path in out.parent.iterdir()] == ["myboard.toml"]


def test_a_person_reads_a_sentence_a_table_and_what_came_from_the_base(measured, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert calibrate(options(measurements="bench.csv", name="myboard")) == 0
    text = capsys.readouterr().out
    assert text.startswith("myboard.toml: 5 of 8 events fitted to 78 rows")
    assert f"from {NAME}: multiply, divide, compare" in text
    assert re.search(r"^nvm_read +21 +1-48 ", text, re.MULTILINE)
    comments = [line for line in (tmp_path / "myboard.toml").read_text().splitlines() if line.startswith("#")]
    assert any(line.startswith("# nvm_read: 21 rows, sizes 1 to 48; energy within ") for line in comments)


def test_the_same_measurements_make_the_same_bytes(measured, tmp_path, capsys):
    for name in ("a.toml", "b.toml"):
        calibrate(options(measurements=str(measured), name="myboard", out=str(tmp_path / name)))
    assert (tmp_path / "a.toml").read_bytes() == (tmp_path / "b.toml").read_bytes()


def test_a_calibrated_board_is_the_base_of_another(measured, tmp_path, capsys):
    first = tmp_path / "first.toml"
    calibrate(options(measurements=str(measured), name="first", out=str(first)))
    path = written(tmp_path / "more.csv", *["divide,1,5e-8,1e-5,9"] * 3)
    calibrate(options(measurements=path, name="second", base=str(first), out=str(tmp_path / "second.toml")))
    second = tomllib.loads((tmp_path / "second.toml").read_text())
    before = tomllib.loads(first.read_text())
    assert second["cpu"]["divide"] == {"energy_j": pytest.approx(5e-8), "cycles": pytest.approx(160.0)}
    assert second["nvm_read"] == before["nvm_read"]
    assert second["uncertainty"]["nvm_read"] == before["uncertainty"]["nvm_read"]


def test_the_template_is_refused_until_it_is_filled_in(measured, tmp_path, capsys):
    path = tmp_path / "board.toml"
    assert calibrate(options(template=str(path))) == 0
    assert str(path) in capsys.readouterr().out
    with pytest.raises(ValueError, match="must be a whole number of at least 1, not 0"):
        read_device(path)
    text = path.read_text(encoding="utf-8")
    sizes = text.replace("clock_hz = nan", "clock_hz = 8e6").replace("_bytes = 0", "_bytes = 4096")
    half = tmp_path / "half.toml"
    half.write_text(sizes, encoding="utf-8")
    with pytest.raises(ValueError, match=r"^base .*half\.toml: cpu\.multiply\.energy_j must be a finite number"):
        calibrate(options(measurements=str(measured), name="mine", base=str(half), out=str(tmp_path / "mine.toml")))
    assert not (tmp_path / "mine.toml").exists()
    full = tmp_path / "full.toml"
    full.write_text(re.sub(r"= nan", "= 1e-6", sizes).replace("max_vector = 0", "max_vector = 64"), encoding="utf-8")
    assert read_device(full).vm_bytes == 4096
    calibrate(options(measurements=str(measured), name="mine", base=str(full), out=str(tmp_path / "mine.toml")))
    mine = tomllib.loads((tmp_path / "mine.toml").read_text())
    # 430 cycles at 16 MHz are 215 at 8 MHz
    assert mine["nvm_read"]["cycles_per_call"] == pytest.approx(215, rel=0.01)


@pytest.mark.parametrize(
    ("head", "lines", "message"),
    [
        (HEAD, (), "measurements must have at least one row, not none"),
        ("event,size,energy,time_s,repeats", LINES, "column 'energy_j' is missing; is it 'energy'"),
        (HEAD + ",size", (), "column 'size' is given 2 times"),
        (HEAD, (LINES[0],), r"nvm_read: a line needs at least 2 different sizes, not 1 \(size 1\)"),
        (HEAD, ("nvm_reed,1,1,1,1",), "line 2: event must be one of .*; did you mean 'nvm_read'"),
        (HEAD, (LINES[0], "nvm_read,2,-1e-7,1e-5,1"), "line 3: energy_j must be above 0, not -1e-07"),
        (HEAD, ("", "add,1,nan,1e-5,1"), "line 3: energy_j must be a finite number, not nan"),
        (HEAD, ("add,1,1e-9,inf,1",), "line 2: time_s must be a finite number, not inf"),
        (HEAD, ("add,1,1 nJ,1e-6,1",), "line 2: energy_j must be a number, not '1 nJ'"),
        (HEAD, ("add,1,,1e-6,1",), "line 2: energy_j must be a number, not ''"),
        (HEAD, ("nvm_read,1.5,1e-9,1e-6,1",), "line 2: size must be a whole number, not '1.5'"),
        (HEAD, ("nvm_read,,1e-9,1e-6,1",), "line 2: size must be a number, not ''"),
        (HEAD, ("nvm_read,1e30,1e-9,1e-6,1",), "line 2: size must be a whole number"),
        (HEAD, ("add,1,1e-9,1e-6,0",), "line 2: repeats must be a whole number of at least 1, not 0"),
        (HEAD, ("add,1,1e-9,1e-6",), "line 2: there must be 5 cells, not 4"),
    ],
)
def test_wrong_measurements_are_one_line_and_nothing_is_written(head, lines, message, tmp_path, capsys):
    path = written(tmp_path / "bench.csv", *lines, head=head)
    with pytest.raises(ValueError, match=rf"^{re.escape(path)}: {message}") as caught:
        calibrate(options(measurements=path, name="mine", out=str(tmp_path / "mine.toml")))
    assert "\n" not in str(caught.value)
    assert [item.name for item in tmp_path.iterdir()] == ["bench.csv"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# remark\n"])
def test_an_empty_file_is_refused(content, tmp_path):
    path = tmp_path / "bench.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="it is empty"):
        calibrate(options(measurements=str(path), name="mine", out=str(tmp_path / "mine.toml")))


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "bench.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="must be a CSV file in UTF-8"):
        calibrate(options(measurements=str(path), name="mine", out=str(tmp_path / "mine.toml")))


def test_nothing_is_overwritten(tmp_path):
    path = written(tmp_path / "bench.csv", *LINES)
    out = tmp_path / "mine.toml"
    out.write_text("precious")
    for given in ({"measurements": path, "name": "mine", "out": str(out)}, {"template": str(out)}):
        with pytest.raises(ValueError, match="exists already; nothing is overwritten"):
            calibrate(options(**given))
    assert out.read_text() == "precious"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "calibrate needs MEASUREMENTS.csv; --template FILE writes"),
        ({"measurements": "x.csv"}, "calibrate needs --name"),
        ({"measurements": "x.csv", "name": "a/b"}, "--name must be letters, digits"),
        ({"measurements": "x.csv", "name": NAME}, "--name must not be that of a built-in device"),
        ({"measurements": "x.csv", "name": "mine", "out": "mine.txt"}, r"must end in \.toml, not 'mine\.txt'"),
        ({"measurements": "x.csv", "name": "mine", "base": "msp430"}, "device must be one of"),
        ({"measurements": "x.csv", "template": "t.toml"}, "--template must be given without measurements"),
    ],
)
def test_wrong_options_are_refused(given, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        calibrate(options(**given))


def test_the_answer_of_a_doubtful_fit_is_json_with_its_warnings(tmp_path, capsys):
    path = written(tmp_path / "bench.csv", *LINES[:2], "add,1,3e-9,1e-6,100")
    calibrate(options(measurements=path, name="mine", out=str(tmp_path / "mine.toml"), json=True))
    answer = json.loads(capsys.readouterr().out)
    assert "nvm_read was measured at 2 sizes only; 3 would show whether it is a line" in answer["warnings"]
    assert answer["uncertainty"] == {}
    assert answer["fits"][0]["energy"]["half_fraction"] is None
