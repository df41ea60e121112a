"""Training alone of the networks of a run's fronts, as fine-tuning trains them but from random weights.

Each training is a stage of its own, so that an interrupted card goes on. The test split is opened last, after all
trainings and decisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from experiments.cards.front import FrontCard
from experiments.pipeline.finetune import finetune_folder, finetune_seeds, finetune_settings, teacher_answers
from experiments.pipeline.stages import Stages
from experiments.pipeline.training import Trained, Training, is_trained, read_trained, train_all, training_folder
from experiments.runs.finished import read_front_rows
from experiments.runs.front_row import FrontRow
from experiments.storage.cache import StageFolder
from experiments.storage.files import read_mapping
from experiments.storage.run_folder import FRONTS_FILE
from models.evaluation.accuracy import correct
from models.spaces import Archs
from models.supernet.subnet import Subnet
from models.training.settings import FinetuneSettings

LEARNING_RATES = (4e-3, 8e-3, 1.6e-2, 3.2e-2, 6.4e-2)
"""Learning rates of training alone, of which one is chosen. [1]"""


def front_card(stages: Stages, run: Path) -> FrontCard:
    """Return the card of a run's fronts, whose networks are trained alone first where the cache lacks them.

    Args:
        stages: The run.
        run: Its folder.

    Raises:
        ValueError: The run has no fronts, or other code or settings fine-tuned its networks.
    """
    rows = front_networks(stages, run)
    space = stages.work.space
    archs = np.array([space.decode(name) for name in rows])
    trained = _trained_alone(stages, archs)
    alone_val = np.array([[one.accuracy_val for one in own] for own in trained])
    # The learning rate follows from validation alone.
    alone_test = np.array([_on_test(stages, arch, own) for arch, own in zip(archs, trained, strict=True)])
    settings = finetune_settings(stages)
    return FrontCard(
        networks=list(rows),
        on_front=np.array([row.on_front for row in rows.values()]),
        finetuned_val=np.array([row.known_accuracy("finetuned", "val") for row in rows.values()]),
        finetuned_test=np.array([row.known_accuracy("finetuned", "test") for row in rows.values()]),
        learning_rates=LEARNING_RATES,
        alone_val=alone_val,
        alone_test=alone_test,
        finetune_learning_rate=settings.learning_rate,
        n_epochs=settings.epochs,
        n_seeds=len(finetune_seeds(stages)),
    )


def front_networks(stages: Stages, run: Path) -> dict[str, FrontRow]:
    """Return a row of `fronts` for each distinct network, `on_front` where it is on the front of any budget.

    Raises:
        ValueError: The table is missing, damaged or empty, or other code or settings fine-tuned the networks.
    """
    found: dict[str, FrontRow] = {}
    for row in read_front_rows(run):
        before = found.setdefault(row.architecture, row)
        found[row.architecture] = replace(before, on_front=before.on_front or row.on_front)
    if not found:
        raise ValueError(f"{run / FRONTS_FILE}: must hold at least one network, and is empty")
    made = (read_mapping(run / "manifest.json") or {}).get("stages", {}).get("finetune", [])
    archs = [stages.work.space.decode(name) for name in found]
    keys = {finetune_folder(stages, arch, seed).key for arch in archs for seed in finetune_seeds(stages)}
    if not keys <= set(made):
        rule = "must be fine-tuned as this version of the program does it; run `search --fresh` on it first"
        raise ValueError(f"{run}: networks of the fronts {rule}")
    return found


def _trained_alone(stages: Stages, archs: Archs) -> list[list[Trained]]:
    """Return each network trained alone with each learning rate, the best seed on validation, `(n, n_rates)`."""
    space, seeds = stages.work.space, finetune_seeds(stages)
    settings = [replace(finetune_settings(stages), learning_rate=rate) for rate in LEARNING_RATES]
    folders = {
        (row, column, seed): _folder(stages, arch, one, seed)
        for column, one in enumerate(settings)
        for row, arch in enumerate(archs)
        for seed in seeds
    }
    if missing := {job: folder for job, folder in folders.items() if not is_trained(folder)}:
        config, trainer = stages.work.config, stages.supernet()
        teacher = teacher_answers(stages, trainer, stages.evaluator(trainer))
        trainings = [
            Training(
                folder=folder, data=config.data, space=space, arch=archs[row], settings=settings[column], seed=seed,
                teacher=teacher, device=config.compute.device,
            )
            for (row, column, seed), folder in missing.items()
        ]  # fmt: skip
        train_all("training alone", trainings, config.compute.processes, stages.reporter, stages.log)

    def best(row: int, column: int) -> Trained:
        """Return the best on validation, the first of equals, as fine-tuning does."""
        return max((read_trained(folders[row, column, seed]) for seed in seeds), key=lambda one: one.accuracy_val)

    return [[best(row, column) for column in range(len(settings))] for row in range(len(archs))]


def _folder(stages: Stages, arch: Archs, settings: FinetuneSettings, seed: int) -> StageFolder:
    work = stages.work
    return training_folder(
        stages.store, "standalone", data=work.data, space=work.space, arch=arch, settings=settings, seed=seed,
        device=work.config.compute.device, shared_weights=stages.supernet_folder.key,
    )  # fmt: skip


def _on_test(stages: Stages, arch: Archs, trained: Sequence[Trained]) -> list[float]:
    """Return the test accuracy of each set of weights of one network, `(n_rates,)`. [1]"""
    space, split = stages.work.space, stages.work.data.split("test")
    return [float(correct(Subnet.from_bytes(space, arch, one.weights), split).mean()) for one in trained]
