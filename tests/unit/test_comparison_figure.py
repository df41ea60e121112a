"""The curves and bands of an attainment figure, read back from what was drawn."""

import numpy as np
import pytest

from experiments.comparison.comparison import Comparison, MethodFronts
from experiments.figures.comparison import draw

SLOW = np.array([(0.4, 2.0), (0.2, 8.0)])
FAST = np.array([(0.4, 1.0), (0.3, 4.0)])


def test_a_curve_is_what_half_of_the_seeds_attain_and_a_band_what_one_to_all_do():
    fronts = {seed: {"47uF": front} for seed, front in enumerate((FAST, FAST, SLOW))}
    found = Comparison.of([MethodFronts(label="a", fronts=fronts)], "finetuned")
    (axes,) = draw(found, "47uF", 3.5).axes
    (line,) = axes.lines
    # two of three seeds: 60 % from 1 s, 70 % from 4 s; nothing before
    curve = dict(zip(*(np.asarray(values).round(6).tolist() for values in line.get_data()), strict=True))
    assert {latency_s: curve[latency_s] for latency_s in (1.0, 2.0, 4.0, 8.0)} == {1.0: 60, 2.0: 60, 4.0: 70, 8.0: 70}
    assert np.isnan(curve[min(curve)])
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    # any: 80 % from 8 s; all: nothing before 2 s, 60 % from there, 70 % from 8 s
    assert corners[:, 1].max() == pytest.approx(80)
    assert sorted({y for x, y in corners.round(6).tolist() if x >= 8})[:2] == [60, 70]
    assert corners[corners[:, 0] < 2, 1].min() < axes.get_ylim()[0]


def test_one_seed_has_a_curve_and_no_band():
    found = Comparison.of([MethodFronts(label="a", fronts={0: {"47uF": SLOW}})], "finetuned")
    (axes,) = draw(found, "47uF", 3.5).axes
    assert (len(axes.lines), len(axes.collections)) == (1, 0)
