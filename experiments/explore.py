"""`explore`: the exact latency of every network of a space, or of a sample, and with accuracies the exact front.

Accuracies come from a run's shared weights or from a table with the columns `architecture, accuracy`.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from energy.cost import cost
from energy.device import Device, read_device
from energy.execution import Execution
from energy.planner import check_rules, explorer_for
from energy.rules import rules
from energy.schedule import Pricer
from energy.supply import Scenarios, Supply, SupplyFamily, read_supply_family
from evo.baselines import exact_front
from experiments.cli import INFEASIBLE, print_json
from experiments.columns import Row, read_table, write_table
from experiments.progress import Reporter
from experiments.quantities import budget_name, parse, whole, write
from experiments.tables import table
from models.spaces import Archs, Space, preset

LARGEST_SPACE = 100_000
"""Spaces of more networks are explored by a sample only. [1]"""

DEFAULT_BUDGETS = "47uF,100uF,470uF"

_NETWORKS_A_STEP = 512

Accuracies = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What networks are planned for.

    Attributes:
        device: The device.
        budgets: Supplies by short name.
        rules: Name of the rule set.
        execution: Policy, counting and cuts.
    """

    device: Device
    budgets: Mapping[str, Supply]
    rules: str
    execution: Execution


def latencies(space: Space, archs: Archs, conditions: Conditions, reporter: Reporter) -> NDArray[np.float64]:
    """Least latency of each network under each budget, infinite where nothing is feasible.

    Args:
        space: The space.
        archs: Networks, `(n, n_genes)`.
        conditions: What they are planned for.
        reporter: Who is told.

    Returns:
        Latencies, `(n, n_budgets)`. [s]
    """
    scenarios = Scenarios.of(list(conditions.budgets.values()))
    rule_set = rules(conditions.rules, conditions.device.max_vector)
    explorer = explorer_for(conditions.device, scenarios, rule_set, conditions.execution)
    pricer = Pricer(conditions.device)
    found = np.empty((len(archs), len(scenarios)))
    starts = range(0, len(archs), _NETWORKS_A_STEP)
    with reporter.task("explore", len(starts)) as task:
        for start in starts:
            rows = slice(start, start + _NETWORKS_A_STEP)
            networks = [space.network(arch) for arch in archs[rows]]
            explorer.best([layer for network in networks for layer in network.layers])
            for index in range(len(scenarios)):
                plans = [explorer.plan(network, index) for network in networks]
                one = scenarios.take(index)
                priced = cost(networks, plans, conditions.device, one, conditions.execution, pricer=pricer)
                found[rows, index] = priced.latency_s[:, 0]
            task.advance()
    return found


def accuracies_of(source: str, archs: Archs, space: Space) -> tuple[str, Accuracies]:
    """Accuracies of networks, and which kind they are.

    Args:
        source: A run's folder, or a table in CSV or Parquet.
        archs: Networks, `(n, n_genes)`.
        space: Their space.

    Raises:
        ValueError: The run is of another space, or the table lacks a column or a network.
    """
    path = Path(source)
    if path.is_dir():
        return "inherited_val", _by_run(path, archs, space)
    known = _read_accuracies(path)
    names = [space.encode(arch) for arch in archs]
    for name in names:
        if name not in known:
            raise ValueError(f"{path}: architecture {name!r} is missing")
    return "given", np.array([known[name] for name in names])


def _by_run(path: Path, archs: Archs, space: Space) -> Accuracies:
    from experiments.config import read_config
    from experiments.run import Run
    from experiments.stages import Stages

    run = Run.of(read_config(str(path)), source=str(path), root=path.resolve().parent.parent)
    own = run.work.space
    if [own.name, own.stages, own.padding] != [space.name, space.stages, space.padding]:
        raise ValueError(f"--accuracies must be a run of space {space.name!r}, this one is of {own.name!r}")
    stages = Stages(work=run.work, store=run.store, reporter=Reporter(), log=lambda entry: None)
    if stages.supernet_folder.result() is None:
        raise ValueError(f"{path}: the shared weights of the run are not trained; finish it with ebbnas search {path}")
    return stages.accuracies(stages.evaluator(stages.supernet())).evaluate(archs)


def _read_accuracies(path: Path) -> dict[str, float]:
    if path.suffix == ".parquet":
        rows: Sequence[Mapping[str, Any]] = read_table(path)
    else:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    known: dict[str, float] = {}
    for number, row in enumerate(rows, start=1):
        try:
            known[str(row["architecture"])] = value = float(row["accuracy"])
        except (KeyError, TypeError, ValueError):
            message = f"row {number} must have architecture and accuracy, a number: {dict(row)}"
            raise ValueError(f"{path}: {message}") from None
        if not 0 <= value <= 1:
            raise ValueError(f"{path}: accuracy of row {number} must be from 0 to 1, not {value:g}")
    return known


