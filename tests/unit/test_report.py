"""What a report reads from a run's files, and the page it makes of it: nothing invented, nothing loaded."""

import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from energy.hardware.supply import Supply, read_supply_family
from experiments.cli import main
from experiments.report.cycles import cycle_outline
from experiments.report.data import read_report
from experiments.report.page import page
from experiments.storage.tables import FRONTS, write_table
from tests.conftest import ROOT
from tests.support.report_runs import write_run

MISS = {
    "budget": "1uF",
    "id": "1uF-miss",
    "architecture": "c16",
    "accuracy_inherited_val": 0.5,
    "binding_constraint": "energy",
    "amount": 1.25e-4,
    "unit": "J",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Folder of a run of two budgets; nobody writes into it."""
    folder = tmp_path_factory.mktemp("root") / "runs" / "little"
    write_run(folder)
    return folder


@pytest.fixture(scope="module")
def html(run):
    return page(read_report(run))


class Elements(HTMLParser):
    """Every start tag with its attributes, and the text of every style, script and other element."""

    def __init__(self, text):
        super().__init__()
        self.found, self.texts, self._open = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        self._open.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        self.texts.append((*(self._open[-1] if self._open else ("", {})), data))

    def of(self, tag):
        return [text for name, _, text in self.texts if name == tag]


def data_of(html):
    (text,) = [text for tag, attributes, text in Elements(html).texts if attributes.get("id") == "data"]
    return json.loads(text)


def visible(html):
    """The text a reader sees, without scripts and style, in one line."""
    texts = [text for tag, _, text in Elements(html).texts if tag not in ("script", "style")]
    return " ".join(" ".join(texts).split())


def supply(**changes):
    shipped = read_supply_family("tinas2025").supply(470e-6)
    return replace(shipped, **changes)


def test_a_cycle_falls_while_awake_and_climbs_like_a_charging_capacitor():
    # 1 mJ of 470 uF: V = sqrt(4.535^2 - 2 * 1e-3 / 470e-6) = sqrt(20.566 - 4.2553) = 4.0387 V
    one = supply(resistance_ohm=3000.0)
    times_s, voltages_v = cycle_outline(1e-3, 0.2, one)
    assert (times_s[0], voltages_v[0]) == (0, one.v_on_v)
    assert times_s[1] == pytest.approx(0.2)
    assert voltages_v[1] == pytest.approx(4.0387, abs=1e-4)
    for time_s, voltage_v in zip(times_s[1:], voltages_v[1:], strict=True):
        charged = 5.892 - (5.892 - voltages_v[1]) * math.exp(-(time_s - 0.2) / (3000 * 470e-6))
        assert voltage_v == pytest.approx(charged, abs=1e-9)
    assert voltages_v[-1] == pytest.approx(4.535)
    assert times_s[-1] == pytest.approx(0.2 + one.recharge_time_s(1e-3))


def test_under_the_recharge_law_of_2021_a_cycle_ends_at_the_boot_voltage_too():
    one = supply(recharge="margin-scaled")
    times_s, voltages_v = cycle_outline(5e-4, 0.1, one)
    assert voltages_v[-1] == one.v_on_v
    assert times_s[-1] == pytest.approx(0.1 + one.recharge_time_s(5e-4))
    assert (times_s[1:] >= times_s[:-1]).all()


def test_fronts_go_from_the_small_capacitor_to_the_large_and_their_designs_from_fast_to_slow(run):
    report = read_report(run)
    assert [front.name for front in report.fronts] == ["100uF", "470uF"]
    assert [one.row.id for one in report.fronts[1].designs] == [f"470uF-c{n}" for n in (2, 4, 6, 7)]
    assert report.place == "runs/little"
    assert report.deadline_s is None
    assert report.notes == ("a note <of> its own",)


def test_power_cycles_add_up_to_the_latency_and_the_cycles_of_the_table(run):
    for front in read_report(run).fronts:
        for one in front.designs:
            assert sum(cycles.cycles for cycles in one.runs) == one.row.power_cycles
            drawn_s = sum(cycles.cycles * cycles.times_s[-1] for cycles in one.runs)
            assert drawn_s == pytest.approx(one.row.latency_s, rel=1e-9)
            assert one.runs[0].first == ("c", 1)
            assert one.runs[-1].last[0] == "p"


def test_a_design_whose_file_was_changed_is_told(tmp_path):
    write_run(tmp_path / "run")
    path = tmp_path / "run" / "designs" / "470uF-c2.json"
    made = json.loads(path.read_text())
    made["plan"][0]["tile_h"] = 2
    path.write_text(json.dumps(made))
    (note,) = [note for note in read_report(tmp_path / "run").notes if "470uF-c2" in note]
    assert "in the table" in note


def test_only_designs_that_can_be_played_are_said_to_be(tmp_path):
    write_run(tmp_path / "run")
    path = tmp_path / "run" / "designs" / "470uF-c2.json"
    made = json.loads(path.read_text())
    made["supply"]["recharge"] = "margin-scaled"
    path.write_text(json.dumps(made))
    report = read_report(tmp_path / "run")
    assert [one.row.id for front in report.fronts for one in front.designs if not one.can_simulate] == ["470uF-c2"]


def test_where_no_network_was_fine_tuned_the_page_shows_inherited_accuracies_and_says_so(tmp_path):
    names = [f"accuracy_finetuned_{split}{end}" for split in ("val", "test") for end in ("", "_low", "_high")]
    write_run(tmp_path / "run", changes=dict.fromkeys(names))
    report = read_report(tmp_path / "run")
    assert report.accuracy == "accuracy_inherited_val"
    text = visible(page(report))
    assert "not every network has been fine-tuned" in text
    assert "shared weights, on validation data" in text
    assert "Test data" not in text


def test_where_nothing_is_feasible_the_page_says_what_binds_and_by_how_much(tmp_path, capsys):
    write_run(tmp_path / "run", budgets=(), misses=[MISS])
    assert main(["report", str(tmp_path / "run")]) == 1
    assert "0 designs for 1uF" in capsys.readouterr().out
    text = visible((tmp_path / "run" / "report.html").read_text())
    assert (
        "1 µF: no design is feasible. The nearest, c16, breaks the limit of energy of a power cycle by 125 µJ" in text
    )


def test_a_budget_without_designs_does_not_hide_the_others(tmp_path, capsys):
    write_run(tmp_path / "run", misses=[MISS])
    assert main(["report", str(tmp_path / "run"), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["designs"] == {"1uF": 0, "100uF": 3, "470uF": 4}
    html = (tmp_path / "run" / "report.html").read_text()
    assert answer["bytes"] == len(html.encode())
    assert "1 µF: no design is feasible" in visible(html)
    assert [front["name"] for front in data_of(html)["fronts"]] == ["100uF", "470uF"]


def test_the_page_loads_nothing(html):
    elements = Elements(html)
    for tag, attributes in elements.found:
        assert tag not in ("iframe", "img", "object", "embed", "base", "video", "audio"), tag
        for name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
            assert not attributes.get(name, "").replace("data:,", ""), (tag, name)
        assert "url(" not in attributes.get("style", "")
    for style in elements.of("style"):
        assert "@import" not in style
        assert "url(" not in style
    assert "http" not in visible(html)
    scripts = elements.of("script")
    own = [text for text in scripts if "Bokeh.embed" in text and len(text) < 50_000]
    assert len(own) == 1
    assert "http" not in own[0]
    (policy,) = [a["content"] for tag, a in elements.found if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "http" not in policy
    assert len(html.encode()) < 5e6


def test_every_element_that_the_script_names_is_there_once(html):
    ids = [attributes["id"] for _, attributes in Elements(html).found if "id" in attributes]
    assert len(ids) == len(set(ids))
    script = (ROOT / "experiments" / "report" / "pages" / "report.js").read_text()
    named = set(re.findall(r'(?:element|getElementById)\("([a-z-]+)"\)', script))
    assert len(named) > 15
    assert named | {f"{name}-chart" for name in ("front", "parts", "cycles")} <= set(ids)


def test_a_reader_is_told_what_the_run_is_and_what_decides(html):
    text = visible(html)
    assert "space conv1d-3 for the data set watch (smart-watch" in text
    assert "capacitor of 100 µF or 470 µF, charged by a harvester of 3 kΩ" in text
    assert "random seed 3" in text
    assert "Validation data, which training never saw, decide" in text
    assert "worst-case latency, for a harvester of up to 1.5 times the resistance" in text
    assert "Charts and controls need JavaScript" in text


def test_the_static_table_has_every_design_with_its_units(run, html):
    text = visible(html)
    for row in read_report(run).rows:
        assert row.id in text
        assert f"{100 * row.accuracy_finetuned_val:.1f} % (" in text
    # 470uF-c2 takes 4.766 s, at worst 1.5 times as long.
    assert "4.77 s 7.15 s" in text
    assert "SRAM (VM) [B]" in text


def test_the_data_in_the_page_are_those_of_the_files(run, html):
    data = data_of(html)
    assert data["csv"].encode() == (run / "fronts.csv").read_bytes()
    assert data["rows"] == pq.read_table(run / "fronts.parquet").to_pylist()
    assert [front["name"] for front in data["fronts"]] == ["100uF", "470uF"]
    for front in data["fronts"]:
        for one in front["designs"]:
            row = data["rows"][one["position"]]
            assert row["budget"] == front["name"]
            assert row["id"] in one["parts_tip"]


def test_text_from_a_file_cannot_become_markup(tmp_path):
    write_run(tmp_path / "run", changes={"architecture": "</script><img src=x onerror=alert(1)>"})
    html = page(read_report(tmp_path / "run"))
    assert "img" not in {tag for tag, _ in Elements(html).found}
    data = data_of(html)
    assert data["rows"][0]["architecture"] == "</script><img src=x onerror=alert(1)>"
    assert "<img" not in data["fronts"][0]["designs"][0]["panel"]
    assert "&lt;img" in data["fronts"][0]["designs"][0]["panel"]
    assert "<img" not in json.dumps(data["charts"])


@pytest.mark.slow  # two more processes
def test_the_same_run_gives_the_same_bytes_again_and_in_another_process(run, html, tmp_path, root):
    assert page(read_report(run)) == html
    command = [sys.executable, "-m", "experiments", "report", str(run), "--out", str(tmp_path / "again.html")]
    environment = {"PYTHONHASHSEED": "7", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    subprocess.run(command, cwd=root, env=environment, check=True, capture_output=True)
    assert (tmp_path / "again.html").read_text() == html


def test_the_front_that_ships_is_reported(root, tmp_path, capsys):
    assert main(["report", str(root / "docs" / "fronts" / "cifar10"), "--out", str(tmp_path / "page.html")]) == 0
    assert "8 designs for 5mF" in capsys.readouterr().out
    html = (tmp_path / "page.html").read_text()
    assert "5mF-c98bebe9" in visible(html)
    assert data_of(html)["place"] == "cifar10"


def _no_folder(run):
    return run / "nothing"


def _no_manifest(run):
    (run / "manifest.json").unlink()


def _older_manifest(run):
    (run / "manifest.json").write_text('{"schema": 0}')


def _no_results(run):
    (run / "fronts.parquet").unlink()


def _cut_short(run):
    path = run / "fronts.parquet"
    path.write_bytes(path.read_bytes()[:200])


def _damaged_inside(run):
    path = run / "fronts.parquet"
    content = bytearray(path.read_bytes())
    content[4:600] = bytes(596)
    path.write_bytes(content)


def _older_table(run):
    path = run / "fronts.parquet"
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)


def _fewer_columns(run):
    fewer = pa.schema([field for field in FRONTS if field.name != "energy_j"], metadata=FRONTS.metadata)
    write_table(run / "fronts.parquet", pq.read_table(run / "fronts.parquet").to_pylist(), fewer)


def _no_design(run):
    (run / "designs" / "470uF-c4.json").unlink()


def _wrong_design(run):
    (run / "designs" / "470uF-c4.json").write_text('{"network": 3}')


def _no_config(run):
    (run / "config.toml").unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_no_folder, "must be a run's folder (folder not found)"),
        (_no_manifest, "manifest.json: file not found"),
        (_older_manifest, "schema must be 1, not 0"),
        (_no_results, "fronts.parquet: file not found; has the run finished?"),
        (_cut_short, "fronts.parquet: must be whole Parquet"),
        (_damaged_inside, "fronts.parquet: must be whole Parquet"),
        (_older_table, "fronts.parquet: schema must be 1, not None"),
        (_fewer_columns, "column 'energy_j' is missing"),
        (_no_design, "470uF-c4.json: file not found"),
        (_wrong_design, "470uF-c4.json: "),
        (_no_config, "no config.toml in it"),
    ],
)
def test_what_is_no_whole_run_is_told_in_one_line(tmp_path, capsys, damage, said):
    run = tmp_path / "run"
    write_run(run)
    named = damage(run) or run
    assert main(["report", str(named)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert said in err
    assert not (run / "report.html").exists()


def test_a_folder_is_no_place_for_the_page(run, tmp_path, capsys):
    assert main(["report", str(run), "--out", str(tmp_path)]) == 2
    assert "--out must be a file" in capsys.readouterr().err


def test_the_supply_of_the_tests_is_that_of_the_arithmetic():
    assert supply() == Supply(
        capacitance_f=470e-6, resistance_ohm=3000.0, v_supply_v=5.892, v_on_v=4.535, v_off_v=3.29, usable_fraction=0.6
    )
