"""Quantisation: every fine-tuned network of the fronts in integers, as its programs compute it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from experiments.config.sections import DataSection
from experiments.parallel.pool import run_tasks
from experiments.pipeline.finetune import Finetuned
from experiments.pipeline.samples import data_of
from experiments.pipeline.stages import Stages
from experiments.storage.cache import StageFolder
from experiments.storage.files import file_digest, write_bytes
from models.deploy.quantise import N_RANGED, quantise
from models.deploy.weights_file import network_bytes
from models.spaces import Archs, Space
from models.supernet.subnet import Subnet

_NETWORK = "network.int16.safetensors"


class QuantisedNetworks(NamedTuple):
    """Networks in integers by the text form of their architectures, and the keys of their stages."""

    networks: dict[str, bytes]
    keys: list[str]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Quantising:
    """Network for a worker to quantise, and the place of its result; picklable."""

    folder: StageFolder
    data: DataSection
    space: Space
    arch: Archs
    weights: bytes


def quantise_all(stages: Stages, finetuned: Mapping[str, Finetuned], *, fresh: bool = False) -> QuantisedNetworks:
    """Return fine-tuned networks in integers, quantised first where the cache lacks them.

    Args:
        stages: The run.
        finetuned: The networks, by the text form of their architectures.
        fresh: Quantise them even where the cache holds them.

    Returns:
        The networks, `models.deploy.weights_file` bytes.
    """
    space, config = stages.work.space, stages.work.config
    folders = {name: _folder(stages, one.weights) for name, one in finetuned.items()}
    if fresh:
        for folder in folders.values():
            with folder.locked():
                folder.clear()
    tasks = [
        _Quantising(folder=folder, data=config.data, space=space, arch=space.decode(name), weights=own.weights)
        for (name, own), folder in zip(finetuned.items(), folders.values(), strict=True)
        if not _is_done(folder)
    ]
    if tasks:
        with stages.reporter.task("quantising", len(tasks)) as progress:
            for position, _ in run_tasks(_quantise, tasks, config.compute.processes):
                name = space.encode(tasks[position].arch)
                stages.log({"stage": "quantise", "network": name})
                progress.advance(name)
    found = {name: (folder.path / _NETWORK).read_bytes() for name, folder in folders.items()}
    return QuantisedNetworks(found, [folder.key for folder in folders.values()])


def _folder(stages: Stages, weights: bytes) -> StageFolder:
    reads = {
        "weights": hashlib.sha256(weights).hexdigest(),
        "data": stages.work.data_reads(),
        "ranged": N_RANGED,
    }
    return stages.store.stage("quantise", reads)


def _is_done(folder: StageFolder) -> bool:
    result, path = folder.result(), folder.path / _NETWORK
    return result is not None and path.exists() and file_digest(path) == result.get("sha256")


def _quantise(task: _Quantising) -> None:
    """Quantise one network and leave it in its folder; runs in a worker."""
    with task.folder.locked():
        if not _is_done(task.folder):
            subnet = Subnet.from_bytes(task.space, task.arch, task.weights)
            network = quantise(subnet, data_of(task.data).split("train"))
            path = task.folder.path / _NETWORK
            write_bytes(path, network_bytes(network))
            task.folder.finish({"network": network.name, "sha256": file_digest(path)})
