"""Keys of results, all by one convention: the hash of everything that decides a result.

`digest` hashes one value of JSON types or records; `result_key` adds the kind of the result, the versions of libraries
and the digest of our own code that computes it. `STAGE_CODE` is the table of that code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from importlib import metadata
from typing import Any

SCHEMA = 1
"""Version of everything this program stores; part of every key."""

LIBRARIES = ("torch", "numpy", "pymoo")
"""Libraries whose versions decide results, part of every key."""

_SHARED_WEIGHTS = (
    "energy.events",
    "energy.networks",
    "energy.validation",
    "models.data",
    "models.evaluation",
    "models.spaces",
    "models.supernet",
    "models.threads",
)
_TRAINING = (*_SHARED_WEIGHTS, "models.training", "experiments.config.teacher")
_STAGES = ("experiments.config.resolve", "experiments.pipeline.stages")
_INTEGERS = ("energy.counting", "energy.hardware", "energy.jit", "energy.jit_cache", "energy.scheduling")
_COSTS = (
    "energy.costing",
    "energy.counting",
    "energy.events",
    "energy.hardware",
    "energy.jit",
    "energy.jit_cache",
    "energy.networks",
    "energy.planning",
    "energy.scheduling",
    "energy.validation",
)
_SEARCH = (
    *_COSTS,
    "evo.checkpoint",
    "evo.fronts",
    "evo.genome",
    "evo.methods",
    "evo.objectives",
    "evo.operators",
    "evo.problem",
    "evo.search",
    "models.predictor",
    "models.spaces",
)
STAGE_CODE: Mapping[str, tuple[str, ...]] = {
    "supernet": (*_TRAINING, *_STAGES),
    "predictor": (*_SHARED_WEIGHTS, *_STAGES, "experiments.pipeline.inherited_accuracy"),
    "card": (*_SHARED_WEIGHTS, *_STAGES, "experiments.cards.sections", "experiments.pipeline.inherited_accuracy"),
    "search": (*_SEARCH, *_STAGES, "experiments.pipeline.search_stage"),
    "robust": (*_SEARCH, "evo.robust", "experiments.commands.robust"),
    "finetune": (
        *_TRAINING,
        "experiments.pipeline.finetune",
        "experiments.pipeline.samples",
        "experiments.pipeline.training",
    ),
    "standalone": (
        *_TRAINING,
        "experiments.cards.front_training",
        "experiments.pipeline.finetune",
        "experiments.pipeline.samples",
        "experiments.pipeline.standalone",
        "experiments.pipeline.training",
    ),
    "quantise": (
        *_INTEGERS,
        *_SHARED_WEIGHTS,
        "models.deploy",
        "models.exchange",
        "experiments.pipeline.quantise",
        "experiments.pipeline.samples",
    ),
}
"""Packages and modules of the code that computes each stage; what computes its inputs is part of their keys."""


RESULT_STAGES = ("supernet", "predictor", "search", "finetune", "quantise")
"""Stages of `STAGE_CODE` that every finished run has; its manifest records their code."""


def digest(value: Any) -> str:
    """Return the hash of a value, 12 hexadecimal digits, the same in any order of keys.

    Args:
        value: JSON types and dataclasses, which stand for all their fields.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_fields)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def result_key(kind: str, reads: Mapping[str, Any], code: str) -> str:
    """Return the key of a result.

    Args:
        kind: Kind of the result, such as the name of a stage.
        reads: Exactly the settings, and the keys and hashes of inputs, that decide it; as `digest` takes them.
        code: Digest of the code that computes it.
    """
    return digest({"schema": SCHEMA, "kind": kind, "libraries": library_versions(), "code": code, "reads": reads})


def _fields(record: Any) -> dict[str, Any]:
    """Return the fields of a dataclass by name."""
    if not is_dataclass(record):
        raise TypeError(f"a key must be of JSON types and dataclasses, not {type(record).__name__}")
    return {field.name: getattr(record, field.name) for field in fields(record)}


@cache
def library_versions() -> Mapping[str, str]:
    """Return the versions of `LIBRARIES` as installed, read once and without importing them."""
    return {name: metadata.version(name) for name in LIBRARIES}
