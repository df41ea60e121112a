"""Canonical form and decoding of any genome of any space."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from energy.networks.rules import RULES
from evo.genome.layout import JointGenome
from models.spaces import Space, Stage
from tests.support.genome_text import genome_of_text

SPACES = [
    Space(
        name="tiny",
        input_shape=(16, 1, 6),
        n_classes=7,
        stages=(Stage(kernels=(3, 5), channels=(4, 8), depths=(1, 2, 3), residuals=(False, True)),),
    ),
    Space(
        name="square",
        input_shape=(8, 8, 3),
        n_classes=4,
        stages=(Stage(kernels=(1, 3), channels=(2, 6)), Stage(kernels=(1, 3), channels=(4,), strides=(2,))),
        padding="valid",
    ),
]
LAYOUTS = [JointGenome(space, chosen) for space in SPACES for chosen in RULES.values()]


@st.composite
def populations(draw):
    """A layout with genomes whose execution genes reach beyond every list."""
    layout = draw(st.sampled_from(LAYOUTS))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    genomes = rng.integers(0, layout.n_options + 3, size=(4, layout.n_genes))
    genomes[:, layout.architecture] = rng.integers(0, layout.space.n_options, size=(4, layout.n_arch))
    return layout, genomes


@given(populations())
def test_canonical_form_is_stable(drawn):
    layout, genomes = drawn
    canonical = layout.canonical(genomes)
    assert np.array_equal(layout.canonical(canonical), canonical)
    assert (canonical < layout.sizes(canonical)).all()


@given(populations())
def test_one_design_of_one_network_has_one_spelling(drawn):
    layout, genomes = drawn
    for genome in layout.canonical(genomes):
        decoded = layout.decode(genome)
        assert np.array_equal(layout.encode(decoded.arch, decoded.plan), genome)
        assert np.array_equal(genome_of_text(layout, layout.to_json(genome)), genome)


@given(populations())
def test_a_population_is_treated_genome_by_genome(drawn):
    layout, genomes = drawn
    alone = np.vstack([layout.canonical(genome[None]) for genome in genomes])
    assert np.array_equal(layout.canonical(genomes), alone)


@given(populations(), st.integers(0, 2**32 - 1))
def test_drawn_designs_are_legal_and_leave_the_rest(drawn, seed):
    layout, genomes = drawn
    rng = np.random.default_rng(seed)
    canonical = layout.canonical(genomes)
    mask = (rng.random(canonical.shape) < 0.5) & ~layout.is_architecture
    redrawn = layout.draw_designs(canonical, mask, rng.random(canonical.shape))
    assert np.array_equal(layout.canonical(redrawn), redrawn)
    tiles = ~mask & [not name.endswith(".batch") for name in layout.names]
    assert np.array_equal(redrawn[tiles], canonical[tiles])
