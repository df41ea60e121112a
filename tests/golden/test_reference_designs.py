"""Published designs priced to 1e-9 layer by layer, and the best plans of published networks found again.

Six designs are included beside this file (README.md there says where they come from) and always tested; all 32 where
`../shared/reference` lies beside the checkout.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from energy.costing.plan import price_plan
from energy.costing.population import price_population
from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import Supply
from energy.networks.designs import LayerDesign
from energy.networks.rules import rules
from energy.networks.shapes import NetworkShape
from energy.planning.published import Explorer
from energy.scheduling.execution import PUBLISHED
from experiments.cli import main

SHIPPED = Path(__file__).parent / "published_designs.json"
SHARED = ("inas2021_designs.json", "tinas2025_designs.json")
FILES = ("published_designs.json", *SHARED)
N_DESIGNS = dict(zip(FILES, (6, 26, 6), strict=True))
N_UNSAFE = dict(zip(FILES, (1, 7, 0), strict=True))
LAYER_KEYS = ("latency_s", "power_cycles", "cycle_energy_max_j", "cycle_energy_min_j", "vm_bytes")


def close(value):
    return pytest.approx(value, rel=1e-9, abs=0)


@pytest.fixture(params=FILES)
def file(request):
    if request.param in SHARED:
        return request.getfixturevalue("reference_folder") / request.param
    return SHIPPED


def parts_of(entry):
    network = NetworkShape.from_dict(entry["network"])
    plan = tuple(LayerDesign.from_dict(design) for design in entry["plan"])
    device = replace(read_device(entry["device"]), vm_bytes=entry["vm_bytes"])
    return network, plan, device, Supply.from_dict(entry["supply"])


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def check_layer(found, expected, name):
    """Compare one layer; what is not safe has no time, and its energies all the same."""
    assert found["layer"] == expected["layer"]
    is_feasible = expected.get("feasible", True)
    assert found["feasible"] == is_feasible, name
    for key in LAYER_KEYS:
        if key in expected:
            assert found[key] == close(expected[key]), (name, found["layer"], key)
        else:
            assert found[key] is None
    if not is_feasible:
        assert found["violations"]["energy_j"] > 0


def check_totals(found, expected, name):
    assert found["feasible"] == expected["feasible"], name
    for key in ("latency_s", "power_cycles"):
        if expected["feasible"]:
            assert found[key] == close(expected[key]), (name, key)
        else:
            assert found[key] is None


def test_appraising_a_published_design_gives_the_published_numbers(file):
    for entry in read(file):
        price = price_plan(*parts_of(entry), PUBLISHED)
        expected = entry["expected"]
        check_totals({k: getattr(price, k) for k in ("feasible", "latency_s", "power_cycles")}, expected, entry["name"])
        for layer, expected_layer in zip(price.layers, expected["layers"], strict=True):
            found = {key: getattr(layer, key) for key in ("layer", "feasible", "violations", *LAYER_KEYS)}
            check_layer(found, expected_layer, entry["name"])
        unsafe = [layer.layer for layer in price.layers if not layer.feasible]
        assert unsafe == expected.get("infeasible_layers", [])


def test_the_search_s_cost_function_gives_the_published_numbers(file):
    for entry in read(file):
        network, plan, device, supply = parts_of(entry)
        found = price_population([network], [plan], device, Scenarios.of([supply]), PUBLISHED)
        expected = entry["expected"]
        assert bool(found.feasible[0, 0]) == expected["feasible"]
        assert found.latency_s[0, 0] == (close(expected["latency_s"]) if expected["feasible"] else float("inf"))


def test_the_command_prices_the_file_as_it_is(file, capsys):
    status = main(["price", str(file), "--json"])
    results = json.loads(capsys.readouterr().out)["results"]
    entries = read(file)
    assert len(results) == len(entries) == N_DESIGNS[file.name]
    assert sum(not result["feasible"] for result in results) == N_UNSAFE[file.name]
    assert status == (1 if N_UNSAFE[file.name] else 0)
    for result, entry in zip(results, entries, strict=True):
        check_totals(result, entry["expected"], entry["name"])
        for layer, expected in zip(result["layers"], entry["expected"]["layers"], strict=True):
            check_layer(layer, expected, entry["name"])


def test_exploring_under_the_2021_rules_finds_the_best_latency(file):
    entries = [entry for entry in read(file) if "best_latency_s_under_inas2021_rules" in entry["expected"]]
    for entry in entries:
        network, _, device, supply = parts_of(entry)
        explorer = Explorer(device, Scenarios.of([supply]), rules("inas2021"))
        optima = explorer.best(network.layers)
        expected = entry["expected"]
        assert list(optima.latency_s[:, 0]) == close(expected["best_layer_latency_s_under_inas2021_rules"])
        assert optima.latency_s[:, 0].sum() == close(expected["best_latency_s_under_inas2021_rules"])
    assert bool(entries) == (file.name != "tinas2025_designs.json")


def test_the_plan_command_finds_the_best_latency(capsys):
    entries = [e for e in read(SHIPPED) if "best_latency_s_under_inas2021_rules" in e["expected"]]
    assert len(entries) == 3
    for entry in entries:
        status = main(["plan", str(SHIPPED), "--select", entry["name"], "--rules", "inas2021", "--json"])
        answer = json.loads(capsys.readouterr().out)
        assert status == 0
        assert answer["latency_s"] == close(entry["expected"]["best_latency_s_under_inas2021_rules"])
