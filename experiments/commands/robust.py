"""`ebbnas robust`: designs that are safe on several capacitors and harvesters at once, and the cost of that.

The accuracies are those of a finished run. One search minimises the worst or the mean latency over all supplies, and
its designs are safe under every one; one search per supply minimises the latency under it alone. The two are compared.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from energy.costing.population import price_population
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import Supply, read_supply_family
from energy.planning.planner import explorer_for
from energy.planning.protocol import ScenarioExplorer
from energy.validation import require_number
from evo.fronts.front import Front
from evo.genome.layout import Genomes
from evo.operators.repair import Explorer
from evo.problem.evaluations import Evaluations
from evo.problem.problem import AccuracySource, JointProblem, Pricing
from evo.robust import RobustExplorer, latency_factor
from evo.search import Search, SearchSettings
from experiments.commands.output import INFEASIBLE, print_json
from experiments.config.read import read_config
from experiments.config.resolve import Workload
from experiments.designs.request import Request
from experiments.formatting.quantities import budget_name, parse, whole, write
from experiments.formatting.table import Table
from experiments.parallel.progress import Reporter
from experiments.pipeline.run import Run
from experiments.pipeline.stages import Stages
from experiments.storage.files import write_json
from experiments.storage.run_folder import require_run_folder
from experiments.storage.tables import Row, write_table
from models.predictor.source import PredictedAccuracies


@dataclass(frozen=True, kw_only=True)
class Case:
    """Supply of a robust design, and its short name, such as `47uF` or `47uF x1.5`."""

    name: str
    supply: Supply


@dataclass(frozen=True, kw_only=True)
class Found:
    """Designs of one search and their latencies under every case.

    Attributes:
        accuracy: Inherited accuracy on validation, `(n,)`. [1]
        latency_s: Latency under each case, infinite where unsafe, `(n, n_cases)`. [s]
        genomes: Canonical genomes, `(n, n_genes)`.
    """

    accuracy: NDArray[np.float64]
    latency_s: NDArray[np.float64]
    genomes: Genomes

    @property
    def is_safe(self) -> NDArray[np.bool_]:
        """Whether each design is safe under each case, `(n, n_cases)`."""
        return np.isfinite(self.latency_s)

    def front(self, case: int) -> Front:
        """Return the front of error and latency under one case."""
        values = np.column_stack([1 - self.accuracy, self.latency_s[:, case]])
        return Front.of(values, self.is_safe[:, case])


def robust(options: argparse.Namespace) -> int:
    """Run `ebbnas robust`."""
    path = Path(options.run)
    require_run_folder(path)
    run = Run.of(read_config(options.run, data_dir=options.data_dir), source=options.run, root=Path())
    work = run.work
    cases = _cases(work, options.budgets, options.resistance_factors)
    config = work.config.search
    default = config.evaluations if options.evaluations is None else whole("--evaluations", options.evaluations)
    settings = SearchSettings(
        population=config.population,
        evaluations=default,
        refinement_rate=config.refinement_rate,
        method=config.method,
        seed=work.config.seed,
    )
    reporter = Reporter(quiet=options.quiet or options.json)
    stages = run.trained_stages(reporter)
    accuracies = stages.accuracies(stages.evaluator(stages.supernet()))
    searching = _Searching(stages=stages, accuracies=accuracies, settings=settings, cases=cases)
    with reporter.task("robust", 1 + len(cases)) as task:
        ours = searching.robust(options.over)
        task.advance("all supplies")
        alone = []
        for case in range(len(cases)):
            alone.append(searching.alone(case))
            task.advance(cases[case].name)
    reads = {"cases": [case.supply.to_dict() for case in cases], "over": options.over, "settings": settings}
    key = run.store.key("robust", {"search": [stages.predictor_folder.key, work.device_key], **reads})
    folder = path / f"robust-{key}"
    answer = {
        "over": options.over,
        "evaluations": settings.evaluations,
        "designs": len(ours.accuracy),
        "cases": [_compared(ours, alone, index, cases) for index in range(len(cases))],
        "folder": str(folder),
    }
    if len(ours.accuracy):
        _write(folder, stages, ours, cases)
    write_json(folder / "summary.json", {"schema": 1, **answer})
    if options.json:
        print_json(answer)
    else:
        print(_text(answer))
    return 0 if len(ours.accuracy) else INFEASIBLE


def _cases(work: Workload, budgets: str | None, factors: str) -> list[Case]:
    """Return every capacitor with every harvester.

    Args:
        work: The settings of the run: its supply, and its capacitances where `budgets` is None.
        budgets: Capacitances, separated by commas.
        factors: Factors of the resistance, separated by commas.
    """
    section = work.config.supply
    family = read_supply_family(Path(section.file) if section.file else str(section.name))
    capacitances = list(section.capacitances)
    if budgets is not None:
        capacitances = [parse("--budgets", one.strip(), "F") for one in budgets.split(",")]
    shares = []
    for text in factors.split(","):
        try:
            shares.append(float(text))
        except ValueError:
            raise ValueError(f"--resistance-factors must be numbers between commas, not {text.strip()!r}") from None
        require_number("--resistance-factors", shares[-1], above=0, most=1000)
    cases = []
    for capacitance_f, share in product(capacitances, shares):
        nominal = family.supply(capacitance_f, section.resistance)
        name = budget_name(capacitance_f) + ("" if share == 1 else f" x{share:g}")
        cases.append(Case(name=name, supply=family.supply(capacitance_f, share * nominal.resistance_ohm)))
    names = [case.name for case in cases]
    if len(set(names)) < len(names) or len(names) < 2:
        raise ValueError(f"supplies must be at least two and differ, not {', '.join(names)}")
    return cases


@dataclass(frozen=True, kw_only=True)
class _Searching:
    """Searches that share accuracies, settings and explorer.

    Attributes:
        stages: The run: layout and conditions.
        accuracies: Inherited or predicted accuracies.
        settings: Settings of every search.
        cases: The supplies.
    """

    stages: Stages
    accuracies: AccuracySource
    settings: SearchSettings
    cases: Sequence[Case]

    @property
    def scenarios(self) -> Scenarios:
        """All supplies together."""
        return Scenarios.of([case.supply for case in self.cases])

    def robust(self, over: str) -> Found:
        """Return the designs that are safe in all cases."""
        first, *others = (case.supply for case in self.cases)
        pricing = self._pricing(first, tuple(others), over)
        explorer = self._explorer(self.scenarios)
        return self._front(pricing, RobustExplorer(explorer=explorer, pricing=pricing))

    def alone(self, case: int) -> Found:
        """Return designs for one case."""
        supply = self.cases[case].supply
        explorer = ScenarioExplorer(explorer=self._explorer(Scenarios.of([supply])), scenario=0)
        return self._front(self._pricing(supply, (), "worst"), explorer)

    def _explorer(self, scenarios: Scenarios) -> Any:
        work = self.stages.work
        return explorer_for(work.device, scenarios, work.rules, work.execution)

    def _pricing(self, supply: Supply, others: tuple[Supply, ...], over: str) -> Pricing:
        work = self.stages.work
        return Pricing(
            device=work.device,
            supply=supply,
            more_supplies=others,
            over=over,
            execution=work.execution,
            uncertainty=work.uncertainty,
            deadline_s=work.config.search.deadline,
        )

    def _front(self, pricing: Pricing, explorer: Explorer) -> Found:
        own = self.accuracies.anew() if isinstance(self.accuracies, PredictedAccuracies) else self.accuracies
        search = Search(JointProblem(self.stages.layout, own, pricing), explorer, self.settings)
        while not search.done:
            search.step()
        search.measure_front()
        found: Evaluations = search.archive.evaluations.take(search.front.rows)
        decoded = [self.stages.layout.decode(genome) for genome in found.genomes]
        priced = price_population(
            [one.network for one in decoded],
            [one.plan for one in decoded],
            pricing.device,
            self.scenarios,
            pricing.execution,
            uncertainty=pricing.uncertainty,
        )
        latency_s = np.where(priced.feasible, priced.latency_s, np.inf)
        return Found(accuracy=1 - found.values[:, 0], latency_s=latency_s, genomes=found.genomes)


def _compared(ours: Found, alone: Sequence[Found], case: int, cases: Sequence[Case]) -> dict[str, Any]:
    """Return the cost of robustness under one case, and the safety of the designs for that case under the others."""
    special, robust_front = alone[case].front(case), ours.front(case)
    others = np.delete(alone[case].is_safe, case, axis=1)
    has_both = len(special) and len(robust_front)
    factor = latency_factor(robust_front, special) if has_both else float("nan")
    return {
        "case": cases[case].name,
        "capacitance_f": cases[case].supply.capacitance_f,
        "resistance_ohm": cases[case].supply.resistance_ohm,
        "specialised_designs": len(special),
        "unsafe_elsewhere": int((~others.all(axis=1)).sum()),
        "hypervolume_share": robust_front.hypervolume_ratio(special) if len(special) else None,
        "latency_factor": factor if np.isfinite(factor) else None,
    }


def _write(folder: Path, stages: Stages, ours: Found, cases: Sequence[Case]) -> None:
    """Write the table, and the design file of each robust design for the first case."""
    work, layout = stages.work, stages.layout
    latencies = [f"latency_s_{case.name.replace(' ', '_')}" for case in cases]
    rows: list[Row] = []
    for accuracy, latency_s, genome in zip(ours.accuracy, ours.latency_s, ours.genomes, strict=True):
        decoded, text = layout.decode(genome), layout.to_json(genome)
        name = f"robust-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        request = Request(
            name=name,
            network=decoded.network,
            plan=decoded.plan,
            device=work.device,
            supply=cases[0].supply,
            execution=work.execution,
            rules=work.rules.name,
            deadline_s=work.config.search.deadline,
            uncertainty=work.uncertainty,
            device_file=None,
        )
        write_json(folder / "designs" / f"{name}.json", request.to_dict(folder / "designs"))
        columns = dict(zip(latencies, latency_s.tolist(), strict=True))
        rows.append({"id": name, "accuracy_inherited_val": float(accuracy), **columns, "genome": text})
    schema = pa.schema(
        [(name, pa.string() if name in ("id", "genome") else pa.float64()) for name in rows[0]],
        metadata={"schema": "1"},
    )
    for end in (".csv", ".parquet"):
        write_table(folder / f"robust{end}", rows, schema)


def _text(answer: dict[str, Any]) -> str:
    """Return the answer for a person."""
    n_cases = len(answer["cases"])
    head = f"{answer['designs']} designs are safe on all {n_cases} supplies; the {answer['over']} latency counted."
    if not answer["designs"]:
        head = f"No design was found that is safe on all {n_cases} supplies."
    cells = [
        (
            row["case"],
            write(row["resistance_ohm"], "ohm"),
            f"{row['specialised_designs'] - row['unsafe_elsewhere']} of {row['specialised_designs']}",
            "-" if row["hypervolume_share"] is None else f"{row['hypervolume_share']:.3f}",
            "-" if row["latency_factor"] is None else f"{row['latency_factor']:.3f}",
        )
        for row in answer["cases"]
    ]
    titles = ("supply", "harvester", "its own designs safe on all", "robust hypervolume", "robust latency")
    notes = (
        "Against the designs found for each supply alone: share of their hypervolume, and the median latency of the\n"
        "fastest robust design that is at least as accurate, as a multiple. Accuracies are inherited, on validation."
    )
    return "\n\n".join([head, Table(titles, cells).to_text(), notes, answer["folder"]])
