"""Evaluations of a search, as arrays that only grow: genomes, objectives, violations, generations.

Each genome is in the archive once; duplicate elimination tests membership. The final front is that of the archive, not
of the last population.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evo.genome.layout import Genomes
from evo.objectives import Floats


@dataclass(frozen=True, kw_only=True)
class Evaluations:
    """Priced genomes, one row each.

    Attributes:
        genomes: Canonical genomes, `(n, n_genes)`.
        values: Objective values in SI units, infinite times where infeasible, `(n, n_objectives)`.
        figures: Columns `evo.objectives.FIGURES` in SI units, infinite times where infeasible, `(n, n_figures)`.
        amounts: Violations in the unit of each constraint, 0 where it holds, `(n, n_constraints)`.
        violations: Violations as shares of their limits, `(n, n_constraints)`.
    """

    genomes: Genomes
    values: Floats
    figures: Floats
    amounts: Floats
    violations: Floats

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.genomes)

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Mask of the rows that break no limit, `(n,)`."""
        return np.asarray((self.violations <= 0).all(axis=1))

    def take(self, rows: NDArray[np.int64]) -> Evaluations:
        """Return the given rows in the given order."""
        return Evaluations(
            genomes=self.genomes[rows],
            values=self.values[rows],
            figures=self.figures[rows],
            amounts=self.amounts[rows],
            violations=self.violations[rows],
        )


def joined(parts: list[Evaluations]) -> Evaluations:
    """Return the concatenation of evaluations, at least one part."""
    return Evaluations(
        genomes=np.vstack([part.genomes for part in parts]),
        values=np.vstack([part.values for part in parts]),
        figures=np.vstack([part.figures for part in parts]),
        amounts=np.vstack([part.amounts for part in parts]),
        violations=np.vstack([part.violations for part in parts]),
    )


class Archive:
    """All evaluations of a search so far, generation by generation."""

    def __init__(self) -> None:
        self._parts: list[Evaluations] = []
        self._joined: Evaluations | None = None
        self._known: set[bytes] = set()

    def __getstate__(self) -> list[Evaluations]:
        """Return the state for a checkpoint: the arrays; the index of genomes is rebuilt."""
        return self._parts

    def __setstate__(self, parts: list[Evaluations]) -> None:
        """Rebuild from a checkpoint."""
        self.__init__()  # type: ignore[misc]
        for part in parts:
            self.add(part)

    def __len__(self) -> int:
        """Return the number of evaluations so far."""
        return sum(len(part) for part in self._parts)

    def __contains__(self, genome: Genomes) -> bool:
        """Return whether a canonical genome `(n_genes,)` was priced before."""
        return genome.tobytes() in self._known

    def add(self, evaluations: Evaluations) -> None:
        """Append one generation."""
        self._parts.append(evaluations)
        self._joined = None
        self._known.update(genome.tobytes() for genome in evaluations.genomes)

    def revalue(self, values: Floats) -> None:
        """Replace the objective values of all rows, `(n, n_objectives)`."""
        ends = np.cumsum([len(part) for part in self._parts])[:-1]
        pairs = zip(self._parts, np.split(values, ends), strict=True)
        self._parts = [replace(part, values=own) for part, own in pairs]
        self._joined = None

    @property
    def evaluations(self) -> Evaluations:
        """All rows in the order in which they were priced.

        Raises:
            ValueError: Nothing was priced yet.
        """
        if not self._parts:
            raise ValueError("nothing was evaluated yet")
        if self._joined is None:
            self._joined = joined(self._parts)
        return self._joined

    @property
    def generations(self) -> NDArray[np.int64]:
        """Generation of each row, counted from 1, `(n,)`."""
        return np.repeat(np.arange(1, len(self._parts) + 1), [len(part) for part in self._parts])
