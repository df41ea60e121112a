"""The explorer of our rules against brute force: every legal design walked, priced and ranked by Eq. (7).

Events come from the oracle of exact counting, recharge from the oracle of schedules; Eq. (7) is typed anew.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from energy.events import ORDERS
from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import Supply, read_supply_family
from energy.networks.designs import LayerDesign, Plan
from energy.networks.rules import Rules, rules
from energy.networks.shapes import LayerShape, NetworkShape
from energy.planning import packed
from energy.planning.packed import PackedExplorer
from energy.scheduling.schedule import Pricer, cycle_budget_nj, schedule
from experiments.designs.price import LIMITED
from experiments.designs.price import plan as planned
from experiments.designs.request import Overrides
from experiments.designs.request_files import read_request
from tests.oracles import exact_cases, exact_counts
from tests.oracles.packed_schedules import recharge_s

DEVICE = read_device("msp430fr5994-tinas2025")
FAMILY = read_supply_family("tinas2025")
BOOT = {"reboots": 1, "record_read_calls": 1, "record_read_words": 12}


def layer(op="conv", *, of, to=None, kernel=(1, 1), stride=1, pad=0) -> LayerShape:
    """A layer from its maps, each height, width, channels."""
    names = ("in_h", "in_w", "in_ch", "out_h", "out_w", "out_ch", "kernel_h", "kernel_w")
    sizes = (*of, *(to or of), *kernel)
    return LayerShape(op=op, **dict(zip(names, sizes, strict=True)), stride=stride, pad=pad)


# --- brute force ----------------------------------------------------------------------------------------------------


def legal_designs(rule_set: Rules, shape: LayerShape) -> Iterator[LayerDesign]:
    """Every legal design, by what the rules say of each of its parts."""
    genes = ("tile_h", "tile_w", "tile_out", "tile_in")
    for sizes in product(*(rule_set.tile_options(shape, gene) for gene in genes)):
        for order in rule_set.orders(shape):
            one = LayerDesign(**dict(zip(genes, sizes, strict=True)), order=order, batch=1)
            for vector in rule_set.vectors(shape, one):
                design = replace(one, vector=vector)
                for batch in batches_of(shape, design):
                    yield replace(design, batch=batch)


def batches_of(shape: LayerShape, design: LayerDesign) -> list[int]:
    """Equal parts of the innermost loop, counted by the oracle; `Rules.batch_options` must say the same, see below."""
    if shape.op in ("add", "relu"):
        return [1]
    n_inner = len(next(exact_counts.innermost_loops(exact_counts.normalised(shape, design))))
    return sorted({-(-n_inner // parts) for parts in range(1, n_inner + 1)})


def price(table, events, order):
    return sum(count * float(table[event][ORDERS.index(order)]) for event, count in events.items())


def whole_nj(energy_j):
    """Rounded up; what is a femtojoule above a whole nanojoule is rounding of sums."""
    return math.ceil(energy_j * 1e9 - 1e-6)


BOOT_NJ = whole_nj(price(DEVICE.exact.energy_j, BOOT, "output"))
BOOT_S = price(DEVICE.exact.time_s, BOOT, "output")


@dataclass(frozen=True, kw_only=True)
class Known:
    """A design walked: what Eq. (7) and the memory ask of it."""

    n_batches: int
    energy_j: float
    active_s: float
    reload_j: float
    reload_s: float
    largest_nj: int
    vm_words: int


def known(shape: LayerShape, design: LayerDesign) -> Known:
    batches = exact_counts.exact_batches(shape, design)
    energy_j, time_s = (
        [[price(table, events, design.order) for events in (batch.warm, batch.cold)] for batch in batches]
        for table in (DEVICE.exact.energy_j, DEVICE.exact.time_s)
    )
    return Known(
        n_batches=len(batches),
        energy_j=sum(warm for warm, _ in energy_j),
        active_s=sum(warm for warm, _ in time_s),
        reload_j=sum(cold - warm for warm, cold in energy_j) / len(batches),
        reload_s=sum(cold - warm for warm, cold in time_s) / len(batches),
        largest_nj=max(whole_nj(cold) for _, cold in energy_j),
        vm_words=exact_counts.exact_vm_words(shape, design),
    )


def whole_budget_nj(supply: Supply) -> int:
    stored_j = supply.capacitance_f * (supply.v_on_v**2 - supply.v_off_v**2) / 2
    return math.floor(supply.usable_fraction * stored_j * 1e9 + 1e-6)


def own_time_s(found: Known, supply: Supply, most_a_cycle: float = math.inf) -> float:
    """Eq. (7) with the mean reload in every cycle; inf where the costliest batch does not fit after a boot."""
    budget = whole_budget_nj(supply)
    if found.largest_nj + BOOT_NJ > budget:
        return math.inf
    mean_nj, start_nj = found.energy_j * 1e9 / found.n_batches, BOOT_NJ + found.reload_j * 1e9
    n_a_cycle = min(math.floor((budget - start_nj) / mean_nj), most_a_cycle)
    cycle_s = BOOT_S + found.reload_s + recharge_s(supply, start_nj + n_a_cycle * mean_nj)
    return found.active_s + found.n_batches / n_a_cycle * cycle_s


@cache
def walked(shape: LayerShape, max_vector: int | None) -> dict[LayerDesign, Known]:
    """Every legal design of a layer."""
    return {design: known(shape, design) for design in legal_designs(rules("ebbnas", max_vector), shape)}


def supplies_for(found: dict[LayerDesign, Known]) -> list[Supply]:
    """Three of the contract; where a few and where half of the designs fit; not concave; margin-scaled."""
    shipped = [FAMILY.supply(capacitance_f) for capacitance_f in (47e-6, 470e-6, 5e-3)]
    largest_nj = sorted(one.largest_nj for one in found.values())
    stored_j_per_f = (shipped[0].v_on_v ** 2 - shipped[0].v_off_v ** 2) / 2 * shipped[0].usable_fraction
    narrow = [
        # a third of a nanojoule above a whole number: floats on both sides agree on what fits
        replace(shipped[0], capacitance_f=(BOOT_NJ + largest_nj[at] + 1 / 3) * 1e-9 / stored_j_per_f)
        for at in (0, len(largest_nj) // 10, len(largest_nj) // 2)
    ]
    below = replace(shipped[0], capacitance_f=(BOOT_NJ + largest_nj[0] - 2 / 3) * 1e-9 / stored_j_per_f)
    return [*shipped, *narrow, below, replace(shipped[0], v_off_v=1.0), replace(shipped[1], recharge="margin-scaled")]


def sizes_for(found: dict[LayerDesign, Known]) -> list[int]:
    """Bytes of volatile memory: three round ones, just too little for any design, just enough, and for a third."""
    words = sorted(one.vm_words for one in found.values())
    return [size for size in (128, 256, 2048, 2 * words[0] - 1, 2 * words[0], 2 * words[len(words) // 3]) if size > 0]


def explored(supplies: list[Supply], vm_bytes: int = 2048, max_vector=None, cuts="optimal"):
    device = replace(DEVICE, vm_bytes=vm_bytes)
    return PackedExplorer(device, Scenarios.of(supplies), rules("ebbnas", max_vector), cuts=cuts)


def check_against_brute_force(shape: LayerShape, max_vector: int | None, cuts: str = "optimal") -> int:
    """All budgets and sizes of memory; returns how many answers were that nothing is feasible."""
    found, n_infeasible = walked(shape, max_vector), 0
    supplies = supplies_for(found)
    most = 1 if cuts == "each" else math.inf
    times_s = {design: [own_time_s(one, supply, most) for supply in supplies] for design, one in found.items()}
    for vm_bytes in sizes_for(found):
        explorer = explored(supplies, vm_bytes, max_vector, cuts)
        optima = explorer.best([shape])
        inside = [design for design, one in found.items() if one.vm_words <= vm_bytes // 2]
        assert optima.n_designs.tolist() == [len(inside)], (shape, vm_bytes)
        for index in range(len(supplies)):
            least_s = min((times_s[design][index] for design in inside), default=math.inf)
            where = (shape, vm_bytes, max_vector, supplies[index])
            assert optima.latency_s[0, index] == pytest.approx(least_s, rel=1e-9), where
            candidates = explorer.candidates(shape, index)
            assert set(candidates.designs) <= set(found), where
            over = optima.energy_over_j[0, index], optima.vm_over_bytes[0, index]
            assert (max(over) > 0) == math.isinf(least_s), where
            if math.isinf(least_s):
                n_infeasible += 1
                check_violation(over, found, vm_bytes, supplies[index])
                continue
            assert candidates.time_s[0] == min(candidates.time_s)
            for design, time_s in zip(candidates.designs, candidates.time_s, strict=True):
                assert design in inside, where
                assert time_s == pytest.approx(times_s[design][index], rel=1e-9), (*where, design)
    return n_infeasible


def check_violation(over, found, vm_bytes, supply):
    """Bytes by which the smallest design is over the memory, or joules by which the least batch is over the budget."""
    energy_over_j, vm_over_bytes = over
    assert vm_over_bytes == 2 * max(min(one.vm_words for one in found.values()) - vm_bytes // 2, 0)
    if vm_over_bytes == 0:
        least_nj = min(one.largest_nj for one in found.values() if one.vm_words <= vm_bytes // 2)
        # The smallest design has the least batch of all but rarely.
        assert energy_over_j * 1e9 >= least_nj + BOOT_NJ - whole_budget_nj(supply) - 1e-6
        assert energy_over_j * 1e9 <= 1.5 * least_nj + BOOT_NJ - whole_budget_nj(supply)


LAYERS = {
    "3x3, three channels": layer(of=(3, 2, 3), to=(3, 2, 2), kernel=(3, 3), pad=1),
    "stride 2 of an even map": layer(of=(4, 4, 2), to=(2, 2, 3), kernel=(3, 3), stride=2, pad=1),
    "stride beyond the kernel": layer(of=(5, 4, 4), to=(2, 2, 3), kernel=(1, 1), stride=3),
    "pointwise": layer(of=(2, 3, 6), to=(2, 3, 3)),
    "along the width": layer(of=(1, 6, 3), to=(1, 6, 3), kernel=(1, 3), pad=1),
    "covers its input": layer(of=(2, 3, 3), to=(1, 1, 5), kernel=(2, 3)),
    "fully connected": layer(of=(1, 1, 21), to=(1, 1, 7)),
    "covers its padded input": layer(of=(2, 2, 2), to=(3, 3, 2), kernel=(2, 2), pad=1),
    "depthwise": layer("depthwise_conv", of=(3, 3, 3), kernel=(3, 3), pad=1),
    "depthwise with stride": layer("depthwise_conv", of=(5, 3, 2), to=(3, 2, 2), kernel=(3, 3), stride=2, pad=1),
    "depthwise along the width": layer("depthwise_conv", of=(1, 7, 5), to=(1, 3, 5), kernel=(1, 3), stride=2),
    "pooling": layer("global_avg_pool", of=(3, 5, 5), to=(1, 1, 5), kernel=(3, 5)),
    "pooling of one pixel": layer("global_avg_pool", of=(1, 1, 9), to=(1, 1, 9)),
    "add": layer("add", of=(3, 4, 7)),
    "batch norm": layer("batch_norm", of=(3, 2, 5)),
    "relu": layer("relu", of=(5, 3, 3)),
}
UPRIGHT = {
    "along the height": layer(of=(6, 1, 3), to=(6, 1, 3), kernel=(3, 1), pad=1),
    "along the height with stride": layer(of=(8, 1, 2), to=(4, 1, 3), kernel=(3, 1), stride=2, pad=1),
    "depthwise along the height": layer("depthwise_conv", of=(7, 1, 3), kernel=(3, 1), pad=1),
    "pooling along the height": layer("global_avg_pool", of=(9, 1, 5), to=(1, 1, 5), kernel=(9, 1)),
    "add along the height": layer("add", of=(9, 1, 3)),
    "batch norm along the height": layer("batch_norm", of=(6, 1, 3)),
}


@pytest.mark.parametrize("name", [*LAYERS, *UPRIGHT])
def test_nothing_legal_is_faster_than_what_is_found(name):
    shape = (LAYERS | UPRIGHT)[name]
    assert check_against_brute_force(shape, None) >= 9  # no memory, and no budget in any memory


@pytest.mark.parametrize("name", ["stride 2 of an even map", "along the width", "depthwise", "pooling", "relu"])
def test_nothing_legal_is_faster_with_one_batch_a_cycle(name):
    check_against_brute_force(LAYERS[name], None, cuts="each")


@pytest.mark.parametrize("max_vector", [2, 6, 1000])
@pytest.mark.parametrize(
    "name", ["3x3, three channels", "fully connected", "along the width", "depthwise along the width"]
)
def test_the_longest_vector_limits_what_is_chosen(name, max_vector):
    check_against_brute_force(LAYERS[name], max_vector)


@pytest.mark.parametrize("name", [*LAYERS, *UPRIGHT])
def test_the_rules_name_the_batches_of_the_loop_that_runs(name):
    """Of a layer along its height too, whose tiles change height and width with it."""
    shape, rule_set = (LAYERS | UPRIGHT)[name], rules("ebbnas")
    for design in legal_designs(rule_set, shape):
        assert list(rule_set.batch_options(shape, design)) == batches_of(shape, design), design


def drawn_layers(seed: int, n: int, most_designs: int) -> list[tuple[LayerShape, int | None]]:
    rng, found = np.random.default_rng(seed), []
    while len(found) < n:
        ((shape, _),) = exact_cases.random_cases(rng, 1)
        max_vector = [None, 2, 4, 12, 1000][int(rng.integers(5))]
        n_elements = shape.out_h * shape.out_w * shape.out_ch * (shape.in_ch if shape.op == "conv" else 1)
        if n_elements <= 300 and len(list(legal_designs(rules("ebbnas", max_vector), shape))) <= most_designs:
            found.append((shape, max_vector))
    return found


@pytest.mark.parametrize("part", range(2))
def test_nothing_legal_is_faster_for_random_layers(part):
    for shape, max_vector in drawn_layers(20 + part, 6, 200):
        check_against_brute_force(shape, max_vector)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_nothing_legal_is_faster_for_many_random_layers(part):
    for shape, max_vector in drawn_layers(30 + part, 12, 1500):
        check_against_brute_force(shape, max_vector)


def test_budgets_explored_together_are_those_explored_alone():
    shape = LAYERS["3x3, three channels"]
    supplies = supplies_for(walked(shape, None))
    together = explored(supplies)
    for index, supply in enumerate(supplies):
        alone = explored([supply])
        assert alone.best([shape]).latency_s[0, 0] == together.best([shape]).latency_s[0, index]
        assert alone.best([shape]).n_designs == together.best([shape]).n_designs
        assert alone.designs(shape)[0] == together.designs(shape)[index]


@pytest.mark.parametrize("name", ["pooling", "batch norm", "relu"])
def test_a_design_that_fills_the_budget_to_the_nanojoule_is_feasible(name):
    """Prices of whole nanojoules, so that a boot and the costliest batch of the smallest design are the budget."""
    shape, rule_set = LAYERS[name], rules("ebbnas")
    whole_j = {event: np.maximum(np.round(price_j * 1e9), 1) * 1e-9 for event, price_j in DEVICE.exact.energy_j.items()}
    device = replace(DEVICE, exact=replace(DEVICE.exact, energy_j=whole_j))
    pricer, smallest = Pricer(device), next(legal_designs(rule_set, shape))
    needed_nj = pricer.boot_nj + int(pricer.batches(shape, smallest).nanojoules[1].max())
    shipped = FAMILY.supply(47e-6)
    supply = replace(shipped, capacitance_f=shipped.capacitance_f * needed_nj * 1e-9 / shipped.cycle_budget_j)
    supplies = Scenarios.of([supply])
    assert cycle_budget_nj(supplies) == needed_nj
    assert schedule(pricer.sequence(chain("alone", shape), (smallest,)), supplies).over_nj == 0
    optima = PackedExplorer(device, supplies, rule_set).best([shape])
    assert np.isfinite(optima.latency_s[0, 0])


# --- networks -------------------------------------------------------------------------------------------------------


def chain(name: str, *layers: LayerShape) -> NetworkShape:
    """Layers one after the other."""
    return NetworkShape(
        name=name,
        layers=layers,
        layer_names=tuple(f"layer_{index}" for index in range(len(layers))),
        inputs=tuple((index - 1,) for index in range(len(layers))),
    )


NETWORKS = {
    "image": chain(
        "image",
        layer(of=(6, 6, 3), to=(6, 6, 4), kernel=(3, 3), pad=1),
        layer("global_avg_pool", of=(6, 6, 4), to=(1, 1, 4), kernel=(6, 6)),
        layer(of=(1, 1, 4), to=(1, 1, 5)),
    ),
    "signal": chain(
        "signal",
        layer(of=(24, 1, 2), to=(12, 1, 6), kernel=(3, 1), stride=2, pad=1),
        layer(of=(12, 1, 6), to=(12, 1, 4), kernel=(3, 1), pad=1),
    ),
    "separable": chain(
        "separable",
        layer(of=(5, 5, 4), to=(5, 5, 8)),
        layer("depthwise_conv", of=(5, 5, 8), kernel=(3, 3), pad=1),
        layer(of=(5, 5, 8), to=(5, 5, 6)),
    ),
}
CAPACITANCES_F = (47e-6, 100e-6, 470e-6)
NETWORK_VM_BYTES = 512
SAME = 1e-12
"""Relative rounding of sums of times in another order."""


@cache
def explorer_of_networks(n_threads: int = 1, cuts: str = "optimal") -> PackedExplorer:
    supplies = [FAMILY.supply(capacitance_f) for capacitance_f in CAPACITANCES_F]
    device = replace(DEVICE, vm_bytes=NETWORK_VM_BYTES)
    return PackedExplorer(device, Scenarios.of(supplies), rules("ebbnas"), cuts=cuts, n_threads=n_threads)


def plans_of(explorer: PackedExplorer, network: NetworkShape) -> list[Plan]:
    return [explorer.plan(network, index) for index in range(len(explorer.scenarios))]


def least_of_all_combinations_s(explorer: PackedExplorer, network: NetworkShape, index: int) -> float:
    """Least latency over every combination of candidates."""
    choices = [explorer.candidates(shape, index).designs for shape in network.layers]
    return min(explorer.schedule(network, plan, index).latency_s for plan in product(*choices))


@pytest.mark.parametrize("cuts", ["optimal", "greedy"])
@pytest.mark.parametrize("name", NETWORKS)
def test_plans_are_the_best_of_all_combinations_of_candidates(name, cuts):
    network, explorer = NETWORKS[name], explorer_of_networks(cuts=cuts)
    for index in range(len(CAPACITANCES_F)):
        found_s = explorer.schedule(network, explorer.plan(network, index), index).latency_s
        assert found_s == pytest.approx(least_of_all_combinations_s(explorer, network, index), rel=SAME)
    assert explorer.n_limited == 0


def drawn_chain(rng: np.random.Generator, n_layers: int) -> NetworkShape:
    """Convolutions, some of them depthwise, that keep the size of the map of the first."""
    height, width, channels = (int(size) for size in rng.integers(2, 7, 3))
    layers = [layer(of=(height, width, 3), to=(height, width, channels), kernel=(3, 3), pad=1)]
    for _ in range(n_layers - 1):
        op = str(rng.choice(["conv", "depthwise_conv"]))
        out = int(rng.integers(1, 9)) if op == "conv" else channels
        kernel = int(rng.choice([1, 3]))
        sizes = {"of": (height, width, channels), "to": (height, width, out)}
        layers.append(layer(op, **sizes, kernel=(kernel, kernel), pad=kernel // 2))
        channels = out
    return chain("drawn", *layers)


@pytest.mark.parametrize("cuts", ["optimal", "greedy"])
def test_plans_of_random_networks_are_the_best_of_all_combinations_of_candidates(cuts):
    rng = np.random.default_rng(40)
    for case in range(15):
        network = drawn_chain(rng, int(rng.integers(2, 4)))
        supply = FAMILY.supply(float(10 ** rng.uniform(-4.4, -3)))
        if case % 3 == 0:
            supply = replace(supply, v_off_v=1.0)  # recharge is not concave
        device = replace(DEVICE, vm_bytes=int(rng.choice([256, 512, 2048])))
        explorer = PackedExplorer(device, Scenarios.of([supply]), rules("ebbnas"), cuts=cuts)
        found_s = explorer.schedule(network, explorer.plan(network)).latency_s
        assert found_s == pytest.approx(least_of_all_combinations_s(explorer, network, 0), rel=SAME)


def test_a_plan_whose_choice_was_limited_is_noted(monkeypatch):
    network = drawn_chain(np.random.default_rng(42), 5)
    request = read_request({"network": network.to_dict()}, Path(), Overrides(capacitance_f=100e-6))
    assert LIMITED not in planned(request).notes
    monkeypatch.setattr(packed, "MOST_LABELS", 1)
    assert LIMITED in planned(request).notes


@pytest.mark.parametrize("name", NETWORKS)
def test_threads_and_repeats_do_not_change_a_plan(name):
    network = NETWORKS[name]
    first = plans_of(explorer_of_networks(), network)
    assert plans_of(explorer_of_networks(), network) == first
    fresh = PackedExplorer(
        explorer_of_networks().device, explorer_of_networks().scenarios, rules("ebbnas"), n_threads=4
    )
    assert plans_of(fresh, network) == first
    assert np.array_equal(fresh.best(network.layers).latency_s, explorer_of_networks().best(network.layers).latency_s)


def test_plans_are_safe_and_their_sequences_are_those_of_the_oracle():
    explorer = explorer_of_networks()
    for network in NETWORKS.values():
        for index, plan in enumerate(plans_of(explorer, network)):
            found = explorer.schedule(network, plan, index)
            assert found.over_nj == 0
            assert found.energy_nj.max() <= cycle_budget_nj(explorer.scenarios, index)
            sequence = Pricer(DEVICE).sequence(network, plan)
            pairs = [(shape, design) for shape, design in zip(network.layers, plan, strict=True)]
            expected = [
                [whole_nj(price(DEVICE.exact.energy_j, events, design.order)) for events in (batch.warm, batch.cold)]
                for shape, design in pairs
                for batch in exact_counts.exact_batches(shape, design)
            ]
            assert np.column_stack(sequence.energies_nj).tolist() == expected
            assert schedule(sequence, explorer.scenarios, index).latency_s == found.latency_s
