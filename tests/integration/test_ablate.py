"""`ebbnas ablate`: rows that change one thing each, on the included example and on designs made small."""

import json
from dataclasses import fields, replace
from itertools import product

import pytest

from energy.counting.rows import Runtime
from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import read_supply_family
from energy.networks.designs import TILE_GENES, LayerDesign
from energy.networks.rules import RULES
from energy.networks.shapes import LayerShape
from energy.planning.packed import PackedExplorer
from experiments.cli import main
from experiments.commands.request_options import example_path
from experiments.designs.ablation import ALL_SIZES_UP_TO, OURS, all_even_sizes, all_sizes, choices, unpadded_parts

DEVICE = read_device("msp430fr5994-tinas2025")
SCENARIOS = Scenarios.of([read_supply_family("tinas2025").supply(capacitance_f=5e-3)])
ROOMY = replace(DEVICE, vm_bytes=10**6)
CONV = LayerShape(
    op="conv", in_h=4, in_w=5, in_ch=5, out_h=4, out_w=5, out_ch=4, kernel_h=3, kernel_w=3, stride=1, pad=1
)
DEPTHWISE = replace(CONV, op="depthwise_conv", out_ch=5)


def answer(capsys, *arguments):
    """Exit status and JSON of a command."""
    status = main([*arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def example():
    """Rows of the included example by their names."""
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["ablate", "--example", "--json"]) == 0
    return {row["choice"]: row for row in json.loads(out.getvalue())["results"]}


def test_ours_is_what_plan_answers(capsys, example):
    options = ("--policy", "packed", "--counting", "exact", "--rules", "ebbnas", "--fuse", "yes")
    _, planned = answer(capsys, "plan", str(example_path()), *options)
    assert example[OURS]["latency_s"] == planned["latency_s"]
    assert example[OURS]["power_cycles"] == planned["power_cycles"]
    assert example[OURS]["relative"] == 1


def test_every_row_but_ours_changes_one_thing():
    ours, *others = choices(256)
    for choice in others:
        changed = {field.name for field in fields(choice) if getattr(choice, field.name) != getattr(ours, field.name)}
        # Without padding an odd number of channels has no even tiles, so rules and runtime change together.
        expected = {"name", "rules", "runtime"} if choice.name == "without channel padding" else 2
        assert changed == expected if isinstance(expected, set) else len(changed) == expected, choice.name
    assert len({choice.name for choice in others}) == len(others) == 10


def test_what_costs_time_and_what_is_left_on_the_table(example):
    relative = {name: row["relative"] for name, row in example.items()}
    for name in (
        "without fusion", "without channel padding", "vectors along channels only", "vectors along rows, none planar",
        "without merged transfers", "one batch a power cycle",
    ):  # fmt: skip
        assert relative[name] > 1.005, name
    assert relative["vectors along channels only"] > relative["vectors along rows, none planar"]
    assert relative["16-bit partial sums"] <= 1
    assert relative["vectors up to 256"] <= 1
    assert relative["all tile sizes"] == pytest.approx(1, abs=0.02)
    assert example["one batch a power cycle"]["power_cycles"] > 10 * example[OURS]["power_cycles"]


def test_an_odd_number_of_channels_without_padding_is_taken_one_by_one():
    assert unpadded_parts(9) == (1,)
    assert unpadded_parts(1) == (1,)
    # Pairs of 10 channels: 5, ceil(5 / 2) = 3, 2, 2, 1.
    assert unpadded_parts(10) == (2, 4, 6, 10)


def test_all_sizes_of_an_axis_and_equal_parts_of_a_long_one():
    assert all_sizes(5) == (1, 2, 3, 4, 5)
    assert all_even_sizes(5) == (2, 4, 6)
    # 300, ceil(300 / 2) = 150, and 100 is below the limit already.
    assert all_sizes(300) == (*range(1, ALL_SIZES_UP_TO + 1), 150, 300)


def n_legal(rules, layer):
    """Legal designs, by what the rules say of each of their parts."""
    n = 0
    for sizes in product(*(rules.tile_options(layer, gene) for gene in TILE_GENES)):
        for order in rules.orders(layer):
            design = LayerDesign(**dict(zip(TILE_GENES, sizes, strict=True)), order=order, batch=1)
            n += len(rules.vectors(layer, design)) * len(rules.batch_options(layer, design))
    return n


@pytest.mark.parametrize("layer", [CONV, DEPTHWISE], ids=["conv", "depthwise"])
@pytest.mark.parametrize("modes", [("channel",), ("channel", "row"), ("channel", "row", "planar")])
@pytest.mark.parametrize("runtime", [Runtime(), Runtime(alignment_words=1)], ids=["padded", "unpadded"])
def test_the_explorer_walks_the_vector_modes_that_the_rules_name(layer, modes, runtime):
    rules = replace(RULES["ebbnas"], vector_modes=modes)
    if runtime.alignment_words == 1:
        rules = replace(rules, in_options=unpadded_parts)
    explorer = PackedExplorer(ROOMY, SCENARIOS, rules, runtime=runtime)
    assert explorer.best([layer]).n_designs[0] == n_legal(rules, layer)
    assert {design.vector for design in explorer.candidates(layer).designs} <= set(modes)


def test_rows_of_an_odd_number_of_channels_are_no_vectors():
    one, two = (LayerDesign(tile_h=1, tile_w=1, tile_out=1, tile_in=n, order="output", batch=1) for n in (1, 2))
    assert RULES["ebbnas"].vectors(CONV, one) == ("channel",)
    assert RULES["ebbnas"].vectors(CONV, two) == ("channel", "row")


def test_means_are_over_the_networks_and_cycles_are_summed(capsys, write_design, design):
    path = write_design([{**design, "name": "a"}, {**design, "name": "b", "vm_bytes": 512}])
    status, found = answer(capsys, "ablate", path, "--capacitance", "100uF", "--max-vector", "100")
    assert status == 0
    assert found["networks"] == ["a", "b"]
    assert "vectors up to 100" in [row["choice"] for row in found["results"]]
    for row in found["results"]:
        a, b = row["networks"]
        assert row["latency_s"] == pytest.approx((a["latency_s"] + b["latency_s"]) / 2, rel=1e-12)
        assert row["relative"] == pytest.approx((a["relative"] + b["relative"]) / 2, rel=1e-12)
        assert [row["relative_least"], row["relative_most"]] == sorted([a["relative"], b["relative"]])
        assert row["power_cycles"] == a["power_cycles"] + b["power_cycles"]
    assert "supply: 100 uF charged through 3.1 kohm" in found["notes"]


def test_nothing_feasible_is_exit_1_and_said(capsys, write_design, design):
    status, found = answer(capsys, "ablate", write_design(design), "--capacitance", "1uF")
    assert status == 1
    assert found["results"][0] | {"networks": []} == {
        "choice": OURS, "feasible": False, "latency_s": None, "relative": None, "relative_least": None,
        "relative_most": None, "power_cycles": None, "networks": [],
    }  # fmt: skip
    assert "ours: nothing feasible for small" in found["notes"]


def test_a_person_reads_a_sentence_and_a_table(capsys, write_design, design):
    assert main(["ablate", write_design(design), "--quiet"]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert captured.err == ""
    assert lines[0].startswith("small: ours ")
    assert lines[2].split()[:2] == ["choice", "latency"]
    assert lines[4].split()[0] == OURS


def test_mistakes_are_one_line_and_exit_2(capsys, write_design, design):
    path = write_design([{**design, "name": "one"}])
    for arguments, words in (
        ([], "exactly one of a file and --example"),
        ([path, "--example"], "exactly one of a file and --example"),
        ([path, "--max-vector", "long"], "--max-vector must be a whole number"),
        ([path, "--capacitance", "5ohm"], "--capacitance must be in F"),
        ([path, "--select", "on"], "did you mean 'one'"),
    ):
        assert main(["ablate", *arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        assert words in captured.err
