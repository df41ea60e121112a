"""`ebbnas simulate`: a planned design under harvests, the files of its time line, and everything that is refused."""

import argparse
import csv
import json
import math
import re

import matplotlib as mpl
import numpy as np
import pyarrow.parquet as pq
import pytest

from energy.hardware.supply import read_supply_family
from energy.simulation.harvest import Harvest
from energy.simulation.harvest_csv import read_harvest
from energy.simulation.result import SimulationOptions
from experiments.cli import main
from experiments.commands import simulate as simulate_command
from experiments.commands.request_options import example_path
from experiments.commands.simulate import in_si, simulate
from experiments.designs.recording import caption, layer_ends_s
from experiments.designs.request import Overrides
from experiments.designs.request_files import read_request
from experiments.figures.style import STYLE
from experiments.figures.timeline import draw
from experiments.figures.timelines import plot_timeline, record

DEFAULTS = {
    "harvest": "constant",
    "seed": "0",
    "inferences": "1",
    "leakage": "0",
    "esr": "0",
    "format": "pdf,png",
    "width": "ieee1",
    "json": True,
    "quiet": False,
    "charges_while_active": False,
    "starts_empty": False,
}
"""Options that argparse fills in; those of the design file are None."""

NONE = (
    "seeds", "max_time", "out", "select", "device", "supply", "capacitance", "resistance", "usable_fraction",
    "vm_bytes", "policy", "counting", "cuts", "rules", "max_vector", "deadline", "harvest_uncertainty", "fuse",
)  # fmt: skip


def options(file, **given):
    return argparse.Namespace(**{**dict.fromkeys(NONE), **DEFAULTS, "file": str(file), **given})


def answer(capsys, file, **given):
    """Exit status and JSON of a simulation."""
    status = simulate(options(file, **given))
    return status, json.loads(capsys.readouterr().out)


def text(capsys, file, **given):
    """Exit status and what a person reads."""
    status = simulate(options(file, json=False, **given))
    return status, capsys.readouterr().out


def trace(path, column, values, step_s=0.01):
    rows = [f"{index * step_s:.6f},{value!r}" for index, value in enumerate(values)]
    path.write_text("\n".join([f"time_s,{column}", *rows]) + "\n")
    return str(path)


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """The included example planned for 100 uF and saved."""
    path = tmp_path_factory.mktemp("planned") / "design.json"
    assert main(["plan", "--example", "--capacitance", "100uF", "--save", str(path), "--quiet"]) == 0
    return path


def test_a_saved_plan_under_the_nominal_harvest_takes_the_planned_time(planned, capsys):
    capsys.readouterr()
    assert main(["price", str(planned), "--json"]) == 0
    priced = json.loads(capsys.readouterr().out)
    status, found = answer(capsys, planned)
    assert status == 0
    assert found["outcomes"] == {"finished": 1}
    assert found["seeds"] == 1
    assert found["latency_s"]["median"] == pytest.approx(priced["latency_s"], rel=1e-3)
    assert found["response_latency_s"]["max"] == pytest.approx(priced["response_latency_s"], rel=1e-3)
    assert found["nominal_latency_s"] == pytest.approx(priced["latency_s"], rel=1e-12)
    assert found["worst_case_latency_s"] == pytest.approx(priced["latency_s"], rel=1e-12)
    assert found["n_boots"]["max"] == found["nominal_power_cycles"] == priced["power_cycles"]
    assert found["n_brown_outs"]["max"] == found["n_repeats"]["max"] == 0
    assert found["drawn_j"]["median"] == pytest.approx(priced["energy_j"], rel=1e-9)
    assert found["inside_bound"] is True


