"""Sampling, inheritance, crossover, mutation, refinement and duplicates of joint genomes."""

import numpy as np
import pytest
from pymoo.core.population import Population

from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import read_supply_family
from energy.networks.rules import rules
from energy.planning.planner import explorer_for
from energy.scheduling.execution import PACKED, PUBLISHED
from evo.genome.layout import JointGenome
from evo.genome.legal_designs import ABSENT
from evo.objectives import CONSTRAINTS
from evo.operators.repair import BestDesigns, NewGenomes, Refinement
from evo.operators.variation import (
    JointCrossover,
    JointMutation,
    JointSampling,
    inherit,
    random_genomes,
    with_random_designs,
)
from evo.problem.evaluations import Archive, Evaluations
from models.spaces import Space, Stage, preset

TINY = Space(
    name="tiny",
    input_shape=(16, 1, 6),
    n_classes=7,
    stages=(Stage(kernels=(3, 5), channels=(4, 8), depths=(1, 2, 3), residuals=(False, True)),),
)
EXECUTIONS = {"inas2021": PUBLISHED, "ebbnas": PACKED}
LAYOUTS = {
    (space.name, name): JointGenome(space, rules(name)) for space in (TINY, preset("conv1d-3")) for name in EXECUTIONS
}
SUPPLY = read_supply_family("tinas2025").supply(100e-6)
DEVICE = read_device("msp430fr5994-tinas2025")
EXPLORERS = {
    name: explorer_for(DEVICE, Scenarios.of([SUPPLY]), rules(name), execution) for name, execution in EXECUTIONS.items()
}


@pytest.fixture(params=LAYOUTS, ids="-".join)
def layout(request):
    return LAYOUTS[request.param]


@pytest.fixture(params=EXECUTIONS)
def conv1d(request):
    return LAYOUTS["conv1d-3", request.param]


@pytest.fixture(params=EXECUTIONS)
def tiny(request):
    return LAYOUTS["tiny", request.param]


def designs_of(layout):
    """Nothing settled yet, with the explorer of the layout's rules."""
    return BestDesigns(layout, EXPLORERS[layout.rules.name])


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def is_canonical(layout, genomes):
    return np.array_equal(layout.canonical(genomes), genomes)


def differing(layout, one, other):
    """Architecture genes that differ, and other genes that differ, of each pair."""
    differs = one != other
    return differs[:, layout.is_architecture].sum(axis=1), differs[:, ~layout.is_architecture].sum(axis=1)


def test_sampling_starts_with_the_smallest_and_the_largest_network(layout, rng):
    genomes = JointSampling(layout)._do(None, 9, random_state=rng)
    assert genomes.shape == (9, layout.n_genes)
    assert is_canonical(layout, genomes)
    assert np.array_equal(genomes[0, layout.architecture], layout.space.smallest)
    assert np.array_equal(genomes[1, layout.architecture], layout.space.largest)
    assert len(JointSampling(layout)._do(None, 1, random_state=rng)) == 1


def test_random_designs_reach_every_option(tiny, rng):
    layout = tiny
    arch = np.repeat(layout.space.largest[None], 2000, axis=0)
    genomes = with_random_designs(layout, arch, rng)
    assert np.array_equal(genomes.max(axis=0), layout.sizes(genomes).max(axis=0) - 1)
    assert not genomes[:, ~layout.is_architecture].min(axis=0).any()


def test_a_child_takes_the_design_of_the_parent_with_the_same_layer(conv1d, rng):
    layout = conv1d
    names = ["k3c4-k3c4-k3c4", "k1c4-k5c8-k1c4", "k3c4-k3c8-k3c4"]
    archs = np.array([layout.space.decode(name) for name in names])
    first, second, _ = with_random_designs(layout, archs, rng)
    child = inherit(layout, archs[2:], np.stack([first[None], second[None]]), rng)[0]
    slots = [slot.node.slot for slot in layout.space.slots]
    # the first convolution and the pool are those of the first parent (maps of 122 x 4; the second pools 124 x 4),
    # all heads are alike
    for name in ("s0.b0.conv", "pool"):
        genes = layout.execution(slots.index(name))
        assert np.array_equal(child[genes], first[genes])
    head = layout.execution(slots.index("head"))
    assert child[head].tolist() in (first[head].tolist(), second[head].tolist())


def test_a_layer_that_no_parent_has_gets_a_legal_design(tiny, rng):
    layout = tiny
    parents = with_random_designs(layout, layout.space.smallest[None], rng)
    child = inherit(layout, layout.space.largest[None], parents[None], rng)
    assert (layout.shape_ids(parents)[0] == ABSENT).sum() == 4
    assert is_canonical(layout, child)


