"""One run of `search`: its stages in order, and the summary at the end.

A finished run is read, an interrupted one goes on: the manifest in its folder names the stages that it is made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from evo.problem.problem import AccuracySource
from experiments.config.errors import ConfigError
from experiments.config.resolve import Workload, look_up
from experiments.config.schema import Config
from experiments.parallel.progress import Reporter
from experiments.pipeline.evaluations import write_best_so_far, write_evaluations
from experiments.pipeline.finetune import chosen_members, finetune
from experiments.pipeline.fronts import AccuracyColumns, OwnWeights, front_rows, write_fronts
from experiments.pipeline.log import StageTimes, append_to
from experiments.pipeline.members import BudgetSearch, Member, design_request, members
from experiments.pipeline.prefetch import compiling, exploring
from experiments.pipeline.quantise import quantise_all
from experiments.pipeline.run_files import RunFiles
from experiments.pipeline.search_stage import SearchStage
from experiments.pipeline.stages import Stages
from experiments.programs.program import compiler
from experiments.programs.verify_pool import VerificationTask, sample_vectors, verify_designs
from experiments.runs.summary import Outcome
from experiments.storage.cache import Store
from experiments.storage.files import read_mapping
from experiments.storage.locks import in_use
from experiments.storage.run_folder import MANIFEST_FILE, is_run_folder
from experiments.storage.tables import Row
from models.deploy.weights_file import read_network
from models.evaluation.shared_weights import SharedEvaluator
from models.training.supernet_trainer import SupernetTrainer


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run and its place.

    Attributes:
        work: Its settings and inputs.
        store: Folder of runs and cache.
        folder: Folder of this run.
        times: Wall times of its stages in this process.
    """

    work: Workload
    store: Store
    folder: Path
    times: StageTimes = field(default_factory=StageTimes)

    @classmethod
    def of(cls, config: Config, *, source: str, root: Path) -> Run:
        """Return the run of a config.

        Args:
            config: The config.
            source: Its file or name, or the folder of a run, which keeps its place.
            root: Folder of `runs/` and `cache/`.

        Raises:
            ConfigError: A name in the config is not found.
        """
        work = look_up(config, source)
        given = Path(source)
        if is_run_folder(given) and given.resolve().parent.name == "runs":
            root = given.resolve().parent.parent
            if (read_mapping(given / MANIFEST_FILE) or {}).get("key") == config.key():
                return cls(work=work, store=Store(root=root), folder=given)
        store = Store(root=root)
        return cls(work=work, store=store, folder=store.runs / f"{config.name}-{config.key()}")

    def stages(self, reporter: Reporter) -> Stages:
        """Return the stages of this run."""
        return Stages(work=self.work, store=self.store, reporter=reporter, log=append_to(self.folder / "log.jsonl"))

    def trained_stages(self, reporter: Reporter) -> Stages:
        """Return the stages of this run, whose shared weights are in the cache; they leave its log alone.

        Raises:
            ValueError: They are not, or other code trained them.
        """
        stages = Stages(work=self.work, store=self.store, reporter=reporter, log=lambda entry: None)
        if stages.supernet_folder.result() is None:
            self.require_own_weights()
            rule = "the shared weights of the run are not trained; finish it with"
            raise ValueError(f"{self.folder}: {rule} ebbnas search {self.folder}")
        return stages

    def require_own_weights(self) -> None:
        """Demand that no other code trained the shared weights of this run, if it is finished.

        Raises:
            ValueError: Other code did: weights trained now would not be those of its fronts.
        """
        manifest = read_mapping(self.folder / MANIFEST_FILE) or {}
        if manifest.get("is_finished") and "supernet" in self.changed_code():
            rule = "another version of the code trained the shared weights of the run; make the run anew with"
            raise ValueError(f"{self.folder}: {rule} ebbnas search {self.folder} --fresh")

    def changed_code(self) -> tuple[str, ...]:
        """Return the stages of this run that other code than the present has computed."""
        return self.store.changed_code(read_mapping(self.folder / MANIFEST_FILE) or {})

    def execute(self, *, fresh: bool = False, quiet: bool = False) -> Outcome:
        """Run the stages that are not done yet and return the results.

        Args:
            fresh: Remove what the cache holds of this run's stages first.
            quiet: Show no progress.

        Raises:
            ConfigError: This machine lacks something that the config requires.
        """
        self._check_machine()
        reporter = Reporter(quiet=quiet)
        stages, files = self.stages(reporter), self._files
        if not fresh and files.are_complete(stages):
            if changed := self.changed_code():
                what = f"results of another version of the code ({', '.join(changed)} differ)"
                reporter.note(f"note: {what}; --fresh computes them again")
            files.write_missing_report()
            return Outcome.read(self.folder)
        inputs = files.inputs()
        # A wrong teacher's file is an error before any folder is made.
        stages.teacher()
        if fresh:
            self._clear(stages)
        files.begin(stages, inputs)
        for budget in self.work.budgets:
            if budget.note:
                reporter.note(f"note: {budget.note}")
        try:
            with in_use(self.folder):
                return self._go(stages, fresh=fresh)
        except KeyboardInterrupt:
            reporter.note(f"interrupted; the same command goes on from here: {self.folder}")
            raise

    @property
    def _files(self) -> RunFiles:
        return RunFiles(work=self.work, folder=self.folder)

    def _check_machine(self) -> None:
        """Demand what the config requires of this machine before hours are spent."""
        config = self.work.config
        if config.compute.device == "cuda" and not torch.cuda.is_available():
            rule = "must be 'cpu' where torch finds no CUDA device, not 'cuda'"
            raise ConfigError(config.name, "compute.device", rule)
        if not config.deploy.verify:
            return
        counting = self.work.execution.counting
        if counting != "exact":
            rule = f"must be false where counting is {counting!r}: programs run batches as exact counting counts them"
            raise ConfigError(config.name, "deploy.verify", rule)
        try:
            compiler()
        except ValueError as error:
            raise ConfigError(config.name, "deploy.verify", str(error)) from None

    def _go(self, stages: Stages, *, fresh: bool) -> Outcome:
        """Run every stage and write every file."""
        files = self._files
        trainer = self._train(stages)
        with self.times.of("predictor"):
            evaluator = stages.evaluator(trainer)
            accuracies = stages.accuracies(evaluator)
        searches = self._search(stages, accuracies)
        with self.times.of("results"):
            write_evaluations(self.folder, searches)
            infeasible = files.write_near_misses(searches)
        fronts = [members(one) for one in searches]
        keys: dict[str, list[str]] = {"finetune": [], "quantise": []}
        rows: list[Row] = []
        if any(fronts):
            chosen = self._chosen(searches, fronts)
            own, keys = self._own_weights(stages, trainer, evaluator, chosen, fresh=fresh)
            with self.times.of("results"):
                accuracy = AccuracyColumns(work=self.work, evaluator=evaluator, samples=stages.evaluation_samples)
                rows = front_rows(accuracy, chosen, own, files.device_file)
            if self.work.config.deploy.verify:
                with self.times.of("verify"):
                    self._verify(stages, rows, chosen, own)
            with self.times.of("results"):
                files.write_designs(rows, chosen, own)
                write_fronts(self.folder, rows)
        if rows:
            with self.times.of("figures"):
                files.draw()
        sizes = {one.budget.name: len(front) for one, front in zip(searches, fronts, strict=True)}
        found = {"n_inherited_front": sizes, "infeasible": infeasible}
        files.finish(stages, self.times, keys, found)
        return Outcome.read(self.folder, is_new=True)

    def _train(self, stages: Stages) -> SupernetTrainer:
        """Train the shared weights, and compile and explore beside it."""
        with ExitStack() as beside:
            beside.enter_context(compiling())
            if self.work.config.compute.processes > 1:
                beside.enter_context(exploring(stages.explorer, self.work.space))
            with self.times.of("data"):
                self.work.data.split("train")
                self.work.data.split("val")
            with self.times.of("supernet"):
                return stages.supernet()

    def _search(self, stages: Stages, accuracies: AccuracySource) -> list[BudgetSearch]:
        """Run the search of every supply; an interrupt leaves the fronts so far."""
        searching = [SearchStage(stages=stages, budget=budget, accuracies=accuracies) for budget in self.work.budgets]
        try:
            with self.times.of("search"):
                return [BudgetSearch(one.budget, one.run()) for one in searching]
        except KeyboardInterrupt:
            so_far = [(one.budget, one.so_far()) for one in searching]
            begun = [BudgetSearch(budget, search) for budget, search in so_far if search is not None]
            stages.reporter.note(f"the best so far, not fine-tuned: {write_best_so_far(self.folder, begun)}")
            raise

    def _chosen(self, searches: Sequence[BudgetSearch], fronts: Sequence[Sequence[Member]]) -> list[Member]:
        """Return the members whose networks are fine-tuned, of all supplies together."""
        networks = [[one.decoded.network.name for one in front] for front in fronts]
        most = self.work.config.finetune.max_networks
        positions = chosen_members([one.search.front for one in searches], networks, most)
        return [front[p] for front, kept in zip(fronts, positions, strict=True) for p in kept]

    def _own_weights(
        self,
        stages: Stages,
        trainer: SupernetTrainer,
        evaluator: SharedEvaluator,
        chosen: Sequence[Member],
        *,
        fresh: bool,
    ) -> tuple[OwnWeights, dict[str, list[str]]]:
        """Return the networks of members fine-tuned and in integers, and the keys of their stages."""
        archs = {one.decoded.network.name: one.decoded.arch for one in chosen}
        with self.times.of("finetune"):
            finetuned = finetune(stages, trainer, evaluator, np.array(list(archs.values())), fresh=fresh)
        with self.times.of("quantise"):
            quantised = quantise_all(stages, finetuned.networks, fresh=fresh)
        own = OwnWeights(finetuned=finetuned.networks, quantised=quantised.networks)
        return own, {"finetune": finetuned.keys, "quantise": quantised.keys}

    def _verify(self, stages: Stages, rows: Sequence[Row], chosen: Sequence[Member], own: OwnWeights) -> None:
        """Verify the program of every design and write the result into its row."""
        config, device_file = self.work.config, self._files.device_file
        tasks = []
        for one in chosen:
            network = own.quantised[one.decoded.network.name]
            tasks.append(
                VerificationTask(
                    id=one.id,
                    request=design_request(self.work, one, device_file),
                    network=network,
                    vectors=sample_vectors(self.work.data, read_network(network)),
                    labelled=None,
                    n_failures=config.deploy.failures,
                )
            )
        found = verify_designs(tasks, stages.reporter, n_processes=config.compute.processes)
        is_right = {task.id: one.is_verified for task, one in zip(tasks, found, strict=True)}
        for row in rows:
            row["verified"] = is_right[row["id"]]

    def _clear(self, stages: Stages) -> None:
        """Remove the run's files and its stages; those of fine-tuned networks are removed when they come up."""
        self._files.remove()
        searches = [stages.search_folder(budget) for budget in self.work.budgets]
        for folder in (stages.supernet_folder, stages.predictor_folder, *searches):
            with folder.locked():
                folder.clear()
