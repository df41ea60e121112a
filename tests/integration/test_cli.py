"""The command as a person meets it: answers, exit codes, one line for every mistake."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest

from energy.networks.designs import LayerDesign, check_plan
from energy.networks.shapes import LayerShape, NetworkShape
from experiments.cli import main
from experiments.config.read import read_config
from models.spaces import preset

KEYS = (
    "feasible", "violations", "latency_s", "response_latency_s", "worst_case_latency_s", "energy_j", "power_cycles",
    "active_s", "recharge_s", "continuous_latency_s", "overhead_percent", "limit_device_s", "limit_plan_s", "vm_bytes",
    "nvm_bytes", "breakdown", "layers", "plan", "schedule",
)  # fmt: skip
"""Keys of an answer, which scripts of users read."""


def answer(capsys, *arguments):
    """Exit status and JSON of a command."""
    status = main([*arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


def mistake(capsys, *arguments):
    """The line of a command that must fail as the caller's mistake, stdout empty."""
    assert main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("ebbnas: ")
    assert captured.err.count("\n") == 1, captured.err
    return captured.err


def test_price_answers_with_the_keys_of_the_interface(capsys, write_design, design):
    status, found = answer(capsys, "price", write_design(design))
    assert status == 0
    assert found["feasible"] is True
    for key in KEYS:
        assert key in found
    assert set(found["breakdown"]) == {"reboot_s", "recovery_s", "fetch_s", "compute_s", "preserve_s", "recharge_s"}
    assert {"layer", "feasible", "latency_s", "power_cycles", "cycle_energy_max_j", "vm_bytes", "counts"} <= set(
        found["layers"][0]
    )
    total = sum(entry["cycles"] * (entry["active_s"] + entry["recharge_s"]) for entry in found["schedule"])
    assert total == pytest.approx(found["latency_s"], rel=1e-12)


