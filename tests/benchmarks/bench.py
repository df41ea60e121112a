"""How fast the parts are: designs explored, networks planned, scheduled, simulated and evaluated. Run by `make bench`.

Designs are counted as those legal under the rules and inside VM; time is that of the public function, enumeration
included. Each figure is the best of a few runs, so that a busy machine disturbs it less.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import read_supply_family
from energy.networks.fuse import fused
from energy.networks.rules import rules
from energy.networks.shapes import NetworkShape
from energy.planning.packed import PackedExplorer
from energy.planning.protocol import ScenarioExplorer
from energy.planning.published import Explorer
from energy.scheduling.schedule import Pricer, cycle_budget_nj, schedule
from energy.simulation.harvest import random_source
from energy.simulation.result import SimulationOptions
from energy.simulation.simulate import simulate
from evo.genome.layout import JointGenome
from evo.problem.problem import JointProblem, Pricing
from evo.search import Search, SearchSettings
from models.spaces import preset
from tests.oracles.test_published_explorer import convolutions_of_conv2d_5

N_LEGAL = 5_769_675
"""Designs of the convolutions of `conv2d-5` under the rules `inas2021`, before VM."""

DEVICE = read_device("msp430fr5994-tinas2025")
BUDGETS = [read_supply_family("tinas2025").supply(capacitance_f=c) for c in (47e-6, 100e-6, 470e-6)]
RULES = rules("inas2021")


class Lottery:
    """Accuracies out of the air, so that a generation costs what the search itself costs."""

    kind, split = "random", "none"

    def evaluate(self, archs):
        return np.random.default_rng(len(archs)).random(len(archs))


def best_of(n_runs, run):
    """Least wall time of a few runs with the result of the last. [s]"""
    times_s = []
    for _ in range(n_runs):
        start_s = time.perf_counter()
        result = run()
        times_s.append(time.perf_counter() - start_s)
    return min(times_s), result


def explore(n_threads, n_runs):
    """All convolutions of the image space for three budgets at once."""
    layers, _ = convolutions_of_conv2d_5()
    scenarios = Scenarios.of(BUDGETS)
    time_s, optima = best_of(n_runs, lambda: Explorer(DEVICE, scenarios, RULES, n_threads=n_threads).best(layers))
    n_designs = int(optima.n_designs.sum())
    return {
        "explorer_s": time_s,
        "designs_in_vm": n_designs,
        "designs_before_vm": N_LEGAL,
        "designs_per_s": n_designs / time_s,
        "designs_before_vm_per_s": N_LEGAL / time_s,
    }


def explore_ours(n_threads, n_runs):
    """The same convolutions under our rules, exact counting, packed cycles; candidates chosen."""
    layers, _ = convolutions_of_conv2d_5()
    scenarios = Scenarios.of(BUDGETS[-1:])
    our_explorer(scenarios, 1).best(layers[:3])  # compiled code is warm

    time_s, optima = best_of(n_runs, lambda: our_explorer(scenarios, n_threads).best(layers))
    n_designs = int(optima.n_designs.sum())
    return {"our_explorer_s": time_s, "our_designs_in_vm": n_designs, "our_designs_per_s": n_designs / time_s}


def our_explorer(scenarios, n_threads):
    """A new explorer of our rules, its memo cold."""
    return PackedExplorer(DEVICE, scenarios, rules("ebbnas"), n_threads=n_threads)


def published_networks():
    """The 2025 networks of the reference files where they lie beside the project, else those that ship with it."""
    root = Path(__file__).resolve().parents[2]
    path = root.parent / "shared" / "reference" / "tinas2025_designs.json"
    if path.exists():
        entries = json.loads(path.read_text())
    else:
        entries = json.loads((root / "tests/golden/published_designs.json").read_text())
        entries = [entry for entry in entries if "tinas" in entry["name"]]
    return [(len(e["network"]["layers"]), fused(NetworkShape.from_dict(e["network"]))) for e in entries]


def plan(n_runs):
    """Best plans of published networks at 5 mF, memo cold, fused."""
    scenarios = Scenarios.of([read_supply_family("tinas2025").supply()])
    networks = published_networks()
    times_s = [best_of(n_runs, lambda n=n: our_explorer(scenarios, 1).plan(n))[0] for _, n in networks]
    layers = [n for n, _ in networks]
    return {"plan_s": times_s, "plan_layers": layers}


def run_schedules(n_runs):
    """Networks of 40 layers with different plans scheduled a second on one thread, as a population of a search is."""
    scenarios = Scenarios.of(BUDGETS[-1:])
    explorer = our_explorer(scenarios, 1)
    networks = [forty_layers(n) for _, n in published_networks()] * 50
    rng = np.random.default_rng(0)
    candidates = [[explorer.candidates(layer).designs for layer in network.layers] for network in networks]
    plans = [tuple(designs[rng.integers(len(designs))] for designs in row) for row in candidates]

    def schedule_all(cuts):
        pricer = Pricer(DEVICE)
        sequences = (pricer.sequence(network, plan) for network, plan in zip(networks, plans, strict=True))
        return [(len(schedule(sequence, scenarios, 0, cuts)), len(sequence)) for sequence in sequences]

    found = {}
    for cuts in ("optimal", "greedy"):
        time_s, sizes = best_of(n_runs, lambda cuts=cuts: schedule_all(cuts))
        found[f"{cuts}_networks_per_s"] = len(networks) / time_s
    return {**found, "batches_a_network": sum(n for _, n in sizes) / len(sizes)}


def forty_layers(network):
    """A chain of 40 layers made of those of a network, in its order."""
    layers = [layer for layer in network.layers if layer.op != "add"]
    layers = (layers * (40 // len(layers) + 1))[:40]
    return SimpleNamespace(layers=tuple(layers))


def play(n_runs):
    """A plan under a random harvester of five minutes, how many times faster than real time."""
    supply = BUDGETS[0]
    scenarios = Scenarios.of([supply])
    explorer = our_explorer(scenarios, 1)
    network = published_networks()[1][1]
    sequence = explorer.pricer.sequence(network, explorer.plan(network))
    starts = schedule(sequence, scenarios).starts
    harvest = random_source(supply, np.random.default_rng(0), resistance_factor=1.25)
    options, budget = SimulationOptions(n_inferences=20), cycle_budget_nj(scenarios)
    time_s, found = best_of(
        n_runs + 1,
        lambda: simulate(sequence, starts, budget, supply, [harvest], options=options, timeline_seed=None),
    )
    return {"simulated_s": float(found.simulated_s[0]), "times_real_time": float(found.simulated_s[0]) / time_s}


def evaluate(n_networks):
    """Networks evaluated with untrained shared weights on the validation data of `watch`."""
    import torch

    from models.data import load
    from models.evaluation.shared_weights import SharedEvaluator
    from models.supernet.supernet import SuperNet

    torch.set_num_threads(1)
    space, data = preset("conv1d-3"), load("watch")
    train, val = data.split("train"), data.split("val")
    evaluator = SharedEvaluator(SuperNet(space, seed=0), train.inputs[::8][:512], val.inputs, val.labels)
    archs = space.enumerate()[:n_networks]
    time_s, _ = best_of(1, lambda: evaluator.evaluate(archs))
    return {"networks_per_s": len(archs) / time_s}


def breed(n_generations, population):
    """Generations of the joint search with the default repair."""
    layout = JointGenome(preset("conv1d-3"), rules("ebbnas"))
    scenarios = Scenarios.of(BUDGETS[-1:])
    problem = JointProblem(layout, Lottery(), Pricing(device=DEVICE, supply=BUDGETS[-1]))
    settings = SearchSettings(population=population, evaluations=population * (n_generations + 1))
    search = Search(problem, ScenarioExplorer(explorer=our_explorer(scenarios, 1), scenario=0), settings)
    search.step()
    time_s, _ = best_of(1, lambda: [search.step() for _ in range(n_generations)])
    return {"s_per_generation": time_s / n_generations, "population": population}


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2, help="threads of the explorer (default 2)")
    parser.add_argument(
        "--runs", type=int, default=3, help="runs of the explorer, of which the best counts (default 3)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    found = {
        **explore(options.threads, options.runs),
        **explore_ours(options.threads, options.runs),
        **plan(options.runs),
        **run_schedules(options.runs),
        **play(options.runs),
        **evaluate(512),
        **breed(19, 50),
    }
    if options.json:
        print(json.dumps({"threads": options.threads, **found}))
        return
    print(
        f"explorer    {found['designs_per_s'] / 1e6:.1f} million designs/s: "
        f"{found['designs_in_vm']:,} designs inside VM, of {found['designs_before_vm']:,} legal, "
        f"for 3 budgets in {found['explorer_s']:.2f} s on {options.threads} threads"
    )
    print(
        f"ours        {found['our_designs_per_s'] / 1e6:.1f} million designs/s: {found['our_designs_in_vm']:,} designs "
        f"inside VM under our rules in {found['our_explorer_s']:.2f} s on {options.threads} threads"
    )
    times = ", ".join(f"{1000 * s:.0f} ms ({n})" for s, n in zip(found["plan_s"], found["plan_layers"], strict=True))
    print(f"plan        {times}: best plans of published networks (layers), memo cold, compiled code warm")
    print(
        f"schedule    {found['optimal_networks_per_s']:.0f} networks/s of 40 layers with optimal cuts, "
        f"{found['greedy_networks_per_s']:.0f} with greedy, {found['batches_a_network']:.0f} batches each, one thread"
    )
    print(f"simulation  {found['times_real_time']:,.0f} times real time over {found['simulated_s']:.0f} s")
    print(f"evaluation  {found['networks_per_s']:.0f} networks/s on one thread")
    print(f"search      {found['s_per_generation'] * 1000:.0f} ms a generation of {found['population']}")


if __name__ == "__main__":
    main()
