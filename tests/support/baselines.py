"""Baselines for a search: random joint genomes, and random networks with exact designs."""

from __future__ import annotations

import numpy as np

from evo.genome.layout import Genomes, JointGenome
from evo.operators.repair import Explorer
from evo.operators.variation import random_genomes
from evo.problem.evaluations import Evaluations
from evo.problem.problem import JointProblem
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
