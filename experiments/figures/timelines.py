"""The time line of one seed: as data (CSV and Parquet) and as the files of a figure with its caption.

`energy.simulation` records, `experiments.figures.timeline` draws.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from energy.simulation.harvest import Harvest, constant_source
from energy.simulation.result import SimulationOptions
from energy.validation import closest
from experiments.designs.recording import Recording, caption
from experiments.designs.request import Overrides, Request
from experiments.designs.request_files import read_request
from experiments.designs.simulated_plan import simulate_plan
from experiments.figures.style import write_figure
from experiments.figures.timeline import draw
from experiments.runs.finished import read_front_rows
from experiments.storage.files import read_json, write_bytes, write_text


def record(request: Request, harvest: Harvest, settings: SimulationOptions) -> Recording:
    """Simulate a planned design under one harvest and record events and voltages.

    Args:
        request: The design, exactly counted.
        harvest: The harvester.
        settings: Settings of the simulation.
    """
    simulated = simulate_plan(request, [harvest], settings, timeline_seed=0)
    simulation = simulated.simulation
    assert simulation.timeline is not None
    ends_s = simulation.ends_s[0]
    return Recording(
        name=request.name,
        supply=request.supply,
        harvest=harvest,
        cycle_budget_j=simulated.cycle_budget_nj * 1e-9,
        layer_names=tuple(request.network.layer_names),
        timeline=simulation.timeline,
        # A capacitor that never charges at all ends the simulation at once.
        end_s=float(ends_s[0] if np.isfinite(ends_s[0]) else simulation.simulated_s[0]) or 1.0,
        finished=bool(np.isfinite(ends_s[0])),
    )


def write_recording(recording: Recording, folder: Path, formats: Sequence[str], width: str) -> list[Path]:
    """Write `timeline` and `events` as CSV and Parquet, the figure in each format, and its caption.

    Args:
        recording: Events and voltages of one inference.
        folder: Folder of the files.
        formats: Names from `experiments.figures.style.FORMATS`.
        width: A key of `experiments.figures.style.WIDTHS_IN`.

    Returns:
        The files.
    """
    timeline = recording.timeline
    tables = {
        "timeline": {"time_s": timeline.time_s, "voltage_v": timeline.voltage_v},
        "events": {
            "time_s": timeline.event_time_s,
            "kind": timeline.event,
            "batch": timeline.event_batch,
            "layer": np.array(recording.layer_names)[timeline.event_layer],
        },
    }
    files = []
    for name, columns in tables.items():
        for end, content in ((".csv", _csv), (".parquet", _parquet)):
            files.append(folder / f"{name}{end}")
            write_bytes(files[-1], content(columns))
    return [*files, *_draw(recording, folder, formats, width)]


def _draw(recording: Recording, folder: Path, formats: Sequence[str], width: str) -> list[Path]:
    files = write_figure(lambda width_in: draw(recording, width_in), folder, "timeline", formats, width)
    write_text(folder / "timeline.txt", caption(recording) + "\n")
    return [*files, folder / "timeline.txt"]


def _csv(columns: Mapping[str, NDArray[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    # `repr` of a float is exact, and what the writer uses.
    writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
    return text.getvalue().encode()


def _parquet(columns: Mapping[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({name: pa.array(column.tolist()) for name, column in columns.items()}), buffer)
    return buffer.getvalue()


def plot_timeline(run: Path, formats: Sequence[str], width: str, id: str | None = None) -> list[Path]:
    """Draw the time line of a run's design under its constant nominal harvester into the run's `figures/`.

    Args:
        run: The run's folder.
        formats: Names from `experiments.figures.style.FORMATS`.
        width: A key of `experiments.figures.style.WIDTHS_IN`.
        id: Id of a design; None for the best on validation among the members of the fronts.

    Returns:
        The figure in each format, and its caption.

    Raises:
        ValueError: The run has no such design, or the design cannot be simulated.
    """
    path = run / "designs" / f"{_chosen(run) if id is None else id}.json"
    if not path.is_file():
        known = sorted(file.stem for file in (run / "designs").glob("*.json"))
        raise ValueError(f"--id must be a design of {run}, not {path.stem!r}{closest(path.stem, known)}")
    request = read_request(read_json(path), path.parent, Overrides())
    if request.execution.counting != "exact":
        raise ValueError(f"{path}: counting must be 'exact' for a time line, not {request.execution.counting!r}")
    supply = request.supply
    recording = record(request, constant_source(supply.resistance_ohm, supply.v_supply_v), SimulationOptions())
    return _draw(recording, run / "figures", formats, width)


def _chosen(run: Path) -> str:
    members = [row for row in read_front_rows(run) if row.on_front]
    if not members:
        raise ValueError(f"{run}: no design is on a front")
    return max(members, key=lambda row: row.known_accuracy("finetuned", "val")).id