def test_random_harvests_stay_inside_the_bound_and_the_worst_constant_one_attains_it(planned, capsys):
    status, found = answer(capsys, planned, harvest="random:R=125%,V=95%", seeds="20", seed="3")
    assert status == 0
    latencies_s = np.array(found["latency_s"]["all"])
    assert latencies_s.shape == (20, 1)
    assert len(np.unique(latencies_s)) == 20
    assert found["latency_s"]["q95"] == pytest.approx(np.quantile(latencies_s, 0.95))
    assert found["nominal_latency_s"] < found["latency_s"]["min"]
    assert found["latency_s"]["max"] < found["worst_case_latency_s"]
    # The worst of that set: R = 1.25 x 3100 ohm, V = 0.95 x 5.892 V.
    _, worst = answer(capsys, planned, harvest="constant:R=3.875kohm,V=5597.4mV")
    assert worst["worst_case_latency_s"] == pytest.approx(found["worst_case_latency_s"], rel=1e-9)
    assert worst["latency_s"]["max"] == pytest.approx(worst["worst_case_latency_s"], rel=1e-3)
    _, again = answer(capsys, planned, harvest="random:R=1.25,V=0.95", seeds="20", seed="3")
    assert again["latency_s"] == found["latency_s"]
    _, other = answer(capsys, planned, harvest="random:R=1.25,V=0.95", seeds="20", seed="4")
    assert other["latency_s"]["all"] != found["latency_s"]["all"]


def test_a_stronger_harvester_and_charging_while_active_are_faster_than_nominal(planned, capsys):
    _, stronger = answer(capsys, planned, harvest="constant:R=1kohm")
    assert stronger["latency_s"]["max"] < stronger["nominal_latency_s"] == stronger["worst_case_latency_s"]
    _, charging = answer(capsys, planned, charges_while_active=True)
    assert charging["latency_s"]["max"] < charging["nominal_latency_s"]
    assert charging["inside_bound"] is True


def test_an_empty_start_is_in_the_bound_and_several_inferences_are_counted(planned, capsys):
    _, once = answer(capsys, planned)
    _, empty = answer(capsys, planned, starts_empty=True, inferences="3")
    supply = read_supply_family("tinas2025").supply(100e-6, None)
    # From Voff to Von: R C ln((Vs - Voff) / (Vs - Von)) = 0.31 s ln(2.602 / 1.357) = 0.2018 s.
    first_s = 0.31 * math.log((5.892 - 3.290) / (5.892 - 4.535))
    assert supply.resistance_ohm == 3100
    assert empty["worst_case_latency_s"] == pytest.approx(once["worst_case_latency_s"] + first_s, rel=1e-9)
    (latencies_s,) = empty["latency_s"]["all"]
    assert latencies_s == pytest.approx([once["latency_s"]["max"] + first_s, *[once["latency_s"]["max"]] * 2], rel=1e-3)
    assert empty["n_boots"]["max"] == 3 * once["n_boots"]["max"] == empty["nominal_power_cycles"]


def test_power_traces_go_round_and_have_no_bound(planned, tmp_path, capsys):
    file = trace(tmp_path / "rfid.csv", "power_w", [0.0, 2e-3] * 50)
    status, found = answer(capsys, planned, harvest=file, seeds="4")
    assert status == 0
    assert found["worst_case_latency_s"] is None
    assert found["inside_bound"] is None
    assert found["trace_repeats"] > 1
    assert any(re.fullmatch(r"rfid.csv lasts 1 s and was repeated up to \d+ times", n) for n in found["notes"])
    why = "Eq. (6) needs a source behind a resistance, and the harvest is a power"
    assert f"no worst-case bound: {why}" in found["notes"]
    # Half of the time 2 mW: recharging takes energy / 1 mW, but for the piece that a recharge begins or ends in.
    recharge_s = found["latency_s"]["median"] - json_of_price(capsys, planned)["active_s"]
    assert recharge_s == pytest.approx(found["drawn_j"]["median"] / 1e-3, rel=0.05)


