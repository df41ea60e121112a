"""How good ways to search are against the exact front, over seeds: tables and a figure of the README.

    python tests/benchmarks/search_quality.py conv2d-5 --evaluations 10000 --seeds 11 --figure docs/search.png
    python tests/benchmarks/search_quality.py conv1d-3 --accuracies runs/explore.parquet --policy packed

Prints, for each budget, the share of the front's hypervolume that searches reach. Accuracies come from the synthetic
formula, or from the table that `ebbnas explore SPACE --accuracies RUN` wrote. Under the published policy the front is
exact; packed plans come from a heuristic, so that a share may pass 1, and their table must hold the latencies.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import pandas as pd

from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import read_supply_family
from energy.networks.rules import rules
from energy.planning.planner import explorer_for
from energy.planning.protocol import ScenarioExplorer
from energy.planning.published import Explorer
from energy.scheduling.execution import PACKED, PUBLISHED
from evo.exhaustive import every_network, exact_front
from evo.genome.layout import JointGenome
from evo.methods import ADAPTIVE, METHODS, Planning, method, planning
from evo.problem.problem import Pricing
from evo.problem.variants import PROBLEMS
from evo.search import Search, SearchSettings
from evo.synthetic_accuracy import SyntheticAccuracy
from models.spaces import preset

DEVICE, FAMILY = read_device("msp430fr5994-tinas2025"), read_supply_family("tinas2025")
POLICIES = {"published": (rules("inas2021"), PUBLISHED), "packed": (rules("ebbnas"), PACKED)}
ONE_TILE = "one-tile"
"""Nested search by the rules of 2025: one tile a cycle, no batches."""

RULES_OF_ONE_TILE = rules("tinas2025")
NAMES = (*METHODS, ONE_TILE)
BUDGETS = {"47uF": 47e-6, "100uF": 100e-6, "470uF": 470e-6}
STATED = "stated"
N_STEPS = 20
"""Points of a curve of progress."""


class Table:
    """Accuracies of all networks, read from the exploration."""

    kind, split = "inherited", "val"

    def __init__(self, frame, space):
        self.known = frame["accuracy"].to_dict()
        self.space = space

    def evaluate(self, archs):
        return np.array([self.known[self.space.encode(arch)] for arch in archs])


@lru_cache
def references(space_name, accuracies, policy):
    """Accuracy source, and the front of every network under each budget."""
    space = preset(space_name)
    if accuracies == STATED:
        if policy != "published":
            raise SystemExit("packed plans of every network come from a table: give --accuracies TABLE")
        scenarios = Scenarios.of([FAMILY.supply(capacitance_f) for capacitance_f in BUDGETS.values()])
        every = every_network(space, Explorer(DEVICE, scenarios, POLICIES[policy][0]))
        source = SyntheticAccuracy(space)
        known = source.of(space.enumerate(), every.n_macs, every.n_parameters)
        return source, {name: exact_front(known, every.latency_s[:, i]) for i, name in enumerate(BUDGETS)}
    frame = pd.read_parquet(accuracies).set_index("architecture")
    fronts = {name: exact_front(frame["accuracy"], frame[f"latency_s_{name}"].fillna(np.inf)) for name in BUDGETS}
    return Table(frame, space), fronts


@lru_cache
def layout_of(space_name, rule_set):
    """The genome, made once a process."""
    return JointGenome(preset(space_name), rule_set)


@lru_cache
def explorer_of(rule_set, execution, budget, selects_by):
    """An explorer, which gets warmer from run to run; results do not depend on it."""
    chosen = next(row for row in METHODS.values() if row.selects_by == selects_by)
    given = Planning(device=DEVICE, supplies=(FAMILY.supply(BUDGETS[budget]),), rules=rule_set)
    plan_for = planning(chosen, given)
    explorer = explorer_for(plan_for.device, Scenarios.of(plan_for.supplies), plan_for.rules, execution)
    return ScenarioExplorer(explorer=explorer, scenario=0)


def one_run(task):
    """Shares of the exact hypervolume on the way, share of unsafe designs that selection liked, and seconds."""
    space_name, accuracies, policy, budget, name, rate, seed, n_evaluations = task
    source, fronts = references(space_name, accuracies, policy)
    chosen = method("nested" if name == ONE_TILE else name)
    rule_set, execution = POLICIES[policy]
    if name == ONE_TILE:
        rule_set = RULES_OF_ONE_TILE
    explorer = explorer_of(rule_set, execution, budget, chosen.selects_by)
    pricing = Pricing(device=DEVICE, supply=FAMILY.supply(BUDGETS[budget]), execution=execution)
    problem = PROBLEMS[chosen.selects_by](layout_of(space_name, rule_set), source, pricing)
    settings = SearchSettings(evaluations=n_evaluations, refinement_rate=rate, method=chosen.name, seed=seed)
    start_s = time.perf_counter()
    search = Search(problem, explorer, settings)
    curve = []
    while not search.done:
        search.step()
        if len(search.archive) >= n_evaluations * (len(curve) + 1) / N_STEPS:
            curve.append(search.front.hypervolume_ratio(fronts[budget]))
    assert len(search.archive) <= n_evaluations
    curve += [search.front.hypervolume_ratio(fronts[budget])] * (N_STEPS - len(curve))
    return curve, time.perf_counter() - start_s


def main():
    """Run every method, budget and seed, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("space", help="such as conv2d-5")
    parser.add_argument("--accuracies", default=STATED, help="explore.parquet with accuracies (default: the formula)")
    parser.add_argument("--policy", choices=POLICIES, default="published", help="that of the table")
    parser.add_argument("--methods", default=",".join(NAMES), help="names, with commas")
    parser.add_argument("--rates", default=ADAPTIVE, help="refinement rates of the method joint, with commas")
    parser.add_argument("--seeds", type=int, default=11)
    parser.add_argument("--other-seeds", type=int, help="of the methods that are not joint (default: as many)")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--evaluations", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--results", type=Path, help="lines of JSON, one per run; runs in the file are not repeated")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--figure", type=Path, help="where the curves are drawn")
    options = parser.parse_args()
    n_seeds = {name: options.seeds if name == "joint" else options.other_seeds or options.seeds for name in NAMES}
    seeds = {name: range(options.first_seed, options.first_seed + n) for name, n in n_seeds.items()}
    ways = [
        (name, rate if rate == ADAPTIVE else float(rate))
        for name in options.methods.split(",")
        for rate in (options.rates.split(",") if name == "joint" else [ADAPTIVE])
    ]
    keys = [(budget, *way, seed) for way in ways for budget in BUDGETS for seed in seeds[way[0]]]
    tasks = [(options.space, options.accuracies, options.policy, *key, options.evaluations) for key in keys]
    start_s = time.perf_counter()
    _, fronts = references(options.space, options.accuracies, options.policy)
    exact_s = time.perf_counter() - start_s
    found = results_of(tasks, options.results, options.processes)
    found = {key: found[task] for key, task in zip(keys, tasks, strict=True)}
    rows = [summary(found, budget, *way, seeds[way[0]]) for budget in BUDGETS for way in ways]
    if options.figure:
        draw(options.figure, rows, options.evaluations)
    if options.json:
        print(json.dumps(rows))
        return
    sizes = ", ".join(f"{name} {len(front)}" for name, front in fronts.items())
    print(f"front of all {preset(options.space).size:,} networks in {exact_s:.1f} s, members: {sizes}")
    print(
        f"share of its hypervolume, {options.evaluations} evaluations, {options.seeds} seeds, {options.policy} policy\n"
    )
    print(f"{'budget':8}{'method':18}{'median':>8}{'worst':>8}{'best':>8}{'s a run':>9}   joint is better in")
    for row in rows:
        shares = "".join(f"{row[key]:8.4f}" for key in ("median", "worst", "best"))
        wins = f"{row['joint_wins']} of {len(row['curves'])} seeds"
        print(f"{row['budget']:8}{row['method']:18}{shares}{row['s']:9.2f}   {wins}")


