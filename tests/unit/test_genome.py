"""The joint genome: layout, canonical form, decoding and encoding, text form, and genes that count."""

import json
from dataclasses import replace

import numpy as np
import pytest

from energy.costing.population import price_population
from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import read_supply_family
from energy.networks.designs import check_plan
from energy.networks.rules import rules
from energy.scheduling.execution import PACKED, PUBLISHED
from evo.genome.layout import JointGenome
from evo.genome.legal_designs import EXECUTION_GENES
from evo.genome.reachable_layers import reachable_layers
from evo.operators.variation import random_genomes
from models.spaces import Space, Stage, preset
from tests.support.genome_text import genome_of_text

TINY = Space(
    name="tiny",
    input_shape=(16, 1, 6),
    n_classes=7,
    stages=(Stage(kernels=(3, 5), channels=(4, 8), depths=(1, 2, 3), residuals=(False, True)),),
)
DEVICE = read_device("msp430fr5994-tinas2025")
SUPPLIES = [read_supply_family("tinas2025").supply(capacitance_f) for capacitance_f in (100e-6, 5e-3)]
LAYOUTS = {
    (space.name, name): JointGenome(space, rules(name))
    for space in (TINY, preset("conv1d-3"), preset("conv2d-5"))
    for name in ("inas2021", "tinas2025", "ebbnas")
}
EXECUTIONS = {"inas2021": PUBLISHED, "tinas2025": PUBLISHED, "ebbnas": PACKED}


@pytest.fixture(
    params=[
        ("tiny", "inas2021"),
        ("conv1d-3", "inas2021"),
        ("conv1d-3", "tinas2025"),
        ("tiny", "ebbnas"),
        ("conv1d-3", "ebbnas"),
    ],
    ids="-".join,
)
def layout(request):
    return LAYOUTS[request.param]


@pytest.fixture
def genomes(layout):
    return random_genomes(layout, 40, np.random.default_rng(3))


@pytest.mark.parametrize("name", ["inas2021", "ebbnas"])
def test_a_genome_has_architecture_genes_and_seven_a_slot(name):
    layout = LAYOUTS["conv1d-3", name]
    # 3 stages x (kernel, channels); 3 convolutions, pool and head x 7
    assert layout.n_genes == 6 + 5 * 7 == len(layout.names)
    assert layout.names[layout.execution(4)] == tuple(
        f"head.{gene}" for gene in ("tile_h", "tile_w", "tile_out", "tile_in", "order", "vector", "batch")
    )
    assert layout.is_architecture.sum() == 6


def test_every_gene_has_one_place(layout):
    places = [*range(layout.n_genes)[layout.architecture]]
    for slot in range(layout.n_slots):
        places += range(layout.n_genes)[layout.execution(slot)]
    assert places == list(range(layout.n_genes))


def test_no_genome_exceeds_the_upper_bounds(layout, genomes):
    assert (layout.sizes(genomes) <= layout.n_options).all()


@pytest.mark.parametrize("name", ["inas2021", "ebbnas"])
def test_upper_bounds_are_reached_in_a_small_space(name):
    layout = LAYOUTS["tiny", name]
    many = random_genomes(layout, 4000, np.random.default_rng(0))
    assert layout.sizes(many).max(axis=0).tolist() == layout.n_options.tolist()


SMALL_INVERTED = Space(
    name="inverted",
    input_shape=(12, 1, 3),
    n_classes=3,
    stages=(
        Stage(kernels=(3,), channels=(4,), blocks=("linear",), is_scaled=False),
        Stage(
            kernels=(1, 3), channels=(6,), depths=(1, 2), residuals=(False, True), strides=(2,), expansions=(1, 3),
            blocks=("inverted",), one_kernel=True,
        ),
    ),
    widths_percent=(50, 100),
    heights=(6, 12),
)  # fmt: skip
SMALL_MIXED = Space(
    name="mixed",
    input_shape=(9, 7, 2),
    n_classes=3,
    stages=(
        Stage(kernels=(1, 3), channels=(2, 4), strides=(2, 1)),
        Stage(kernels=(3, 5), channels=(4, 8), depths=(1, 2), residuals=(False, True), blocks=("bottleneck", "conv")),
        Stage(kernels=(1,), channels=(5, 6), blocks=("dense",)),
    ),
)


