"""The stage of a search: one supply, from the start or on from the newest checkpoint.

Searches that differ in nothing but their effort share a folder: one that goes further starts from the states of those
that ended earlier.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from energy.planning.protocol import ScenarioExplorer
from evo.methods import method
from evo.objectives import objectives
from evo.problem.problem import AccuracySource, Pricing
from evo.problem.variants import PROBLEMS
from evo.search import GenerationLog, Search, SearchSettings
from experiments.config.resolve import Budget
from experiments.pipeline.log import as_json
from experiments.pipeline.stages import Stages
from experiments.storage.cache import Checkpoint, Checkpoints, StageFolder
from experiments.storage.files import write_bytes
from models.predictor.source import PredictedAccuracies

SAVE_EVERY_S = 1.0
"""Time between two saved states of a search, of which a generation takes a fraction. [s]"""

_TIMED_OUT = "time_limit"
"""File that marks an effort whose time limit was reached."""


@dataclass(frozen=True, kw_only=True)
class SearchStage:
    """The search of one supply.

    Attributes:
        stages: The run.
        budget: The supply.
        accuracies: Inherited or predicted accuracies.
    """

    stages: Stages
    budget: Budget
    accuracies: AccuracySource

    def run(self) -> Search:
        """Return the search at its end, from its newest state on."""
        search = self._new()
        with self._folder.locked():
            self._effort.mkdir(exist_ok=True)
            if state := self._start():
                try:
                    search.restore(state)
                except ValueError as error:
                    self.stages.reporter.note(f"{self._folder.path}: {error}; the search starts again")
            self._go_on(search)
        # The state does not hold this measurement: a search that goes further has not measured here.
        search.measure_front()
        return search

    def so_far(self) -> Search | None:
        """Return the search at its newest checkpoint, None without one."""
        state = self._start()
        if state is None:
            return None
        search = self._new()
        search.restore(state)
        return search

    def _go_on(self, search: Search) -> None:
        """Step until the search is done or its time is up, saving states and logging generations."""
        config, checkpoints = self.stages.work.config.search, Checkpoints(folder=self._effort)
        is_timed_out = (self._effort / _TIMED_OUT).exists()
        start_s, n_before = time.monotonic(), len(search.archive)
        unsaved = _Unsaved(since_s=start_s)
        title = f"search {self.budget.name}"
        with self.stages.reporter.task(title, config.evaluations, done=n_before) as task:
            while not search.done and not is_timed_out:
                n_before = len(search.archive)
                unsaved.entries.append(search.step())
                now_s = time.monotonic()
                is_timed_out = config.time_limit is not None and now_s - start_s > config.time_limit
                front_size = unsaved.entries[-1].front_size
                task.advance(f"{front_size} on the front", steps=len(search.archive) - n_before)
                if search.done or is_timed_out or now_s - unsaved.since_s >= SAVE_EVERY_S:
                    checkpoints.save(len(search.archive), search.state())
                    for entry in unsaved.entries:
                        self.stages.log({"stage": "search", "budget": self.budget.name, **as_json(entry)})
                    unsaved = _Unsaved(since_s=now_s)
            if is_timed_out:
                write_bytes(self._effort / _TIMED_OUT, b"reached\n")

    def _new(self) -> Search:
        config, work = self.stages.work.config, self.stages.work
        pricing = Pricing(
            device=work.device,
            supply=self.budget.supply,
            execution=work.execution,
            uncertainty=work.uncertainty,
            deadline_s=config.search.deadline,
        )
        explorer = ScenarioExplorer(explorer=self.stages.explorer, scenario=work.budgets.index(self.budget))
        settings = SearchSettings(
            population=config.search.population,
            evaluations=config.search.evaluations,
            patience=config.search.patience,
            refinement_rate=config.search.refinement_rate,
            method=config.search.method,
            seed=config.seed,
        )
        source = self.accuracies
        own = source.anew() if isinstance(source, PredictedAccuracies) else source
        make = PROBLEMS[method(settings.method).selects_by]
        return Search(make(self.stages.layout, own, pricing, objectives(config.search.objectives)), explorer, settings)

    @cached_property
    def _folder(self) -> StageFolder:
        return self.stages.search_folder(self.budget)

    @property
    def _effort(self) -> Path:
        """Folder of the states of this effort."""
        search = self.stages.work.config.search
        limit = "" if search.time_limit is None else f"-t{search.time_limit:g}"
        patience = "" if search.patience is None else f"-p{search.patience}"
        return self._folder.path / f"e{search.evaluations}{limit}{patience}"

    def _start(self) -> bytes | None:
        """Return the furthest state of the efforts that this one passes through: its own and smaller ones.

        An effort with patience may end before any without.
        """
        search, found = self.stages.work.config.search, list[Checkpoint]()
        patience = "" if search.patience is None else f"-p{search.patience}"
        for path in sorted(self._folder.path.glob("e*")):
            effort = re.fullmatch(r"e(\d+)(-t.*?)?(-p\d+)?", path.name)
            if effort and int(effort[1]) <= search.evaluations and patience in ("", effort[3]):
                newest = Checkpoints(folder=path).newest()
                found += [] if newest is None else [newest]
        return max(found, key=lambda one: one.step).content if found else None


@dataclass(kw_only=True)
class _Unsaved:
    """Generations since the last saved state, and when that was. [s]"""

    since_s: float
    entries: list[GenerationLog] = field(default_factory=list)