def test_a_persons_answer_begins_with_one_sentence(capsys, write_design, design):
    assert main(["price", write_design(design)]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    # small: 2.99 s, 1 power cycle, 92 % of it recharging, safe, 1.2 times the limit
    assert re.fullmatch(
        r"small: [\d.]+ m?s, \d+ power cycles?, \d+ % of it recharging, safe, \d+\.\d times the limit", first
    )


def test_one_power_cycle_is_one_and_several_are_several(capsys, write_design, design):
    path = write_design(design)
    for capacitance, expected in (("5mF", " 1 power cycle, "), ("60uF", " 2 power cycles, ")):
        assert main(["price", path, "--capacitance", capacitance]) == 0
        assert expected in capsys.readouterr().out.splitlines()[0]


@pytest.mark.parametrize("policy", ["packed", "one-batch-per-cycle"])
@pytest.mark.parametrize("capacitance", ["5uF", "47uF"], ids=["less than a boot", "less than a batch"])
def test_an_unsafe_plan_is_answered_in_full_with_exit_1_and_the_amount(
    capsys, write_design, design, policy, capacitance
):
    path = write_design({**design, "policy": policy})
    status, found = answer(capsys, "price", path, "--capacitance", capacitance)
    assert (status, found["feasible"], found["latency_s"]) == (1, False, None)
    assert found["violations"]["energy_j"] > 0
    assert found["energy_j"] > 0
    assert main(["price", path, "--capacitance", capacitance]) == 1
    assert "cycle energy budget exceeded by" in capsys.readouterr().out.splitlines()[0]


def test_options_win_over_the_file_and_the_file_over_the_defaults(capsys, write_design, design):
    default = answer(capsys, "price", write_design(design))[1]["latency_s"]
    design["supply"] = {
        "capacitance_f": 5e-3, "resistance_ohm": 1000.0, "v_supply_v": 5.892, "v_on_v": 4.535, "v_off_v": 3.29,
        "usable_fraction": 0.6,
    }  # fmt: skip
    path = write_design(design)
    from_file = answer(capsys, "price", path)[1]["latency_s"]
    from_option = answer(capsys, "price", path, "--resistance", "2.8kohm")[1]["latency_s"]
    assert from_file < from_option == default


def test_a_resistance_taken_from_another_capacitance_is_said(capsys, write_design, design):
    _, found = answer(capsys, "price", write_design(design), "--capacitance", "47uF")
    expected = "no harvester resistance listed for 47 uF; using 3.1 kohm, the value for 100 uF"
    assert found["notes"][0] == f"supply tinas2025: {expected}"
    _, found = answer(capsys, "price", write_design(design), "--capacitance", "47uF", "--resistance", "3kohm")
    assert found["notes"] == []


def test_a_plan_that_was_saved_is_priced_the_same(capsys, write_design, design, tmp_path):
    saved = tmp_path / "made" / "saved.json"
    status, planned = answer(capsys, "plan", write_design(design), "--save", str(saved), "--capacitance", "470uF")
    assert status == 0
    _, priced = answer(capsys, "price", str(saved))
    assert {**priced, "notes": None} == {**planned, "notes": None}
    _, given = answer(capsys, "price", write_design(design), "--capacitance", "470uF")
    assert planned["latency_s"] <= given["latency_s"]


def with_batch_norm_and_relu(design):
    """A longer network of the same kind with a batch norm and a ReLU between its two layers; several power cycles."""
    first, last = design["network"]["layers"]
    first |= {"in_h": 66, "out_h": 64}
    last |= {"in_h": 64, "kernel_h": 64}
    plain = {**first, "in_h": 64, "in_ch": 8, "kernel_h": 1}
    between = [{**plain, "name": "b", "op": "batch_norm"}, {**plain, "name": "r", "op": "relu"}]
    return {**design, "network": {"name": "four layers", "layers": [first, *between, last]}, "plan": []}


SAVED_UNDER = {
    "defaults": ((), 2),
    "not fused": (("--fuse", "no"), 4),
    "greedy": (("--cuts", "greedy"), 2),
    "each batch a cycle": (("--policy", "one-batch-per-cycle", "--counting", "exact"), 4),
    "2021": (("--policy", "one-batch-per-cycle", "--rules", "inas2021"), 4),
    "2025": (("--policy", "one-batch-per-cycle", "--rules", "tinas2025"), 4),
    "an own supply": (("--capacitance", "100uF", "--resistance", "4kohm", "--usable-fraction", "0.5"), 2),
    "less memory": (
        (
            "--vm-bytes",
            "1024",
        ),
        2,
    ),
}
"""Options of `plan`, and the layers that are left of four."""


@pytest.mark.parametrize("options", SAVED_UNDER)
def test_price_of_a_saved_plan_gives_exactly_the_answer_of_plan(capsys, write_design, design, tmp_path, options):
    given, n_layers = SAVED_UNDER[options]
    saved = tmp_path / "saved.json"
    path = write_design(with_batch_norm_and_relu(design))
    status, planned = answer(capsys, "plan", path, "--save", str(saved), "--capacitance", "60uF", *given)
    assert (status, len(planned["plan"]), len(planned["layers"])) == (0, n_layers, n_layers)
    assert planned["power_cycles"] > 1
    kept = json.loads(saved.read_text())
    asked = dict(zip(given[::2], given[1::2], strict=True))
    assert kept["fuse"] == (n_layers == 2)
    for key, default in (("policy", "packed"), ("rules", "ebbnas"), ("cuts", "optimal")):
        assert kept[key] == asked.get(f"--{key}", default)
    status, priced = answer(capsys, "price", str(saved))
    assert status == 0
    assert all(priced[key] == planned[key] for key in KEYS)
    # what is saved is planned to itself again
    _, again = answer(capsys, "plan", str(saved))
    assert all(again[key] == planned[key] for key in KEYS)


def test_a_small_capacitor_needs_another_plan_than_a_large_one(capsys, write_design):
    space, plans = preset("conv1d-3"), {}
    network = write_design(space.network(space.largest).to_dict())
    for capacitance in ("47uF", "470uF"):
        status, found = answer(capsys, "plan", network, "--capacitance", capacitance)
        assert status == 0
        plans[capacitance] = found["plan"]
    assert plans["47uF"] != plans["470uF"]


def test_a_saved_plan_finds_an_own_device_from_its_own_folder(capsys, write_design, design, tmp_path):
    board = tmp_path / "boards" / "mine.toml"
    board.parent.mkdir()
    board.write_text((files("energy.hardware") / "devices" / "msp430fr5994-tinas2025.toml").read_text())
    saved = tmp_path / "plans" / "saved.json"
    assert main(["plan", write_design(design), "--device", str(board), "--save", str(saved)]) == 0
    assert json.loads(saved.read_text())["device"] == "../boards/mine.toml"
    assert main(["price", str(saved)]) == 0


def test_plan_ignores_whatever_plan_the_file_has(capsys, write_design, design):
    plain = answer(capsys, "plan", write_design(design))
    assert answer(capsys, "plan", write_design({**design, "plan": [{"tile_h": 0}]})) == plain


def test_a_tile_beyond_the_map_is_well_formed_for_2025_devices_only():
    layer = LayerShape(op="relu", in_h=7, in_w=7, in_ch=4, out_h=7, out_w=7, out_ch=4, kernel_h=1, kernel_w=1)
    network = NetworkShape(name="n", layers=(layer,), layer_names=("r",), inputs=((-1,),))
    plan = (LayerDesign(tile_h=8, tile_w=8, tile_out=4, tile_in=1, order="output", batch=1),)
    check_plan(network, plan, counting="published", rounds_up=True)
    for counting, rounds_up in (("published", False), ("exact", True), ("exact", False)):
        with pytest.raises(ValueError, match="tile_h must be at most 7, not 8"):
            check_plan(network, plan, counting=counting, rounds_up=rounds_up)


def test_nothing_is_saved_where_nothing_is_feasible(capsys, write_design, design, tmp_path):
    saved = tmp_path / "saved.json"
    assert main(["plan", write_design(design), "--capacitance", "1uF", "--save", str(saved)]) == 1
    assert not saved.exists()
    assert "not written" in capsys.readouterr().err


def test_a_network_alone_is_planned(capsys, write_design, design):
    status, found = answer(capsys, "plan", write_design(design["network"]))
    assert (status, found["name"], len(found["plan"])) == (0, "two layers", 2)


def test_the_example_is_planned_without_any_file(capsys):
    assert main(["plan", "--example"]) == 0
    beside, _, first = capsys.readouterr().out.splitlines()[:3]
    assert re.fullmatch(r"as published 18\.4 s in 78 power cycles; planned anew .* times faster", beside)
    assert "safe" in first
    # the published network is planned anew by our rules, the published ones find what was published or better
    published = ("--policy", "one-batch-per-cycle", "--rules", "tinas2025")
    again = answer(capsys, "plan", "--example", *published)[1]["latency_s"]
    assert answer(capsys, "plan", "--example")[1]["latency_s"] < again <= 18.45


def test_a_list_is_answered_as_results_and_exits_1_when_any_is_infeasible(capsys, write_design, design):
    unsafe = {**design, "name": "unsafe", "vm_bytes": 64}
    path = write_design([design, unsafe])
    status, found = answer(capsys, "price", path)
    assert status == 1
    assert [result["feasible"] for result in found["results"]] == [True, False]
    assert main(["price", path]) == 1
    assert capsys.readouterr().out.startswith("1 of 2 designs are feasible")
    status, found = answer(capsys, "price", path, "--select", "small")
    assert (status, found["name"]) == (0, "small")
    assert "did you mean 'small'?" in mistake(capsys, "price", path, "--select", "smal")


def test_names_expectations_and_publications_in_a_file_are_ignored(capsys, write_design, design):
    plain = answer(capsys, "price", write_design(design))[1]
    assert answer(capsys, "price", write_design({**design, "expected": {"x": 1}, "published": {"y": 2}}))[1] == plain


def layers_that_do_not_fit(design):
    design["network"]["layers"][1]["in_h"] = design["network"]["layers"][1]["kernel_h"] = 13


def a_tile_of_zero(design):
    design["plan"][0]["tile_h"] = 0


def an_unknown_key(design):
    design["polcy"] = "packed"


def von_above_vs(design):
    design["supply"] = {
        "capacitance_f": 5e-3, "resistance_ohm": 2800.0, "v_supply_v": 4.0, "v_on_v": 4.535, "v_off_v": 3.29,
        "usable_fraction": 0.6,
    }  # fmt: skip


def a_batch_beyond_every_integer(design):
    design["plan"][0]["batch"] = 10**20


def a_capacitance_beyond_every_float(design):
    von_above_vs(design)
    design["supply"] |= {"v_supply_v": 5.9, "capacitance_f": 10**400}


def an_operator_that_is_no_text(design):
    design["network"]["layers"][0]["op"] = ["conv"]


def no_plan(design):
    del design["plan"]


def a_plan_too_short(design):
    design["plan"].pop()


def published_counting_of_packed_cycles(design):
    design |= {"policy": "packed", "counting": "published"}


def a_policy_without_its_rules(design):
    design |= {"policy": "packed", "rules": "inas"}


def cuts_unheard_of(design):
    design["cuts"] = "greedyy"


def a_fuse_that_is_no_boolean(design):
    design["fuse"] = "yes"


def a_vector_unheard_of(design):
    design["plan"][0]["vector"] = "rows"


def a_vector_that_the_operator_does_not_have(design):
    design["plan"][0]["vector"] = "planar"


def a_vector_that_published_counting_does_not_know(design):
    design["policy"] = "one-batch-per-cycle"
    design["plan"][0]["vector"] = "row"


def a_policy_unheard_of(design):
    design["policy"] = "packd"


def a_device_unheard_of(design):
    design["device"] = "msp430fr5994-tinas2024"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (layers_that_do_not_fit, "layer 'p': in_h x in_w x in_ch must be 14 x 1 x 8 as 'c' gives it, not 13 x 1 x 8"),
        (a_tile_of_zero, "plan of layer 'c': tile_h must be a whole number of at least 1, not 0"),
        (an_unknown_key, "unknown key 'polcy'; did you mean 'policy'?"),
        (von_above_vs, "v_supply_v must be above v_on_v 4.535, not 4"),
        (a_batch_beyond_every_integer, "batch must be at most 1,000,000,000"),
        (a_capacitance_beyond_every_float, "capacitance_f must be a number below 1e308"),
        (an_operator_that_is_no_text, "op must be one of conv"),
        (no_plan, "key 'plan' is missing"),
        (a_plan_too_short, "plan must have one design for each of the 2 layers, not 1"),
        (published_counting_of_packed_cycles, "counting must be 'exact' under policy 'packed', not 'published'"),
        (a_policy_without_its_rules, "rules must be one of inas2021, tinas2025, ebbnas, not 'inas'"),
        (cuts_unheard_of, "cuts must be one of optimal, greedy, not 'greedyy'; did you mean 'greedy'?"),
        (a_fuse_that_is_no_boolean, "fuse must be true or false, not 'yes'"),
        (a_vector_unheard_of, "vector must be one of channel, row, planar, not 'rows'; did you mean 'row'?"),
        (a_vector_that_the_operator_does_not_have, "plan of layer 'c': vector of a conv under exact counting must be"),
        (a_vector_that_published_counting_does_not_know, "under published counting must be channel, not 'row'"),
        (a_policy_unheard_of, "not 'packd'; did you mean 'packed'?"),
        (a_device_unheard_of, "did you mean 'msp430fr5994-tinas2025'?"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_broken_design_is_one_line(capsys, write_design, design, change, message):
    change(design)
    assert message in mistake(capsys, "price", write_design(design))


def test_a_device_with_a_negative_price_is_one_line(capsys, write_design, design, tmp_path):
    text = (files("energy.hardware") / "devices" / "msp430fr5994-tinas2025.toml").read_text()
    path = tmp_path / "board.toml"
    path.write_text(text.replace("energy_j = 7.788e-5", "energy_j = -7.788e-5", 1))
    assert tomllib.loads(path.read_text())["reboot"]["energy_j"] < 0
    line = mistake(capsys, "price", write_design(design), "--device", str(path))
    assert "board.toml: reboot.energy_j must be at least 0, not -7.788e-05" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serch"], "unknown command 'serch'; did you mean 'search'?"),
        (["price"], "required: DESIGN.json"),
        (["price", "nowhere.json"], "nowhere.json: file not found"),
        (["plan"], "exactly one of a file and --example"),
        (["plan", "--example", "--capacitance", "5volts"], "--capacitance must be in F"),
        (["plan", "--example", "--vm-bytes", "0"], "--vm-bytes must be a whole number of at least 1, not '0'"),
        (["plan", "--example", "--usable-fraction", "1.5"], "usable_fraction must be at most 1, not 1.5"),
        (["plan", "--example", "--usable-fraction", "much"], "optional unit such as 0.6 or 60%, not 'much'"),
        (["plan", "--example", "--vm-bytes", "20.5"], "--vm-bytes must be a whole number"),
        (["plan", "--example", "--polcy", "x"], "unknown option '--polcy'; did you mean '--policy'?"),
        (["plan", "--example", "--counting", "published"], "counting must be 'exact' under policy 'packed'"),
        (
            ["plan", "--example", "--rules", "inas2021"],
            "rules must be ebbnas with exact counting (policy 'packed'), not 'inas2021'",
        ),
        (
            ["plan", "--example", "--rules", "tinas2025", "--policy", "one-batch-per-cycle", "--counting", "exact"],
            "not 'tinas2025'",
        ),
        (["plan", "--example", "--rules", "ebnas"], "did you mean 'ebbnas'?"),
        (["plan", "--example", "--cuts", "best"], "cuts must be one of optimal, greedy, not 'best'"),
        (["plan", "--example", "--fuse", "true"], "argument --fuse: invalid choice: 'true'"),
        (["plan", "--example", "--deadline", "5mF"], "--deadline must be in s"),
        (["plan", "--example", "--deadline", "-1s"], "deadline"),
        (["plan", "--example", "--max-vector", "0"], "--max-vector must be a whole number of at least 1, not '0'"),
        (["plan", "--example", "--harvest-uncertainty", "0.5"], "must be at least 1, not 0.5"),
        (["plan", "--example", "--harvest-uncertainty", "0"], "must be at least 1, not 0"),
        (["search", "wach"], "did you mean 'watch'?"),
        (["search", "watch", "--set", "search.evalutions=3"], "unknown key; did you mean 'evaluations'?"),
        (["search", "watch", "--extend", "seed=3"], "--extend must change search.evaluations"),
        (["search", "watch", "--data-dir", "nowhere"], "nowhere"),
        (["explore", "conv1d3"], "did you mean 'conv1d-3'?"),
        (
            ["explore", "conv2d-5"],
            "has 1,048,576 networks; --sample N or --networks TABLE explores some",
        ),
        (["explore", "conv1d-3", "--policy", "packd", "--sample", "1"], "not 'packd'; did you mean 'packed'?"),
        (["explore", "conv1d-3", "--rules", "inas2021", "--sample", "1"], "rules must be ebbnas with exact counting"),
        (["explore", "conv1d-3", "--accuracies", "nowhere.csv"], "nowhere.csv: No such file or directory"),
        (["plot", "nowhere"], "nowhere"),
        (["plot", "nowhere", "--kind", "report"], "--kind"),
        (["plot", "nowhere", "--format", "gif"], "--format must be of pdf, png, svg, not 'gif'"),
        (["evaluate", "nowhere", "x"], "nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_in_the_call_is_one_line(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in mistake(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["devices", "supplies", "spaces", "datasets"])
def test_lists_name_their_sources(capsys, name):
    status, found = answer(capsys, name)
    assert status == 0
    assert all(row["name"] and "source" in row for row in found[name])
    assert main([name]) == 0
    assert found[name][0]["name"] in capsys.readouterr().out


def test_init_writes_a_config_that_works_and_never_overwrites(capsys, tmp_path):
    folder = tmp_path / "my first"
    assert main(["init", str(folder)]) == 0
    config = read_config(str(folder / "config.toml"))
    assert (config.name, config.key()) == ("my-first", read_config("watch").key())
    capsys.readouterr()
    assert "exists already" in mistake(capsys, "init", str(folder))


def test_explore_writes_the_exact_latency_of_every_network_it_looks_at(capsys, tmp_path):
    arguments = ["explore", "conv1d-3", "--sample", "6", "--budgets", "100uF,5mF", "--out", str(tmp_path)]
    status, found = answer(capsys, *arguments)
    assert status == 0
    assert [line["budget"] for line in found["budgets"]] == ["100uF", "5mF"]
    with (tmp_path / "explore.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["architecture", "latency_s_100uF", "latency_s_5mF"]
    assert min(float(row["latency_s_5mF"]) for row in rows) == found["budgets"][1]["latency_s_min"]


def test_explore_takes_every_network_of_2021_at_once(capsys, tmp_path):
    policy = ["--policy", "one-batch-per-cycle", "--rules", "inas2021"]
    arguments = ["explore", "conv1d-3", *policy, "--accuracies", "stated", "--out", str(tmp_path)]
    _, found = answer(capsys, *arguments, "--budgets", "100uF")
    (line,) = found["budgets"]
    assert line["networks"] == line["feasible"] == 4096
    rows = pd.read_parquet(tmp_path / "explore.parquet")
    best = rows.sort_values(["latency_s_100uF", "accuracy"], ascending=[True, False])
    is_new = best["accuracy"] > best["accuracy"].cummax().shift(fill_value=-1)
    assert [one["architecture"] for one in line["front"]] == best["architecture"][is_new].tolist()
    assert set(rows["accuracy_kind"]) == {"stated"}


def test_explore_with_a_table_of_accuracies_gives_the_exact_front(capsys, tmp_path):
    plain = ["explore", "conv1d-3", "--sample", "6", "--budgets", "5mF", "--out", str(tmp_path)]
    answer(capsys, *plain)
    with (tmp_path / "explore.csv").open() as file:
        rows = sorted(csv.DictReader(file), key=lambda row: float(row["latency_s_5mF"]))
    table = tmp_path / "accuracies.csv"
    # The faster the better: only the fastest network is on the front.
    lines = [f"{row['architecture']},{0.9 - 0.1 * rank}" for rank, row in enumerate(rows)]
    table.write_text("architecture,accuracy\n" + "\n".join(lines) + "\n")
    _, found = answer(capsys, *plain, "--accuracies", str(table))
    assert [one["architecture"] for one in found["budgets"][0]["front"]] == [rows[0]["architecture"]]
    table.write_text("architecture,accuracy\nk1c4-k1c4-k1c4,1.5\n")
    assert "accuracy of row 1 must be from 0 to 1, not 1.5" in mistake(capsys, *plain, "--accuracies", str(table))


def test_explore_takes_a_list_of_networks_of_any_space(capsys, tmp_path):
    listed = tmp_path / "some.csv"
    names = ["k1c4-k1c4-k1c4", "k3c8-k1c4-k1c4", "k1c4-k1c4-k1c4"]
    listed.write_text("architecture\n" + "\n".join(names) + "\n")
    arguments = ["explore", "conv1d-3", "--networks", str(listed), "--budgets", "5mF", "--out", str(tmp_path)]
    _, found = answer(capsys, *arguments, "--accuracies", "stated")
    assert found["budgets"][0]["networks"] == 2
    assert set(pd.read_parquet(tmp_path / "explore.parquet")["architecture"]) == set(names)
    assert "exclude each other" in mistake(capsys, *arguments, "--sample", "3")
    listed.write_text("architecture\nk1c4-k1c4-k1c4\nk2c4-k1c4-k1c4\n")
    assert "row 2: architecture must be of space conv1d-3" in mistake(capsys, *arguments)
    listed.write_text("network\nk1c4-k1c4-k1c4\n")
    assert "row 1 must have architecture" in mistake(capsys, *arguments)
    listed.write_text("architecture\n")
    assert "must list at least one network" in mistake(capsys, *arguments)


def test_price_and_plan_start_without_the_heavy_libraries(write_design, design, root: Path):
    program = (
        "import sys; from experiments.cli import main; status = main(sys.argv[1:]); "
        "heavy = {'torch', 'pymoo', 'matplotlib', 'pandas', 'pydantic', 'pyarrow', 'rich'} & set(sys.modules); "
        "sys.exit(9 if heavy else status)"
    )
    for arguments in (["price", write_design(design)], ["plan", "--example"]):
        command = [sys.executable, "-c", program, *arguments]
        assert subprocess.run(command, cwd=root, capture_output=True, check=False).returncode == 0, arguments


def test_the_uncertainty_of_prices_is_carried_as_an_interval(capsys, tmp_path):
    """All energies and times 2 % off: energy moves by as much, latency by a little more or less, as recharge bends."""
    shipped = (files("energy.hardware") / "devices" / "msp430fr5994-tinas2025.toml").read_text(encoding="utf-8")
    lines = ("reboot", "nvm_read", "nvm_write", "vector_mac", "cpu")
    table = "\n".join(f"{line} = {{ energy_fraction = 0.02, time_fraction = 0.02 }}" for line in lines)
    board = tmp_path / "board.toml"
    board.write_text(f"{shipped}\n[uncertainty]\n{table}\n", encoding="utf-8")
    assert main(["plan", "--example", "--device", str(board), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    low_j, high_j = answer["interval"]["energy_j"]
    assert low_j == pytest.approx(0.98 * answer["energy_j"], rel=1e-4)
    assert high_j == pytest.approx(1.02 * answer["energy_j"], rel=1e-4)
    low_s, high_s = answer["interval"]["latency_s"]
    assert 0.97 * answer["latency_s"] < low_s < answer["latency_s"] < high_s < 1.03 * answer["latency_s"]
    assert main(["plan", "--example", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["interval"] is None


def test_inferences_that_share_a_device_have_response_times(capsys, tmp_path):
    """Alone: an inference is schedulable where its period is at least its worst case. Two: the shorter period first."""
    assert main(["plan", "--example", "--period", "10s", "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert alone["schedulable"]
    assert alone["response_time_s"] == pytest.approx(alone["worst_case_latency_s"])
    assert main(["plan", "--example", "--period", "3s", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["schedulable"], answer["response_time_s"]) == (False, None)
    network = {key: value for key, value in example().items() if key == "network"}
    path = tmp_path / "two.json"
    path.write_text(json.dumps([{**network, "name": "a"}, {**network, "name": "b"}]), encoding="utf-8")
    assert main(["plan", str(path), "--period", "20s,10s", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["results"]
    # One power cycle is the whole inference, so b waits for one of a, and a for what b starts in the meantime.
    assert second["response_time_s"] == pytest.approx(2 * alone["worst_case_latency_s"])
    assert first["response_time_s"] == pytest.approx(2 * alone["worst_case_latency_s"])
    assert main(["plan", str(path), "--period", "20s,10s,5s"]) == 2
    assert "--period must have one time or one for each of 2 inferences, not 3" in capsys.readouterr().err


def example():
    text = (files("experiments.designs") / "examples" / "tinas2025_har.json").read_text(encoding="utf-8")
    return json.loads(text)
