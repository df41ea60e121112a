"""The content of a report, read from a run's files: rows of the fronts, supplies, and every design priced again.

Prices come from the code of `ebbnas price`, rankings from that of `ebbnas choose`; nothing is trained or searched.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energy.hardware.device import Device
from energy.hardware.supply import Supply
from evo.fronts.decision import PREFERENCES
from experiments.designs.price import Answer, price
from experiments.designs.request import Overrides, Request
from experiments.designs.request_files import read_request
from experiments.formatting.quantities import parse
from experiments.report.cycles import CycleRun, cycle_run
from experiments.runs.candidates import LATENCY, Candidates, accuracy_kind
from experiments.runs.finished import read_front_rows, read_manifest
from experiments.runs.front_row import FrontRow
from experiments.storage.files import read_json
from experiments.storage.run_folder import CONFIG_FILE, require_run_folder


@dataclass(frozen=True, kw_only=True)
class Design:
    """One design of a run.

    Attributes:
        row: Its row of `fronts`.
        answer: Answer of `ebbnas price` for its file.
        runs: Its power cycles; empty where the file is not feasible.
        can_simulate: Whether `ebbnas simulate` accepts it.
    """

    row: FrontRow
    answer: Answer
    runs: tuple[CycleRun, ...]
    can_simulate: bool


@dataclass(frozen=True, kw_only=True)
class Front:
    """The designs of one budget.

    Attributes:
        name: The budget, such as `470uF`.
        supply: Its capacitor and harvester.
        designs: Designs from the fastest to the slowest; empty where nothing is feasible.
        time: Column that a deadline is compared with, a key of `experiments.runs.candidates.TIMES`.
        ranking: For each preference of `ebbnas choose`, ids of the designs that it chooses from, the most preferred
            first: it takes the first that keeps to the limits.
        miss: Entry of the manifest on the least infeasible design, where nothing is feasible.
    """

    name: str
    supply: Supply
    designs: tuple[Design, ...]
    time: str
    ranking: Mapping[str, tuple[str, ...]]
    miss: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """Content of a report.

    Attributes:
        name: Name of the run's folder.
        place: Path of the folder in commands, from the folder that holds `runs/` or the run.
        kind: Kind of the accuracy on validation by which designs are chosen, `finetuned` or `inherited`.
        device: The device of all designs.
        fronts: One front per budget, from the smallest capacitor to the largest.
        rows: All rows of `fronts` in their order.
        config: The resolved config.
        config_text: Its file.
        manifest: Manifest of the run.
        what: Description of the data set, empty where it is not known.
        notes: Warnings for the reader.
    """

    name: str
    place: str
    kind: str
    device: Device
    fronts: tuple[Front, ...]
    rows: tuple[FrontRow, ...]
    config: Mapping[str, Any]
    config_text: str
    manifest: Mapping[str, Any]
    what: str
    notes: tuple[str, ...]

    @property
    def accuracy(self) -> str:
        """Column of the accuracy by which designs are chosen."""
        return f"accuracy_{self.kind}_val"

    @property
    def harvest_uncertainty(self) -> float:
        """Factor of the harvester's resistance in worst cases. [1]"""
        return float(self.config.get("supply", {}).get("harvest_uncertainty", 1))

    @property
    def deadline_s(self) -> float | None:
        """Deadline of the search, None where it had none. [s]"""
        deadline_s = self.config.get("search", {}).get("deadline")
        return None if deadline_s is None else parse("search.deadline", deadline_s, "s")


