"""What a search is measured against: random joint genomes, random networks with exact designs, the exact front."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from evo.archive import Evaluations
from evo.front import Front
from evo.genome import Genomes, JointGenome
from evo.objectives import DEFAULT_OBJECTIVES, Floats
from evo.operators import random_genomes
from evo.problem import JointProblem
from evo.refinement import Explorer
from models.spaces import Archs


def random_joint(problem: JointProblem, n: int, rng: np.random.Generator) -> Evaluations:
    """Price `n` genomes whose genes are all drawn uniformly from their legal options."""
    return problem.price(random_genomes(problem.layout, n, rng))


def random_explored(problem: JointProblem, explorer: Explorer, n: int, rng: np.random.Generator) -> Evaluations:
    """Price `n` distinct random networks (all, where there are fewer), each with the explorer's designs."""
    archs = distinct_networks(problem.layout, n, rng)
    return problem.price(explored(problem.layout, explorer, archs))


def distinct_networks(layout: JointGenome, n: int, rng: np.random.Generator) -> Archs:
    """Distinct random architectures in canonical form, `(min(n, size of the space), n_arch_genes)`."""
    space = layout.space
    if n >= space.size:
        return rng.permutation(space.enumerate())
    found: dict[bytes, Archs] = {}
    while len(found) < n:
        for arch in space.sample(rng, n):
            found.setdefault(arch.tobytes(), arch)
    return np.array(list(found.values())[:n])


def explored(layout: JointGenome, explorer: Explorer, archs: Archs) -> Genomes:
    """Genomes of architectures `(n, n_arch_genes)` with the explorer's plans, `(n, n_genes)`."""
    networks = [layout.space.network(arch) for arch in archs]
    plans = [explorer.plan(network) for network in networks]
    return np.array([layout.encode(arch, plan) for arch, plan in zip(archs, plans, strict=True)])


def exact_front(accuracies: ArrayLike, latencies_s: ArrayLike) -> Front:
    """The front of a space of which every network is known.

    Args:
        accuracies: Accuracy of each network, `(n,)`. [1]
        latencies_s: Its least latency, infinite where it cannot run, `(n,)`. [s]

    Returns:
        The front; its `rows` are positions in the two arrays.
    """
    values: Floats = np.column_stack([1.0 - np.asarray(accuracies, dtype=np.float64), latencies_s])
    return Front.of(values, np.isfinite(values).all(axis=1), DEFAULT_OBJECTIVES)
