"""One run of `search`: stages in order, the folder of its results, and what is said at the end.

A run that is finished is read, one that was cut short goes on: the folder's manifest says which stages it was made of.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import numpy as np
import torch

from energy.jit_cache import precompiled_marker
from energy.precompile import is_precompiled
from evo.problem.problem import AccuracySource
from evo.search import Search
from experiments.config.resolve import Budget, Workload, look_up
from experiments.config.schema import OWN_FILES, Config, ConfigError, to_toml
from experiments.parallel.progress import Reporter
from experiments.pipeline import manifest as manifests
from experiments.pipeline import results
from experiments.pipeline.finetune import Finetuned, chosen_members, finetune
from experiments.pipeline.prefetch import exploring
from experiments.pipeline.quantise import quantise_all
from experiments.pipeline.stages import Stages, StageTimes, append_to
from experiments.programs.program import compiler
from experiments.programs.prove import Proving, prove_all, vectors_of
from experiments.runs.stored_design import INTEGER_END
from experiments.runs.summary import REPORT, Outcome
from experiments.storage.cache import Store
from experiments.storage.files import read_mapping, write_bytes, write_json, write_text
from experiments.storage.locks import in_use
from experiments.storage.run_folder import is_run_folder
from experiments.storage.tables import EVALUATIONS, FRONTS, Row, write_table
from models.deploy.weights_file import read_network
from models.evaluation.shared_weights import SharedEvaluator
from models.training.supernet_trainer import SupernetTrainer

DESIGN_FILES = (".json", ".safetensors", INTEGER_END)
"""Ends of the names of a design's files: its plan, its fine-tuned weights, its network in integers."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run and where it lies.

    Attributes:
        work: What is asked for.
        store: Folder of runs and cache.
        folder: Folder of this run.
    """

    work: Workload
    store: Store
    folder: Path
    times: StageTimes = field(default_factory=StageTimes)

    @classmethod
    def of(cls, config: Config, *, source: str, root: Path) -> Run:
        """Return the run that a config means.

        Args:
            config: The config.
            source: Where it was read from; a run's own folder keeps its place.
            root: Folder of `runs/` and `cache/`.

        Raises:
            ConfigError: A name in the config leads nowhere.
        """
        work = look_up(config, source)
        given = Path(source)
        if is_run_folder(given) and given.resolve().parent.name == "runs":
            root = given.resolve().parent.parent
            if (read_mapping(given / "manifest.json") or {}).get("key") == config.key():
                return cls(work=work, store=Store(root=root), folder=given)
        store = Store(root=root)
        return cls(work=work, store=store, folder=store.runs / f"{config.name}-{config.key()}")

    def execute(self, *, fresh: bool = False, quiet: bool = False) -> Outcome:
        """Do what is not done yet and say what came of it.

        Args:
            fresh: Forget what the cache holds of this run's stages and begin anew.
            quiet: No progress.
        """
        device = self.work.config.compute.device
        if device == "cuda" and not torch.cuda.is_available():
            rule = "must be 'cpu' where torch sees no CUDA device, and it sees none, not 'cuda'"
            raise ConfigError(self.work.config.name, "compute.device", rule)
        if self.work.config.deploy.verify:
            self._require_provable()
        reporter = Reporter(quiet=quiet)
        stages = Stages(work=self.work, store=self.store, reporter=reporter, log=append_to(self.folder / "log.jsonl"))
        if not fresh and self._is_finished(stages):
            self._note_changed_code(reporter)
            if not (self.folder / REPORT).exists():
                self._report()
            return Outcome.read(self.folder)
        settings, own_files = self._settings()
        # A teacher's file that is wrong is told before a folder is made.
        stages.teacher()
        if fresh:
            self._forget(stages)
        self._begin(stages, settings, own_files)
        for budget in self.work.budgets:
            if budget.note:
                reporter.note(f"note: {budget.note}")
        try:
            with in_use(self.folder):
                return self._go(stages, fresh=fresh)
        except KeyboardInterrupt:
            reporter.note(f"interrupted; the same command goes on from here: {self.folder}")
            raise

    def _require_provable(self) -> None:
        """Demand what proofs need before hours are spent on what they are of."""
        name, counting = self.work.config.name, self.work.execution.counting
        if counting != "exact":
            rule = f"must be false where counting is {counting!r}: programs run batches as exact counting counts them"
            raise ConfigError(name, "deploy.verify", rule)
        try:
            compiler()
        except ValueError as error:
            raise ConfigError(name, "deploy.verify", str(error)) from None

    def _go(self, stages: Stages, *, fresh: bool) -> Outcome:
        with ExitStack() as beside:
            beside.enter_context(_compiling())
            if self.work.config.compute.processes > 1:
                beside.enter_context(exploring(stages.explorer, self.work.space))
            with self.times.of("data"):
                self.work.data.split("train")
                self.work.data.split("val")
            with self.times.of("supernet"):
                trainer = stages.supernet()
        with self.times.of("predictor"):
            evaluator = stages.evaluator(trainer)
            accuracies = stages.accuracies(evaluator)
        try:
            with self.times.of("search"):
                searches = [(budget, stages.search(budget, accuracies)) for budget in self.work.budgets]
        except KeyboardInterrupt:
            self._write_best_so_far(stages, accuracies)
            raise
        with self.times.of("results"):
            self._write_evaluations(searches)
            infeasible = self._write_near_misses(searches)
        members = [
            [results.member(search, budget, search.archive.evaluations.genomes[row]) for row in search.front.rows]
            for budget, search in searches
        ]
        rows: list[Row] = []
        keys: dict[str, list[str]] = {"finetune": [], "quantise": []}
        if any(members):
            chosen = self._thinned(searches, members)
            with self.times.of("finetune"):
                finetuned, keys["finetune"] = self._finetune(stages, trainer, evaluator, chosen, fresh=fresh)
            with self.times.of("quantise"):
                quantised, keys["quantise"] = quantise_all(stages, finetuned, fresh=fresh)
            with self.times.of("results"):
                judge = results.Judge(work=self.work, evaluator=evaluator, judged_by=stages.judged_by)
                rows = results.front_rows(judge, chosen, finetuned, quantised, self._device_file)
            if self.work.config.deploy.verify:
                with self.times.of("verify"):
                    self._verify(stages, rows, chosen, quantised)
            with self.times.of("results"):
                self._write_fronts(rows, chosen, finetuned, quantised)
        n_members = {budget.name: len(found) for (budget, _), found in zip(searches, members, strict=True)}
        if rows:
            with self.times.of("figures"):
                self._draw()
        # Of a shorter search: a run that is killed after `_finish` is not to be left with an older report.
        for name in ("best_so_far.csv", REPORT):
            (self.folder / name).unlink(missing_ok=True)
        self._finish(stages, keys, {"n_inherited_front": n_members, "infeasible": infeasible})
        # Last, for it shows the manifest; where it is missing, the next command writes it.
        self._report()
        return Outcome.read(self.folder, is_new=True)

    def _thinned(
        self, searches: Sequence[tuple[Budget, Search]], members: Sequence[Sequence[results.Member]]
    ) -> list[results.Member]:
        """Return the members whose networks are fine-tuned, all budgets together."""
        networks = [[one.decoded.network.name for one in found] for found in members]
        fronts = [search.front for _, search in searches]
        positions = chosen_members(fronts, networks, self.work.config.finetune.max_networks)
        return [found[p] for found, kept in zip(members, positions, strict=True) for p in kept]

    def _finetune(
        self,
        stages: Stages,
        trainer: SupernetTrainer,
        evaluator: SharedEvaluator,
        chosen: Sequence[results.Member],
        *,
        fresh: bool,
    ) -> tuple[dict[str, Finetuned], list[str]]:
        archs = {one.decoded.network.name: one.decoded.arch for one in chosen}
        return finetune(stages, trainer, evaluator, np.array(list(archs.values())), fresh=fresh)

    def _write_evaluations(self, searches: Sequence[tuple[Budget, Search]]) -> None:
        """Add a part for what was priced since the last time; parts that are there are left alone."""
        for budget, search in searches:
            rows = results.evaluation_rows(search, budget)
            stem = f"part-{budget.name}-"
            folder = self.folder / "evaluations"
            parts = sorted(folder.glob(f"{stem}{'[0-9]' * 7}-{'[0-9]' * 7}.parquet"))
            n_before = int(parts[-1].stem.rpartition("-")[2]) if parts else 0
            if n_before > len(rows):
                # A shorter effort than before: the table speaks of the fronts that lie beside it.
                for part in parts:
                    part.unlink()
                n_before = 0
            if len(rows) > n_before:
                name = f"{stem}{n_before + 1:07d}-{len(rows):07d}.parquet"
                write_table(folder / name, rows[n_before:], EVALUATIONS)

    def _write_best_so_far(self, stages: Stages, accuracies: AccuracySource) -> None:
        """Leave the fronts that interrupted searches have reached, on inherited accuracy, for a first look."""
        rows = []
        for budget in self.work.budgets:
            search = stages.search_so_far(budget, accuracies)
            if search is not None:
                found = results.evaluation_rows(search, budget)
                rows += [found[row] for row in search.front.rows]
        write_table(self.folder / "best_so_far.csv", rows, EVALUATIONS)
        stages.reporter.note(f"the best so far, not fine-tuned: {self.folder / 'best_so_far.csv'}")

    def _write_near_misses(self, searches: Sequence[tuple[Budget, Search]]) -> list[dict[str, Any]]:
        """Where nothing is feasible: the least infeasible design, and by how much it breaks which limit."""
        found = []
        for budget, search in searches:
            if len(search.front):
                continue
            miss = search.least_infeasible()[0]
            one = results.member(search, budget, miss.genome)
            results.write_designs(self.folder / "designs", self.work, [one], self._device_file)
            found.append(
                {
                    "budget": budget.name,
                    "id": one.id,
                    "architecture": one.decoded.network.name,
                    "accuracy_inherited_val": one.accuracy,
                    "binding_constraint": miss.constraint.name,
                    "amount": miss.amount,
                    "unit": miss.constraint.unit,
                }
            )
        return found

    def _verify(
        self, stages: Stages, rows: Sequence[Row], chosen: Sequence[results.Member], quantised: dict[str, bytes]
    ) -> None:
        """Prove the program of every design, and say in its row whether it is right."""
        config = self.work.config
        tasks = []
        for one in chosen:
            network = quantised[one.decoded.network.name]
            tasks.append(
                Proving(
                    id=one.id,
                    request=results.design_request(self.work, one, self._device_file),
                    network=network,
                    vectors=vectors_of(self.work.data, read_network(network)),
                    judged=None,
                    n_failures=config.deploy.failures,
                )
            )
        found = prove_all(tasks, stages.reporter, n_processes=config.compute.processes)
        is_right = {task.id: one.is_verified for task, one in zip(tasks, found, strict=True)}
        for row in rows:
            row["verified"] = is_right[row["id"]]

    def _write_fronts(
        self,
        rows: Sequence[Row],
        chosen: Sequence[results.Member],
        finetuned: dict[str, Finetuned],
        quantised: dict[str, bytes],
    ) -> None:
        designs = self.folder / "designs"
        results.write_designs(designs, self.work, chosen, self._device_file)
        for one in chosen:
            name = one.decoded.network.name
            write_bytes(designs / f"{one.id}.safetensors", finetuned[name].weights)
            write_bytes(designs / f"{one.id}{INTEGER_END}", quantised[name])
        # What a search that went further has left behind; near misses have no weights, and stay.
        known = {row["id"] for row in rows}
        weighted = (path.name.removesuffix(".safetensors") for path in designs.glob("*.safetensors"))
        gone = {name.removesuffix(".int16") for name in weighted} - known
        for one_gone in gone:
            for end in DESIGN_FILES:
                (designs / f"{one_gone}{end}").unlink(missing_ok=True)
        write_table(self.folder / "fronts.csv", rows, FRONTS)
        write_table(self.folder / "fronts.parquet", rows, FRONTS)

    def _draw(self) -> None:
        from experiments.figures.plot import plot_run

        plot_run(self.folder, kind="front", formats=("pdf", "png"), width="ieee1")

    def _report(self) -> None:
        from experiments.report.write import write_report

        write_report(self.folder)

    @property
    def _device_file(self) -> Path | None:
        return self.folder / OWN_FILES["device"] if self.work.config.device.file else None

    def _settings(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        """Return the resolved config, and the own files that it is to find beside itself."""
        settings, own_files = self.work.config.to_dict(), {}
        for section, file in self.work.config.own_files().items():
            own_files[OWN_FILES[section]] = file.read_bytes()
            settings[section]["file"] = OWN_FILES[section]
        return settings, own_files

    def _begin(self, stages: Stages, settings: dict[str, Any], own_files: dict[str, bytes]) -> None:
        """Write what the run is."""
        before = read_mapping(self.folder / "manifest.json")
        if before is not None and not manifests.is_made_of(before, stages):
            # Of other stages, as of a space that was another one: no part may be taken for one of this search.
            shutil.rmtree(self.folder / "evaluations", ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, content in own_files.items():
            write_bytes(self.folder / name, content)
        write_text(self.folder / "config.toml", to_toml(settings))
        write_json(self.folder / "manifest.json", manifests.manifest(stages, is_finished=False))

    def _finish(self, stages: Stages, keys: dict[str, list[str]], found: dict[str, Any]) -> None:
        manifest = {
            **manifests.manifest(stages, is_finished=True),
            "stages": {**manifests.stage_keys(stages), **keys},
            "wall_times_s": self.times.seconds,
            "peak_memory_bytes": manifests.peak_memory_bytes(),
            "notes": [budget.note for budget in self.work.budgets if budget.note],
            **found,
        }
        write_json(self.folder / "manifest.json", manifest)

    def _is_finished(self, stages: Stages) -> bool:
        manifest = read_mapping(self.folder / "manifest.json")
        if manifest is None or not manifests.is_finished(manifest, stages):
            return False
        try:
            rows = Outcome.read(self.folder).rows
        except (ValueError, OSError):
            return False
        if self.work.config.deploy.verify and any(row.verified is None for row in rows):
            return False
        designs = [f"designs/{row.id}{end}" for row in rows for end in DESIGN_FILES]
        expected = [
            *designs,
            "evaluations",
            *(["fronts.csv", "fronts.parquet"] if rows or not manifest["infeasible"] else []),
        ]
        return all((self.folder / name).exists() for name in expected)

    def _note_changed_code(self, reporter: Reporter) -> None:
        """Say which stages of the finished run other code has computed."""
        if changed := self.store.changed_code(read_mapping(self.folder / "manifest.json") or {}):
            what = f"results of another version of the code ({', '.join(changed)} differ)"
            reporter.note(f"note: {what}; --fresh computes them again")

    def _forget(self, stages: Stages) -> None:
        """Clear the run's folder and its stages; fine-tuned networks are cleared when they are reached."""
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        folders = [stages.supernet_folder, stages.predictor_folder]
        folders += [stages.search_folder(budget) for budget in self.work.budgets]
        for folder in folders:
            with folder.locked():
                folder.clear()


@contextmanager
def _compiling() -> Iterator[None]:
    """Have the inner loops of `energy` compiled beside the training, which keeps one core busy; they are cached."""
    if is_precompiled() or precompiled_marker() is None:
        yield
        return
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "energy.precompile"]
    with subprocess.Popen(command, env=environment, stdout=DEVNULL, stderr=DEVNULL) as work:
        try:
            yield
        except BaseException:
            work.kill()
            raise
