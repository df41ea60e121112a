"""What the refinement rate is worth where the explorer is not exact for a network: packed cycles, several supplies.

    python tests/benchmarks/refinement.py --seeds 11 --evaluations 1000

Accuracies by the synthetic formula. Prints, for each setting, the median hypervolume of each rate as a share of that of
the front of all runs together, and against nested search (rate 1, one plan a network) the probability of a higher one
and the p value of the Mann-Whitney test, Holm-corrected over all comparisons.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from itertools import product
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from scipy.stats import mannwhitneyu

from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import read_supply_family
from energy.networks.rules import rules
from energy.planning.planner import explorer_for
from energy.planning.protocol import ScenarioExplorer
from evo.fronts.front import Front
from evo.genome.layout import JointGenome
from evo.problem.problem import JointProblem, Pricing
from evo.robust import RobustExplorer
from evo.search import Search, SearchSettings
from evo.synthetic_accuracy import SyntheticAccuracy
from models.spaces import preset

DEVICE, FAMILY, RULES = read_device("msp430fr5994-tinas2025"), read_supply_family("tinas2025"), rules("ebbnas")
BUDGETS = {"47uF": 47e-6, "100uF": 100e-6, "470uF": 470e-6}


def _six():
    """The three budgets, each with its own harvester and with one of 1.5 times the resistance."""
    nominal = [FAMILY.supply(capacitance_f) for capacitance_f in BUDGETS.values()]
    return [
        FAMILY.supply(one.capacitance_f, factor * one.resistance_ohm)
        for one, factor in product(nominal, (1.0, 1.5))
    ]  # fmt: skip


SETTINGS = {
    **{name: ([FAMILY.supply(capacitance_f)], "worst") for name, capacitance_f in BUDGETS.items()},
    "six, worst": (_six(), "worst"),
    "six, mean": (_six(), "mean"),
}
WAYS = {"adaptive": "adaptive", "rate 0": 0.0, "rate 0.25": 0.25, "rate 0.5": 0.5, "nested": 1.0}


@lru_cache
def prepared(space_name, setting):
    """Layout, pricing and explorer, which gets warmer from run to run; results do not depend on it."""
    supplies, over = SETTINGS[setting]
    space = preset(space_name)
    pricing = Pricing(device=DEVICE, supply=supplies[0], more_supplies=tuple(supplies[1:]), over=over)
    explorer = explorer_for(DEVICE, Scenarios.of(supplies), RULES, pricing.execution)
    own = RobustExplorer(explorer=explorer, pricing=pricing) if len(supplies) > 1 else None
    return space, JointGenome(space, RULES), pricing, own or ScenarioExplorer(explorer=explorer, scenario=0)


def one_run(task):
    """Objective values of the front of one search."""
    space_name, setting, way, seed, n_evaluations = task
    space, layout, pricing, explorer = prepared(space_name, setting)
    rate = WAYS[way]
    method = "nested" if rate == 1 else "joint"
    settings = SearchSettings(evaluations=n_evaluations, refinement_rate=rate, method=method, seed=seed)
    search = Search(JointProblem(layout, SyntheticAccuracy(space), pricing), explorer, settings)
    while not search.done:
        search.step()
    return search.front.values


def main():
    """Run every setting, rate and seed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="conv1d-3")
    parser.add_argument("--settings", default=";".join(SETTINGS), help="names, with semicolons")
    parser.add_argument("--ways", default=",".join(WAYS), help="names, with commas; nested is what the others face")
    parser.add_argument("--seeds", type=int, default=11)
    parser.add_argument("--evaluations", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    settings = options.settings.split(";")
    ways = dict.fromkeys((*options.ways.split(","), "nested"))
    keys = list(product(settings, ways, range(options.seeds)))
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        tasks = [(options.space, *key, options.evaluations) for key in keys]
        found = dict(zip(keys, pool.map(one_run, tasks, chunksize=options.seeds), strict=True))
    rows = []
    for setting in settings:
        own = {key: values for key, values in found.items() if key[0] == setting}
        union = Front.of(np.vstack(list(own.values())))
        share = {
            way: [Front.of(own[setting, way, seed]).hypervolume_ratio(union) for seed in range(options.seeds)]
            for way in ways
        }
        for way in ways:
            test = mannwhitneyu(share[way], share["nested"]) if way != "nested" else None
            higher = None if test is None else test.statistic / options.seeds**2
            rows.append([setting, way, share[way], higher, None if test is None else test.pvalue])
    tested = sorted((row for row in rows if row[4] is not None), key=lambda row: row[4])
    floor = 0.0
    for rank, row in enumerate(tested):
        floor = row[4] = max(floor, min(1.0, row[4] * (len(tested) - rank)))
    print(f"{options.space}, {options.evaluations} evaluations, {options.seeds} seeds, packed cycles")
    print(f"{'supplies':12}{'way':11}{'median':>8}{'worst':>8}   higher than nested (p, Holm)")
    for setting, way, share, higher, p in rows:
        against = "" if higher is None else f"{100 * higher:.0f} % ({p:.2g})"
        print(f"{setting:12}{way:11}{np.median(share):8.4f}{min(share):8.4f}   {against}")


if __name__ == "__main__":
    main()