def json_of_price(capsys, path):
    assert main(["price", str(path), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_voltage_trace_is_bounded_by_its_lowest_voltage(planned, tmp_path, capsys):
    file = trace(tmp_path / "sun.csv", "voltage_v", [5.892, 5.5, 5.2, 5.8] * 20)
    _, found = answer(capsys, planned, harvest=file, seeds="3")
    _, worst = answer(capsys, planned, harvest="constant:V=5.2V")
    assert found["worst_case_latency_s"] == pytest.approx(worst["worst_case_latency_s"], rel=1e-9)
    assert found["latency_s"]["max"] < found["worst_case_latency_s"]
    _, low = answer(capsys, planned, harvest=trace(tmp_path / "dusk.csv", "voltage_v", [5.892, 4.5] * 20), seeds="1")
    assert low["worst_case_latency_s"] is None
    assert "no worst-case bound: the source falls to 4.5 V, not above Von 4.535 V" in low["notes"]


def test_leakage_and_series_resistance_slow_down_and_take_the_bound_away(planned, capsys):
    _, nominal = answer(capsys, planned)
    _, leaking = answer(capsys, planned, leakage="20uA")
    assert leaking["latency_s"]["max"] > nominal["latency_s"]["max"]
    assert leaking["leaked_j"]["max"] > 0
    assert leaking["worst_case_latency_s"] is None
    _, resisting = answer(capsys, planned, usable_fraction="100%", esr="60ohm")
    assert resisting["n_brown_outs"]["max"] > 0
    assert resisting["n_repeats"]["max"] > 0
    assert "no worst-case bound: Eq. (6) has neither leakage nor series resistance" in resisting["notes"]


def test_a_person_reads_one_sentence_and_then_a_table(planned, capsys):
    status, read = text(capsys, planned)
    assert status == 0
    sentence = r".*: finished in [\d.]+ s \(bound [\d.]+ s\), \d+ power cycles, no brown-outs"
    assert re.fullmatch(sentence, read.splitlines()[0])
    assert re.search(r"^ +value$", read, re.MULTILINE)
    _, read = text(capsys, planned, harvest="random:R=1.25", seeds="10", deadline="1ms")
    assert re.search(r": 10 of 10 seeds finished: median [\d.]+ s, longest [\d.]+ s \(bound", read.splitlines()[0])
    assert re.search(r"^ +min +median +95 % +max$", read, re.MULTILINE)
    for name in ("latency of an inference", "power cycles", "brown-outs", "batches repeated", "energy harvested"):
        assert re.search(rf"^{name}", read, re.MULTILINE)
    assert "the longest took" in read
    assert "deadline 1 ms: missed by 10 of 10 inferences" in read


def test_a_supply_that_never_reaches_von_is_named_with_its_amount(planned, tmp_path, capsys):
    status, read = text(capsys, planned, harvest="constant:V=4.4V")
    assert status == 1
    assert "nothing finished: never reaches Von" in read
    assert "(the source gives at most 4.4 V, Von is 4.535 V)" in read
    status, read = text(capsys, planned, harvest="constant:P=1uW", leakage="10uA")
    assert status == 1
    # 4.535 V x 10 uA = 45.4 uW.
    assert "(at Von it charges with at most 1 uW, and 45.4 uW leak)" in read
    status, found = answer(capsys, planned, harvest="constant:V=4.4V", starts_empty=True, out=str(tmp_path))
    assert status == 1
    assert found["outcomes"] == {"never_full": 1}
    assert found["finished"] is False
    assert found["latency_s"]["median"] is None
    assert found["latency_s"]["all"] == []
    assert (tmp_path / "timeline.pdf").stat().st_size > 1000


def test_a_harvest_too_slow_for_the_time_given_ends_with_status_1(planned, capsys):
    status, read = text(capsys, planned, harvest="constant:P=10uW", max_time="1min")
    assert status == 1
    assert "nothing finished: the simulated time ended before the last inference" in read


def test_an_infeasible_plan_is_not_simulated(planned, capsys):
    status, read = text(capsys, planned, capacitance="22uF")
    assert status == 1
    assert "not feasible: cycle energy budget exceeded by" in read
    status, found = answer(capsys, planned, capacitance="22uF")
    assert status == 1
    assert found["feasible"] is False
    assert found["violations"]["energy_j"] > 0


def test_the_time_line_is_written_as_tables_figure_and_caption(planned, tmp_path, capsys):
    out = tmp_path / "new" / "folder"
    _, found = answer(capsys, planned, harvest="random:R=1.5", seeds="3", out=str(out), format="pdf,svg")
    names = [
        "timeline.csv", "timeline.parquet", "events.csv", "events.parquet", "timeline.pdf", "timeline.svg",
        "timeline.txt",
    ]  # fmt: skip
    assert found["files"] == [str(out / name) for name in names]
    assert sorted(path.name for path in out.iterdir()) == sorted(names)
    for name in ("timeline", "events"):
        with (out / f"{name}.csv").open() as file:
            rows = list(csv.DictReader(file))
        columns = pq.read_table(out / f"{name}.parquet").to_pydict()
        assert list(columns) == ["time_s", *(["voltage_v"] if name == "timeline" else ["kind", "batch", "layer"])]
        for column, values in columns.items():
            assert [type(values[0])(row[column]) for row in rows] == values
    assert set(columns["kind"]) == {"boot", "commit", "sleep"}
    assert columns["kind"].count("boot") == found["n_boots"]["max"]
    kinds = zip(columns["kind"], columns["layer"], strict=True)
    layers = list(dict.fromkeys(layer for kind, layer in kinds if kind == "commit"))
    assert layers == [layer["layer"] for layer in json_of_price(capsys, planned)["layers"]]
    voltage_v = pq.read_table(out / "timeline.parquet").to_pydict()["voltage_v"]
    assert max(voltage_v) == pytest.approx(4.535)
    assert min(voltage_v) > 3.29
    words = (out / "timeline.txt").read_text()
    for part in ("100 uF", "Von = 4.535 V", "Voff = 3.29 V", "292 uJ", "no brown-outs", "1 conv_0"):
        assert part in words
    svg = (out / "timeline.svg").read_text()
    for part in ("Von", "Voff", "budget", "capacitor [V]", "time [s]", "boot", "commit"):
        assert f">{part}</text>" in svg


def test_the_same_simulation_writes_the_same_bytes(planned, tmp_path, capsys):
    for name in ("one", "two"):
        answer(capsys, planned, harvest="random:R=1.5", seeds="1", out=str(tmp_path / name), format="pdf,svg")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


@pytest.mark.parametrize(("width", "inches"), [("ieee1", 3.5), ("ieee2", 7.16), ("acm1", 3.33), ("slide", 10.0)])
def test_the_figure_has_the_width_of_the_column(planned, width, inches, tmp_path, capsys):
    answer(capsys, planned, out=str(tmp_path), format="svg", width=width)
    found = re.search(r'width="([\d.]+)pt"', (tmp_path / "timeline.svg").read_text())
    assert float(found[1]) == pytest.approx(72 * inches, abs=0.01)


def request_of(path):
    return read_request(json.loads(path.read_text()), path.parent, Overrides())


def visible_texts(figure):
    """Every text that is seen; ticks outside the axes have labels that are not."""
    hidden = set()
    for axes in figure.axes:
        for axis, at in ((axes.xaxis, 0), (axes.yaxis, 1)):
            low, high = axis.get_view_interval()
            for label in axis.get_ticklabels():
                if not low <= label.get_position()[at] <= high:
                    hidden.add(label)
    texts = [words for words in figure.findobj(mpl.text.Text) if words.get_visible() and words.get_text().strip()]
    return [words for words in texts if words not in hidden]


def test_no_text_of_the_figure_lies_on_another(planned):
    request = request_of(planned)
    rng = np.random.default_rng(0)
    harvest = Harvest(name="x", time_s=np.arange(500) * 0.1, duration_s=50.0, power_w=rng.uniform(0, 1e-3, 500))
    for inches in (3.33, 3.5, 7.16):
        with mpl.rc_context(STYLE):
            figure = draw(record(request, harvest, SimulationOptions()), inches)
            figure.draw_without_rendering()
            boxes = [(words.get_text(), words.get_window_extent()) for words in visible_texts(figure)]
        for index, (one, box) in enumerate(boxes):
            for other, against in boxes[index + 1 :]:
                across = min(box.x1, against.x1) - max(box.x0, against.x0)
                along = min(box.y1, against.y1) - max(box.y0, against.y0)
                assert min(across, along) < 1, (inches, one, other)


def test_layers_of_the_strip_end_with_their_last_commit(planned):
    request = request_of(planned)
    recording = record(request, read_constant(request), SimulationOptions(n_inferences=2))
    layers, ends_s = layer_ends_s(recording)
    line = recording.timeline
    assert layers.tolist() == list(range(len(request.network.layers)))
    assert (np.diff(ends_s) > 0).all()
    assert recording.end_s < line.time_s[-1]
    for layer, end_s in zip(layers, ends_s, strict=True):
        own = (line.event == "commit") & (line.event_layer == layer)
        assert end_s == line.event_time_s[own][own.sum() // 2 - 1]
    assert "finished after" in caption(recording)


def read_constant(request):
    from energy.simulation.harvest import constant_source

    return constant_source(request.supply.resistance_ohm, request.supply.v_supply_v)


def test_a_time_line_too_long_is_not_written_and_said_so(planned, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(simulate_command, "MOST_SAMPLES", 50)
    _, found = answer(capsys, planned, harvest="random:R=1.5", seeds="1", out=str(tmp_path / "out"))
    assert found["files"] == []
    assert any(note.startswith("no time line: the harvest has") for note in found["notes"])


def test_plot_timeline_draws_a_design_of_a_run(tiny_run, tmp_path):
    import shutil

    run = tmp_path / "run"
    shutil.copytree(tiny_run, run)
    paths = plot_timeline(run, ["svg", "png"], "acm1")
    assert paths == [run / "figures" / f"timeline.{end}" for end in ("svg", "png", "txt")]
    id = sorted(file.stem for file in (run / "designs").glob("*.json"))[0]
    plot_timeline(run, ["pdf"], "ieee2", id)
    assert (run / "figures" / "timeline.pdf").stat().st_size > 1000
    with pytest.raises(ValueError, match=rf"--id must be a design of .*; did you mean '{id}'"):
        plot_timeline(run, ["pdf"], "ieee2", f"{id}x")


def test_values_of_a_harvest_take_units():
    assert in_si("constant:R=2.8kohm,V=5.9V") == "constant:R=2800.0,V=5.9"
    assert in_si("constant:P=2mW") == "constant:P=0.002"
    assert in_si("random:R=125%, seed=4") == "random:R=1.25, seed=4"
    assert in_si("traces/constant.csv") == "traces/constant.csv"
    assert in_si("constant") == "constant"
    assert in_si("constant:Q=1ohm") == "constant:Q=1ohm"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seeds": "0"}, "--seeds must be a whole number of at least 1, not '0'"),
        ({"seeds": "many"}, "--seeds must be a whole number of at least 1, not 'many'"),
        ({"seed": "-1"}, "--seed must be a whole number of at least 0, not '-1'"),
        ({"inferences": "0"}, "--inferences must be a whole number of at least 1, not '0'"),
        ({"harvest": "constan:R=1"}, "did you mean 'constant'?"),
        ({"harvest": "nowhere.csv"}, "harvest 'nowhere.csv': file not found; it must be constant:"),
        ({"harvest": "constant:R=2.8kohn"}, "R of --harvest constant must be in ohm"),
        ({"harvest": "constant:R=5V"}, "R of --harvest constant must be in ohm"),
        ({"harvest": "constant:R=-5ohm"}, "resistance_ohm must be above 0, not -5"),
        ({"harvest": "constant:W=5W"}, "key must be one of R, V, P, not 'W'"),
        ({"harvest": "random:R=0.5"}, "resistance_factor must be at least 1, not 0.5"),
        ({"harvest": "random:V=0.5"}, "voltage_factor must be above"),
        ({"leakage": "-1e-6"}, "leakage_a must be at least 0, not -1e-06"),
        ({"esr": "1F"}, "--esr must be in ohm"),
        ({"max_time": "0s"}, "max_time_s must be above 0, not 0"),
        ({"out": "x", "format": "gif"}, "--format must be one of pdf, png, svg, not 'gif'"),
        ({"out": "x", "width": "ieee3"}, "did you mean 'ieee"),
    ],
)  # fmt: skip
def test_mistakes_are_refused_in_one_line(planned, given, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        simulate(options(planned, **given))
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["0,1e-3", "1,1e-3", "2,1e-3", "30,1e-3"], "line 5: time_s leaves a gap"),
        (["0,1e-3", "1,-1e-3", "2,1e-3"], "line 3: power_w must be at least 0, not -0.001"),
        (["0,1e-3", "1,nan", "2,1e-3"], "line 3: power_w must be a finite number"),
        (["0,1e-3", "1,inf", "2,1e-3"], "line 3: power_w must be a finite number"),
        (["0,1e-3", "0,1e-3", "2,1e-3"], "line 3: time_s must rise"),
        (["0,1e-3", "1,much"], "line 3: power_w must be a number, not 'much'"),
        (["0,1e-3"], "at least 2 rows"),
    ],
)
def test_a_bad_trace_is_refused_with_its_line(planned, lines, message, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text("\n".join(["time_s,power_w", *lines]) + "\n")
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        simulate(options(planned, harvest=str(path)))
    assert str(path) in str(raised.value)


def test_a_design_without_a_plan_is_told_how_to_get_one(planned, tmp_path):
    data = json.loads(planned.read_text())
    path = tmp_path / "network.json"
    path.write_text(json.dumps(data["network"]))
    with pytest.raises(ValueError, match=r"key 'plan' is missing; ebbnas plan .*network.json --save"):
        simulate(options(path))


def test_a_plan_for_another_network_is_refused(planned, tmp_path):
    data = json.loads(planned.read_text())
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps({**data, "plan": data["plan"][:-1]}))
    with pytest.raises(ValueError, match=r"wrong.json: plan must have one design for each of the \d+ layers"):
        simulate(options(path))
    larger = [{**design, "tile_h": 999} for design in data["plan"]]
    path.write_text(json.dumps({**data, "plan": larger}))
    with pytest.raises(ValueError, match=r"plan of layer 'conv_0': tile_h must be at most"):
        simulate(options(path))


