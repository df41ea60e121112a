"""`ebbnas explore`: the exact latency of every network of a space, or of a sample, and with accuracies the exact front.

Where one batch makes a power cycle, a network costs the sum of its layers and millions take seconds; where cycles are
shared, each is planned as a whole. Accuracies come from a run's shared weights, from a table with the columns
`architecture, accuracy`, or by the formula of `evo.synthetic_accuracy`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from energy.costing.population import price_population
from energy.hardware.device import Device, read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import Supply, SupplyFamily, read_supply_family
from energy.networks.rules import Rules, rules
from energy.planning.planner import check_rules, explorer_for
from energy.planning.published import Explorer
from energy.scheduling.execution import Execution
from energy.scheduling.schedule import Pricer
from evo.exhaustive import every_network, exact_front
from evo.synthetic_accuracy import SyntheticAccuracy
from experiments.commands.output import INFEASIBLE, print_json
from experiments.formatting.quantities import budget_name, parse, whole, write
from experiments.formatting.table import Table
from experiments.parallel.progress import Reporter
from experiments.pipeline.accuracy_source import STATED, Accuracies, accuracies_of, networks_of
from experiments.storage.tables import write_columns
from models.spaces import Archs, Space, preset

LARGEST_SPACE = 100_000
"""Spaces of more networks are explored by a sample only where each is planned as a whole. [1]"""

LARGEST_SUM = 5_000_000
"""The same where a network costs the sum of its layers. [1]"""

DEFAULT_BUDGETS = "47uF,100uF,470uF"

_NETWORKS_PER_STEP = 512


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Conditions under which networks are planned.

    Attributes:
        device: The device.
        budgets: Supplies by short name.
        rules: Name of the rule set.
        execution: Policy, counting and cuts.
        notes: Remarks on the supplies.
    """

    device: Device
    budgets: Mapping[str, Supply]
    rules: str
    execution: Execution
    notes: tuple[str, ...] = ()

    @property
    def scenarios(self) -> Scenarios:
        """The supplies, in the order of the budgets."""
        return Scenarios.of(list(self.budgets.values()))

    @property
    def rule_set(self) -> Rules:
        """Rules of the designs that may be chosen."""
        return rules(self.rules, self.device.max_vector).under(self.execution.counting)

    @property
    def are_layers_independent(self) -> bool:
        """Whether a network costs the sum of its layers."""
        return self.execution.counting == "published"


@dataclass(frozen=True, kw_only=True)
class Networks:
    """Networks of a space under their best plans.

    Attributes:
        space: The space.
        archs: The networks, `(n, n_genes)`.
        names: Their text forms, `(n,)`.
        latency_s: Least latencies, infinite where nothing is feasible, `(n, n_budgets)`. [s]
        accuracies: Their accuracies, `(n,)`; None without a source. [1]
        kind: Kind of the accuracies.
    """

    space: Space
    archs: Archs
    names: Sequence[str]
    latency_s: NDArray[np.float64]
    accuracies: Accuracies | None
    kind: str


def explored(
    space: Space, conditions: Conditions, archs: Archs | None, source: str | None, reporter: Reporter
) -> Networks:
    """Return networks under their best plans, with accuracies where a source is given.

    Args:
        space: The space.
        conditions: The conditions of the plans.
        archs: The networks, `(n, n_genes)`; None for all of a space whose networks cost the sum of their layers.
        source: A run's folder, a table, or `STATED`.
        reporter: Shows the progress.
    """
    is_every = archs is None
    rows = space.enumerate() if archs is None else archs
    names = space.encode_every() if is_every else [space.encode(arch) for arch in rows]
    # A wrong file is an error before the long work.
    kind, accuracies = source or "", None
    if source is not None and source != STATED:
        kind, accuracies = accuracies_of(source, rows, names, space)
    if is_every:
        explorer = Explorer(conditions.device, conditions.scenarios, conditions.rule_set, n_threads=2)
        found = every_network(space, explorer)
        latency_s = found.latency_s
        if source == STATED:
            accuracies = SyntheticAccuracy(space).of(rows, found.n_macs, found.n_parameters)
    else:
        latency_s = one_by_one(space, rows, conditions, reporter)
        if source == STATED:
            accuracies = SyntheticAccuracy(space).evaluate(rows)
    return Networks(space=space, archs=rows, names=names, latency_s=latency_s, accuracies=accuracies, kind=kind)


def one_by_one(space: Space, archs: Archs, conditions: Conditions, reporter: Reporter) -> NDArray[np.float64]:
    """Return the least latencies of networks `(n, n_genes)`, each planned as a whole, `(n, n_budgets)`. [s]"""
    scenarios = conditions.scenarios
    explorer = explorer_for(conditions.device, scenarios, conditions.rule_set, conditions.execution)
    pricer = Pricer(conditions.device)
    found = np.empty((len(archs), len(scenarios)))
    starts = range(0, len(archs), _NETWORKS_PER_STEP)
    with reporter.task("explore", len(starts)) as task:
        for start in starts:
            rows = slice(start, start + _NETWORKS_PER_STEP)
            networks = [space.network(arch) for arch in archs[rows]]
            explorer.best([layer for network in networks for layer in network.layers])
            for index in range(len(scenarios)):
                plans = [explorer.plan(network, index) for network in networks]
                one = scenarios.take(index)
                priced = price_population(networks, plans, conditions.device, one, conditions.execution, pricer=pricer)
                found[rows, index] = priced.latency_s[:, 0]
            task.advance()
    return found


