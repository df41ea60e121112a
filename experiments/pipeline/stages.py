"""The stages of a run up to the accuracies, the folders of all its stages, and what the stages share.

Each stage reads the cache first, goes on from its newest whole checkpoint, and leaves a result that other runs share.
A killed process repeats at most one epoch of the shared weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energy.hardware.scenarios import Scenarios
from energy.planning.planner import explorer_for
from energy.planning.protocol import ScenariosExplorer
from evo.genome.layout import JointGenome
from evo.methods import Planning, method, planning
from evo.problem.problem import AccuracySource
from evo.search import stream
from experiments.config.resolve import Budget, Workload
from experiments.config.teacher import read_answers
from experiments.parallel.progress import Reporter
from experiments.pipeline.inherited_accuracy import LARGEST_TABLE, AccuracyTable, evaluate_all, sampled_networks
from experiments.pipeline.log import as_json, epoch_progress
from experiments.storage.cache import StageFolder, Store
from experiments.storage.files import file_digest, write_array
from models.data import Split
from models.evaluation.shared_weights import SharedEvaluator
from models.predictor.gaussian_process import Predictor
from models.predictor.source import PredictedAccuracies, Remembering
from models.spaces import Archs
from models.training.settings import SupernetSettings
from models.training.supernet_trainer import N_CALIBRATION, SupernetTrainer

N_EVALUATED = 4096
"""Most validation samples on which a network with shared weights is evaluated. [1]"""


@dataclass(frozen=True, kw_only=True)
class Stages:
    """The stages of one workload.

    Attributes:
        work: The settings and inputs of the run.
        store: The cache.
        reporter: Shows the progress.
        log: Adds an entry to the run's log.
    """

    work: Workload
    store: Store
    reporter: Reporter
    log: Callable[[dict[str, Any]], None]

    @property
    def supernet_settings(self) -> SupernetSettings:
        """Settings of the training of the shared weights."""
        config = self.work.config
        return SupernetSettings(**config.supernet.model_dump(), n_threads=config.compute.threads)

    @property
    def supernet_folder(self) -> StageFolder:
        """Stage of the shared weights."""
        config = self.work.config
        reads = {
            "data": self.work.data_reads(),
            "space": self.work.space_key,
            "settings": self.supernet_settings,
            "augmentation": self.work.data.augmentation,
            "seed": config.seed,
            "device": config.compute.device,
        }
        if self._teacher_digest is not None:
            reads["teacher"] = self._teacher_digest
        return self.store.stage("supernet", reads)

    @cached_property
    def _teacher_digest(self) -> str | None:
        """Hash of the teacher's answers, read once for the keys of many stages; None without a teacher."""
        teacher = self.work.config.teacher
        return None if teacher is None else file_digest(Path(teacher.file))

    @property
    def predictor_folder(self) -> StageFolder:
        """Stage of the inherited accuracies: of all networks of a small space, of some of a large one."""
        reads = {"supernet": self.supernet_folder.key, "calibration": N_CALIBRATION, "evaluated": N_EVALUATED}
        if self.is_large:
            reads["drawn"] = "all sizes"
            if self.work.data.build_dense is not None:
                reads["windows"] = "dense"
            reads |= {"networks": self.work.config.predictor.networks, "seed": self.work.config.seed}
        return self.store.stage("predictor", reads)

    def search_folder(self, budget: Budget) -> StageFolder:
        """Return the stage of the search of a supply; its key does not hold its effort."""
        config = self.work.config
        reads = {
            "predictor": self.predictor_folder.key,
            "device": self.work.device_key,
            "supply": budget.supply.to_dict(),
            "harvest_uncertainty": config.supply.harvest_uncertainty,
            "execution": config.execution.model_dump(),
            "search": config.search.decisive(),
            "seed": config.seed,
        }
        return self.store.stage("search", reads)

    def teacher(self) -> NDArray[np.float32] | None:
        """Return the answers of the config's teacher on the training samples, `(n_train, n_classes)`; None without one.

        Raises:
            ConfigError: The file holds no such answers.
        """
        config = self.work.config
        if config.teacher is None:
            return None
        n_train = len(self.work.data.split("train"))
        return read_answers(Path(config.teacher.file), n_train, self.work.space.n_classes)

    def supernet(self) -> SupernetTrainer:
        """Return the trained shared weights; training goes on from its newest checkpoint."""
        folder, settings = self.supernet_folder, self.supernet_settings
        data = self.work.data
        config = self.work.config
        trainer = SupernetTrainer(
            self.work.space, data.split("train"), data.split("val"), settings, config.seed,
            augmentation=data.augmentation, teacher=self.teacher(), device=config.compute.device,
        )  # fmt: skip
        with folder.locked():
            if found := folder.checkpoints.newest(most=settings.epochs):
                trainer.restore(found.content)
            with self.reporter.task("shared weights", settings.epochs, done=trainer.epoch) as task:
                while trainer.epoch < settings.epochs:
                    entry = trainer.run_epoch()
                    folder.checkpoints.save(trainer.epoch, trainer.state())
                    self.log({"stage": "supernet", **as_json(entry)})
                    task.advance(epoch_progress(entry))
            if folder.result() is None:
                folder.finish({"epochs": settings.epochs})
        return trainer

    def evaluator(self, trainer: SupernetTrainer, samples: Split | None = None) -> SharedEvaluator:
        """Return the evaluator of networks with shared weights.

        Args:
            trainer: Holds the shared weights.
            samples: Validation samples, `self.evaluation_samples` where None.
        """
        train, val = self.work.data.split("train"), self.evaluation_samples if samples is None else samples
        calibration = train.take(train.at_most(N_CALIBRATION))
        n_threads = self.work.config.compute.threads
        return SharedEvaluator(trainer.supernet, calibration, val.take(slice(None)), val.labels, n_threads=n_threads)

    @property
    def is_large(self) -> bool:
        """Whether the space is too large to evaluate every network."""
        return self.work.space.size > LARGEST_TABLE

    @cached_property
    def evaluation_samples(self) -> Split:
        """Validation samples on which networks with shared weights are evaluated, spread over all of the split.

        In a large space recordings are cut into more windows: the predictor learns from these accuracies, and chance in
        them is noise to it.
        """
        val = self.work.data.dense_val if self.is_large else self.work.data.split("val")
        return val.part(val.at_most(N_EVALUATED))

    def accuracies(self, evaluator: SharedEvaluator) -> AccuracySource:
        """Return the accuracies of a search: inherited in a small space, predicted from some networks in a large one.

        Without a predictor, networks of a large space are evaluated when the search meets them.
        """
        space, n_networks = self.work.space, self.work.config.predictor.networks
        if not self.is_large:
            archs = space.enumerate()
            accuracies = self.evaluated(evaluator, archs, self.predictor_folder)
            return AccuracyTable(space=space, archs=archs, accuracies=accuracies)
        measuring = Remembering(evaluator)
        if not n_networks:
            return measuring
        archs = sampled_networks(space, n_networks, stream(self.work.config.seed, "predictor"))
        accuracies = self.evaluated(evaluator, archs, self.predictor_folder)
        return PredictedAccuracies(Predictor.fit(space, archs, accuracies), measuring)

    def evaluated(self, evaluator: SharedEvaluator, archs: Archs, folder: StageFolder) -> NDArray[np.float64]:
        """Return the inherited accuracies of networks from a stage, evaluated first where it lacks them.

        Args:
            evaluator: The evaluator.
            archs: The networks, `(n, n_genes)`; the key of the stage decides them.
            folder: The stage.

        Returns:
            Accuracies, `(n,)`. [1]
        """
        path = folder.path / "accuracies.npy"
        with folder.locked():
            done = folder.result()
            if done is None or not path.exists() or file_digest(path) != done.get("sha256"):
                with self.reporter.task("accuracies", len(archs)) as task:
                    found = evaluate_all(evaluator, archs, task, n_processes=self.work.config.compute.processes)
                write_array(path, found)
                kind = {"kind": evaluator.kind, "split": evaluator.split}
                folder.finish({"networks": len(archs), **kind, "sha256": file_digest(path)})
                self.log({"stage": folder.name, "networks": len(archs)})
        accuracies: NDArray[np.float64] = np.load(path, allow_pickle=False)
        return accuracies

    @cached_property
    def layout(self) -> JointGenome:
        """Genome of every search of this run."""
        return JointGenome(self.work.space, self.work.rules)

    @cached_property
    def explorer(self) -> ScenariosExplorer:
        """Explorer of all supplies together, which enumerates a layer shape once for all of them."""
        work = self.work
        supplies = tuple(budget.supply for budget in work.budgets)
        given = Planning(device=work.device, supplies=supplies, rules=work.rules)
        plan_for = planning(method(work.config.search.method), given)
        scenarios = Scenarios.of(plan_for.supplies)
        n_threads = work.config.compute.processes
        return explorer_for(plan_for.device, scenarios, plan_for.rules, work.execution, n_threads=n_threads)
