"""Results of a run: rows of `fronts`, evaluations and design files.

`ebbnas search` opens the test split here alone, after everything is decided. Of finished runs, `card --front`,
`design`, `evaluate` and `verify` open it too, and decide nothing by it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evo.fronts.front import Front
from evo.genome.layout import Decoded
from evo.objectives import CONSTRAINTS, FIGURES, Objective, objectives
from evo.problem.evaluations import Evaluations
from evo.problem.problem import LearningSource
from evo.search import Search, stream
from experiments.config.resolve import Budget, Workload
from experiments.designs.price import price
from experiments.designs.request import Request
from experiments.pipeline.finetune import Finetuned
from experiments.storage.files import write_json
from experiments.storage.tables import TIMES, Row
from models.data import Split
from models.deploy.accuracy import deployed_correct
from models.deploy.weights_file import read_network
from models.evaluation.accuracy import accuracy, correct
from models.evaluation.shared_weights import SharedEvaluator
from models.supernet.subnet import Subnet


@dataclass(frozen=True, kw_only=True)
class Member:
    """One design of a front.

    Attributes:
        budget: The supply it was found for.
        id: Short and stable: the budget and a hash of the genome.
        decoded: Network and plan.
        genome: The genome as JSON.
        accuracy: Inherited, on validation. [1]
        figures: What it costs, columns of `evo.objectives.FIGURES` by name.
    """

    budget: Budget
    id: str
    decoded: Decoded
    genome: str
    accuracy: float
    figures: Mapping[str, float]


def member(search: Search, budget: Budget, genome: NDArray[np.int64]) -> Member:
    """Return a design of a search by its genome, `(n_genes,)`."""
    layout = search.problem.layout
    text = layout.to_json(genome)
    short = hashlib.sha256(text.encode()).hexdigest()[:8]
    figures = search.problem.price(genome[None]).figures[0]
    return Member(
        budget=budget,
        id=f"{budget.name}-{short}",
        decoded=layout.decode(genome),
        genome=text,
        accuracy=float(search.problem.accuracy.evaluate(genome[layout.architecture][None])[0]),
        figures=dict(zip(FIGURES, figures.tolist(), strict=True)),
    )


def design_request(work: Workload, one: Member, device_file: Path | None) -> Request:
    """Return the design as `price` takes it."""
    network = one.decoded.network
    return Request(
        name=one.id,
        network=replace(network, name=f"{work.space.name} {network.name}"),
        plan=one.decoded.plan,
        device=work.device,
        supply=one.budget.supply,
        execution=work.execution,
        rules=work.rules.name,
        deadline_s=work.config.search.deadline,
        uncertainty=work.uncertainty,
        device_file=device_file,
    )


def cost_columns(request: Request) -> Row:
    """What `price` says of a design, as columns of `fronts`."""
    answer = price(request)
    names = (
        "latency_s", "response_latency_s", "worst_case_latency_s", "energy_j", "power_cycles", "active_s",
        "recharge_s", "limit_plan_s", "vm_bytes", "nvm_bytes",
    )  # fmt: skip
    columns = {name: answer.get(name) for name in names}
    columns |= {name: answer["breakdown"].get(name) for name in TIMES}
    shares = {
        "energy": max(entry["energy_j"] for entry in answer["schedule"]) / request.supply.budget_j,
        "vm": answer["vm_bytes"] / request.device.vm_bytes,
        "nvm": answer["nvm_bytes"] / request.device.nvm_bytes,
    }
    columns["binding_constraint"] = max(shares, key=lambda name: shares[name])
    columns["safe"] = answer["feasible"]
    return columns


_Judged = tuple[NDArray[np.bool_], NDArray[np.int64]]
"""Which samples were right, and the group of each, `(n,)` both."""


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Gives accuracies with their intervals.

    Attributes:
        work: The workload.
        evaluator: The shared weights.
        judged_by: The validation samples that it judges by.
    """

    work: Workload
    evaluator: SharedEvaluator
    judged_by: Split
    _known: dict[tuple[str, str], Row] = field(default_factory=dict)

    def inherited(self, one: Member) -> Row:
        """Of a network with the shared weights, on validation."""

        def judge() -> _Judged:
            answers = self.evaluator.scores(one.decoded.arch).argmax(dim=1).numpy()
            return np.asarray(answers == self.judged_by.labels), self.judged_by.groups

        columns = self._columns("accuracy_inherited_val", one, judge)
        assert columns["accuracy_inherited_val"] == one.accuracy
        return columns

    def finetuned(self, one: Member, weights: bytes, split: str) -> Row:
        """Of a network with its own weights."""

        def judge() -> _Judged:
            data = self.work.data.split(split)
            return correct(Subnet.from_bytes(self.work.space, one.decoded.arch, weights), data), data.groups

        return self._columns(f"accuracy_finetuned_{split}", one, judge)

    def deployed(self, one: Member, network: bytes, split: str) -> Row:
        """Of a network in integers."""

        def judge() -> _Judged:
            data = self.work.data.split(split)
            return deployed_correct(read_network(network), data), data.groups

        return self._columns(f"accuracy_deployed_{split}", one, judge)

    def _columns(self, name: str, one: Member, judge: Callable[[], _Judged]) -> Row:
        """Return the columns of one accuracy; a network that is on several fronts is judged once."""
        key = (name, one.decoded.network.name)
        if key not in self._known:
            found = accuracy(*judge(), stream(self.work.config.seed, " ".join(key)))
            self._known[key] = {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
        return self._known[key]


def front_rows(
    judge: Judge,
    members: Sequence[Member],
    finetuned: Mapping[str, Finetuned],
    quantised: Mapping[str, bytes],
    device_file: Path | None,
) -> list[Row]:
    """Return the rows of `fronts`, membership decided on fine-tuned validation accuracy; the test columns come last.

    Args:
        judge: Gives the accuracies.
        members: Designs whose networks are fine-tuned, budgets together.
        finetuned: Fine-tuned networks by architecture.
        quantised: The same in integers.
        device_file: Where the run keeps the device's file, None for a shipped one.
    """
    work = judge.work
    rows = []
    for one in members:
        own = finetuned[one.decoded.network.name]
        request = design_request(work, one, device_file)
        row: Row = {
            "id": one.id,
            "budget": one.budget.name,
            "capacitance_f": one.budget.supply.capacitance_f,
            "resistance_ohm": one.budget.supply.resistance_ohm,
            **judge.inherited(one),
            **judge.finetuned(one, own.weights, "val"),
            **judge.deployed(one, quantised[one.decoded.network.name], "val"),
            **cost_columns(request),
            "n_parameters": request.network.n_parameters,
            "n_macs": request.network.n_macs,
            "architecture": one.decoded.network.name,
            "genome": one.genome,
            "policy": request.execution.policy,
            "rules": request.rules,
            "network": request.network.name,
            "seed": own.seed,
        }
        rows.append(row)
    member_of = {one.id: one for one in members}
    _mark_fronts(rows, member_of, objectives(work.config.search.objectives))
    order = {budget.name: index for index, budget in enumerate(work.budgets)}
    rows.sort(key=lambda row: (order[row["budget"]], row["latency_s"], row["id"]))
    for row in rows:
        one, name = member_of[row["id"]], row["architecture"]
        row.update(judge.finetuned(one, finetuned[name].weights, "test"))
        row.update(judge.deployed(one, quantised[name], "test"))
    return rows


def _mark_fronts(rows: list[Row], members: Mapping[str, Member], minimised: Sequence[Objective]) -> None:
    """Decide `on_front` for each budget by the objectives of the search, accuracy fine-tuned on validation."""

    def value(row: Row, objective: Objective) -> float:
        is_error = objective.column == "error"
        return 1.0 - row["accuracy_finetuned_val"] if is_error else members[row["id"]].figures[objective.column]

    for budget in {row["budget"] for row in rows}:
        own = [row for row in rows if row["budget"] == budget]
        front = Front.of([[value(row, one) for one in minimised] for row in own], objectives=minimised)
        for index, row in enumerate(own):
            row["on_front"] = index in front.rows


def evaluation_rows(search: Search, budget: Budget) -> list[Row]:
    """Everything a search has priced."""
    found: Evaluations = search.archive.evaluations
    layout = search.problem.layout
    archs = found.genomes[:, layout.architecture]
    source = search.problem.accuracy
    accuracies = source.evaluate(archs).tolist()
    is_measured = source.is_measured(archs).tolist() if isinstance(source, LearningSource) else [True] * len(archs)
    rows = []
    for index, generation in enumerate(search.archive.generations.tolist()):
        figures = found.figures[index].tolist()
        amounts = found.amounts[index].tolist()
        rows.append(
            {
                "budget": budget.name,
                "generation": generation,
                "feasible": bool(found.feasible[index]),
                f"accuracy_{'inherited' if is_measured[index] else 'predicted'}_val": accuracies[index],
                **{name: value if np.isfinite(value) else None for name, value in zip(FIGURES, figures, strict=True)},
                **{row.column: amount for row, amount in zip(CONSTRAINTS, amounts, strict=True)},
                "architecture": layout.decode(found.genomes[index]).network.name,
                "genome": layout.to_json(found.genomes[index]),
            }
        )
    return rows


def write_designs(folder: Path, work: Workload, members: Sequence[Member], device_file: Path | None) -> None:
    """Write a DESIGN.json for each member."""
    for one in members:
        write_json(folder / f"{one.id}.json", design_request(work, one, device_file).to_dict(folder))
