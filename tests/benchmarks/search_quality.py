"""How good searches are against the exact front, over seeds: the tables of the README. Run by `make quality`.

Reads the table that `ebbnas explore conv1d-3 --accuracies RUN` wrote: every network with its inherited accuracy and its
latency under each budget. Prints, for each budget, the share of the front's hypervolume that 1,000 evaluations reach at
refinement rates 0, 0.25 and 1, beside random joint genomes and random networks with the explorer's plans. Under the
published policy the front is exact; packed plans come from a heuristic, so that a share may pass 1.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import pandas as pd

from energy.device import read_device
from energy.execution import PACKED, PUBLISHED
from energy.optima import ScenarioExplorer
from energy.planner import explorer_for
from energy.rules import rules
from energy.supply import Scenarios, read_supply_family
from evo.baselines import exact_front, random_explored, random_joint
from evo.front import Front
from evo.genome import JointGenome
from evo.problem import JointProblem, Pricing
from evo.search import Search, SearchSettings
from models.spaces import preset

SPACE, DEVICE = preset("conv1d-3"), read_device("msp430fr5994-tinas2025")
POLICIES = {"published": (rules("inas2021"), PUBLISHED), "packed": (rules("ebbnas"), PACKED)}
BUDGETS = {"47uF": 47e-6, "100uF": 100e-6, "470uF": 470e-6}
METHODS = ("rate 0", "rate 0.25", "rate 1", "random joint", "random networks")
OPPONENT = {"rate 0": "random joint", "rate 0.25": "random networks", "rate 1": "random networks"}


class Table:
    """Accuracies of all networks, read from the exploration."""

    kind, split = "inherited", "val"

    def __init__(self, path):
        self.frame = pd.read_parquet(path).set_index("architecture")
        self.known = self.frame["accuracy"].to_dict()

    def evaluate(self, archs):
        return np.array([self.known[SPACE.encode(arch)] for arch in archs])


@lru_cache
def prepared(path, policy, budget):
    """Accuracies, exact front, and a warm explorer for one budget: made once a process, outside the measured time."""
    table = Table(path)
    supply = read_supply_family("tinas2025").supply(BUDGETS[budget])
    rule_set, execution = POLICIES[policy]
    explorer = ScenarioExplorer(explorer=explorer_for(DEVICE, Scenarios.of([supply]), rule_set, execution), scenario=0)
    explorer.best(sorted({layer for arch in SPACE.enumerate() for layer in SPACE.network(arch).layers}, key=str))
    latency_s = table.frame[f"latency_s_{budget}"].fillna(np.inf)
    return table, supply, explorer, exact_front(table.frame["accuracy"], latency_s)


def one_run(task):
    """Share of the exact hypervolume and seconds of one method, budget and seed."""
    path, policy, budget, method, seed, n_evaluations = task
    table, supply, explorer, exact = prepared(path, policy, budget)
    rule_set, execution = POLICIES[policy]
    start_s = time.perf_counter()
    pricing = Pricing(device=DEVICE, supply=supply, execution=execution)
    problem = JointProblem(JointGenome(SPACE, rule_set), table, pricing)
    if method.startswith("rate"):
        rate = float(method.split()[1])
        settings = SearchSettings(evaluations=n_evaluations, refinement_rate=rate, seed=seed)
        search = Search(problem, explorer, settings)
        while not search.done:
            search.step()
        front = search.front
        assert len(search.archive) <= n_evaluations
    else:
        rng = np.random.default_rng([seed, *method.encode()])
        joint = method == "random joint"
        found = random_joint(problem, n_evaluations, rng) if joint else None
        found = found or random_explored(problem, explorer, n_evaluations, rng)
        front = Front.of(found.values, found.feasible)
    return front.hypervolume_ratio(exact), time.perf_counter() - start_s


def main():
    """Run every method, budget and seed, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path, help="explore.parquet of conv1d-3, with accuracies")
    parser.add_argument("--policy", choices=POLICIES, default="published", help="that of the table")
    parser.add_argument("--seeds", type=int, default=11)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--evaluations", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    keys = [(b, m, s) for b in BUDGETS for m in METHODS for s in seeds]
    tasks = [(options.table, options.policy, *key, options.evaluations) for key in keys]
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        found = dict(zip(keys, pool.map(one_run, tasks, chunksize=options.seeds), strict=True))
    rows = [summary(found, budget, method, seeds) for budget in BUDGETS for method in METHODS]
    if options.json:
        print(json.dumps(rows))
        return
    every = "the front of all networks under the explorer's plans"
    front = "the exact front" if options.policy == "published" else every
    print(f"share of the hypervolume of {front}, {options.evaluations} evaluations, {options.seeds} seeds")
    print(f"{'budget':8}{'method':18}{'median':>8}{'worst':>8}{'best':>8}{'s a run':>9}   better in")
    for row in rows:
        better = f"{row['wins']} of {options.seeds} seeds than {row['opponent']}" if row["opponent"] else ""
        shares = "".join(f"{row[key]:8.4f}" for key in ("median", "worst", "best"))
        print(f"{row['budget']:8}{row['method']:18}{shares}{row['s']:9.2f}   {better}")


def summary(found, budget, method, seeds):
    """Median, worst and best share of a method, its median seconds, and how often it beats its opponent."""
    shares, seconds = zip(*(found[budget, method, seed] for seed in seeds), strict=True)
    opponent = OPPONENT.get(method)
    wins = sum(found[budget, method, s][0] > found[budget, opponent, s][0] for s in seeds) if opponent else 0
    return {
        "budget": budget,
        "method": method,
        "median": float(np.median(shares)),
        "worst": min(shares),
        "best": max(shares),
        "s": float(np.median(seconds)),
        "opponent": opponent,
        "wins": wins,
    }


if __name__ == "__main__":
    main()
