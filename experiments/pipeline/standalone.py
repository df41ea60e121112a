"""Networks trained alone, without shared weights, over several seeds and folds.

The key of such a training holds its data, network, settings and seed: a change of the shared weights leaves it valid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.config.sections import DataSection
from experiments.parallel.progress import Reporter
from experiments.pipeline.samples import data_of
from experiments.pipeline.training import Training, is_trained, read_trained, train_all, training_folder
from experiments.storage.cache import StageFolder, Store
from models.spaces import Archs, Space
from models.training.settings import StandaloneSettings


@dataclass(frozen=True, kw_only=True, eq=False)
class Standalone:
    """Networks to train alone, each with every seed on every fold.

    Attributes:
        data: The data sets, one per fold.
        space: The space of the networks.
        archs: The networks, `(n_networks, n_genes)`.
        seeds: Of weights, batches and augmentation.
        settings: The settings of their training.
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
        """Return the results of every training, done first where the cache lacks it.

        Args:
            store: The cache.
            n_processes: Most worker processes. [1]
            reporter: Shows the progress.
            log: Adds one entry per training to the log.

        Returns:
            For each fold, which validation samples are right, `(n_networks, n_seeds, n_val)`.
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
        train_all("training alone", missing, n_processes, reporter, log)
        return tuple(
            np.array([[read_trained(folder).right_val for folder in of_network] for of_network in of_fold])
            for of_fold in folders
        )
