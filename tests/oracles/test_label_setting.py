"""Choice of a plan by labels against every combination of candidates, each scheduled with optimal cuts.

Batches of the candidates are drawn by the oracle of packed schedules, so that supplies, reloads and budgets are those
that try to break the cuts.
"""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.hardware.scenarios import Scenarios
from energy.planning.candidates import CandidateBatches
from energy.planning.label_setting import MOST_LABELS, choose
from energy.scheduling.cycle import Cycle
from energy.scheduling.execution import CUTS
from energy.scheduling.schedule import BatchSequence, LayerBatches, cycle_of, schedule
from tests.oracles.packed_schedules import SUPPLIES, Batches, random_batches, supply_with

SAME = 1e-12
"""Relative rounding of sums of times in another order."""

MOST_COMBINATIONS = 400


class Case:
    """Candidates of every layer of a network under one supply, cut from one drawn sequence of batches."""

    def __init__(self, seed: int, n_layers: int, supply: str) -> None:
        rng = np.random.default_rng(seed)
        most = max(int(MOST_COMBINATIONS ** (1 / n_layers)), 1)
        counts = rng.integers(1, min(most, 6) + 1, n_layers)
        lengths = [rng.integers(1, int(rng.choice([2, 5, 9])), count) for count in counts]
        drawn = random_batches(rng, int(sum(length.sum() for length in lengths)))
        budget_nj = budget_of(drawn, counts, rng)
        self.boot = (drawn.boot_nj, drawn.boot_s)
        self.scenarios = Scenarios.of([supply_with(supply, budget_nj, rng)])
        self.layers, start = [], 0
        for own in lengths:
            options = []
            for length in own.tolist():
                options.append(layer_batches(drawn, slice(start, start + length)))
                start += length
            self.layers.append(options)

    @property
    def candidates(self) -> CandidateBatches:
        """All candidates, as they are chosen among."""
        return CandidateBatches.joined([CandidateBatches.of(options) for options in self.layers])

    @property
    def cycle(self) -> Cycle:
        """Costs and budget of a power cycle."""
        return cycle_of(self.boot, self.scenarios)

    def latency_s(self, chosen, cuts: str) -> float:
        """Sustained latency of one candidate per layer."""
        layers = [options[index] for options, index in zip(self.layers, chosen, strict=True)]
        return schedule(joined(layers, self.boot), self.scenarios, cuts=cuts).latency_s


def budget_of(drawn: Batches, counts, rng) -> int:
    """From the costliest batch to all batches that a network can have."""
    least, whole = drawn.boot_nj + max(drawn.cold_nj), drawn.boot_nj + sum(drawn.cold_nj)
    return least + int(rng.random() ** 3 * (whole - least) / counts.mean())


def layer_batches(drawn: Batches, own: slice) -> LayerBatches:
    """Some batches of a sequence as those of a layer under a design."""
    return LayerBatches(
        nanojoules=(np.array(drawn.warm_nj[own]), np.array(drawn.cold_nj[own])),
        seconds=(np.array(drawn.warm_s[own]), np.array(drawn.cold_s[own])),
        vm_words=0,
        weight_words=0,
        sum_words=0,
        written_words=0,
    )


def joined(layers: list[LayerBatches], boot: tuple[int, float]) -> BatchSequence:
    """Batches of layers, one layer after the other."""
    return BatchSequence(
        warm_nj=np.concatenate([one.nanojoules[0] for one in layers]),
        cold_nj=np.concatenate([one.nanojoules[1] for one in layers]),
        warm_s=np.concatenate([one.seconds[0] for one in layers]),
        cold_s=np.concatenate([one.seconds[1] for one in layers]),
        layer=np.repeat(np.arange(len(layers)), [len(one) for one in layers]),
        boot_nj=boot[0],
        boot_s=boot[1],
    )


def check_choice(case: Case, cuts: str) -> None:
    """The choice has the least latency of all combinations, and the latency that it states."""
    found = choose(case.candidates, case.cycle, cuts == "optimal", MOST_LABELS)
    every = product(*(range(len(options)) for options in case.layers))
    least_s = min(case.latency_s(chosen, cuts) for chosen in every)
    assert case.latency_s(found.chosen, cuts) == pytest.approx(least_s, rel=SAME)
    assert found.latency_s == pytest.approx(least_s, rel=SAME)
    assert not found.is_limited


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("supply", SUPPLIES)
@given(seed=st.integers(0, 2**32 - 1), n_layers=st.integers(1, 5))
def test_no_combination_of_candidates_is_faster(supply, cuts, seed, n_layers):
    check_choice(Case(seed, n_layers, supply), cuts)


def test_a_limit_of_labels_is_reported_where_it_drops_some():
    case = next(case for case in (Case(seed, 5, "concave") for seed in range(100)) if n_labels_needed(case) > 2)
    found = choose(case.candidates, case.cycle, True, 1)
    assert found.is_limited
    assert case.latency_s(found.chosen, "optimal") <= found.latency_s * (1 + SAME)
    assert not choose(case.candidates, case.cycle, True, n_labels_needed(case)).is_limited


def n_labels_needed(case: Case) -> int:
    """Least limit that drops no label."""
    return next(n for n in range(1, 1000) if not choose(case.candidates, case.cycle, True, n).is_limited)
