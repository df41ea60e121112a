"""Sections of a card, one for each accuracy that stands in for training a network alone.

A section is made from a run and an effort; `SECTIONS` lists them. Only the section on the fronts opens a test split,
and last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from evo.search import stream
from experiments.cards.front import FrontCard
from experiments.cards.front_training import front_card
from experiments.cards.shared_weights import SharedWeightsCard, to_csv
from experiments.cards.sizes import networks_over_sizes
from experiments.config.resolve import look_up
from experiments.config.schema import Config
from experiments.config.sections import DataSection
from experiments.figures.predictor import CARD_FILE
from experiments.parallel.progress import Reporter
from experiments.pipeline.inherited_accuracy import sampled_networks
from experiments.pipeline.log import append_to
from experiments.pipeline.run import Run
from experiments.pipeline.stages import Stages
from experiments.pipeline.standalone import Standalone
from experiments.storage.files import write_json, write_text
from models.data.registry import N_FOLDS
from models.predictor.card import PredictorCard, predictor_card
from models.spaces import Archs, Space
from models.training.settings import StandaloneSettings

NETWORKS_SEED = 0
"""Seed of the choice of networks that are trained alone, the same for every run of a space."""

N_MEASURED, N_HELD_OUT = 800, 200
"""Networks of the card of the predictor, and those of them that are held out of its training. [1]"""

N_COMPARED = 4096
"""Most validation samples on which networks trained alone are compared. [1]"""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Effort of a card.

    Attributes:
        networks: Networks that are trained alone; 0 leaves their section out. [1]
        seeds: Trainings per network and fold. [1]
        folds: Pooled folds, from the run's own on. [1]
        front: Whether to train the networks of the run's fronts alone, which their section requires.
    """

    networks: int = 0
    seeds: int = 3
    folds: int = N_FOLDS
    front: bool = False

    def __post_init__(self) -> None:
        for field in ("networks", "seeds"):
            if getattr(self, field) < 2 and not (field == "networks" and self.networks == 0):
                raise ValueError(f"{field} must be at least 2, not {getattr(self, field)}: ranks are compared")
        if not 1 <= self.folds <= N_FOLDS:
            raise ValueError(f"folds must be from 1 to {N_FOLDS}, not {self.folds}")


class Section(Protocol):
    """Section of a card; `key` names it in `card.json`."""

    key: str

    def to_dict(self) -> dict[str, Any]:
        """Return its figures as JSON types."""
        ...

    def text(self) -> str:
        """Return its text for a person."""
        ...


def predictor(run: Run, effort: Effort, reporter: Reporter) -> PredictorCard:
    """Return the section on the predictor, of networks with shared weights; `plot --kind predictor` draws it."""
    space, stages = run.work.space, run.stages(reporter)
    n_networks = min(N_MEASURED, space.size)
    archs = sampled_networks(space, n_networks, stream(run.work.config.seed, "card"))
    folder = run.store.stage(
        "card", {"predictor": stages.predictor_folder.key, "drawn": "all sizes", "networks": n_networks}
    )
    accuracies = stages.evaluated(stages.evaluator(stages.supernet()), archs, folder)
    rng = stream(run.work.config.seed, "held out")
    found = predictor_card(space, archs, accuracies, rng, n_held_out=min(N_HELD_OUT, n_networks // 4))
    write_json(run.folder / CARD_FILE, found.to_dict())
    return found


def shared_weights(run: Run, effort: Effort, reporter: Reporter) -> SharedWeightsCard | None:
    """Return the section on inherited against stand-alone accuracy; write its networks to `card_networks.csv`."""
    if not effort.networks:
        return None
    config, space = run.work.config, run.work.space
    archs = networks_over_sizes(space, effort.networks, np.random.default_rng(NETWORKS_SEED))
    log = append_to(run.folder / "log.jsonl")
    alone = standalone(config, space, archs, effort).train(run.store, config.compute.processes, reporter, log)
    stages = [
        Stages(work=look_up(one), store=run.store, reporter=reporter, log=log)
        for one in fold_configs(config, effort.folds)
    ]
    right, likelihoods = zip(*(inherited(one, archs) for one in stages), strict=True)
    alone = tuple(part[:, :, _compared_rows(one)] for part, one in zip(alone, stages, strict=True))
    shapes = [space.network(arch) for arch in archs]
    found = SharedWeightsCard(
        networks=[space.encode(arch) for arch in archs],
        n_parameters=np.array([shape.n_parameters for shape in shapes]),
        n_macs=np.array([shape.n_macs for shape in shapes]),
        inherited=np.concatenate(right, axis=1).mean(axis=1),
        log_likelihood=np.concatenate(likelihoods, axis=1).mean(axis=1),
        alone=np.concatenate(alone, axis=2).mean(axis=2),
        n_folds=effort.folds,
        n_samples=sum(part.shape[1] for part in right),
    )
    write_text(run.folder / "card_networks.csv", to_csv(found.rows()))
    return found


def front(run: Run, effort: Effort, reporter: Reporter) -> FrontCard | None:
    """Return the section on fine-tuned against stand-alone networks of the fronts; write them to `card_front.csv`."""
    if not effort.front:
        return None
    found = front_card(run.stages(reporter), run.folder)
    write_text(run.folder / "card_front.csv", to_csv(found.rows()))
    return found


def standalone(config: Config, space: Space, archs: Archs, effort: Effort) -> Standalone:
    """Return the trainings alone of a card; nothing in them depends on the shared weights."""
    data: Sequence[DataSection] = [one.data for one in fold_configs(config, effort.folds)]
    return Standalone(data=data, space=space, archs=archs, seeds=range(effort.seeds), settings=StandaloneSettings())


def fold_configs(config: Config, n_folds: int) -> list[Config]:
    """Return the config with each fold from its own on; with all folds, each person is in one validation split."""
    folds = [(config.data.fold + step) % N_FOLDS for step in range(n_folds)]
    return [config.model_copy(update={"data": config.data.model_copy(update={"fold": fold})}) for fold in folds]


def _compared_rows(stages: Stages) -> slice:
    """Return the validation samples on which inherited and stand-alone accuracy are compared."""
    return stages.work.data.split("val").at_most(N_COMPARED)


class Inherited(NamedTuple):
    """Validation samples that networks get right, and log-likelihoods of the right class, `(n, n_samples)` both."""

    right: NDArray[np.bool_]
    log_likelihood: NDArray[np.float64]


def inherited(stages: Stages, archs: Archs) -> Inherited:
    """Return the results of networks with shared weights, which are trained first where the cache lacks them."""
    samples = stages.work.data.split("val").part(_compared_rows(stages))
    evaluator, labels = stages.evaluator(stages.supernet(), samples), samples.labels
    right, likelihoods = [], []
    with torch.inference_mode():
        for arch in archs:
            scores = evaluator.scores(arch)
            right.append(scores.argmax(dim=1).numpy() == labels)
            chosen = F.log_softmax(scores.double(), dim=1)[torch.arange(len(labels)), torch.from_numpy(labels)]
            likelihoods.append(chosen.numpy())
    return Inherited(np.array(right), np.array(likelihoods))


SECTIONS: tuple[Callable[[Run, Effort, Reporter], Section | None], ...] = (predictor, shared_weights, front)
"""Functions that make the sections, in the order of printing; None where the effort leaves a section out."""
