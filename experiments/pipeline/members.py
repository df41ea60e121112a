"""Members of the fronts: designs found by the search of each supply, and their files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evo.genome.layout import Decoded
from evo.objectives import FIGURES
from evo.search import Search
from experiments.config.resolve import Budget, Workload
from experiments.designs.request import Request
from experiments.storage.files import write_json


class BudgetSearch(NamedTuple):
    """A supply and its search."""

    budget: Budget
    search: Search


@dataclass(frozen=True, kw_only=True)
class Member:
    """One design of a front.

    Attributes:
        budget: The supply of its search.
        id: Short and stable name: the supply and a hash of the genome.
        decoded: Network and plan.
        genome: The genome as JSON.
        accuracy: Inherited accuracy on validation. [1]
        figures: Its costs, columns of `evo.objectives.FIGURES` by name.
    """

    budget: Budget
    id: str
    decoded: Decoded
    genome: str
    accuracy: float
    figures: Mapping[str, float]


def members(one: BudgetSearch) -> list[Member]:
    """Return the designs of the front of a search."""
    genomes = one.search.archive.evaluations.genomes
    return [member(one, genomes[row]) for row in one.search.front.rows]


def member(one: BudgetSearch, genome: NDArray[np.int64]) -> Member:
    """Return a design of a search by its genome, `(n_genes,)`."""
    budget, search = one
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
    """Return the request that prices a design."""
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


def write_designs(folder: Path, work: Workload, members: Sequence[Member], device_file: Path | None) -> None:
    """Write the design file of each member."""
    for one in members:
        write_json(folder / f"{one.id}.json", design_request(work, one, device_file).to_dict(folder))
