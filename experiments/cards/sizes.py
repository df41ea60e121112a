"""Networks spread over all sizes of a space, on which accuracies are compared."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from models.spaces import Archs, Space

_LARGEST_POOL = 4096
"""Networks of which some are chosen: all of a smaller space, this many random ones of a larger. [1]"""


def networks_over_sizes(space: Space, n: int, rng: np.random.Generator) -> Archs:
    """Return distinct networks spread over all sizes: one from each of `n` equal steps of the logarithm of their MACs.

    A step without a free network takes the one nearest to its middle.

    Args:
        space: The space; of a large one, a random part.
        n: Number of networks. [1]
        rng: Random generator of the choice.

    Returns:
        Architectures by rising MACs, `(n, n_genes)`.

    Raises:
        ValueError: The space has fewer networks.
    """
    if n > space.size:
        raise ValueError(f"networks must be at most the {space.size} of space {space.name}, not {n}")
    small = space.size <= _LARGEST_POOL
    pool = space.enumerate() if small else np.unique(space.sample(rng, max(_LARGEST_POOL, 4 * n)), axis=0)
    # Sorted, so that the choice does not depend on the order in which a space lists its networks.
    keyed = sorted((space.network(arch).n_macs, space.encode(arch), row) for row, arch in enumerate(pool))
    size = np.log([macs for macs, _, _ in keyed])
    edges = np.linspace(size[0], size[-1], n + 1)
    free, chosen = np.ones(len(keyed), dtype=bool), []
    for low, high in pairwise(edges):
        inside = np.flatnonzero(free & (size >= low) & (size <= high))
        if len(inside):
            chosen.append(int(rng.choice(inside)))
        else:
            chosen.append(int(np.where(free, np.abs(size - (low + high) / 2), np.inf).argmin()))
        free[chosen[-1]] = False
    return np.array([pool[keyed[index][2]] for index in sorted(chosen)])