def test_reachable_layers_are_those_of_every_network():
    for space in (TINY, SMALL_INVERTED, SMALL_MIXED, preset("conv1d-3")):
        archs = space.enumerate()
        found = {}
        is_small = space.size < 1000
        for arch in archs[:: 1 if is_small else 7]:
            network = space.network(arch)
            for name, layer in zip(network.layer_names, network.layers, strict=True):
                found.setdefault(name, set()).add(layer)
        reached = reachable_layers(space)
        assert all(layers <= set(reached[name]) for name, layers in found.items())
        if is_small:
            assert {name: set(layers) for name, layers in reached.items()} == found


def test_silent_genes_and_absent_layers_are_zero():
    layout = LAYOUTS["tiny", "inas2021"]
    shallow = np.full((1, layout.n_genes), 1)
    shallow[0, layout.names.index("s0.depth")] = 0
    canonical = layout.canonical(shallow)[0]
    assert canonical[layout.names.index("s0.b1.kernel")] == canonical[layout.names.index("s0.residual")] == 0
    for slot in ("s0.b1.conv", "s0.b1.add", "s0.b2.conv", "s0.b2.add"):
        start = layout.names.index(f"{slot}.tile_h")
        assert not canonical[start : start + len(EXECUTION_GENES)].any()


def test_an_index_beyond_its_list_is_the_last_option(layout, genomes):
    huge = genomes.copy()
    huge[:, ~layout.is_architecture] = 10_000
    canonical = layout.canonical(huge)
    assert np.array_equal(canonical, np.where(layout.is_architecture, genomes, layout.sizes(canonical) - 1))


def test_genes_without_a_choice_are_zero(layout, genomes):
    assert not genomes[layout.sizes(genomes) == 1].any()


def test_decoding_gives_layers_and_legal_designs(layout, genomes):
    for genome in genomes:
        decoded = layout.decode(genome)
        assert decoded.network == layout.space.network(decoded.arch)
        for layer, design in zip(decoded.network.layers, decoded.plan, strict=True):
            for gene in ("tile_h", "tile_w", "tile_out", "tile_in"):
                assert getattr(design, gene) in layout.rules.tile_options(layer, gene)
            assert design.order in layout.rules.orders(layer)
            assert design.vector in layout.rules.vectors(layer, design)
            assert design.batch in layout.rules.batch_options(layer, design)
        check_plan(decoded.network, decoded.plan, counting=layout.rules.counting)


def test_encoding_reverses_decoding(layout, genomes):
    for genome in genomes:
        decoded = layout.decode(genome)
        assert np.array_equal(layout.encode(decoded.arch, decoded.plan), genome)


def test_text_form_reads_back_and_names_no_index(layout, genomes):
    for genome in genomes[:10]:
        text = layout.to_json(genome)
        assert np.array_equal(genome_of_text(layout, text), genome)
    data = json.loads(layout.to_json(genomes[0]))
    assert data["architecture"] == layout.space.encode(genomes[0, layout.architecture])
    assert set(data["designs"]["head"]) == set(EXECUTION_GENES)


def test_published_rules_leave_the_vector_gene_no_choice(layout, genomes):
    columns = [column for column, name in enumerate(layout.names) if name.endswith(".vector")]
    is_published = layout.rules.counting == "published"
    assert (layout.sizes(genomes)[:, columns].max() == 1) == is_published
    assert (genomes[:, columns].max() == 0) == is_published


def test_every_legal_design_has_a_genome():
    layout = LAYOUTS["conv1d-3", "inas2021"]
    arch = layout.space.decode("k3c4-k1c8-k5c16")
    network = layout.space.network(arch)
    plan = [layout.rules.table(layer)[0] for layer in network.layers]
    table = layout.rules.table(network.layers[1])
    spelled = {layout.encode(arch, [plan[0], table[row], *plan[2:]]).tobytes() for row in range(len(table))}
    assert len(spelled) == len(table)


def test_every_legal_design_of_our_rules_has_a_genome():
    layout = LAYOUTS["conv1d-3", "ebbnas"]
    layer = layout.space.network(layout.space.decode("k3c4-k1c4-k5c4")).layers[2]
    shape_id = layout.legal.shape_id(layer)
    tilings = layout.rules.tilings(layer)
    legal = [
        replace(bare, vector=vector, batch=batch)
        for row in range(len(tilings))
        for bare in (replace(tilings[row], order=order) for order in layout.rules.orders(layer))
        for vector in layout.rules.vectors(layer, bare)
        for batch in layout.rules.batch_options(layer, bare)
    ]
    spelled = {layout.legal.genes(shape_id, design): design for design in legal}
    assert len(spelled) == len(set(legal)) == len(legal) > 1000
    assert all(layout.legal.design(shape_id, genes) == design for genes, design in spelled.items())