def read_report(folder: Path) -> Report:
    """Read the content of a run's report.

    Args:
        folder: The run's folder.

    Raises:
        ValueError: The folder is not a run's, has no results yet, or a file is damaged or of another version.
    """
    require_run_folder(folder)
    manifest = read_manifest(folder)
    config_text, config = _config(folder / CONFIG_FILE)
    misses = {str(miss["budget"]): miss for miss in manifest.get("infeasible", ())}
    rows = read_front_rows(folder, is_needed=not misses)
    missed = {name: str(miss["id"]) for name, miss in misses.items()}
    requests = {name: _request(folder, name) for name in (*(row.id for row in rows), *missed.values())}
    if not requests:
        raise ValueError(f"{folder}: no designs found to report; `search` on the folder finishes the run")
    designs = [_design(row, requests[row.id], price(requests[row.id])) for row in rows]
    names = {**missed, **{row.budget: row.id for row in rows}}
    supplies = {budget: requests[name].supply for budget, name in names.items()}
    kind = accuracy_kind(rows)
    resolved = folder.resolve()
    return Report(
        name=resolved.name,
        place=f"runs/{resolved.name}" if resolved.parent.name == "runs" else resolved.name,
        kind=kind,
        device=next(iter(requests.values())).device,
        fronts=tuple(
            _front(name, supply, designs, kind, misses.get(name))
            for name, supply in sorted(supplies.items(), key=lambda item: item[1].capacitance_f)
        ),
        rows=rows,
        config=config,
        config_text=config_text,
        manifest=manifest,
        what=_what(config),
        notes=(*_notes(manifest, rows, kind), *_differences(designs)),
    )


def _config(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        return text, tomllib.loads(text)
    except FileNotFoundError:
        raise ValueError(f"{path}: file not found") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path}: must be TOML: {error}") from None


def _request(folder: Path, id: str) -> Request:
    path = folder / "designs" / f"{id}.json"
    data = read_json(path)
    try:
        return read_request(data, path.parent, Overrides())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _design(row: FrontRow, request: Request, answer: Answer) -> Design:
    names = request.network.layer_names
    entries = answer["schedule"] if answer["feasible"] else []
    return Design(
        row=row,
        answer=answer,
        runs=tuple(cycle_run(entry, names, request.supply) for entry in entries),
        can_simulate=request.execution.counting == "exact" and request.supply.recharge == "energy-balance",
    )


def _front(name: str, supply: Supply, designs: Sequence[Design], kind: str, miss: Mapping[str, Any] | None) -> Front:
    own = tuple(sorted((one for one in designs if one.row.budget == name), key=lambda one: one.row.latency_s))
    if not own:
        return Front(name=name, supply=supply, designs=own, time=LATENCY, ranking={}, miss=miss)
    candidates = Candidates.of([one.row for one in own], kind)
    ranked = candidates.ranked()
    ids = [candidates.rows[member].id for member in ranked.members]
    ranking = {prefer: tuple(ids[position] for position in ranked.order(prefer)) for prefer in PREFERENCES}
    return Front(name=name, supply=supply, designs=own, time=candidates.time, ranking=ranking)


def _what(config: Mapping[str, Any]) -> str:
    """Return the description of the config's data set, empty for an unknown one."""
    from models.data import describe

    name = config.get("data", {}).get("name")
    return next((note.what for note in describe(None) if note.name == name), "")


def _notes(manifest: Mapping[str, Any], rows: Sequence[FrontRow], kind: str) -> list[str]:
    notes = [str(note) for note in manifest.get("notes", ())]
    if not manifest.get("is_finished"):
        notes.append("the run was not finished when this page was written: its fronts are those of a shorter search")
    n_untuned = sum(row.accuracy_finetuned_val is None for row in rows)
    if rows and kind == "inherited":
        notes.append("not every network has been fine-tuned: accuracies are those with shared weights, a rough guide")
    elif n_untuned:
        notes.append(f"{n_untuned} of {len(rows)} designs are not fine-tuned; charts and choice leave them out")
    return notes


def _differences(designs: Sequence[Design]) -> list[str]:
    """Return a sentence for each design whose file no longer gives the latency of the table."""
    found = []
    for one in designs:
        latency_s = one.answer["latency_s"]
        if latency_s is None or not math.isclose(latency_s, one.row.latency_s, rel_tol=1e-9):
            now = "is not feasible" if latency_s is None else f"takes {latency_s:.6g} s"
            found.append(f"design {one.row.id} now {now}, in the table {one.row.latency_s:.6g} s")
    return found
