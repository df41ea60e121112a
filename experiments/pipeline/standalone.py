"""Networks trained alone: what their accuracy is where no weights are shared, over several seeds and folds.

The stage of a training knows its data, its network and its settings, and nothing of shared weights: however those are
trained, what was trained alone stays valid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.config.schema import DataSection
from experiments.parallel.progress import Reporter
from experiments.pipeline.training import Training, data_of, is_trained, read_trained, train_all, training_folder
from experiments.storage.cache import StageFolder, Store
from models.spaces import Archs, Space
from models.training.settings import StandaloneSettings


@dataclass(frozen=True, kw_only=True, eq=False)
class Standalone:
    """Networks to train alone, each with every seed on every fold.

    Attributes:
        data: The data sets, one a fold.
        space: The space of the networks.
        archs: The networks, `(n_networks, n_genes)`.
        seeds: Of weights, batches and augmentation.
        settings: How they are trained.
    """

    data: Sequence[DataSection]
    space: Space
    archs: Archs
    seeds: Sequence[int]
    settings: StandaloneSettings

    def folder(self, store: Store, data: DataSection, arch: Archs, seed: int) -> StageFolder:
        """Return the stage of one training."""
        return training_folder(
            store, "standalone", data=data_of(data), space=self.space, arch=arch, settings=self.settings, seed=seed
        )

    def train(
        self, store: Store, n_processes: int, reporter: Reporter, log: Callable[[dict[str, Any]], None]
    ) -> tuple[NDArray[np.bool_], ...]:
        """Do every training that the cache does not hold.

        Args:
            store: Where results lie.
            n_processes: Workers at most.
            reporter: Who is told.
            log: Takes an entry a training.

        Returns:
            For each fold which validation samples are got right, `(n_networks, n_seeds, n_val)`.
        """
        folders = [
            [[self.folder(store, data, arch, seed) for seed in self.seeds] for arch in self.archs] for data in self.data
        ]
        missing = [
            Training(folder=folders[i][j][k], data=data, space=self.space, arch=arch, settings=self.settings, seed=seed)
            for i, data in enumerate(self.data)
            for k, seed in enumerate(self.seeds)
            for j, arch in enumerate(self.archs)
            if not is_trained(folders[i][j][k])
        ]
        train_all("trained alone", missing, n_processes, reporter, log)
        return tuple(
            np.array([[read_trained(folder).right_val for folder in of_network] for of_network in of_fold])
            for of_fold in folders
        )
