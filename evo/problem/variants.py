"""Variants of the problem: selection by the objectives, by one score, or by the objectives on continuous power.

Evaluations are always priced under the requested supply; only `fitness`, which selection and breeding use, differs.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evo.genome.layout import JointGenome
from evo.methods import CONTINUOUS, OBJECTIVES, SCORE, Planning
from evo.objectives import DEFAULT_OBJECTIVES, Floats, Objective
from evo.problem.evaluations import Evaluations
from evo.problem.problem import AccuracySource, JointProblem, Pricing

SCORE_EXPONENT = -0.07
"""Exponent of the latency in the score accuracy x latency^w of hardware-aware search (Tan et al., CVPR 2019)."""


class ScoreProblem(JointProblem):
    """Problem that selects by one score, accuracy x latency^`SCORE_EXPONENT`; logged objectives are unchanged.

    Raises:
        ValueError: Error or latency is not an objective.
    """

    def __init__(
        self,
        layout: JointGenome,
        accuracy: AccuracySource,
        pricing: Pricing,
        objectives: tuple[Objective, ...] = DEFAULT_OBJECTIVES,
    ) -> None:
        super().__init__(layout, accuracy, pricing, objectives)
        names = [objective.name for objective in objectives]
        if not {"error", "latency"} <= set(names):
            raise ValueError(f"objectives of method 'score' must contain error and latency, not {names!r}")
        self._error, self._latency = names.index("error"), names.index("latency")
        self.n_obj = 1

    def fitness(self, evaluations: Evaluations) -> tuple[Floats, Floats]:
        """Return the negative score as the only column, infinite latency scoring nothing, and violations."""
        error, latency_s = evaluations.values[:, self._error], evaluations.values[:, self._latency]
        return -((1 - error) * latency_s**SCORE_EXPONENT)[:, None], evaluations.violations


class ContinuousProblem(JointProblem):
    """Problem that selects as if power never failed, as ordinary hardware-aware search; prices use the real supply."""

    def __init__(
        self,
        layout: JointGenome,
        accuracy: AccuracySource,
        pricing: Pricing,
        objectives: tuple[Objective, ...] = DEFAULT_OBJECTIVES,
    ) -> None:
        super().__init__(layout, accuracy, pricing, objectives)
        given = Planning(device=pricing.device, supplies=(pricing.supply,), rules=layout.rules).as_if_powered
        powered = replace(pricing, device=given.device, supply=given.supplies[0], more_supplies=())
        self._powered = JointProblem(layout, accuracy, powered, objectives)
        self._powered.known_accuracies = self.known_accuracies
        self._seen: dict[bytes, tuple[Floats, Floats]] = {}

    def fitness(self, evaluations: Evaluations) -> tuple[Floats, Floats]:
        """Return scaled objectives and violations on continuous power."""
        keys = [genome.tobytes() for genome in evaluations.genomes]
        new = [row for row, key in enumerate(keys) if key not in self._seen]
        if new:
            genomes = evaluations.genomes[new]
            values, violations = self._powered.fitness(self._powered.price(genomes))
            pairs = zip(genomes, values, violations, strict=True)
            self._seen.update({genome.tobytes(): (own, broken) for genome, own, broken in pairs})
        found = [self._seen[key] for key in keys]
        return np.array([values for values, _ in found]), np.array([broken for _, broken in found])

    def revalued(self, evaluations: Evaluations) -> Evaluations:
        """Return the same evaluations with the current accuracies of the source, for selection too."""
        self._seen.clear()
        return super().revalued(evaluations)


PROBLEMS: dict[str, type[JointProblem]] = {OBJECTIVES: JointProblem, SCORE: ScoreProblem, CONTINUOUS: ContinuousProblem}
"""Variants by `Method.selects_by`."""
