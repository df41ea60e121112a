"""Rows of `fronts.csv` and `fronts.parquet`: costs and accuracies of the members.

`ebbnas search` opens the test split here alone, after everything is decided. Of finished runs, `card --front`,
`design`, `evaluate` and `verify` open it too, and decide nothing by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evo.fronts.front import Front
from evo.objectives import Objective, objectives
from evo.search import stream
from experiments.config.resolve import Workload
from experiments.designs.price import price
from experiments.designs.request import Request
from experiments.pipeline.finetune import Finetuned
from experiments.pipeline.members import Member, design_request
from experiments.storage.run_folder import FRONTS_CSV, FRONTS_FILE
from experiments.storage.tables import FRONTS, TIMES, Row, write_table
from models.data import Split
from models.deploy.accuracy import deployed_correct
from models.deploy.weights_file import read_network
from models.evaluation.accuracy import accuracy, correct
from models.evaluation.shared_weights import SharedEvaluator
from models.supernet.subnet import Subnet


class OwnWeights(NamedTuple):
    """Networks with weights of their own by the text form of their architectures: fine-tuned, and in integers."""

    finetuned: Mapping[str, Finetuned]
    quantised: Mapping[str, bytes]


def cost_columns(request: Request) -> Row:
    """Return the costs of a design as columns of `fronts`."""
    answer = price(request)
    names = (
        "latency_s", "response_latency_s", "worst_case_latency_s", "energy_j", "power_cycles", "active_s",
        "recharge_s", "limit_plan_s", "vm_bytes", "nvm_bytes",
    )  # fmt: skip
    columns = {name: answer.get(name) for name in names}
    columns |= {name: answer["breakdown"].get(name) for name in TIMES}
    shares = {
        "energy": max(entry["energy_j"] for entry in answer["schedule"]) / request.supply.cycle_budget_j,
        "vm": answer["vm_bytes"] / request.device.vm_bytes,
        "nvm": answer["nvm_bytes"] / request.device.nvm_bytes,
    }
    columns["binding_constraint"] = max(shares, key=lambda name: shares[name])
    columns["safe"] = answer["feasible"]
    return columns


class _Answers(NamedTuple):
    """Whether a network gets each sample right, and the group of each sample, both `(n,)`."""

    right: NDArray[np.bool_]
    groups: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class AccuracyColumns:
    """Accuracies with their intervals, as columns of `fronts`.

    Attributes:
        work: The settings and inputs of the run.
        evaluator: The evaluator of networks with shared weights.
        samples: The validation samples of the evaluator.
    """

    work: Workload
    evaluator: SharedEvaluator
    samples: Split
    _known: dict[tuple[str, str], Row] = field(default_factory=dict)

    def inherited(self, one: Member) -> Row:
        """Return the columns of a network with the shared weights, on validation."""

        def evaluate() -> _Answers:
            answers = self.evaluator.scores(one.decoded.arch).argmax(dim=1).numpy()
            return _Answers(np.asarray(answers == self.samples.labels), self.samples.groups)

        columns = self._columns("accuracy_inherited_val", one, evaluate)
        assert columns["accuracy_inherited_val"] == one.accuracy
        return columns

    def finetuned(self, one: Member, weights: bytes, split: str) -> Row:
        """Return the columns of a network with its own weights."""

        def evaluate() -> _Answers:
            data = self.work.data.split(split)
            return _Answers(correct(Subnet.from_bytes(self.work.space, one.decoded.arch, weights), data), data.groups)

        return self._columns(f"accuracy_finetuned_{split}", one, evaluate)

    def deployed(self, one: Member, network: bytes, split: str) -> Row:
        """Return the columns of a network in integers."""

        def evaluate() -> _Answers:
            data = self.work.data.split(split)
            return _Answers(deployed_correct(read_network(network), data), data.groups)

        return self._columns(f"accuracy_deployed_{split}", one, evaluate)

    def _columns(self, name: str, one: Member, evaluate: Callable[[], _Answers]) -> Row:
        """Return the columns of one accuracy; a network on several fronts is evaluated once."""
        key = (name, one.decoded.network.name)
        if key not in self._known:
            found = accuracy(*evaluate(), stream(self.work.config.seed, " ".join(key)))
            self._known[key] = {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
        return self._known[key]


def front_rows(
    accuracies: AccuracyColumns, chosen: Sequence[Member], own: OwnWeights, device_file: Path | None
) -> list[Row]:
    """Return the rows of `fronts`: membership by fine-tuned validation accuracy first, the test columns last.

    Args:
        accuracies: Evaluates the networks.
        chosen: Designs whose networks are fine-tuned, of all supplies.
        own: Those networks, fine-tuned and in integers.
        device_file: The run's copy of a user's device file, None for a built-in device.
    """
    work = accuracies.work
    rows = [_validation_row(accuracies, one, own, device_file) for one in chosen]
    member_of = {one.id: one for one in chosen}
    _mark_fronts(rows, member_of, objectives(work.config.search.objectives))
    order = {budget.name: index for index, budget in enumerate(work.budgets)}
    rows.sort(key=lambda row: (order[row["budget"]], row["latency_s"], row["id"]))
    for row in rows:
        one, name = member_of[row["id"]], row["architecture"]
        row.update(accuracies.finetuned(one, own.finetuned[name].weights, "test"))
        row.update(accuracies.deployed(one, own.quantised[name], "test"))
    return rows


def _validation_row(accuracies: AccuracyColumns, one: Member, own: OwnWeights, device_file: Path | None) -> Row:
    """Return the row of one design but for `on_front` and the test columns."""
    name, request = one.decoded.network.name, design_request(accuracies.work, one, device_file)
    finetuned = own.finetuned[name]
    return {
        "id": one.id,
        "budget": one.budget.name,
        "capacitance_f": one.budget.supply.capacitance_f,
        "resistance_ohm": one.budget.supply.resistance_ohm,
        **accuracies.inherited(one),
        **accuracies.finetuned(one, finetuned.weights, "val"),
        **accuracies.deployed(one, own.quantised[name], "val"),
        **cost_columns(request),
        "n_parameters": request.network.n_parameters,
        "n_macs": request.network.n_macs,
        "architecture": name,
        "genome": one.genome,
        "policy": request.execution.policy,
        "rules": request.rules,
        "network": request.network.name,
        "seed": finetuned.seed,
    }


def _mark_fronts(rows: list[Row], members: Mapping[str, Member], minimised: Sequence[Objective]) -> None:
    """Set `on_front` for each supply by the objectives of the search, with fine-tuned validation accuracy."""

    def value(row: Row, objective: Objective) -> float:
        is_error = objective.column == "error"
        return 1.0 - row["accuracy_finetuned_val"] if is_error else members[row["id"]].figures[objective.column]

    for budget in {row["budget"] for row in rows}:
        own = [row for row in rows if row["budget"] == budget]
        front = Front.of([[value(row, one) for one in minimised] for row in own], objectives=minimised)
        for index, row in enumerate(own):
            row["on_front"] = index in front.rows


def write_fronts(folder: Path, rows: Sequence[Row]) -> None:
    """Write `fronts.csv` and `fronts.parquet` of a run."""
    write_table(folder / FRONTS_CSV, rows, FRONTS)
    write_table(folder / FRONTS_FILE, rows, FRONTS)
