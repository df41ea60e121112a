"""Spaces of networks: counting, canonical form, text form, and shapes that fit, for flat and for silent genes."""

import json
from pathlib import Path

import numpy as np
import pytest

import experiments
from energy.networks.shapes import NetworkShape
from models.spaces import PRESETS, Space, Stage, preset
from models.spaces.space import scaled_channels

TINY = Space(
    name="tiny",
    input_shape=(16, 1, 2),
    n_classes=3,
    stages=(Stage(kernels=(3, 5), channels=(4, 8), depths=(1, 2, 3), residuals=(False, True), strides=(2,)),),
)
"""The four-line space with depth 1-3 and a residual that every part of the project must carry."""

DENSE = Stage(kernels=(1,), channels=(4,), blocks=("dense",))
SPACES = [TINY, *PRESETS.values()]


@pytest.fixture(params=SPACES, ids=lambda space: space.name)
def space(request):
    return request.param


def test_sizes_are_those_of_the_publications():
    # conv1d-3: (4 kernels x 4 channels) ^ 3; conv2d-5: ... ^ 5
    assert (preset("conv1d-3").size, preset("conv2d-5").size) == (4096, 1_048_576)


def test_spaces_of_2025_have_the_published_number_of_spellings():
    # 4 expansions x 4 kernels x 3 depths x 2 a stage; 9 widths x 2 resolutions, 6 x 2 in one dimension
    assert np.prod(preset("mbconv2d").n_options) == 96**4 * 18
    assert np.prod(preset("mbconv1d").n_options) == 96**3 * 12
    # a residual that has nothing to add counts once: 4 x 4 x (1 + 2 + 2) = 80 stages
    assert (preset("mbconv2d").size, preset("mbconv1d").size) == (80**4 * 18, 80**3 * 12)


def test_keyword_space_of_2021_is_256_chains_of_fully_connected_layers():
    space = preset("fc-4")
    assert space.size == 256
    layers = space.network(space.decode("c48-c96-c96-c48")).layers
    assert [(layer.in_h, layer.in_ch, layer.kernel_h, layer.out_ch) for layer in layers] == [
        (250, 1, 250, 48), (1, 48, 1, 96), (1, 96, 1, 96), (1, 96, 1, 48), (1, 48, 1, 12),
    ]  # fmt: skip


def test_our_spaces_hold_a_billion_networks():
    assert min(preset(name).size for name in ("ebb1d", "ebb2d")) >= 1e9


def test_a_network_published_in_2025_is_in_its_space():
    """The example that ships with the project, whose batch norm and ReLU layers the space counts with their layer."""
    path = Path(experiments.__file__).parent / "designs" / "examples" / "tinas2025_har.json"
    published = NetworkShape.from_dict(json.loads(path.read_text())["network"])
    layers = [layer for layer in published.layers if layer.op not in ("batch_norm", "relu")]
    space = preset("mbconv1d")
    assert _key(space.network(_like(space, layers)).layers) == _key(layers)


def _key(layers):
    """What a layer computes; the pooling of published files writes no kernel, and 1x1 layers no padding."""
    return [
        (layer.op, layer.in_h, layer.in_ch, layer.out_h, layer.out_ch, layer.op != "global_avg_pool" and layer.kernel_h)
        for layer in layers
    ]


