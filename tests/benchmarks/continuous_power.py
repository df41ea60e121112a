"""Planning for intermittent power against planning as if power never failed, on the spaces and supplies of 2021.

    python tests/benchmarks/continuous_power.py [DESIGNS.json]

For each task and capacitor the front of all networks is taken that a search for continuous power would return
(accuracies by the synthetic formula), nine of it are planned for continuous power and planned again as 2021 does, one
batch a power cycle, and as we do, cycles shared. Printed: how many plans for continuous power are unsafe, and by how
much the others lose. With a file of published designs their own pairs are compared the same way.
"""

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from energy.costing.plan import price_plan
from energy.costing.population import price_population
from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import read_supply_family
from energy.networks.rules import rules
from energy.planning.planner import explorer_for
from energy.planning.published import Explorer
from energy.scheduling.execution import PACKED, PUBLISHED
from evo.exhaustive import every_network, exact_front
from evo.methods import Planning
from evo.synthetic_accuracy import SyntheticAccuracy
from experiments.designs.request import Overrides
from experiments.designs.request_files import read_requests
from experiments.storage.files import read_json
from models.spaces import preset

DEVICE = read_device("msp430fr5994-inas2021")
TASKS = {
    "image": preset("conv2d-5"),
    "activity": preset("conv1d-3").for_data((128, 1, 9), 6),
    "keyword": preset("fc-4"),
}
CAPACITANCES_F = (1e-3, 5e-3, 10e-3)
N_NETWORKS = 9
RECHARGES = ("margin-scaled", "energy-balance")


def continuous_front(space, supply):
    """Networks that a search for continuous power returns, and their plans for it."""
    powered = Planning(device=DEVICE, supplies=(supply,), rules=rules("inas2021")).as_if_powered
    explorer = Explorer(powered.device, Scenarios.of(powered.supplies), powered.rules, n_threads=2)
    every = every_network(space, explorer)
    archs = space.enumerate()
    accuracies = SyntheticAccuracy(space).of(archs, every.n_macs, every.n_parameters)
    rows = exact_front(accuracies, every.latency_s[:, 0]).thin(N_NETWORKS).rows
    networks = [space.network(archs[row]) for row in rows]
    return networks, [explorer.plan(network) for network in networks]


def latencies_s(networks, plans, supply, execution):
    """Latency of each plan under a supply, infinite where it is unsafe. [s]"""
    return price_population(networks, plans, DEVICE, Scenarios.of([supply]), execution).latency_s[:, 0]


def planned(networks, supply, rule_set, execution):
    """Plans of networks for a supply."""
    explorer = explorer_for(DEVICE, Scenarios.of([supply]), rule_set, execution)
    return [explorer.plan(network) for network in networks]


def reductions(before_s, after_s):
    """Latency saved where both are safe, as a share. [1]"""
    both = np.isfinite(before_s) & np.isfinite(after_s)
    return 1 - after_s[both] / before_s[both]


def ours():
    """Print the comparison on our own networks."""
    print(f"{'task':10}{'capacitor':>10}{'networks':>10}{'unsafe':>8}   latency saved: 2021 rules, ours; by recharge")
    totals = {recharge: ([], []) for recharge in RECHARGES}
    n_unsafe = n_all = 0
    for task, space in TASKS.items():
        family = read_supply_family(f"inas2021-{task}")
        for capacitance_f in CAPACITANCES_F:
            supply = family.supply(capacitance_f)
            networks, plans = continuous_front(space, supply)
            cells = []
            for recharge in RECHARGES:
                own = replace(supply, recharge=recharge)
                before_s = latencies_s(networks, plans, own, PUBLISHED)
                as_2021_s = latencies_s(networks, planned(networks, own, rules("inas2021"), PUBLISHED), own, PUBLISHED)
                packed_s = latencies_s(networks, planned(networks, own, rules("ebbnas"), PACKED), own, PACKED)
                for total, after_s in zip(totals[recharge], (as_2021_s, packed_s), strict=True):
                    total.append(reductions(before_s, after_s))
                shares = [total[-1] for total in totals[recharge]]
                cells.append(
                    f"{recharge} " + ", ".join(f"{100 * one.mean():.1f} %" if len(one) else "-" for one in shares)
                )
            unsafe = int(np.isinf(before_s).sum())
            n_unsafe, n_all = n_unsafe + unsafe, n_all + len(networks)
            print(f"{task:10}{1e3 * capacitance_f:>7g} mF{len(networks):>10}{unsafe:>8}   {'; '.join(cells)}")
    print(f"unsafe: {n_unsafe} of {n_all}")
    for recharge, (as_2021, packed) in totals.items():
        means = [100 * np.concatenate(one).mean() for one in (as_2021, packed)]
        print(f"mean over the safe, recharge {recharge}: 2021 rules {means[0]:.1f} %, ours {means[1]:.1f} %")


def published(path):
    """Print the comparison of published designs: those for continuous power beside those for intermittent power."""
    requests = {one.name.rpartition("/")[2]: one for one in read_requests(read_json(path), path.parent, Overrides())}
    unsafe, total, pairs = 0, 0, []
    for name, request in requests.items():
        if not name.startswith("contpow"):
            continue
        total += 1
        _, task, _, rest = name.split("_")
        solution, _, capacitor = rest.partition("@")
        partner = requests.get(f"intpow_{task}_{capacitor}_{solution}")
        if not _priced_plan(request, RECHARGES[0]).feasible:
            unsafe += 1
        elif partner is not None:
            pairs.append(
                [[_priced_plan(one, recharge).latency_s for one in (request, partner)] for recharge in RECHARGES]
            )
    print(f"published designs: {unsafe} of {total} for continuous power are unsafe")
    for recharge, rows in zip(RECHARGES, zip(*pairs, strict=True), strict=True):
        saved = np.mean([1 - after_s / before_s for before_s, after_s in rows])
        print(
            f"recharge {recharge}: {100 * saved:.1f} % saved, mean of {len(rows)} pairs of the same task and capacitor"
        )


def _priced_plan(request, recharge):
    return price_plan(
        request.network, request.plan, request.device, replace(request.supply, recharge=recharge), request.execution
    )  # fmt: skip


if __name__ == "__main__":
    ours()
    if len(sys.argv) > 1:
        published(Path(sys.argv[1]))
