"""How fast the parts are: designs explored, networks evaluated, generations bred. Run by `make bench`.

Designs are counted as those legal under the rules and inside VM; time is that of the public function, enumeration
included. Each figure is the best of a few runs, so that a busy machine disturbs it less.
"""

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from energy.device import read_device
from energy.explorer import Explorer
from energy.rules import rules
from energy.supply import Scenarios, read_supply_family
from evo.genome import JointGenome
from evo.problem import JointProblem, Pricing
from evo.search import Search, SearchSettings
from models.spaces import preset
from tests.oracles.test_explorer import convolutions_of_conv2d_5

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


def evaluate(n_networks):
    """Networks judged by untrained shared weights on the validation data of `watch`."""
    import torch

    from models.data import load
    from models.evaluate import SharedEvaluator
    from models.supernet import SuperNet

    torch.set_num_threads(1)
    space, data = preset("conv1d-3"), load("watch")
    train, val = data.split("train"), data.split("val")
    evaluator = SharedEvaluator(SuperNet(space, seed=0), train.inputs[::8][:512], val.inputs, val.labels)
    archs = space.enumerate()[:n_networks]
    time_s, _ = best_of(1, lambda: evaluator.evaluate(archs))
    return {"networks_per_s": len(archs) / time_s}


def breed(n_generations, population):
    """Generations of the joint search with the default repair."""
    layout = JointGenome(preset("conv1d-3"), RULES)
    scenarios = Scenarios.of(BUDGETS[-1:])
    problem = JointProblem(layout, Lottery(), Pricing(device=DEVICE, supply=BUDGETS[-1]))
    settings = SearchSettings(population=population, evaluations=population * (n_generations + 1))
    search = Search(problem, Explorer(DEVICE, scenarios, RULES), settings)
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
    found = {**explore(options.threads, options.runs), **evaluate(512), **breed(19, 50)}
    if options.json:
        print(json.dumps({"threads": options.threads, **found}))
        return
    print(
        f"explorer    {found['designs_per_s'] / 1e6:.1f} million designs/s: "
        f"{found['designs_in_vm']:,} designs inside VM, of {found['designs_before_vm']:,} legal, "
        f"for 3 budgets in {found['explorer_s']:.2f} s on {options.threads} threads"
    )
    print(f"evaluation  {found['networks_per_s']:.0f} networks/s on one thread")
    print(f"search      {found['s_per_generation'] * 1000:.0f} ms a generation of {found['population']}")


if __name__ == "__main__":
    main()
