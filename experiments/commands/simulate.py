"""`ebbnas simulate`: a planned design simulated under harvests, its latencies beside the nominal one and the bound.

`experiments.designs.simulate` holds the results; the time line and its figure are in `experiments.figures.timelines`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from energy.hardware.supply import Supply
from energy.simulation.harvest import Harvest
from energy.simulation.result import WEEK_S, SimulationOptions
from energy.validation import require_choice
from experiments.commands.output import INFEASIBLE, print_json
from experiments.commands.request_options import requests_of
from experiments.designs import price as answers
from experiments.designs.harvest_specs import parse_harvest
from experiments.designs.request import Request
from experiments.designs.simulate import SimulatedDesign
from experiments.formatting.quantities import parse, whole

SEEDS = 100
"""Number of seeds for a harvest that is not constant, unless `--seeds` is given."""

MOST_SAMPLES = 5_000_000
"""Largest number of pieces of a harvest for which a time line is written."""

UNITS: dict[str, dict[str, str]] = {
    "constant": {"R": "ohm", "V": "V", "P": "W"},
    "random": {"R": "1", "V": "1"},
    "solar": {"efficiency": "1"},
}
"""Units of the values of `--harvest`, by kind and key."""


def simulate(options: argparse.Namespace) -> int:
    """Run `ebbnas simulate`."""
    request = _request(options)
    settings = _settings(options)
    harvests = _harvests(options, request.supply)
    formats = _figure_formats(options)
    priced = answers.price(replace(request, deadline_s=None))
    if not priced["feasible"]:
        return _infeasible(options, priced)
    simulated = SimulatedDesign.of(request, harvests, settings)
    notes = [*priced["notes"], *simulated.notes()]
    if options.seeds is not None and len(harvests) == 1 and options.seeds != "1":
        notes.append("a constant harvest is the same for every seed: one seed is simulated")
    files: list[str] = []
    if options.out is not None:
        files, note = _write_time_line(simulated, Path(options.out), formats, options.width)
        notes += note
    if options.json:
        print_json({**simulated.to_dict(), "harvest": options.harvest, "notes": notes, "files": files})
    else:
        lines = [simulated.text(), *(f"note: {note}" for note in notes)]
        print("\n".join([*lines, *([""] if files else []), *files]))
    return 0 if simulated.simulation.finished.all() else INFEASIBLE


def _request(options: argparse.Namespace) -> Request:
    requests = requests_of(options, Path(options.file), with_plan=True).designs
    if len(requests) > 1:
        n = len(requests)
        raise ValueError(f"{options.file}: simulate needs one design; the file holds {n}, --select picks one")
    request = requests[0]
    if request.plan is None:
        raise ValueError(
            f"{options.file}: key 'plan' is missing; "
            f"ebbnas plan {options.file} --save DESIGN.json writes a design that has one"
        )
    if request.execution.counting != "exact":
        raise ValueError(
            f"{options.file}: counting must be 'exact' to be simulated, not {request.execution.counting!r}: published "
            "counting has no batches to simulate; --counting exact counts the same plan"
        )
    return request


def _settings(options: argparse.Namespace) -> SimulationOptions:
    return SimulationOptions(
        charges_while_active=options.charges_while_active,
        leakage_a=parse("--leakage", options.leakage, "A"),
        esr_ohm=parse("--esr", options.esr, "ohm"),
        starts_empty=options.starts_empty,
        n_inferences=whole("--inferences", options.inferences),
        max_time_s=WEEK_S if options.max_time is None else parse("--max-time", options.max_time, "s"),
    )


def _harvests(options: argparse.Namespace, supply: Supply) -> tuple[Harvest, ...]:
    """Return the harvests of all seeds; a constant harvest has one seed."""
    n_seeds = SEEDS if options.seeds is None else whole("--seeds", options.seeds)
    spec = in_si(options.harvest)
    if spec.partition(":")[0] == "constant":
        n_seeds = 1
    return parse_harvest(spec, supply, n_seeds=n_seeds, seed=whole("--seed", options.seed, least=0))


def in_si(spec: str) -> str:
    """Return a harvest in plain SI numbers, for `harvest_specs`, which also reports parts that are not understood."""
    kind, colon, rest = spec.partition(":")
    if kind not in UNITS:
        return spec
    parts = []
    for part in rest.split(","):
        key, equals, text = (word.strip() for word in part.partition("="))
        unit = UNITS[kind].get(key)
        parts.append(f"{key}={parse(f'{key} of --harvest {kind}', text, unit)!r}" if equals and unit else part)
    return f"{kind}{colon}{','.join(parts)}"


def _figure_formats(options: argparse.Namespace) -> list[str]:
    """Return the formats of the figure, checked before anything is simulated."""
    if options.out is None:
        return []
    from experiments.figures.style import FORMATS, WIDTHS_IN

    formats = [name.strip() for name in options.format.split(",")]
    for name in formats:
        require_choice("--format", name, FORMATS)
    require_choice("--width", options.width, WIDTHS_IN)
    return formats


def _infeasible(options: argparse.Namespace, priced: answers.Answer) -> int:
    if options.json:
        keys = ("name", "feasible", "violations", "notes")
        print_json({**{key: priced[key] for key in keys}, "harvest": options.harvest, "files": []})
    else:
        print(f"{priced['name']}: {answers.sentence(priced)}; ebbnas plan searches for a feasible plan")
    return INFEASIBLE


def _write_time_line(
    simulated: SimulatedDesign, folder: Path, formats: list[str], width: str
) -> tuple[list[str], list[str]]:
    """Write the time line of the first seed and its figure; return the files, and a note where none is written."""
    n_pieces = len(simulated.harvests[0].time_s) * (int(simulated.simulation.n_trace_repeats[0]) + 1)
    if n_pieces > MOST_SAMPLES:
        return [], [f"no time line: the harvest has {n_pieces:,} pieces until the end, more than {MOST_SAMPLES:,}"]
    from experiments.figures.timelines import record, write_recording

    recording = record(simulated.request, simulated.harvests[0], simulated.settings)
    return [str(path) for path in write_recording(recording, folder, formats, width)], []
