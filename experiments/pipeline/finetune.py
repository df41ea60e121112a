"""Fine-tuning: the networks of all fronts are trained on their own, from their inherited weights.

Their teacher is the config's, or the largest network of the shared weights. Each network and seed is a small stage of
its own (`experiments.pipeline.training`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evo.fronts.front import Front
from experiments.pipeline.stages import Stages
from experiments.pipeline.training import (
    Trained,
    Training,
    is_trained,
    read_trained,
    train_all,
    training_folder,
)
from experiments.storage.cache import StageFolder
from models.evaluation.shared_weights import SharedEvaluator
from models.spaces import Archs
from models.supernet.subnet import Subnet
from models.training.finetune import soft_labels
from models.training.settings import FinetuneSettings
from models.training.supernet_trainer import SupernetTrainer

_SEED_STEP = 1_000_003


class FinetunedNetworks(NamedTuple):
    """Fine-tuned networks by the text form of their architectures, and the keys of their stages."""

    networks: dict[str, Finetuned]
    keys: list[str]


@dataclass(frozen=True, kw_only=True)
class Finetuned:
    """One network after fine-tuning.

    Attributes:
        weights: Its weights, safetensors.
        accuracy_finetuned_val: Accuracy on the validation split. [1]
        seed: The seed that is best on validation.
    """

    weights: bytes
    accuracy_finetuned_val: float
    seed: int


def chosen_members(fronts: Sequence[Front], networks: Sequence[Sequence[str]], most: int) -> list[NDArray[np.int64]]:
    """Return the members of several fronts to fine-tune: their ends first, then as many as fit, evenly along each.

    Args:
        fronts: The fronts.
        networks: The network of each member of each front, text.
        most: Most distinct networks of all fronts together. [1]

    Returns:
        For each front the positions of its members whose networks are chosen, rising.
    """
    sizes = [min(2, len(front)) for front in fronts]

    def union(sizes: Sequence[int]) -> set[str]:
        return {
            names[position]
            for front, names, size in zip(fronts, networks, sizes, strict=True)
            for position in (_thinned(front, size) if size else ())
        }

    has_grown = True
    while has_grown:
        has_grown = False
        for index, front in enumerate(fronts):
            grown = [*sizes[:index], sizes[index] + 1, *sizes[index + 1 :]]
            if sizes[index] < len(front) and len(union(grown)) <= most:
                sizes, has_grown = grown, True
    # Where not even all ends fit, those of the first fronts are kept.
    ends = [names[p] for front, names, n in zip(fronts, networks, sizes, strict=True) for p in _thinned(front, n)]
    chosen = set(list(dict.fromkeys(ends))[:most])
    return [np.flatnonzero([name in chosen for name in names]) for names in networks]


def _thinned(front: Front, size: int) -> list[int]:
    """Return the positions of the members that `Front.thin` keeps."""
    if not size:
        return []
    position_of = {int(row): position for position, row in enumerate(front.rows)}
    return [position_of[int(row)] for row in front.thin(size).rows]


def finetune(
    stages: Stages, trainer: SupernetTrainer, evaluator: SharedEvaluator, archs: Archs, *, fresh: bool = False
) -> FinetunedNetworks:
    """Return fine-tuned networks, trained first where the cache lacks them.

    Args:
        stages: The run.
        trainer: Holds the shared weights.
        evaluator: Computes the statistics of each network.
        archs: Distinct networks, `(n, n_genes)`.
        fresh: Train them even where the cache holds them.

    Returns:
        Each network with the weights of its best seed on validation.
    """
    config, space = stages.work.config, stages.work.space
    seeds = finetune_seeds(stages)
    folders = {(space.encode(arch), seed): finetune_folder(stages, arch, seed) for arch in archs for seed in seeds}
    if fresh:
        for folder in folders.values():
            with folder.locked():
                folder.clear()
    missing = [(arch, seed) for arch in archs for seed in seeds if not is_trained(folders[space.encode(arch), seed])]
    if missing:
        teacher = teacher_answers(stages, trainer, evaluator)
        trainings = [
            Training(
                folder=folders[space.encode(arch), seed], data=config.data, space=space, arch=arch,
                settings=finetune_settings(stages), seed=seed, teacher=teacher, device=config.compute.device,
                start=Subnet.inherit(trainer.supernet, arch, evaluator.statistics(arch)).state_bytes(),
            )
            for arch, seed in missing
        ]  # fmt: skip
        train_all("fine-tuning", trainings, config.compute.processes, stages.reporter, stages.log)
    best: dict[str, Finetuned] = {}
    for (name, seed), folder in folders.items():
        found = _finetuned(read_trained(folder), seed)
        if name not in best or found.accuracy_finetuned_val > best[name].accuracy_finetuned_val:
            best[name] = found
    return FinetunedNetworks(best, [folder.key for folder in folders.values()])


def _finetuned(trained: Trained, seed: int) -> Finetuned:
    return Finetuned(weights=trained.weights, accuracy_finetuned_val=trained.accuracy_val, seed=seed)


def teacher_answers(stages: Stages, trainer: SupernetTrainer, evaluator: SharedEvaluator) -> NDArray[np.float32] | None:
    """Return the answers of the teacher of single networks, `(n_train, n_classes)`; None where labels teach alone.

    They come from the config's teacher, else from the largest network of the shared weights.
    """
    if not stages.work.config.finetune.distillation:
        return None
    if (answers := stages.teacher()) is not None:
        return answers
    largest = stages.work.space.largest
    return soft_labels(trainer.supernet, largest, evaluator.statistics(largest), stages.work.data.split("train"))


def finetune_seeds(stages: Stages) -> list[int]:
    """Return the seeds of each network; the best on validation is kept, the first of equals."""
    config = stages.work.config
    return [config.seed + _SEED_STEP * k for k in range(config.finetune.seeds)]


def finetune_settings(stages: Stages) -> FinetuneSettings:
    """Return the settings of fine-tuning."""
    return FinetuneSettings(**stages.work.config.finetune.model_dump(exclude={"max_networks", "seeds"}))


def finetune_folder(stages: Stages, arch: Archs, seed: int) -> StageFolder:
    """Return the stage of one network, `(n_genes,)`, fine-tuned with one seed."""
    work = stages.work
    return training_folder(
        stages.store, "finetune", data=work.data, space=work.space, arch=arch, settings=finetune_settings(stages),
        seed=seed, device=work.config.compute.device, shared_weights=stages.supernet_folder.key,
    )  # fmt: skip
