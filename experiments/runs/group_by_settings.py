"""Runs grouped by settings: runs that differ in the seed alone are one method, named by the settings that differ.

Runs are compared only on the same data, device, supply and budgets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.config.schema import Config
from experiments.runs.finished import FinishedRun
from experiments.storage.files import file_digest
from experiments.storage.keys import digest

_FIRST = ("execution.policy", "execution.rules", "space.name")
"""Settings that name methods before all others."""

_TITLES = {"space.name": "space", "teacher": "teacher", "data.name": "data"}
"""Names of settings whose last part alone says too little."""

Settings = Mapping[str, Any]
"""Settings by dotted name."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """Runs that differ in the seed alone.

    Attributes:
        label: Settings that distinguish it from the others, such as `policy packed`.
        runs: Its runs by rising seed.
        also: Settings that differ between methods and are not in the label, with the values of this one.
    """

    label: str
    runs: tuple[FinishedRun, ...]
    also: Settings

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of its runs."""
        return tuple(run.config.seed for run in self.runs)


def group_runs(runs: Sequence[FinishedRun]) -> tuple[Method, ...]:
    """Group runs into methods, in the order in which they first come.

    Raises:
        ValueError: Runs differ in data, device, supply or budgets, or two share method and seed.
    """
    for run in runs[1:]:
        _require_comparable(run, runs[0])
    groups: dict[str, list[FinishedRun]] = {}
    found = {}
    for run in runs:
        settings = _settings(run.config)
        key = repr(sorted(settings.items()))
        found[key] = settings
        for other in groups.setdefault(key, []):
            if other.config.seed == run.config.seed:
                rule = "runs must differ in their seed or another setting"
                raise ValueError(f"{rule}: {other.folder} and {run.folder} are the same with seed {run.config.seed}")
        groups[key].append(run)
    used, others = _distinguishing(list(found.values()))
    return tuple(
        Method(
            label=", ".join(_named(name, found[key].get(name)) for name in used) or "all runs",
            runs=tuple(sorted(members, key=lambda run: run.config.seed)),
            also={name: found[key].get(name) for name in others},
        )
        for key, members in groups.items()
    )


def _distinguishing(settings: Sequence[Settings]) -> tuple[list[str], list[str]]:
    """Return the settings that are enough to distinguish all, and the others that differ too."""
    names = dict.fromkeys(name for one in settings for name in (*_FIRST, *one))
    differing = [name for name in names if len({repr(one.get(name)) for one in settings}) > 1]
    used: list[str] = []
    n_distinct = 1
    for name in differing:
        n_now = len({tuple(repr(one.get(key)) for key in (*used, name)) for one in settings})
        if n_now > n_distinct:
            used.append(name)
            n_distinct = n_now
    return used, [name for name in differing if name not in used]


def _named(name: str, value: Any) -> str:
    title = _TITLES.get(name, name.rpartition(".")[2])
    # Lists, such as the stages of an own space, are too long for a name.
    shown = digest(value)[:6] if isinstance(value, (list, Mapping)) else "none" if value is None else value
    return f"{title} {shown}"


def _settings(config: Config) -> dict[str, Any]:
    """Return all settings of a method by dotted name, own files by their content."""
    tree = config.to_dict()
    for name in ("name", "seed", "schema", "data", "device", "supply", "compute"):
        tree.pop(name, None)
    for section, file in config.own_files().items():
        if section in tree:
            tree[section] = file_digest(file)[:12]
    flat: dict[str, Any] = {}
    for section, value in tree.items():
        if isinstance(value, Mapping):
            flat |= {f"{section}.{name}": setting for name, setting in value.items()}
        else:
            flat[section] = value
    return flat


def _require_comparable(run: FinishedRun, first: FinishedRun) -> None:
    """Demand the data, device, supply and budgets of the first run."""
    for what, own, expected in (
        ("data set", _data(run), _data(first)),
        ("device", _device(run), _device(first)),
        ("budgets", _budgets(run), _budgets(first)),
        ("supply", _supply(run), _supply(first)),
    ):
        if own != expected:
            raise ValueError(f"{run.folder}: {what} must be that of {first.folder}, {expected}, not {own}")


def _budgets(run: FinishedRun) -> str:
    """Return the budgets in the order of names, since the order in a config has no meaning."""
    return ", ".join(sorted(run.budgets))


def _data(run: FinishedRun) -> str:
    data, content = run.config.data, run.manifest.get("hashes", {}).get("data", "")
    return f"{data.name} fold {data.fold} ({str(content)[:24]})"


def _device(run: FinishedRun) -> str:
    return f"{run.config.device.source} ({run.manifest.get('hashes', {}).get('device', '')})"


def _supply(run: FinishedRun) -> str:
    supply = run.config.supply
    file = run.config.own_files().get("supply")
    content = "" if file is None else f" ({file_digest(file)[:12]})"
    resistance = "its own" if supply.resistance is None else f"{supply.resistance:g} ohm"
    shown = supply.name or "supply file"
    return f"{shown}{content}, resistance {resistance}, harvest_uncertainty {supply.harvest_uncertainty:g}"
