"""The manifest of a run: its stages, code, inputs and effort, and what it found."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.pipeline.stages import Stages
from experiments.storage.files import file_digest
from experiments.storage.keys import SCHEMA, digest, library_versions

_OF_NETWORKS = ("finetune", "quantise")
"""Stages whose keys are known only after the search, which finds their networks."""

_FOUND = {"infeasible", "notes", "n_inherited_front", "wall_times_s"}
"""Keys of the manifest of a finished run that hold its findings."""


def manifest(stages: Stages, *, is_finished: bool) -> dict[str, Any]:
    """Return what is known of a run before it begins, as JSON types."""
    work = stages.work
    return {
        "schema": SCHEMA,
        "key": work.config.key(),
        "is_finished": is_finished,
        "effort": _effort(stages),
        "stages": stage_keys(stages),
        "code": stages.store.present_code(),
        "versions": {"python": platform.python_version(), **library_versions()},
        "git": _git_state(),
        "seed": work.config.seed,
        "hashes": _input_hashes(stages),
    }


def stage_keys(stages: Stages) -> dict[str, Any]:
    """Return the keys of the stages that are known before a stage is run."""
    return {
        "data": digest(stages.work.data_reads()),
        "supernet": stages.supernet_folder.key,
        "predictor": stages.predictor_folder.key,
        "search": {budget.name: stages.search_folder(budget).key for budget in stages.work.budgets},
    }


def is_made_of(found: Mapping[str, Any], stages: Stages) -> bool:
    """Return whether a stored manifest belongs to a run of the same stages, finished or not."""
    keys = found.get("stages")
    return isinstance(keys, Mapping) and {name: keys[name] for name in keys if name not in _OF_NETWORKS} == stage_keys(
        stages
    )


def is_finished(found: Mapping[str, Any], stages: Stages) -> bool:
    """Return whether a stored manifest is whole, of this schema, and of a finished run of the same settings and inputs.

    It may be of other code: `Store.changed_code` names the stages.
    """
    is_whole = bool(found.get("is_finished")) and found.keys() >= _FOUND and found.get("schema") == SCHEMA
    if not is_whole or found.get("effort") != _effort(stages):
        return False
    # Runs of older versions have not quantised their networks.
    keys = found.get("stages")
    if not isinstance(keys, Mapping) or not all(name in keys for name in _OF_NETWORKS):
        return False
    code = found.get("code")
    if isinstance(code, Mapping):
        return is_made_of(found, replace(stages, store=replace(stages.store, code=code)))
    return _has_same_inputs(found, stages)


def _has_same_inputs(found: Mapping[str, Any], stages: Stages) -> bool:
    """Return whether a manifest without a record of its code has the same settings and inputs."""
    versions = found.get("versions")
    return (
        found.get("key") == stages.work.config.key()
        and found.get("hashes") == _input_hashes(stages)
        and isinstance(versions, Mapping)
        and library_versions().items() <= versions.items()
    )


def _input_hashes(stages: Stages) -> dict[str, str]:
    work = stages.work
    files = {f"{section}_file": file_digest(file) for section, file in work.config.own_files().items()}
    return {"data": work.data.fingerprint, "device": work.device_key, **files}


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
    """Return the commit of the code and whether it was changed since; None outside a checkout."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)
        return {"commit": git("rev-parse", "HEAD"), "is_changed": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None