def explore_command(options: argparse.Namespace) -> int:
    """`ebbnas explore`."""
    conditions, notes = _conditions(options)
    space = _space(options)
    archs = _archs(options, space)
    reporter = Reporter(quiet=options.quiet or options.json)
    kind, accuracies = accuracies_of(options.accuracies, archs, space) if options.accuracies else ("", None)
    for note in notes:
        reporter.note(f"note: {note}")
    latency_s = latencies(space, archs, conditions, reporter)
    rows: list[Row] = []
    for index, arch in enumerate(archs):
        own: Row = {} if accuracies is None else {"accuracy": float(accuracies[index])}
        for budget, value in zip(conditions.budgets, latency_s[index].tolist(), strict=True):
            own[f"latency_s_{budget}"] = value if np.isfinite(value) else None
        rows.append({"architecture": space.encode(arch), **own, **({"accuracy_kind": kind} if kind else {})})
    schema = pa.schema(
        [(name, pa.string() if name.startswith(("arch", "accuracy_kind")) else pa.float64()) for name in rows[0]],
        metadata={"schema": "1"},
    )
    files = [Path(options.out) / f"explore{end}" for end in (".parquet", ".csv")]
    for path in files:
        write_table(path, rows, schema)
    found = _Found(
        space=space,
        archs=archs,
        conditions=conditions,
        latency_s=latency_s,
        accuracies=accuracies,
        files=files,
        notes=notes,
    )
    _print(options, found)
    return 0 if np.isfinite(latency_s).any(axis=0).all() else INFEASIBLE


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What exploring found, see `latencies`."""

    space: Space
    archs: Archs
    conditions: Conditions
    latency_s: NDArray[np.float64]
    accuracies: Accuracies | None
    files: Sequence[Path]
    notes: Sequence[str]

    def summary(self) -> list[dict[str, Any]]:
        """A line a budget, with the exact front where accuracies are known."""
        lines = []
        for index, budget in enumerate(self.conditions.budgets):
            column = self.latency_s[:, index]
            feasible = column[np.isfinite(column)]
            line: dict[str, Any] = {"budget": budget, "networks": len(column), "feasible": len(feasible)}
            line["latency_s_min"] = float(feasible.min()) if len(feasible) else None
            line["latency_s_max"] = float(feasible.max()) if len(feasible) else None
            if self.accuracies is not None:
                line["front"] = self._front(index)
            lines.append(line)
        return lines

    def _front(self, index: int) -> list[dict[str, Any]]:
        assert self.accuracies is not None
        front = exact_front(self.accuracies, self.latency_s[:, index])
        return [
            {
                "architecture": self.space.encode(self.archs[row]),
                "accuracy": float(self.accuracies[row]),
                "latency_s": float(self.latency_s[row, index]),
            }
            for row in front.rows[::-1]
        ]


def _print(options: argparse.Namespace, found: _Found) -> None:
    summary = found.summary()
    if options.json:
        files = [str(path) for path in found.files]
        print_json({"space": found.space.name, "budgets": summary, "files": files, "notes": list(found.notes)})
        return
    print(f"{found.space.name}: {len(found.archs):,} networks under {len(summary)} budgets, every latency exact.\n")
    cells = [
        (
            line["budget"],
            f"{line['feasible']:,}",
            "-" if line["latency_s_min"] is None else write(line["latency_s_min"], "s"),
            "-" if line["latency_s_max"] is None else write(line["latency_s_max"], "s"),
            str(len(line["front"])) if "front" in line else "-",
        )
        for line in summary
    ]
    print(table(("budget", "feasible", "least latency", "greatest", "exact front"), cells))
    print("\n" + "\n".join(str(path) for path in found.files))


def _conditions(options: argparse.Namespace) -> tuple[Conditions, list[str]]:
    resistance = None if options.resistance is None else parse("--resistance", options.resistance, "ohm")
    family: SupplyFamily = read_supply_family(_named(options.supply))
    text = DEFAULT_BUDGETS if options.budgets is None else options.budgets
    budgets, notes = {}, []
    for item in text.split(","):
        capacitance_f = parse("--budgets", item.strip(), "F")
        if budget_name(capacitance_f) in budgets:
            raise ValueError(f"--budgets must differ, {budget_name(capacitance_f)} is there twice")
        budgets[budget_name(capacitance_f)] = family.supply(capacitance_f, resistance)
        if resistance is None and (note := family.note(capacitance_f)):
            notes.append(note)
    execution = Execution(policy=options.policy)
    check_rules(rules(options.rules), execution)
    device = read_device(_named(options.device))
    return Conditions(device=device, budgets=budgets, rules=options.rules, execution=execution), notes


def _named(source: str) -> str | Path:
    return Path(source) if source.endswith(".toml") else source


def _space(options: argparse.Namespace) -> Space:
    if options.accuracies is None or not Path(options.accuracies).is_dir():
        return preset(options.space)
    from experiments.config import read_config
    from experiments.workload import look_up

    own = look_up(read_config(options.accuracies)).space
    return own if own.name == options.space else preset(options.space)


def _archs(options: argparse.Namespace, space: Space) -> Archs:
    seed = whole("--seed", options.seed, least=0)
    if options.sample is not None:
        return np.unique(space.sample(np.random.default_rng(seed), whole("--sample", options.sample)), axis=0)
    if space.size > LARGEST_SPACE:
        raise ValueError(f"space {space.name} has {space.size:,} networks; --sample N explores some of them")
    return space.enumerate()