def _like(space, layers):
    """The network of a space of 2025 at full width that given layers seem to be, stage by stage."""
    stages, blocks = [], []
    for at, layer in enumerate(layers):
        if layer.op == "depthwise_conv":
            if layer.out_h < layer.in_h:
                blocks = []
                stages.append(blocks)
            blocks.append((layers[at - 1].out_ch // layers[at - 1].in_ch, layer.kernel_h, layers[at + 2].op == "add"))
    text = "-".join(f"k{own[0][1]}e{own[0][0]}d{len(own)}r{int(own[-1][2])}" for own in stages)
    return space.decode(f"w100h{layers[0].in_h}-k3c10-{text}")


@pytest.mark.parametrize(
    ("channels", "width_percent", "expected"),
    # 0.5 x 12 / 2 = 3; 0.9 x 8 / 2 = 3.6 -> 4; 0.5 x 10 / 2 = 2.5 -> 2, halves to even; 0.2 x 2 / 2 -> at least 2
    [(12, 50, 6), (8, 90, 8), (10, 50, 4), (2, 20, 2), (5, 100, 5)],
)
def test_widths_scale_channels_to_even_numbers(channels, width_percent, expected):
    assert scaled_channels(channels, width_percent) == expected


def test_the_stem_is_not_scaled_and_data_are_resized():
    network = preset("mbconv1d").network(preset("mbconv1d").decode("w50h64-k3c10-k3e1d1r0-k3e1d1r0-k3e1d1r0"))
    # stem 10; 0.5 x 8 / 2 = 2, 0.5 x 12 / 2 = 3, 0.5 x 16 / 2 = 4 pairs; 64 -> 32 -> 16 -> 8
    assert [(layer.out_h, layer.out_ch) for layer in network.layers if layer.op == "conv"] == [
        (64, 10), (64, 10), (32, 4), (32, 4), (16, 6), (16, 6), (8, 8), (1, 6),
    ]  # fmt: skip


def test_heights_follow_the_data():
    other = preset("mbconv2d").for_data((28, 28, 1), 10)
    # 32 -> 28 as 28 -> 24.5, halves to even
    assert (other.heights, other.input_shape) == ((24, 28), (28, 28, 1))


def test_a_bottleneck_has_half_the_channels_inside_and_stands_behind_a_convolution():
    stage = Stage(
        kernels=(3, 5), channels=(8, 20), depths=(1, 2), residuals=(False, True), blocks=("bottleneck", "conv")
    )
    space = Space(name="narrow", input_shape=(8, 8, 3), n_classes=4, stages=(stage,))
    network = space.network(space.decode("k3.5c20t0d2r1"))
    pairs = zip(network.layer_names, network.layers, strict=True)
    assert [(name, layer.kernel_h, layer.out_ch) for name, layer in pairs][:5] == [
        ("s0.b0.conv", 3, 20), ("s0.b1.reduce", 1, 10), ("s0.b1.middle", 5, 10), ("s0.b1.restore", 1, 20),
        ("s0.b1.add", 1, 20),
    ]  # fmt: skip
    # depth 1: 2 kernels; depth 2: 4 pairs x residual or not x 2 kinds; each of 2 widths
    assert space.size == (2 + 16) * 2


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
        assert network.input_shape == space.graph(arch).input_shape
        assert (network.layers[-1].out_h, network.layers[-1].out_w, network.layers[-1].out_ch) == (
            1,
            1,
            space.n_classes,
        )
        assert set(network.layer_names) <= set(slots)


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


def test_sampling_depends_on_the_generator_only(space):
    twice = [space.sample(np.random.default_rng(7), 20) for _ in range(2)]
    assert np.array_equal(*twice)
    assert np.array_equal(space.canonical(twice[0]), twice[0])


def test_networks_of_all_sizes_are_drawn_gene_by_gene_uniformly_and_yet_spread():
    space = preset("conv2d-5")
    rng = np.random.default_rng(0)
    spread, independent = space.sample_all_sizes(rng, 20_000), space.sample(rng, 20_000)
    # binomial of 3 at a uniform level: each of 4 options with the integral of C(3, k) p^k (1 - p)^(3 - k), 1 / 4
    for column in spread.T:
        assert np.bincount(column) / 20_000 == pytest.approx([0.25] * 4, abs=0.015)
    # the sum of 10 genes: variance 10 x 1.25 where they are independent, far more where they rise together
    assert independent.sum(axis=1).var() == pytest.approx(12.5, rel=0.05)
    assert spread.sum(axis=1).var() > 60
    assert np.array_equal(space.canonical(spread), spread)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"padding": "full"}, "padding must be 'same' or 'valid', not 'full'"),
        ({"padding": "valid"}, "residuals need padding 'same'"),
        ({"stages": (Stage(kernels=(2,), channels=(4,)),)}, "kernels must be odd under padding 'same'"),
        ({"heights": (16, 8)}, "heights must rise"),
        ({"widths_percent": ()}, "widths_percent must not be empty"),
        ({"widths_percent": (0,)}, "widths_percent must be a whole number of at least 1, not 0"),
        ({"stages": (DENSE, *TINY.stages)}, "dense blocks must stand alone in their stages, behind all others"),
        ({"stages": (DENSE,), "heights": (8, 16)}, "heights must be one where blocks are dense"),
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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strides": (1, 2)}, "strides must fall"),
        ({"blocks": ()}, "blocks must not be empty or repeat"),
        ({"blocks": ("conv", "conv")}, "blocks must not be empty or repeat"),
        ({"blocks": ("residual",)}, "blocks must be one of .*, not 'residual'"),
    ],
)
def test_a_stage_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Stage(**{"kernels": (3,), "channels": (4,), **changes})
