"""Laws that have one home: the innermost count, the legality of a vector, the rounding of energy."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.counting import rows
from energy.counting.exact import n_batches_of
from energy.counting.nanojoules import ROUNDING_J, rounded_down_nj, rounded_up_nj
from energy.counting.rows import design_row, layer_row
from energy.counting.tiles import inner_count, tile_counts
from energy.networks.designs import ORDERS, ORDERS_OF_OP, LayerDesign, check_plan, innermost_counts
from energy.networks.rules import RULES, rules
from energy.networks.shapes import OPS, LayerShape, NetworkShape
from energy.networks.vectors import VECTORS, VECTORS_OF_OP, fits_vector_unit, has_vector

CONV = LayerShape(op="conv", in_h=9, in_w=8, in_ch=6, out_h=9, out_w=8, out_ch=10, kernel_h=3, kernel_w=3, pad=1)
OTHER = {"in_h": 9, "in_w": 8, "in_ch": 6, "out_h": 9, "out_w": 8, "out_ch": 6, "kernel_h": 1, "kernel_w": 1}
LAYERS = {
    "conv": CONV,
    "depthwise_conv": replace(CONV, op="depthwise_conv", out_ch=6),
    "global_avg_pool": LayerShape(op="global_avg_pool", **{**OTHER, "out_h": 1, "out_w": 1}),
    **{op: LayerShape(op=op, **OTHER) for op in ("add", "batch_norm", "relu")},
}
DESIGN = LayerDesign(tile_h=4, tile_w=4, tile_out=4, tile_in=2, order="output", batch=1)
# By hand: 3 x 2 tiles of the map, 10 and 6 output channels in tiles of 4, 6 input channels in tiles of 2.
RC, M_CONV, M, N = 6, 3, 2, 3


@pytest.mark.parametrize(
    ("op", "published", "exact"),
    [
        ("conv", (M_CONV, RC, N), (M_CONV, RC, N)),
        ("depthwise_conv", (M, RC, 1), (M, RC, 1)),
        ("global_avg_pool", (RC, RC, RC), (RC, RC, RC)),
        ("add", (RC, RC, RC), (M, RC, 1)),
        ("relu", (RC, RC, RC), (M, RC, 1)),
        ("batch_norm", (RC, RC, RC), (M, RC, 1)),
    ],
)
def test_the_innermost_loop_has_one_law_for_both_countings_and_compiled_code(op, published, exact):
    layer = LAYERS[op]
    assert innermost_counts(layer, DESIGN) == published
    assert innermost_counts(layer, DESIGN, "exact") == exact
    for order in ORDERS_OF_OP[op]:
        own = [np.array(row) for row in (layer_row(layer)[0], design_row(layer, replace(DESIGN, order=order)))]
        r, c, m, n = tile_counts(*own)
        assert inner_count(*own, (r * c, m, n)) == exact[ORDERS.index(order)]
        assert n_batches_of(*own) == r * c * m * n  # every iteration is a batch here


def test_operators_and_modes_have_the_codes_of_compiled_code():
    codes = (rows.CONV, rows.DEPTHWISE, rows.POOL, rows.ADD, rows.NORM, rows.RELU)
    assert [OPS[code] for code in codes] == list(LAYERS)
    assert [VECTORS[code] for code in (rows.CHANNEL, rows.ROW, rows.PLANAR)] == ["channel", "row", "planar"]


@pytest.mark.parametrize("op", LAYERS)
def test_a_rule_set_gives_the_modes_of_the_law_and_a_plan_may_have_those_of_the_operator(op):
    layer, rule_set = LAYERS[op], RULES["ebbnas"]
    network = NetworkShape(
        name="one", layers=(layer,), layer_names=("one",), inputs=((-1,) * (2 if op == "add" else 1),)
    )
    for tile_out, tile_in in product((1, 2), (1, 2, 3, 4, 6)):
        design = replace(DESIGN, tile_out=tile_out, tile_in=tile_in, order=ORDERS_OF_OP[op][0])
        expected = [
            vector
            for index, vector in enumerate(VECTORS)
            if has_vector(OPS.index(op), index, tile_out)
            and fits_vector_unit(OPS.index(op), index, tile_in, layer.kernel_w, 64)
        ]
        assert list(rule_set.vectors(layer, design)) == expected
        for index, vector in enumerate(VECTORS):
            if has_vector(OPS.index(op), index, tile_out):
                check_plan(network, (replace(design, vector=vector),), counting="exact")
            else:
                with pytest.raises(ValueError, match=r"plan of layer 'one': (vector|tile_out)"):
                    check_plan(network, (replace(design, vector=vector),), counting="exact")


def test_vectors_are_as_long_as_allowed_even_and_of_more_than_one_tap():
    conv, row = OPS.index("conv"), VECTORS.index("row")
    assert [n for n in range(1, 40) if fits_vector_unit(conv, row, n, 3, 64)] == list(range(2, 22, 2))  # 3 x 20 = 60
    assert not any(fits_vector_unit(conv, row, n, 1, 64) for n in range(1, 40))
    assert [n for n in range(60, 70) if fits_vector_unit(conv, 0, n, 3, 64)] == [60, 61, 62, 63, 64]
    assert fits_vector_unit(OPS.index("depthwise_conv"), row, 1000, 3, 64)
    assert RULES["ebbnas"].max_vector == rules("ebbnas").max_vector == 64
    assert VECTORS_OF_OP["depthwise_conv"] == VECTORS
    assert VECTORS_OF_OP["conv"] == VECTORS[:2]
    assert VECTORS_OF_OP["add"] == VECTORS[:1]


@given(st.integers(0, 10**6), st.floats(-0.9, 0.9))
def test_a_femtojoule_beside_a_whole_nanojoule_is_rounding(whole_nj, share):
    energy_j = whole_nj * 1e-9 + share * ROUNDING_J
    assert rounded_up_nj(energy_j) == rounded_down_nj(energy_j) == whole_nj


@given(st.floats(1e-9, 1e-3))
def test_energy_is_rounded_away_from_what_would_be_unsafe(energy_j):
    assert rounded_down_nj(energy_j) <= energy_j * 1e9 * (1 + 1e-12) + 1e-6
    assert rounded_up_nj(energy_j) >= energy_j * 1e9 * (1 - 1e-12) - 1e-6
    assert rounded_up_nj(energy_j) - rounded_down_nj(energy_j) in (0, 1)
    assert math.isclose(ROUNDING_J, 1e-6 * 1e-9)
