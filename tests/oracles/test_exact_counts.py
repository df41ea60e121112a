"""Exact counting against nested loops that keep real tags: every integer equal, batch by batch and in closed form."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given

from energy.counting import rows
from energy.counting.exact import count_batch, n_batches_of, place_batch
from energy.counting.exact_layer import count_commits, count_layer, count_reloads
from energy.counting.rows import design_row, layer_row
from energy.counting.tiles import axis_sums, map_sums, map_totals, tile_counts
from energy.counting.vm import vm_words
from energy.events import EVENTS
from energy.networks.designs import LayerDesign
from energy.networks.shapes import LayerShape, NetworkShape
from tests.conftest import ROOT
from tests.oracles.exact_cases import cases, cases_of_layers, coverage, random_cases
from tests.oracles.exact_counts import exact_batches, exact_vm_words

N_CASES = 2000
PUBLISHED_DESIGNS = ROOT / "tests" / "golden" / "published_designs.json"


def rows_of(layer: LayerShape, design: LayerDesign) -> tuple[np.ndarray, np.ndarray]:
    return np.array(layer_row(layer)[0]), np.array(design_row(layer, design))


def named(events: np.ndarray) -> dict[str, int]:
    return {name: int(count) for name, count in zip(EVENTS, events, strict=True) if count}


def batches_of(layer: LayerShape, design: LayerDesign) -> list[tuple[np.ndarray, np.ndarray]]:
    own = rows_of(layer, design)
    sums, found = map_sums(*own), []
    for index in range(n_batches_of(*own)):
        place, tiles = np.zeros(rows.PLACE_WIDTH, dtype=np.int64), np.zeros(rows.MAP_WIDTH, dtype=np.int64)
        warm, reload = np.zeros(rows.N_EVENTS, dtype=np.int64), np.zeros(rows.N_EVENTS, dtype=np.int64)
        place_batch(*own, index, sums, place, tiles)
        count_batch(*own, place, tiles, warm, reload)
        found.append((warm, reload))
    return found


def totals_of(layer: LayerShape, design: LayerDesign) -> tuple[np.ndarray, np.ndarray, int]:
    row, choice = rows_of(layer, design)
    r, c, m, n = tile_counts(row, choice)
    tiles, map_sum = (r * c, m, n), np.zeros(rows.MAP_WIDTH, dtype=np.int64)
    height, width = axis_sums(row, False, choice[0:1])[0], axis_sums(row, True, choice[1:2])[0]
    map_totals(row, height, width, map_sum)
    events, reloads = np.zeros(rows.N_EVENTS, dtype=np.int64), np.zeros(rows.N_EVENTS, dtype=np.int64)
    count_layer(row, choice, tiles, map_sum, events)
    n_loops = {"input": r * c * n, "weight": m * n, "output": r * c * m}[design.order]
    if layer.op == "global_avg_pool":
        n_loops = m
    n_a_loop = n_batches_of(row, choice) // n_loops
    n_batches = count_commits(row, choice, tiles, map_sum, n_a_loop, events)
    count_reloads(row, choice, tiles, map_sum, n_a_loop, reloads)
    return events, reloads, n_batches


CASES = random_cases(np.random.default_rng(3), N_CASES)


def test_the_cases_cover_every_operator_order_vector_mode_and_ragged_axis() -> None:
    found = coverage(CASES)
    least = {label: found[label] for label in found if label.split(":")[0] in ("op", "order", "vector", "ragged")}
    assert len(CASES) >= 2000
    assert len(least) >= 6 + 3 + 3 + 4
    assert min(least.values()) >= 50, least


@pytest.mark.parametrize("part", range(4))
def test_every_batch_counts_what_the_oracle_counts(part: int) -> None:
    seen: Counter[str] = Counter()
    for layer, design in CASES[part::4]:
        expected = exact_batches(layer, design)
        found = batches_of(layer, design)
        assert len(found) == len(expected), (layer, design)
        for index, ((warm, reload), batch) in enumerate(zip(found, expected, strict=True)):
            assert named(warm) == {k: v for k, v in batch.warm.items() if v}, (index, layer, design)
            assert named(warm + reload) == {k: v for k, v in batch.cold.items() if v}, (index, layer, design)
            seen.update(batch.warm)
        assert vm_words(*rows_of(layer, design)) == exact_vm_words(layer, design), (layer, design)


@pytest.mark.parametrize("part", range(4))
def test_closed_forms_are_the_sums_of_the_batches(part: int) -> None:
    for layer, design in CASES[part::4]:
        batches = batches_of(layer, design)
        events, reloads, n_batches = totals_of(layer, design)
        assert n_batches == len(batches)
        assert named(events) == named(sum(warm for warm, _ in batches)), (layer, design)
        assert named(reloads) == named(sum(reload for _, reload in batches)), (layer, design)


def published_layers() -> list[LayerShape]:
    networks = [entry["network"] for entry in json.loads(PUBLISHED_DESIGNS.read_text(encoding="utf-8"))]
    return sorted({layer for network in networks for layer in NetworkShape.from_dict(network).layers}, key=str)


def check_against_the_oracle(layer: LayerShape, design: LayerDesign) -> None:
    batches, expected = batches_of(layer, design), exact_batches(layer, design)
    assert len(batches) == len(expected)
    for (warm, reload), batch in zip(batches, expected, strict=True):
        assert named(warm) == {name: count for name, count in batch.warm.items() if count}
        assert named(warm + reload) == {name: count for name, count in batch.cold.items() if count}
    assert vm_words(*rows_of(layer, design)) == exact_vm_words(layer, design)


def test_layers_of_published_networks_count_what_the_oracle_counts() -> None:
    layers = published_layers()
    assert len(layers) > 50
    for layer, design in cases_of_layers(layers, np.random.default_rng(5), 2 * len(layers)):
        check_against_the_oracle(layer, design)


@given(cases())
def test_any_layer_counts_what_the_oracle_counts(case: tuple[LayerShape, LayerDesign]) -> None:
    check_against_the_oracle(*case)