def test_published_counting_is_refused_and_the_same_plan_is_simulated_under_exact_counting(capsys):
    message = r"counting must be 'exact' to be simulated, not 'published': .* --counting exact"
    with pytest.raises(ValueError, match=message):
        simulate(options(example_path()))
    status, found = answer(capsys, example_path(), counting="exact", vm_bytes="8kB")
    assert (status, found["finished"]) == (0, True)
    assert found["latency_s"]["median"] == pytest.approx(found["nominal_latency_s"], rel=1e-3)


def test_several_designs_need_a_choice(planned, tmp_path, capsys):
    data = json.loads(planned.read_text())
    path = tmp_path / "list.json"
    path.write_text(json.dumps([{**data, "name": "one"}, {**data, "name": "two"}]))
    with pytest.raises(ValueError, match="simulate needs one design; the file holds 2, --select picks one"):
        simulate(options(path))
    assert answer(capsys, path, select="two")[1]["name"] == "two"


def test_traces_of_a_real_harvester_are_simulated(root, planned, tmp_path, capsys):
    import subprocess
    import sys

    unpack = root.parent / "shared" / "data" / "unpack.py"
    if not unpack.is_file():
        pytest.skip("the radio traces are shared beside the checkout, and ../shared/data is not there")
    subprocess.run([sys.executable, str(unpack), "traces", str(tmp_path)], check=True)
    harvest = tmp_path / "trace_2.csv"
    status, found = answer(capsys, planned, harvest=str(harvest), seeds="8")
    assert status == 0
    power_w = read_harvest(harvest, 1.0).power_w
    # Energy over mean power, and what is active besides; the harvest varies, so only roughly.
    about_s = found["drawn_j"]["median"] / power_w.mean()
    assert about_s / 3 < found["latency_s"]["median"] < 3 * about_s