def test_illegal_designs_are_refused_by_name():
    layout = LAYOUTS["conv1d-3", "inas2021"]
    decoded = layout.decode(random_genomes(layout, 1, np.random.default_rng(0))[0])
    wrong = replace(decoded.plan[-1], tile_out=3)
    with pytest.raises(ValueError, match=r"plan of layer 'head': tile_out must be one of \(1, 7\)"):
        layout.encode(decoded.arch, [*decoded.plan[:-1], wrong])
    rows = replace(decoded.plan[-1], vector="row")
    with pytest.raises(ValueError, match=r"plan of layer 'head': vector must be one of \('channel',\).*not 'row'"):
        layout.encode(decoded.arch, [*decoded.plan[:-1], rows])
    with pytest.raises(ValueError, match="plan must have one design for each of the 5 layers, not 4"):
        layout.encode(decoded.arch, decoded.plan[:-1])


def test_malformed_genomes_are_refused():
    layout = LAYOUTS["conv1d-3", "inas2021"]
    with pytest.raises(ValueError, match=r"genomes must have shape \(n, 41\), not \(2, 40\)"):
        layout.canonical(np.zeros((2, 40), dtype=int))
    negative = np.zeros((1, 41), dtype=int)
    negative[0, 8] = -1
    with pytest.raises(ValueError, match=r"gene s0.b0.conv.tile_out must be at least 0, not -1"):
        layout.canonical(negative)


@pytest.mark.parametrize("gene", EXECUTION_GENES)
@pytest.mark.parametrize("space", ["tiny", "conv1d-3", "conv2d-5"])
@pytest.mark.parametrize("name", ["inas2021", "ebbnas"])
def test_every_execution_gene_changes_a_price(name, space, gene):
    layout = LAYOUTS[space, name]
    genomes = random_genomes(layout, 30, np.random.default_rng(1))
    sizes = layout.sizes(genomes)
    columns = [column for column, name in enumerate(layout.names) if name.endswith(f".{gene}")]
    changed, tried = 0, 0
    for row, column in ((row, column) for column in columns for row in range(len(genomes))):
        if sizes[row, column] > 1:
            mutant = genomes[row : row + 1].copy()
            mutant[0, column] = (mutant[0, column] + 1) % sizes[row, column]
            tried += 1
            changed += prices(layout, genomes[row]) != prices(layout, layout.canonical(mutant)[0])
        if tried >= 12:
            break
    # one-dimensional maps have nothing to tile along their width, published counting has one vector mode
    has_choice = (gene != "tile_w" or space == "conv2d-5") and (gene != "vector" or name == "ebbnas")
    assert (tried > 0, changed > 0) == (has_choice, has_choice)


def prices(layout, genome):
    decoded = layout.decode(genome)
    priced = price_population(
        [decoded.network], [decoded.plan], DEVICE, Scenarios.of(SUPPLIES), EXECUTIONS[layout.rules.name]
    )
    return [priced.energy_j.tolist(), priced.energy_over_j.tolist(), priced.vm_over_bytes.tolist()]


def test_a_design_moves_to_another_shape_by_value():
    layout = LAYOUTS["conv1d-3", "inas2021"]
    small, large = (
        layout.space.network(layout.space.decode(text)).layers[1] for text in ("k1c4-k1c8-k1c4", "k1c16-k5c8-k1c4")
    )
    ids = [layout.legal.shape_id(layer) for layer in (small, large)]
    design = replace(layout.rules.table(small)[0], tile_h=32, tile_out=4, tile_in=2, order="weight", batch=2)
    genes = layout.legal.transfer(layout.legal.genes(ids[0], design), *ids)
    moved = layout.legal.design(ids[1], genes)
    # 128 rows become 124, whose divisor nearest to 32 is 31; the four tiles of 31 rows allow a batch of 2
    assert (moved.tile_h, moved.tile_out, moved.tile_in, moved.order, moved.batch) == (31, 4, 2, "weight", 2)