def results_of(tasks, path, n_processes):
    """Answers of `one_run`, by task; each is written when it is there."""
    found = {}
    if path is not None and path.exists():
        for line in path.read_text().splitlines():
            task, answer = json.loads(line)
            found[tuple(task)] = answer
    new = [task for task in tasks if task not in found]
    with ProcessPoolExecutor(n_processes, mp_context=get_context("spawn")) as pool:
        running = {pool.submit(one_run, task): task for task in new}
        for done in as_completed(running):
            found[running[done]] = done.result()
            if path is not None:
                with path.open("a") as file:
                    file.write(json.dumps([running[done], found[running[done]]]) + "\n")
    return found


def summary(found, budget, name, rate, seeds):
    """Curves of a method, median, worst and best of their ends, and how often the joint search ends higher."""
    runs = [found[budget, name, rate, seed] for seed in seeds]
    ends = [curve[-1] for curve, _ in runs]
    ours = [found.get((budget, "joint", ADAPTIVE, seed)) for seed in seeds]
    return {
        "budget": budget,
        "method": name if name != "joint" or rate == ADAPTIVE else f"joint, rate {rate:g}",
        "median": float(np.median(ends)),
        "worst": min(ends),
        "best": max(ends),
        "s": float(np.median([seconds for _, seconds in runs])),
        "joint_wins": sum(one is not None and one[0][-1] > end for one, end in zip(ours, ends, strict=True)),
        "curves": [curve for curve, _ in runs],
    }


def draw(path, rows, n_evaluations):
    """Share of the exact hypervolume over evaluations, a panel per budget: median and range of the seeds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    from experiments.figures.style import STYLE
    from experiments.formatting.colours import COLOURS

    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, len(BUDGETS), figsize=(7.16, 2.7), sharey=True, layout="constrained")
        steps = n_evaluations * np.arange(1, N_STEPS + 1) / N_STEPS
        for axis, budget in zip(axes, BUDGETS, strict=True):
            own = [row for row in rows if row["budget"] == budget]
            for number, (colour, row) in enumerate(zip((*COLOURS, "0.5"), own, strict=False)):
                curves = np.array(row["curves"])
                # The first, ours, lies on top; dots let a curve below it be seen.
                look = {"linestyle": ":" if number == 0 else "-", "linewidth": 2.0 if number == 0 else 1.0}
                low, median, high = (of(curves, axis=0) for of in (np.min, np.median, np.max))
                axis.plot(steps / 1000, median, color=colour, label=row["method"], zorder=3 - 0.1 * number, **look)
                axis.fill_between(steps / 1000, low, high, color=colour, alpha=0.2, linewidth=0)
            axis.set_title(budget.replace("uF", " \N{MICRO SIGN}F"))
            axis.set_xlabel("thousand evaluations")
        axes[0].set_ylabel("share of exact hypervolume")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
        figure.savefig(path, dpi=200)


if __name__ == "__main__":
    main()
