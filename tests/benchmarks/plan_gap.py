"""How much faster than the explorer's plan a network can run: simulated annealing over all legal designs.

    python tests/benchmarks/plan_gap.py --networks 100 --steps 1500

Random networks of three spaces, each on a capacitor between 30 and 220 uF. Half of the chains of a network start from
the plan of the explorer, half from random designs; a step changes one gene, or takes designs of the explorer for one
layer or for two neighbours. The gap is how much longer the explorer's plan takes than the best plan of all chains.
"""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from energy.costing.population import price_population
from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import read_supply_family
from energy.networks.rules import DEFAULT_RULES, rules
from energy.planning.packed import PackedExplorer
from energy.planning.protocol import ScenarioExplorer
from energy.scheduling.execution import PACKED
from evo.genome.layout import Genomes, JointGenome
from evo.operators.design_moves import moved_designs
from evo.operators.repair import BestDesigns
from evo.operators.variation import random_genomes
from models.spaces import preset

SPACES = ("conv1d-3", "fc-4", "mbconv1d")
N_CHAINS = 16
HOT, COLD = 0.03, 0.0003
"""First and last temperature, relative to the latency."""


class Gap(NamedTuple):
    """Latency of the explorer's plan and of the best found, of one network. [s]"""

    space: str
    network: str
    capacitance_f: float
    planned_s: float
    best_s: float

    @property
    def percent(self) -> float:
        return 100 * (self.planned_s / self.best_s - 1)


def gap(space: str, capacitance_f: float, rng: np.random.Generator, n_steps: int) -> Gap:
    device = read_device("msp430fr5994-tinas2025")
    scenarios = Scenarios.of([read_supply_family("tinas2025").supply(capacitance_f)])
    layout = JointGenome(preset(space), rules(DEFAULT_RULES))
    explorer = PackedExplorer(device, scenarios, rules(DEFAULT_RULES))
    best_designs = BestDesigns(layout, ScenarioExplorer(explorer=explorer, scenario=0))

    def latencies_s(genomes: Genomes) -> np.ndarray:
        decoded = [layout.decode(genome) for genome in genomes]
        networks, plans = [one.network for one in decoded], [one.plan for one in decoded]
        found = price_population(networks, plans, device, scenarios, PACKED)
        return np.where(found.feasible, found.latency_s, np.inf)[:, 0]

    genomes = np.repeat(random_genomes(layout, 1, rng), N_CHAINS, axis=0)
    best_designs.settle(layout.shape_ids(genomes))
    network = layout.decode(genomes[0]).network
    planned = layout.encode(genomes[0, layout.architecture], explorer.plan(network))
    genomes = layout.draw_designs(genomes, ~np.zeros_like(genomes, dtype=bool), rng.random(genomes.shape))
    genomes[: N_CHAINS // 2] = planned
    now_s = latencies_s(genomes)
    best_s = planned_s = float(now_s[0])
    for temperature in np.geomspace(HOT, COLD, n_steps):
        moved = moved_designs(best_designs, genomes, rng)
        moved_s = latencies_s(moved)
        with np.errstate(invalid="ignore"):
            rise = moved_s / now_s - 1
        # Chains without a feasible plan yet take any step.
        chance = np.exp(-np.clip(np.where(np.isnan(rise), 0.0, rise), 0.0, 1.0) / temperature)
        is_taken = rng.random(N_CHAINS) < chance
        genomes[is_taken], now_s[is_taken] = moved[is_taken], moved_s[is_taken]
        best_s = min(best_s, float(now_s.min()))
    return Gap(space, network.name, capacitance_f, planned_s, best_s)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found = []
    for number in range(options.networks):
        rng = np.random.default_rng([options.seed, number])
        capacitance_f = float(np.exp(rng.uniform(np.log(30e-6), np.log(220e-6))))
        one = gap(SPACES[number % len(SPACES)], capacitance_f, rng, options.steps)
        found.append(one)
        microfarads = one.capacitance_f * 1e6
        print(
            f"{one.percent:7.3f} %  {one.space:9} {microfarads:5.0f} uF  {one.planned_s:.4f} s  {one.network}",
            flush=True,
        )
    percents = np.array([one.percent for one in found if np.isfinite(one.planned_s)])
    print(f"{len(percents)} networks with a feasible plan: mean {percents.mean():.3f} %, worst {percents.max():.3f} %")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
