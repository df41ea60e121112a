"""`ebbnas replan`: published designs beside ours, what has no ratio, and what cannot be simulated."""

import json

import pytest

from experiments.cli import main
from experiments.commands.request_options import example_path

SUPPLY = {
    "capacitance_f": 5e-3, "resistance_ohm": 2800.0, "v_supply_v": 5.892, "v_on_v": 4.535, "v_off_v": 3.29,
    "usable_fraction": 0.6,
}  # fmt: skip
"""That of the 2025 designs; a budget of 0.6 x 5 mF x (4.535^2 - 3.29^2) / 2 = 14.6 mJ."""

OURS = ("--policy", "packed", "--counting", "exact", "--rules", "ebbnas", "--fuse", "yes")


def answer(capsys, *arguments):
    """Exit status and JSON of a command."""
    status = main([*arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


def supplied(design, name, **changes):
    """The design under another name and supply."""
    return {**design, "name": name, "supply": {**SUPPLY, **changes}}


def test_both_sides_are_what_price_and_plan_answer(capsys):
    path = str(example_path())
    status, found = answer(capsys, "replan", "--example")
    assert status == 0
    row = found["results"][0]
    _, priced = answer(capsys, "price", path)
    _, planned = answer(capsys, "plan", path, *OURS)
    assert row["published"]["latency_s"] == priced["latency_s"] == pytest.approx(18.41, abs=0.01)
    assert row["published"]["power_cycles"] == priced["power_cycles"] == 78
    assert (row["ours"]["latency_s"], row["ours"]["plan"]) == (planned["latency_s"], planned["plan"])
    assert row["ratio"] == planned["latency_s"] / priced["latency_s"]
    assert row["over_limit_plan"] == planned["latency_s"] / planned["limit_plan_s"] >= 1
    assert row["over_limit_device"] == planned["latency_s"] / planned["limit_device_s"] > row["over_limit_plan"]
    # One design is its own mean.
    assert found["mean_ratio"] == found["largest_ratio"] == row["ratio"]
    assert found["mean_over_limit_plan"] == row["over_limit_plan"]


def test_policy_counting_cuts_and_fusion_of_the_file_change_neither_side(capsys, write_design):
    data = json.loads(example_path().read_text())
    data["supply"]["capacitance_f"] = 1e-4
    plain = answer(capsys, "replan", write_design(data))[1]["results"]
    data |= {"policy": "packed", "counting": "exact", "rules": "inas2021", "cuts": "greedy", "fuse": False}
    assert answer(capsys, "replan", write_design(data))[1]["results"] == plain


def test_an_unsafe_published_design_has_no_ratio_and_counts_in_no_mean(capsys, write_design, design):
    path = write_design([supplied(design, "safe"), supplied(design, "unsafe", capacitance_f=50e-6)])
    status, found = answer(capsys, "replan", path)
    assert status == 0
    safe, unsafe = found["results"]
    assert (unsafe["published"]["feasible"], unsafe["published"]["latency_s"], unsafe["ratio"]) == (False, None, None)
    assert unsafe["published"]["violations"]["energy_j"] > 0
    assert unsafe["ours"]["feasible"]
    assert "not feasible as published: cycle energy budget exceeded by" in unsafe["notes"][0]
    assert (found["n_designs"], found["n_compared"]) == (2, 1)
    assert found["mean_ratio"] == found["largest_ratio"] == safe["ratio"]
    # The limit does not depend on the published plan: both count.
    both = (safe["over_limit_plan"] + unsafe["over_limit_plan"]) / 2
    assert found["mean_over_limit_plan"] == pytest.approx(both, rel=1e-12)
    assert found["notes"] == ["1 of 2 designs have no ratio and count in no mean of ratios"]


def test_nothing_feasible_anew_is_exit_1_with_the_binding_constraint(capsys, write_design, design):
    path = write_design(supplied(design, "starved", capacitance_f=1e-6))
    status, found = answer(capsys, "replan", path)
    assert status == 1
    assert (found["n_compared"], found["mean_ratio"], found["mean_over_limit_plan"]) == (0, None, None)
    # The budget of 3 uJ does not pay a boot, so there is no limit either.
    assert (found["results"][0]["ours"]["latency_s"], found["results"][0]["ours"]["limit_plan_s"]) == (None, None)
    assert "not feasible planned anew: cycle energy budget exceeded by" in found["results"][0]["notes"][1]
    assert main(["replan", path]) == 1
    assert capsys.readouterr().out.startswith("no design has a latency")


def test_the_simulation_of_the_new_plan_gives_its_latency(capsys):
    _, found = answer(capsys, "replan", "--example", "--simulate")
    row = found["results"][0]
    assert row["simulated_latency_s"] == pytest.approx(row["ours"]["latency_s"], rel=1e-3)
    assert row["simulated_latency_s"] != row["ours"]["latency_s"]
    assert found["largest_simulated_deviation"] == row["simulated_deviation"] < 1e-3


def test_recharge_that_is_no_physics_is_not_simulated_and_it_is_said(capsys, write_design, design):
    path = write_design([supplied(design, "one"), supplied(design, "scaled", recharge="margin-scaled")])
    _, found = answer(capsys, "replan", path, "--simulate")
    one, scaled = found["results"]
    assert one["simulated_deviation"] < 1e-3
    assert (scaled["simulated_latency_s"], scaled["simulated_deviation"]) == (None, None)
    assert found["n_simulated"] == 1
    assert found["notes"][0].startswith("1 of 2 designs are not simulated")
    assert answer(capsys, "replan", path)[1]["notes"] == []


def test_a_person_reads_a_sentence_a_table_and_the_means(capsys, write_design, design):
    path = write_design([supplied(design, "one"), supplied(design, "two", capacitance_f=50e-6)])
    assert main(["replan", path, "--simulate", "--quiet"]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert captured.err == ""
    assert lines[0].startswith("planned anew, 1 design takes ")
    assert lines[2].split()[:4] == ["design", "published", "ours", "ratio"]
    assert lines[5].split()[:2] == ["two", "-"]
    assert "- ->" in lines[5]
    assert lines[-4].startswith("simulated within ")
    assert [line.split(" 0.")[0].split(" 1.")[0] for line in lines[-3:]] == [
        "mean ratio", "largest ratio", "mean latency / limit_plan",
    ]  # fmt: skip


def test_mistakes_are_one_line_and_exit_2(capsys, write_design, design):
    path = write_design([supplied(design, "one")])
    for arguments, words in (
        ([], "exactly one of a file and --example"),
        ([path, "--example"], "exactly one of a file and --example"),
        ([path, "--select", "on"], "did you mean 'one'"),
        ([path, "--capacitance", "1mF"], "unknown option '--capacitance'"),
        (["missing.json"], "missing.json"),
    ):
        assert main(["replan", *arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        assert words in captured.err
    del design["plan"]
    assert main(["replan", write_design(design)]) == 2
    assert "key 'plan' is missing" in capsys.readouterr().err


@pytest.mark.parametrize(("file", "n_designs", "n_compared"), [("tinas2025", 6, 6), ("inas2021", 26, 19)])
def test_published_designs_planned_anew_take_a_fraction_of_their_time(
    capsys, reference_folder, file, n_designs, n_compared
):
    path = str(reference_folder / f"{file}_designs.json")
    status, found = answer(capsys, "replan", path, "--simulate")
    assert status == 0
    assert (found["n_designs"], found["n_compared"]) == (n_designs, n_compared)
    for row in found["results"]:
        assert row["ratio"] is None or row["ratio"] < 0.21
        assert row["over_limit_plan"] >= 1
    if file == "tinas2025":
        assert found["mean_ratio"] < 0.175
        assert found["mean_over_limit_plan"] < 1.12
        assert found["n_simulated"] == n_designs
        assert found["largest_simulated_deviation"] < 1e-3
