"""The manifest of a run: which stages it is made of, by what code, from which inputs, at what effort."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.pipeline.stages import Stages
from experiments.storage.files import file_digest
from experiments.storage.keys import SCHEMA, digest, library_versions

_OF_NETWORKS = ("finetune", "quantise")
"""Stages whose hashes are known only when the search has found which networks they are of."""

_FOUND = {"infeasible", "notes", "n_inherited_front", "wall_times_s"}
"""What the manifest of a finished run says of what was found."""


def manifest(stages: Stages, *, is_finished: bool) -> dict[str, Any]:
    """What is known of a run before it begins, JSON types."""
    work = stages.work
    return {
        "schema": SCHEMA,
        "key": work.config.key(),
        "is_finished": is_finished,
        "effort": _effort(stages),
        "stages": stage_keys(stages),
        "versions": {"python": platform.python_version(), **library_versions()},
        "git": _git_state(),
        "seed": work.config.seed,
        "hashes": {
            "data": work.data.fingerprint,
            "device": work.device_key,
            **{f"{section}_file": file_digest(file) for section, file in work.config.own_files().items()},
        },
    }


def stage_keys(stages: Stages) -> dict[str, Any]:
    """Return the hashes of the stages that are known before anything is run."""
    return {
        "data": digest(stages.work.data_reads()),
        "supernet": stages.supernet_folder.key,
        "predictor": stages.predictor_folder.key,
        "search": {budget.name: stages.search_folder(budget).key for budget in stages.work.budgets},
    }


def is_made_of(found: Mapping[str, Any], stages: Stages) -> bool:
    """Return whether a stored manifest is of a run of the same stages, finished or not."""
    keys = found.get("stages")
    return isinstance(keys, Mapping) and {name: keys[name] for name in keys if name not in _OF_NETWORKS} == stage_keys(
        stages
    )


def is_finished(found: Mapping[str, Any], stages: Stages) -> bool:
    """Whether a stored manifest is whole and of this schema, and of a finished run of the same stages and effort."""
    is_whole = bool(found.get("is_finished")) and found.keys() >= _FOUND and found.get("schema") == SCHEMA
    is_of_it = is_whole and is_made_of(found, stages) and found.get("effort") == _effort(stages)
    # Runs of older versions have not quantised their networks.
    return is_of_it and all(name in found["stages"] for name in _OF_NETWORKS)


def peak_memory_bytes() -> dict[str, int]:
    """Return the greatest memory of this process and of the largest it started; empty where none is counted. [B]"""
    try:
        import resource
    except ImportError:
        return {}
    unit = 1 if sys.platform == "darwin" else 1024
    who = {"self": resource.RUSAGE_SELF, "largest_child": resource.RUSAGE_CHILDREN}
    return {name: resource.getrusage(which).ru_maxrss * unit for name, which in who.items()}


def _effort(stages: Stages) -> dict[str, Any]:
    return stages.work.config.search.effort()


def _git_state() -> dict[str, Any] | None:
    """Return the commit of the code and whether it was changed since; None where it is no checkout."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)
        return {"commit": git("rev-parse", "HEAD"), "is_changed": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None