def explore(options: argparse.Namespace) -> int:
    """Run `ebbnas explore`."""
    conditions = _conditions(options)
    space = _space(options)
    reporter = Reporter(quiet=options.quiet or options.json)
    is_all_asked = options.sample is None and options.networks is None
    is_every = is_all_asked and conditions.are_layers_independent and space.size <= LARGEST_SUM
    archs = None if is_every else _archs(options, space)
    networks = explored(space, conditions, archs, options.accuracies, reporter)
    for note in conditions.notes:
        reporter.note(f"note: {note}")
    files = _write(networks, conditions, Path(options.out))
    _print(options, _Exploration(networks=networks, conditions=conditions, files=files))
    return 0 if np.isfinite(networks.latency_s).any(axis=0).all() else INFEASIBLE


def _write(networks: Networks, conditions: Conditions, folder: Path) -> list[Path]:
    """Write the table of all networks as Parquet and CSV; return the paths."""
    accuracies = networks.accuracies
    columns: dict[str, Any] = {"architecture": pa.array(networks.names)}
    if accuracies is not None:
        columns["accuracy"] = pa.array(accuracies)
    for index, budget in enumerate(conditions.budgets):
        column = networks.latency_s[:, index]
        columns[f"latency_s_{budget}"] = pa.array(column, mask=~np.isfinite(column))
    if accuracies is not None:
        columns["accuracy_kind"] = pa.array([networks.kind] * len(networks.names))
    files = [folder / f"explore{end}" for end in (".parquet", ".csv")]
    for path in files:
        write_columns(path, pa.table(columns, metadata={"schema": "1"}))
    return files


@dataclass(frozen=True, kw_only=True)
class _Exploration:
    """Networks that were explored, and the files that hold them."""

    networks: Networks
    conditions: Conditions
    files: Sequence[Path]

    def summary(self) -> list[dict[str, Any]]:
        """Return one line per supply, with the exact front where accuracies are known."""
        lines = []
        for index, budget in enumerate(self.conditions.budgets):
            column = self.networks.latency_s[:, index]
            feasible = column[np.isfinite(column)]
            line: dict[str, Any] = {"budget": budget, "networks": len(column), "feasible": len(feasible)}
            line["latency_s_min"] = float(feasible.min()) if len(feasible) else None
            line["latency_s_max"] = float(feasible.max()) if len(feasible) else None
            if self.networks.accuracies is not None:
                line["front"] = self._front(index)
            lines.append(line)
        return lines

    def _front(self, index: int) -> list[dict[str, Any]]:
        accuracies, latency_s = self.networks.accuracies, self.networks.latency_s[:, index]
        assert accuracies is not None
        front = exact_front(accuracies, latency_s)
        return [
            {
                "architecture": self.networks.names[row],
                "accuracy": float(accuracies[row]),
                "latency_s": float(latency_s[row]),
            }
            for row in front.rows[::-1]
        ]


def _print(options: argparse.Namespace, found: _Exploration) -> None:
    summary = found.summary()
    if options.json:
        files = [str(path) for path in found.files]
        print_json(
            {
                "space": found.networks.space.name,
                "budgets": summary,
                "files": files,
                "notes": list(found.conditions.notes),
            }
        )
        return
    n_networks = f"{len(found.networks.names):,} networks under {len(summary)} budgets"
    print(f"{found.networks.space.name}: {n_networks}, every latency exact.\n")
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
    print(Table(("budget", "feasible", "least latency", "greatest", "exact front"), cells).to_text())
    print("\n" + "\n".join(str(path) for path in found.files))


def _conditions(options: argparse.Namespace) -> Conditions:
    resistance = None if options.resistance is None else parse("--resistance", options.resistance, "ohm")
    family: SupplyFamily = read_supply_family(_named(options.supply))
    text = DEFAULT_BUDGETS if options.budgets is None else options.budgets
    budgets, notes = {}, []
    for item in text.split(","):
        capacitance_f = parse("--budgets", item.strip(), "F")
        if budget_name(capacitance_f) in budgets:
            raise ValueError(f"--budgets must differ, not name {budget_name(capacitance_f)} twice")
        budgets[budget_name(capacitance_f)] = family.supply(capacitance_f, resistance)
        if resistance is None and (note := family.note(capacitance_f)):
            notes.append(note)
    execution = Execution(policy=options.policy)
    check_rules(rules(options.rules), execution)
    device = read_device(_named(options.device))
    return Conditions(device=device, budgets=budgets, rules=options.rules, execution=execution, notes=tuple(notes))


def _named(source: str) -> str | Path:
    return Path(source) if source.endswith(".toml") else source


def _space(options: argparse.Namespace) -> Space:
    if options.accuracies is None or not Path(options.accuracies).is_dir():
        return preset(options.space)
    from experiments.config.read import read_config
    from experiments.config.resolve import look_up

    own = look_up(read_config(options.accuracies)).space
    return own if own.name == options.space else preset(options.space)


def _archs(options: argparse.Namespace, space: Space) -> Archs:
    seed = whole("--seed", options.seed, least=0)
    if options.networks is not None:
        if options.sample is not None:
            raise ValueError("--networks and --sample exclude each other")
        return networks_of(Path(options.networks), space)
    if options.sample is not None:
        return np.unique(space.sample(np.random.default_rng(seed), whole("--sample", options.sample)), axis=0)
    if space.size > LARGEST_SPACE:
        some = "--sample N or --networks TABLE explores some of them"
        raise ValueError(f"space {space.name} has {space.size:,} networks; {some}")
    return space.enumerate()