def test_crossover_takes_every_architecture_gene_from_a_parent(layout, rng):
    parents = np.stack([random_genomes(layout, 30, rng), random_genomes(layout, 30, rng)])
    children = JointCrossover(layout).cross(parents, rng)
    assert children.shape == parents.shape
    for child in children:
        assert is_canonical(layout, child)
        archs = child[:, layout.architecture]
        silent = ~layout.space.active(archs)
        assert (
            (archs == parents[0][:, layout.architecture]) | (archs == parents[1][:, layout.architecture]) | silent
        ).all()


def test_crossing_a_genome_with_itself_changes_nothing(layout, rng):
    genomes = random_genomes(layout, 10, rng)
    children = JointCrossover(layout).cross(np.stack([genomes, genomes]), rng)
    assert np.array_equal(children[0], genomes)
    assert np.array_equal(children[1], genomes)


def test_mutation_moves_one_gene(layout, rng):
    genomes = random_genomes(layout, 200, rng)
    mutants = JointMutation(designs_of(layout)).mutate(genomes, rng)
    assert is_canonical(layout, mutants)
    assert (mutants != genomes).any(axis=1).all()
    n_arch, n_design = differing(layout, genomes, mutants)
    assert 0.45 < (n_arch > 0).mean() < 0.75
    # a tile may shorten the list of batches and so move the batch too
    assert n_design[n_arch == 0].max() <= 2
    if layout.space is not TINY:
        assert n_arch.max() == 1


def test_mutation_leaves_settled_layers_alone(conv1d, rng):
    layout = conv1d
    best_designs = designs_of(layout)
    genomes = Refinement(best_designs, 1.0).refine(random_genomes(layout, 40, rng), rng)
    n_arch, _ = differing(layout, genomes, JointMutation(best_designs).mutate(genomes, rng))
    assert (n_arch == 1).all()


def test_refinement_at_rate_one_gives_every_network_the_explorers_plan(layout, rng):
    best_designs = designs_of(layout)
    genomes = Refinement(best_designs, 1.0).refine(random_genomes(layout, 10, rng), rng)
    for genome in genomes:
        decoded = layout.decode(genome)
        assert decoded.plan == best_designs.explorer.plan(decoded.network)


def test_packed_plans_are_more_than_the_best_layers_and_published_ones_are_not(conv1d, rng):
    explorer = designs_of(conv1d).explorer
    differ = 0
    for genome in random_genomes(conv1d, 10, rng):
        network = conv1d.decode(genome).network
        differ += explorer.plan(network) != tuple(explorer.designs(layer)[0] for layer in network.layers)
    assert (differ > 0) == (conv1d.rules.name == "ebbnas")


def test_refinement_at_rate_zero_is_canonical_form(layout, rng):
    genomes = random_genomes(layout, 10, rng)
    loose = np.where(layout.is_architecture, genomes, genomes + 1)
    assert np.array_equal(Refinement(designs_of(layout), 0.0).refine(loose, rng), layout.canonical(loose))


def test_refinement_explores_a_share_and_remembers_layers(conv1d, rng):
    layout = conv1d
    best_designs = designs_of(layout)
    refinement = Refinement(best_designs, 0.25)
    genomes = random_genomes(layout, 40, rng)
    refined = refinement.refine(genomes, rng)
    ids = layout.shape_ids(refined)
    is_settled = best_designs.is_settled(ids)
    assert 0 < is_settled.all(axis=1).sum() < len(genomes)
    kept = layout.designs(refined)[~is_settled]
    assert np.array_equal(kept, layout.designs(genomes)[~is_settled])
    # what was settled is applied to whoever comes later, without another look at the rate
    refinement.rate = 0.0
    later = refinement.refine(genomes, rng)
    assert np.array_equal(later, refined)


def test_genomes_are_bred_once_and_priced_once(conv1d, rng):
    layout = conv1d
    genomes = np.unique(random_genomes(layout, 6, rng), axis=0)
    archive = Archive()
    none = np.zeros((2, len(CONSTRAINTS)))
    archive.add(Evaluations(genomes=genomes[:2], values=none[:, :2], figures=none, amounts=none, violations=none))
    bred = Population.new(X=genomes[[0, 2, 2, 3, 4]])
    fresh = NewGenomes(archive).do(bred, Population.new(X=genomes[[4]]))
    assert np.array_equal(fresh.get("X"), genomes[[2, 3]])


def test_operators_depend_on_nothing_but_their_generator(layout):
    def children(seed):
        rng = np.random.default_rng(seed)
        parents = np.stack([random_genomes(layout, 8, rng), random_genomes(layout, 8, rng)])
        crossed = JointCrossover(layout).cross(parents, rng)[0]
        return JointMutation(designs_of(layout)).mutate(crossed, rng)

    np.random.seed(1)  # noqa: NPY002 - the global state must not matter
    first = children(5)
    np.random.seed(2)  # noqa: NPY002
    assert np.array_equal(children(5), first)
    assert not np.array_equal(children(6), first)
