"""A comparison as tables: for a person, as CSV with full precision, and as LaTeX for a paper."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from evo.fronts.statistics import CONFIDENCE, MedianInterval
from experiments.comparison.comparison import INDICATORS, Comparison, PairwiseTest, Summary
from experiments.formatting.table import Table
from experiments.runs.finished import KINDS

_TITLES: Mapping[str, str] = {"hypervolume": "hypervolume", "igd_plus": "IGD+", "epsilon": "epsilon"}
_SIGNIFICANT = 0.05


def text(found: Comparison) -> str:
    """Return the comparison for a person: its subject, the tables, and the conclusions."""
    parts = [
        f"Fronts of {KINDS[found.kind]} accuracy on validation against latency; axes scaled by the front of all runs "
        "at the budget.\nHypervolume: more is better. IGD+ and epsilon to the front of all runs: less is better.",
        summary_table(found).to_text(),
        f"hypervolume of each seed\n{seed_table(found).to_text()}",
    ]
    if found.pairwise_tests:
        parts.append(pair_table(found).to_text())
    return "\n\n".join([*parts, verdict(found)])


def summary_table(found: Comparison) -> Table:
    """Return median and interval of each indicator, one row per budget and method."""
    head = ["budget", "method", "seeds"]
    for name in INDICATORS:
        head += [_TITLES[name], "interval"]
    rows = []
    for one in found.summaries:
        cells = [one.budget, one.method, str(len(one.of))]
        for name in INDICATORS:
            median = one.medians[name]
            cells += [_number(median.median), _interval(median)]
        rows.append(cells)
    return Table(head, rows, text=(0, 1))


def seed_table(found: Comparison) -> Table:
    """Return the hypervolume of every run, one row per budget and method."""
    seeds = sorted({seed for one in found.summaries for seed in one.of})
    rows = []
    for one in found.summaries:
        volumes = ["-" if seed not in one.of else _number(one.of[seed].hypervolume) for seed in seeds]
        rows.append([one.budget, one.method, *volumes])
    return Table(["budget", "method", *(f"seed {seed}" for seed in seeds)], rows, text=(0, 1))


def pair_table(found: Comparison) -> Table:
    """Return every pair of methods, one row per budget."""
    head = ["budget", "first", "second", "A", "p", "p (Holm)", "first better in"]
    return Table(head, [_pair_cells(one) for one in found.pairwise_tests], text=(0, 1, 2))


def _pair_cells(one: PairwiseTest) -> list[str]:
    seeds = f"{one.n_wins} of {one.n_shared} seeds" if one.n_shared else "-"
    tested = ["-", "-", "-"]
    if one.test is not None and one.p_holm is not None:
        tested = [f"{one.test.effect:.2f}", _p(one.test.p), _p(one.p_holm)]
    return [one.budget, one.first, one.second, *tested, seeds]


def verdict(found: Comparison) -> str:
    """Return the meaning of the intervals and the conclusions, in sentences."""
    sizes = sorted({len(method.fronts) for method in found.methods})
    said = [
        f"Intervals are order statistics for the median ({100 * CONFIDENCE:g} % from six seeds on; fewer give the "
        f"whole range, which covers {_coverages(found)})."
    ]
    if sizes == [1]:
        return "One seed per method: no test is possible, and no interval. Differences may be chance."
    if not found.pairwise_tests:
        return "\n".join(said)
    said.append("A: probability that a run of the first exceeds one of the second in hypervolume (0.5 is none).")
    tests = [one for one in found.pairwise_tests if one.test is not None]
    if not tests:
        return "\n".join([*said, "No test is possible: in every pair one method has a single seed."])
    n = len(tests)
    said.append(f"p: two-sided Mann-Whitney test, exact; corrected by Holm for {n} test{'' if n == 1 else 's'}.")
    wins = [one for one in tests if one.p_holm is not None and one.p_holm < _SIGNIFICANT]
    if wins:
        names = "; ".join(f"{one.budget} {_better(one)}" for one in wins)
        said.append(f"Significant at {_SIGNIFICANT:g}: {names}.")
    else:
        least = min(one.test.least_p for one in tests if one.test is not None)
        said.append(f"No difference is significant at {_SIGNIFICANT:g}.")
        if least * n >= _SIGNIFICANT:
            said.append(
                f"With so few seeds none could be: p is at least {_p(least)} before and {_p(min(least * n, 1))} after "
                "the correction."
            )
    return "\n".join(said)


def _coverages(found: Comparison) -> str:
    """Return the coverage of intervals below the usual confidence, by the number of seeds."""
    short = {
        len(one.of): one.medians[INDICATORS[0]].coverage
        for one in found.summaries
        if one.medians[INDICATORS[0]].coverage < CONFIDENCE
    }
    return ", ".join(f"{100 * coverage:.3g} % with {n}" for n, coverage in sorted(short.items())) or "less"


def _better(one: PairwiseTest) -> str:
    assert one.test is not None
    first, second = (one.first, one.second) if one.test.effect > 0.5 else (one.second, one.first)
    return f"{first} over {second}"


def files(found: Comparison, folders: Mapping[tuple[str, int], str]) -> dict[str, str]:
    """Return the content of every file of tables, by name.

    Args:
        found: The comparison.
        folders: Folder of each run, by method and seed.
    """
    runs = [
        [one.budget, one.method, str(seed), folders[one.method, seed]]
        + [repr(getattr(of, name)) for name in ("hypervolume", "hypervolume_ratio", "igd_plus", "epsilon")]
        for one in found.summaries
        for seed, of in one.of.items()
    ]
    head = ["budget", "method", "seed", "run", "hypervolume", "hypervolume_ratio", "igd_plus", "epsilon"]
    return {
        "compare.txt": text(found) + "\n",
        "runs.csv": _csv(head, runs),
        "medians.csv": _csv(*_exact_medians(found.summaries)),
        "medians.tex": summary_table(found).to_latex(),
        **(
            {
                "tests.csv": _csv(*_exact_tests(found.pairwise_tests)),
                "tests.tex": pair_table(found).to_latex(),
            }
            if found.pairwise_tests
            else {}
        ),
    }


def _exact_medians(summaries: Sequence[Summary]) -> tuple[list[str], list[list[Any]]]:
    parts = ("median", "low", "high", "coverage")
    head = ["budget", "method", "n_seeds", *(f"{name}_{part}" for name in INDICATORS for part in parts)]
    rows: list[list[Any]] = [
        [one.budget, one.method, len(one.of)]
        + [getattr(one.medians[name], part) for name in INDICATORS for part in parts]
        for one in summaries
    ]
    return head, rows


def _exact_tests(tests: Sequence[PairwiseTest]) -> tuple[list[str], list[list[Any]]]:
    head = ["budget", "first", "second", "effect_a", "p", "p_holm", "n_wins", "n_shared_seeds"]
    rows: list[list[Any]] = [
        [
            one.budget,
            one.first,
            one.second,
            *(("", "", "") if one.test is None else (one.test.effect, one.test.p, one.p_holm)),
            one.n_wins,
            one.n_shared,
        ]
        for one in tests
    ]
    return head, rows


def _csv(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerows([head, *rows])
    return written.getvalue()


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "-"


def _interval(median: MedianInterval) -> str:
    """Return an interval, `-` for a single value; an infinite end, as of an empty front, is `-` too."""
    if not median.coverage:
        return "-"
    return f"{_number(median.low)} to {_number(median.high)}"


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"
