"""The stages of a run up to the fronts: shared weights, their accuracies, one search a budget.

Each stage reads the cache first, goes on from its newest whole checkpoint, and leaves a result that other runs share.
A killed process repeats at most one epoch, or `SAVE_EVERY_S` of generations and the one that it was in.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energy.hardware.supply import Scenarios
from energy.planning.planner import explorer_for
from energy.planning.protocol import ScenarioExplorer, ScenariosExplorer
from evo.genome.layout import JointGenome
from evo.methods import Planning, method, planning
from evo.objectives import objectives
from evo.problem.problem import AccuracySource, Pricing
from evo.problem.variants import PROBLEMS
from evo.search import GenerationLog, Search, SearchSettings, stream
from experiments.config.resolve import Budget, Workload
from experiments.config.teacher import read_answers
from experiments.parallel.progress import Reporter
from experiments.pipeline.inherited_accuracy import LARGEST_TABLE, AccuracyTable, judge_all, sampled_networks
from experiments.storage.cache import Checkpoints, StageFolder, Store
from experiments.storage.files import append_log, file_digest, write_array, write_bytes
from models.data import Split
from models.evaluation.shared_weights import SharedEvaluator
from models.predictor.gaussian_process import Predictor
from models.predictor.source import PredictedAccuracies, Remembering
from models.spaces import Archs
from models.training.supernet_trainer import N_CALIBRATION, EpochLog, SupernetSettings, SupernetTrainer

N_JUDGED = 4096
"""Most validation samples by which a network with shared weights is judged. [1]"""

SAVE_EVERY_S = 1.0
"""Time between two saved states of a search, of which a generation takes a fraction. [s]"""


@dataclass
class StageTimes:
    """Wall time of each stage in this process. [s]"""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """Measure a block, adding to what the stage took before."""
        start_s = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start_s


def _progress_of(entry: EpochLog) -> str:
    """Return an epoch in a few words: the loss, and every few epochs what networks with shared weights reach."""
    text = f"loss {entry.loss:.3f}"
    if math.isfinite(entry.accuracy_inherited_val_largest):
        names = ("largest", "random", "smallest")
        shown = (f"{name} {100 * getattr(entry, f'accuracy_inherited_val_{name}'):.0f} %" for name in names)
        text += f", on validation {', '.join(shown)}"
    return text


def plain(entry: Any) -> dict[str, Any]:
    """Return a log entry as JSON types: numbers that are not finite become null."""
    return {key: _plain_value(value) for key, value in asdict(entry).items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain_value(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(frozen=True, kw_only=True)
class Stages:
    """The stages of one workload.

    Attributes:
        work: What is asked for.
        store: Where results lie.
        reporter: Who is told.
        log: Adds an entry to the run's log.
    """

    work: Workload
    store: Store
    reporter: Reporter
    log: Callable[[dict[str, Any]], None]

    @property
    def supernet_settings(self) -> SupernetSettings:
        """How the shared weights are trained."""
        config = self.work.config
        return SupernetSettings(**config.supernet.model_dump(), n_threads=config.compute.threads)

    @property
    def supernet_folder(self) -> StageFolder:
        """Where the shared weights lie."""
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
        """Hash of the teacher's answers, read once: many stages ask for the folder of the shared weights."""
        teacher = self.work.config.teacher
        return None if teacher is None else file_digest(Path(teacher.file))

    @property
    def predictor_folder(self) -> StageFolder:
        """Where the accuracies lie: of all networks of a small space, of some of a large one."""
        reads = {"supernet": self.supernet_folder.key, "calibration": N_CALIBRATION, "judged": N_JUDGED}
        if self.is_large:
            reads["drawn"] = "all sizes"
            if self.work.data.build_dense is not None:
                reads["windows"] = "dense"
            reads |= {"networks": self.work.config.predictor.networks, "seed": self.work.config.seed}
        return self.store.stage("predictor", reads)

    def search_folder(self, budget: Budget) -> StageFolder:
        """Where the search of a budget lies; how far it goes is no part of its hash."""
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
        """What the config's teacher answers for each training sample, `(n_train, n_classes)`; None where it has none.

        Raises:
            ConfigError: Its file does not hold that.
        """
        config = self.work.config
        if config.teacher is None:
            return None
        n_train = len(self.work.data.split("train"))
        return read_answers(Path(config.teacher.file), n_train, self.work.space.n_classes)

    def supernet(self) -> SupernetTrainer:
        """Train the shared weights, or go on where training was left."""
        folder, settings = self.supernet_folder, self.supernet_settings
        data = self.work.data
        config = self.work.config
        trainer = SupernetTrainer(
            self.work.space, data.split("train"), data.split("val"), settings, config.seed,
            augmentation=data.augmentation, teacher=self.teacher(), device=config.compute.device,
        )  # fmt: skip
        with folder.locked():
            if found := folder.checkpoints.newest(most=settings.epochs):
                trainer.restore(found[1])
            with self.reporter.task("shared weights", settings.epochs, done=trainer.epoch) as task:
                while trainer.epoch < settings.epochs:
                    entry = trainer.run_epoch()
                    folder.checkpoints.save(trainer.epoch, trainer.state())
                    self.log({"stage": "supernet", **plain(entry)})
                    task.advance(_progress_of(entry))
            if folder.result() is None:
                folder.finish({"epochs": settings.epochs})
        return trainer

    def evaluator(self, trainer: SupernetTrainer, judged_by: Split | None = None) -> SharedEvaluator:
        """What judges networks by the shared weights.

        Args:
            trainer: Gives the shared weights.
            judged_by: Validation samples, `self.judged_by` where None.
        """
        train, val = self.work.data.split("train"), self.judged_by if judged_by is None else judged_by
        calibration = train.take(train.at_most(N_CALIBRATION))
        n_threads = self.work.config.compute.threads
        return SharedEvaluator(trainer.supernet, calibration, val.take(slice(None)), val.labels, n_threads=n_threads)

    @property
    def is_large(self) -> bool:
        """Whether the space is too large to judge every network."""
        return self.work.space.size > LARGEST_TABLE

    @cached_property
    def judged_by(self) -> Split:
        """The validation samples by which networks with shared weights are judged, spread over all of them.

        In a large space recordings are cut more closely: whether a few windows fall to this side or that is noise to
        the predictor, which learns less from what is measured less exactly.
        """
        val = self.work.data.dense_val if self.is_large else self.work.data.split("val")
        return val.part(val.at_most(N_JUDGED))

    def accuracies(self, evaluator: SharedEvaluator) -> AccuracySource:
        """Return inherited accuracies: of all networks where the space is small, else predicted from those of some.

        Without a predictor every network that is asked for is judged.
        """
        space, n_networks = self.work.space, self.work.config.predictor.networks
        if not self.is_large:
            archs = space.enumerate()
            accuracies = self.judged(evaluator, archs, self.predictor_folder)
            return AccuracyTable(space=space, archs=archs, accuracies=accuracies)
        measuring = Remembering(evaluator)
        if not n_networks:
            return measuring
        archs = sampled_networks(space, n_networks, stream(self.work.config.seed, "predictor"))
        accuracies = self.judged(evaluator, archs, self.predictor_folder)
        return PredictedAccuracies(Predictor.fit(space, archs, accuracies), measuring)

    def judged(self, evaluator: SharedEvaluator, archs: Archs, folder: StageFolder) -> NDArray[np.float64]:
        """Return the inherited accuracies of networks, which a stage keeps.

        Args:
            evaluator: Gives them where the stage does not hold them yet.
            archs: The networks, `(n, n_genes)`, which the hash of the stage decides.
            folder: The stage.

        Returns:
            Accuracies, `(n,)`. [1]
        """
        path = folder.path / "accuracies.npy"
        with folder.locked():
            done = folder.result()
            if done is None or not path.exists() or file_digest(path) != done.get("sha256"):
                with self.reporter.task("accuracies", len(archs)) as task:
                    found = judge_all(evaluator, archs, task, n_processes=self.work.config.compute.processes)
                write_array(path, found)
                kind = {"kind": evaluator.kind, "split": evaluator.split}
                folder.finish({"networks": len(archs), **kind, "sha256": file_digest(path)})
                self.log({"stage": folder.name, "networks": len(archs)})
        accuracies: NDArray[np.float64] = np.load(path, allow_pickle=False)
        return accuracies

    @cached_property
    def layout(self) -> JointGenome:
        """The genome of every search of this run."""
        return JointGenome(self.work.space, self.work.rules)

    @cached_property
    def explorer(self) -> ScenariosExplorer:
        """The explorer of all budgets together: a layer shape is enumerated once for all."""
        work = self.work
        supplies = tuple(budget.supply for budget in work.budgets)
        given = Planning(device=work.device, supplies=supplies, rules=work.rules)
        plan_for = planning(method(work.config.search.method), given)
        scenarios = Scenarios.of(plan_for.supplies)
        n_threads = work.config.compute.processes
        return explorer_for(plan_for.device, scenarios, plan_for.rules, work.execution, n_threads=n_threads)

    def search(self, budget: Budget, accuracies: AccuracySource) -> Search:
        """Search one budget, or go on where its search was left."""
        config, folder = self.work.config, self.search_folder(budget)
        search = self._new_search(budget, accuracies)
        effort = self._effort_folder(folder)
        checkpoints = Checkpoints(folder=effort)
        with folder.locked():
            effort.mkdir(exist_ok=True)
            if state := self._start_of(folder):
                try:
                    search.restore(state)
                except ValueError as error:
                    self.reporter.note(f"{folder.path}: {error}; the search begins anew")
            is_timed_out = (effort / "time_limit").exists()
            start_s, n_before = time.monotonic(), len(search.archive)
            saved_s, unsaved = start_s, list[GenerationLog]()
            with self.reporter.task(f"search {budget.name}", config.search.evaluations, done=n_before) as task:
                while not search.done and not is_timed_out:
                    n_before = len(search.archive)
                    unsaved.append(search.step())
                    now_s, limit_s = time.monotonic(), config.search.time_limit
                    is_timed_out = limit_s is not None and now_s - start_s > limit_s
                    task.advance(f"{unsaved[-1].front_size} on the front", steps=len(search.archive) - n_before)
                    if search.done or is_timed_out or now_s - saved_s >= SAVE_EVERY_S:
                        checkpoints.save(len(search.archive), search.state())
                        for entry in unsaved:
                            self.log({"stage": "search", "budget": budget.name, **plain(entry)})
                        saved_s, unsaved = now_s, []
                if is_timed_out:
                    write_bytes(effort / "time_limit", b"reached\n")
        # No part of the state: a search that goes further has not measured here.
        search.measure_front()
        return search

    def _new_search(self, budget: Budget, accuracies: AccuracySource) -> Search:
        config, work = self.work.config, self.work
        pricing = Pricing(
            device=work.device,
            supply=budget.supply,
            execution=work.execution,
            uncertainty=work.uncertainty,
            deadline_s=config.search.deadline,
        )
        explorer = ScenarioExplorer(explorer=self.explorer, scenario=work.budgets.index(budget))
        settings = SearchSettings(
            population=config.search.population,
            evaluations=config.search.evaluations,
            patience=config.search.patience,
            refinement_rate=config.search.refinement_rate,
            method=config.search.method,
            seed=config.seed,
        )
        own = accuracies.anew() if isinstance(accuracies, PredictedAccuracies) else accuracies
        problem = PROBLEMS[method(settings.method).selects_by](
            self.layout, own, pricing, objectives(config.search.objectives)
        )
        return Search(problem, explorer, settings)

    def search_so_far(self, budget: Budget, accuracies: AccuracySource) -> Search | None:
        """Return the search of a budget as its newest checkpoint has it, None where there is none."""
        state = self._start_of(self.search_folder(budget))
        if state is None:
            return None
        search = self._new_search(budget, accuracies)
        search.restore(state)
        return search

    def _effort_folder(self, folder: StageFolder) -> Path:
        """Where a search of this run's effort keeps its states: a longer one may start from a shorter one's."""
        search = self.work.config.search
        limit = "" if search.time_limit is None else f"-t{search.time_limit:g}"
        patience = "" if search.patience is None else f"-p{search.patience}"
        return folder.path / f"e{search.evaluations}{limit}{patience}"

    def _start_of(self, folder: StageFolder) -> bytes | None:
        """Return the furthest state of any effort that this one passes through, which are its own and smaller ones.

        One with patience may end before any without.
        """
        search, found = self.work.config.search, []
        patience = "" if search.patience is None else f"-p{search.patience}"
        for path in sorted(folder.path.glob("e*")):
            effort = re.fullmatch(r"e(\d+)(-t.*?)?(-p\d+)?", path.name)
            if effort and int(effort[1]) <= search.evaluations and patience in ("", effort[3]):
                found.append(Checkpoints(folder=path).newest())
        return max((state for state in found if state), key=lambda state: state[0], default=(0, None))[1]


def append_to(path: Path) -> Callable[[dict[str, Any]], None]:
    """Return a log that adds lines with the time of day to a file."""

    def log(entry: dict[str, Any]) -> None:
        append_log(path, {"time_s": round(time.time(), 3), **entry})

    return log
