"""`card`: how far the accuracies of a run can be trusted, a section for each thing that stands in for training.

A section is made of a run and an effort; `SECTIONS` lists those there are, and a run gets those that apply to it.
Only the section on the fronts opens a test split, and last.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from evo.search import stream
from experiments.cards.front import FrontCard
from experiments.cards.front_training import front_card, front_networks
from experiments.cards.shared_weights import SharedWeightsCard, to_csv
from experiments.commands.output import print_json
from experiments.config.resolve import look_up
from experiments.config.schema import Config, DataSection, read_config
from experiments.figures.predictor import CARD_FILE
from experiments.formatting.quantities import whole
from experiments.parallel.progress import Reporter
from experiments.pipeline.inherited_accuracy import sampled_networks
from experiments.pipeline.run import Run
from experiments.pipeline.stages import Stages, append_to
from experiments.pipeline.standalone import Standalone
from experiments.storage.files import read_mapping, write_json, write_text
from experiments.storage.keys import SCHEMA
from experiments.storage.run_folder import require_run_folder
from models.data.registry import N_FOLDS
from models.predictor.card import PredictorCard, predictor_card
from models.spaces import Archs, Space
from models.training.settings import StandaloneSettings

NETWORKS_SEED = 0
"""Seed of the networks that are trained alone: the same for every run of a space."""

N_JUDGED, N_HELD_OUT = 800, 200
"""Networks that the card of the predictor is made from, and those of them that it does not learn from. [1]"""

N_COMPARED = 4096
"""Most validation samples on which networks trained alone are compared. [1]"""

_LARGEST_POOL = 4096


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much work a card may be.

    Attributes:
        networks: Networks that are trained alone; 0 leaves that section out. [1]
        seeds: Trainings of each on each fold. [1]
        folds: Folds whose people are pooled, from the run's own on. [1]
        front: Whether the networks of the run's fronts are trained alone; that section is left out otherwise.
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
    """A part of the card: `key` names it in `card.json`."""

    key: str

    def to_dict(self) -> dict[str, Any]:
        """Its figures as JSON types."""
        ...

    def text(self) -> str:
        """What a person reads."""
        ...


def card(options: argparse.Namespace) -> int:
    """`ebbnas card`."""
    least = {"networks": 0, "seeds": 1, "folds": 1}
    numbers = {name: whole(f"--{name}", getattr(options, name), least=one) for name, one in least.items()}
    effort = Effort(**numbers, front=options.front)
    run = _run(Path(options.run))
    reporter = Reporter(quiet=options.quiet or options.json)
    if effort.front:
        # Missing fronts are better told now than after hours.
        front_networks(_stages(run, reporter), run.folder)
    sections = [section for make in SECTIONS if (section := make(run, effort, reporter)) is not None]
    found = {section.key: section.to_dict() for section in sections}
    before = read_mapping(run.folder / "card.json") or {}
    write_json(run.folder / "card.json", {**before, "schema": SCHEMA, **found})
    if options.json:
        print_json(found)
    else:
        print("\n\n".join(section.text() for section in sections))
    return 0


def _run(folder: Path) -> Run:
    """Return the run in a folder, where its cache is: what the card needs is found there, or trained into it."""
    require_run_folder(folder)
    run = Run.of(read_config(str(folder)), source=str(folder), root=folder.resolve().parent.parent)
    if run.folder.resolve() != folder.resolve():
        rule = f"must lie where it was made, as {run.folder.parent.name}/{run.folder.name} beside its cache"
        raise ValueError(f"{folder}: {rule}; its card would need everything trained again")
    return run


def predictor(run: Run, effort: Effort, reporter: Reporter) -> PredictorCard:
    """The section on the predictor, from networks that the shared weights judge; `plot --kind predictor` draws it."""
    space, stages = run.work.space, _stages(run, reporter)
    n_networks = min(N_JUDGED, space.size)
    archs = sampled_networks(space, n_networks, stream(run.work.config.seed, "card"))
    folder = run.store.stage(
        "card", {"predictor": stages.predictor_folder.key, "drawn": "all sizes", "networks": n_networks}
    )
    accuracies = stages.judged(stages.evaluator(stages.supernet()), archs, folder)
    rng = stream(run.work.config.seed, "held out")
    found = predictor_card(space, archs, accuracies, rng, n_held_out=min(N_HELD_OUT, n_networks // 4))
    write_json(run.folder / CARD_FILE, found.to_dict())
    return found


def shared_weights(run: Run, effort: Effort, reporter: Reporter) -> SharedWeightsCard | None:
    """The section on inherited against stand-alone accuracy; its networks go to `card_networks.csv` of the run."""
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
    alone = tuple(part[:, :, _judged_rows(one)] for part, one in zip(alone, stages, strict=True))
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
    """The section on fine-tuned against stand-alone networks of the fronts; they go to `card_front.csv` of the run."""
    if not effort.front:
        return None
    found = front_card(_stages(run, reporter), run.folder)
    write_text(run.folder / "card_front.csv", to_csv(found.rows()))
    return found


def _stages(run: Run, reporter: Reporter) -> Stages:
    return Stages(work=run.work, store=run.store, reporter=reporter, log=append_to(run.folder / "log.jsonl"))


SECTIONS: tuple[Callable[[Run, Effort, Reporter], Section | None], ...] = (predictor, shared_weights, front)
"""What makes the sections, in the order in which they are printed; None where a run has no such section."""


def standalone(config: Config, space: Space, archs: Archs, effort: Effort) -> Standalone:
    """Return the trainings that a card of this effort compares with; they know nothing of the shared weights."""
    data: Sequence[DataSection] = [one.data for one in fold_configs(config, effort.folds)]
    return Standalone(data=data, space=space, archs=archs, seeds=range(effort.seeds), settings=StandaloneSettings())


def fold_configs(config: Config, n_folds: int) -> list[Config]:
    """Return the config with each fold from its own on, so that with all of them every person validates once."""
    folds = [(config.data.fold + step) % N_FOLDS for step in range(n_folds)]
    return [config.model_copy(update={"data": config.data.model_copy(update={"fold": fold})}) for fold in folds]


def _judged_rows(stages: Stages) -> slice:
    """Return the validation samples on which inherited and stand-alone accuracy are compared."""
    return stages.work.data.split("val").at_most(N_COMPARED)


def inherited(stages: Stages, archs: Archs) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """What networks answer with the shared weights, which are trained first where the cache lacks them.

    Returns:
        Which of the judged validation samples they get right, and the logarithm of what they give the right class,
        `(n, n_judged)` both.
    """
    judged_by = stages.work.data.split("val").part(_judged_rows(stages))
    evaluator, labels = stages.evaluator(stages.supernet(), judged_by), judged_by.labels
    right, likelihoods = [], []
    with torch.inference_mode():
        for arch in archs:
            scores = evaluator.scores(arch)
            right.append(scores.argmax(dim=1).numpy() == labels)
            chosen = F.log_softmax(scores.double(), dim=1)[torch.arange(len(labels)), torch.from_numpy(labels)]
            likelihoods.append(chosen.numpy())
    return np.array(right), np.array(likelihoods)


def networks_over_sizes(space: Space, n: int, rng: np.random.Generator) -> Archs:
    """Return distinct networks spread over all sizes: one from each of `n` equal steps of the logarithm of their work.

    Where a step has none left, the network nearest to its middle is taken.

    Args:
        space: The space; of a large one a random part is drawn from.
        n: Number of networks. [1]
        rng: Source of the choice.

    Returns:
        Architectures by rising work, `(n, n_genes)`.

    Raises:
        ValueError: The space has fewer networks.
    """
    if n > space.size:
        raise ValueError(f"networks must be at most the {space.size} of space {space.name}, not {n}")
    small = space.size <= _LARGEST_POOL
    pool = space.enumerate() if small else np.unique(space.sample(rng, max(_LARGEST_POOL, 4 * n)), axis=0)
    # In an order of their own, so that the choice does not hang on how a space lists its networks.
    keyed = sorted((space.network(arch).n_macs, space.encode(arch), row) for row, arch in enumerate(pool))
    size = np.log([macs for macs, _, _ in keyed])
    edges = np.linspace(size[0], size[-1], n + 1)
    free, chosen = np.ones(len(keyed), dtype=bool), []
    for low, high in pairwise(edges):
        inside = np.flatnonzero(free & (size >= low) & (size <= high))
        if len(inside):
            chosen.append(int(rng.choice(inside)))
        else:
            chosen.append(int(np.where(free, np.abs(size - (low + high) / 2), np.inf).argmin()))
        free[chosen[-1]] = False
    return np.array([pool[keyed[index][2]] for index in sorted(chosen)])
