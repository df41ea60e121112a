"""Spaces of networks: counting, canonical form, text form, and shapes that fit, for flat and for silent genes."""

import numpy as np
import pytest

from models.spaces import PRESETS, Space, Stage, preset

TINY = Space(
    name="tiny",
    input_shape=(16, 1, 2),
    n_classes=3,
    stages=(Stage(kernels=(3, 5), channels=(4, 8), depths=(1, 2, 3), residuals=(False, True), stride=2),),
)
"""The four-line space with depth 1-3 and a residual that every part of the project must carry."""

SPACES = [TINY, *PRESETS.values()]


@pytest.fixture(params=SPACES, ids=lambda space: space.name)
def space(request):
    return request.param


def test_sizes_are_those_of_the_publications():
    # conv1d-3: (4 kernels x 4 channels) ^ 3; conv2d-5: ... ^ 5
    assert (preset("conv1d-3").size, preset("conv2d-5").size) == (4096, 1_048_576)


def test_silent_genes_do_not_count():
    # per channel count: depth 1 has 2 kernels; depth 2 has 4 x 2 (residual or not); depth 3 has 8 x 2 -> 26, twice
    assert TINY.size == 52


def test_enumeration_lists_every_distinct_network_once():
    for space in (TINY, preset("conv1d-3")):
        rows = space.enumerate()
        assert rows.shape == (space.size, len(space.genes))
        assert len(np.unique(rows, axis=0)) == space.size
        assert np.array_equal(space.canonical(rows), rows)
    assert len({TINY.encode(row) for row in TINY.enumerate()}) == TINY.size


def test_canonical_form_is_stable_and_names_the_same_network(space):
    genes = np.random.default_rng(0).integers(0, space.n_options, size=(50, len(space.genes)))
    canonical = space.canonical(genes)
    assert np.array_equal(space.canonical(canonical), canonical)
    for arch, spelled in zip(genes, canonical, strict=True):
        assert space.graph(arch) == space.graph(spelled)


def test_silent_genes_do_not_reach_the_network():
    shallow = TINY.smallest.copy()
    others = shallow.copy()
    others[[gene.name for gene in TINY.genes].index("s0.b2.kernel")] = 1
    others[[gene.name for gene in TINY.genes].index("s0.residual")] = 1
    assert np.array_equal(TINY.canonical(others[None])[0], shallow)
    assert TINY.encode(others) == TINY.encode(shallow)


def test_text_form_reads_back(space):
    for arch in space.sample(np.random.default_rng(1), 50):
        assert np.array_equal(space.decode(space.encode(arch)), arch)


@pytest.mark.parametrize("text", ["", "k3c16", "k3c16-k3c24-k2c8", "k3c16-k3c24-k1c8-k1c8", "k3c16-k3c24-k1c8d2"])
def test_a_text_of_another_space_is_refused(text):
    with pytest.raises(ValueError, match="architecture must be of space conv1d-3"):
        preset("conv1d-3").decode(text)


def test_every_network_fits_together_and_names_slots_of_the_largest(space):
    slots = [slot.node.slot for slot in space.slots]
    for arch in [space.smallest, space.largest, *space.sample(np.random.default_rng(2), 30)]:
        network = space.network(arch)
        assert network.input_shape == space.input_shape
        assert (network.layers[-1].out_h, network.layers[-1].out_w, network.layers[-1].out_ch) == (
            1,
            1,
            space.n_classes,
        )
        assert [slots[index] for index in space.slot_indices(arch)] == list(network.layer_names)


def test_residuals_add_the_input_of_their_block():
    arch = TINY.decode("k3.5c8d2r1")
    network = TINY.network(arch)
    assert network.layer_names == ("s0.b0.conv", "s0.b1.conv", "s0.b1.add", "pool", "head")
    assert network.inputs == ((-1,), (0,), (1, 0), (2,), (3,))


def test_the_first_block_of_a_stage_steps_and_the_others_keep_the_size():
    layers = TINY.network(TINY.decode("k3.3.3c4d3r0")).layers
    # (16 + 2 - 3) / 2 + 1 = 8.5 -> 8
    assert [layer.out_h for layer in layers] == [8, 8, 8, 1, 1]


def test_valid_padding_shrinks_the_map():
    layers = preset("conv1d-3").network(preset("conv1d-3").decode("k7c24-k3c8-k1c4")).layers
    # 128 - 6 = 122, - 2 = 120, - 0
    assert [layer.out_h for layer in layers] == [122, 120, 120, 1, 1]


def test_neighbours_are_one_gene_away_and_distinct():
    arch = TINY.decode("k3c4d1r0")
    neighbours = [TINY.encode(row) for row in TINY.neighbours(arch)]
    # deeper twice (the new kernels are the first option), other kernel, other channels
    assert sorted(neighbours) == ["k3.3.3c4d3r0", "k3.3c4d2r0", "k3c8d1r0", "k5c4d1r0"]


def test_sampling_depends_on_the_generator_only(space):
    twice = [space.sample(np.random.default_rng(7), 20) for _ in range(2)]
    assert np.array_equal(*twice)
    assert np.array_equal(space.canonical(twice[0]), twice[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"padding": "full"}, "padding must be 'same' or 'valid', not 'full'"),
        ({"padding": "valid"}, "residuals need padding 'same'"),
        ({"stages": (Stage(kernels=(2,), channels=(4,)),)}, "kernels must be odd under padding 'same'"),
    ],
)
def test_a_space_that_cannot_be_is_refused(changes, message):
    fields = dict(name="tiny", input_shape=(16, 1, 2), n_classes=3, stages=TINY.stages)
    with pytest.raises(ValueError, match=message):
        Space(**{**fields, **changes})


def test_kernels_larger_than_the_map_are_refused():
    with pytest.raises(ValueError, match="out_h must be a whole number of at least 1, not 0"):
        Space(
            name="small",
            input_shape=(8, 1, 2),
            n_classes=3,
            padding="valid",
            stages=(Stage(kernels=(9,), channels=(4,)),),
        )


@pytest.mark.parametrize("options", [(), (3, 3), (5, 3), (0,)])
def test_option_lists_must_rise(options):
    with pytest.raises(ValueError, match="kernels must"):
        Stage(kernels=options, channels=(4,))


def test_genes_outside_their_options_are_refused_by_name():
    outside = TINY.smallest.copy()
    outside[0] = 3
    with pytest.raises(ValueError, match=r"gene s0\.depth must be from 0 to 2, not 3"):
        TINY.canonical(outside[None])
    with pytest.raises(ValueError, match=r"archs must have shape \(n, 6\)"):
        TINY.canonical(TINY.smallest)


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'conv1d-3'"):
        preset("conv1d3")
