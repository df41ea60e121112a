"""`ebbnas ablate`: what each choice of the planner and of the runtime is worth, network by network.

Every row changes one thing about how a network is planned or run, plans the network again under that change and
compares its latency with ours. Fewer rules and a poorer runtime show what a choice gains; more of both what is left.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from energy.counting.rows import RUNTIME, Runtime
from energy.hardware.supply import Scenarios
from energy.networks.rules import RULES, Options, Rules, aligned_parts, ceil_parts
from energy.planning.packed import PackedExplorer
from energy.scheduling.execution import CUTS
from experiments.commands.output import INFEASIBLE, print_json
from experiments.commands.replan import number_cell, time_cell
from experiments.commands.request_options import designs_of
from experiments.designs.replan import ANEW
from experiments.designs.request import Overrides, Request
from experiments.formatting.quantities import parse, whole, write
from experiments.formatting.table import Table
from experiments.parallel.progress import Reporter

OURS = "ours"
"""Name of the row that all others are compared with."""

ALL_SIZES_UP_TO = 128
"""Of longer axes the row with all tile sizes takes the equal parts beyond this; larger tiles hardly fit anyway."""

LONGER = 4
"""How many times as long as measured the vectors of the row with longer ones may be unless the caller says."""


AS_MEASURED = replace(RULES["ebbnas"], max_vector=None)
"""Our rules, the longest vector left to the device."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One way to plan and run a network.

    Attributes:
        name: What the table calls it.
        rules: Which designs may be chosen; the longest vector is the device's where they have none.
        runtime: What the program does to spend less.
        cuts: How power cycles are cut, `each` for one batch a cycle.
        fuses: Whether batch norm and ReLU are merged into the convolutions before them.
    """

    name: str
    rules: Rules = AS_MEASURED
    runtime: Runtime = RUNTIME
    cuts: str = CUTS[0]
    fuses: bool = True


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A network planned under a choice; None where nothing is feasible.

    Attributes:
        latency_s: Sustained latency, Eq. (5). [s]
        power_cycles: Number of power cycles. [1]
    """

    latency_s: float | None
    power_cycles: int | None


def unpadded_parts(size: int) -> Options:
    """Return input channels a tile where maps are stored without padding.

    The vector unit wants even starts, so an odd number of channels is taken one by one.
    """
    return aligned_parts(size) if size % 2 == 0 else (1,)


def all_sizes(size: int) -> Options:
    """Return all sizes of an axis up to `ALL_SIZES_UP_TO`, equal parts beyond, rising."""
    return (*range(1, min(size, ALL_SIZES_UP_TO) + 1), *(part for part in ceil_parts(size) if part > ALL_SIZES_UP_TO))


def all_even_sizes(size: int) -> Options:
    """Return the same in pairs of words, the alignment of the vector unit, of `size` rounded up to even."""
    return tuple(2 * pairs for pairs in all_sizes(-(-size // 2)))


def choices(max_vector: int) -> tuple[Choice, ...]:
    """Return the rows of the table, ours first.

    Args:
        max_vector: Longest vector of the row with longer ones. [1]
    """
    ours = Choice(name=OURS)
    every = replace(
        ours.rules,
        map_options=all_sizes,
        out_options=all_sizes,
        in_options=all_even_sizes,
        pool_map_options=all_sizes,
        pool_out_options=all_sizes,
    )
    return (
        ours,
        Choice(name="without fusion", fuses=False),
        Choice(
            name="without channel padding",
            rules=replace(ours.rules, in_options=unpadded_parts),
            runtime=Runtime(alignment_words=1),
        ),
        Choice(name="vectors along channels only", rules=replace(ours.rules, vector_modes=("channel",))),
        Choice(name="vectors along rows, none planar", rules=replace(ours.rules, vector_modes=("channel", "row"))),
        Choice(name="without merged transfers", runtime=Runtime(merges_transfers=False)),
        Choice(name="one batch a power cycle", cuts="each"),
        Choice(name="greedy cuts", cuts="greedy"),
        Choice(name="16-bit partial sums", runtime=Runtime(sum_words=1)),
        Choice(name=f"vectors up to {max_vector}", rules=replace(ours.rules, max_vector=max_vector)),
        Choice(name="all tile sizes", rules=every),
    )


def planned(request: Request, choice: Choice) -> Planned:
    """Plan a network under a choice."""
    rules, device = choice.rules, request.device
    if rules.max_vector is None:
        rules = replace(rules, max_vector=device.max_vector)
    explorer = PackedExplorer(device, Scenarios.of([request.supply]), rules, cuts=choice.cuts, runtime=choice.runtime)
    plan = explorer.plan(request.network)
    cycles = explorer.schedule(request.network, plan)
    vm_bytes = max(
        explorer.pricer.vm_bytes(layer, design) for layer, design in zip(request.network.layers, plan, strict=True)
    )
    nvm_bytes = explorer.pricer.nvm_bytes(request.network, plan)
    if vm_bytes > device.vm_bytes or nvm_bytes > device.nvm_bytes or not np.isfinite(cycles.latency_s):
        return Planned(latency_s=None, power_cycles=None)
    return Planned(latency_s=cycles.latency_s, power_cycles=len(cycles))


def ablate(options: argparse.Namespace) -> int:
    """`ebbnas ablate`."""
    requests = {
        fuses: designs_of("ablate", options, _overrides(options, fuses), with_plan=False) for fuses in (True, False)
    }
    measured = max(request.device.max_vector for request in requests[True])
    given = options.max_vector
    rows = choices(LONGER * measured if given is None else whole("--max-vector", given))
    found = []
    with Reporter(quiet=options.quiet or options.json).task("ablate", len(rows) * len(requests[True])) as task:
        for choice in rows:
            line = []
            for request in requests[choice.fuses]:
                line.append(planned(request, choice))
                task.advance(f"{choice.name}: {request.name}")
            found.append(line)
    names = [request.name for request in requests[True]]
    results = [_result(choice, names, line, found[0]) for choice, line in zip(rows, found, strict=True)]
    notes = _notes(requests[True], results, has_supply=options.capacitance is not None)
    if options.json:
        print_json({"networks": names, "results": results, "notes": notes})
    else:
        print(_text(results, notes))
    return 0 if results[0]["feasible"] else INFEASIBLE


def _overrides(options: argparse.Namespace, fuses: bool) -> Overrides:
    """Return ours on the supply of the command line; networks are fused or not."""
    capacitance, resistance = options.capacitance, options.resistance
    return replace(
        ANEW,
        fuse=fuses,
        capacitance_f=None if capacitance is None else parse("--capacitance", capacitance, "F"),
        resistance_ohm=None if resistance is None else parse("--resistance", resistance, "ohm"),
    )


def _result(choice: Choice, names: Sequence[str], line: Sequence[Planned], ours: Sequence[Planned]) -> dict[str, Any]:
    """Return a row as JSON types; means over networks, None where a network has no feasible plan."""
    latencies_s = [one.latency_s for one in line if one.latency_s is not None]
    relative = [_relative(one, base) for one, base in zip(line, ours, strict=True)]
    known = [share for share in relative if share is not None]
    is_feasible = len(latencies_s) == len(line)
    return {
        "choice": choice.name,
        "feasible": is_feasible,
        "latency_s": float(np.mean(latencies_s)) if is_feasible else None,
        "relative": float(np.mean(known)) if known else None,
        "relative_least": min(known, default=None),
        "relative_most": max(known, default=None),
        "power_cycles": sum(one.power_cycles or 0 for one in line) if is_feasible else None,
        "networks": [
            {"name": name, "latency_s": one.latency_s, "relative": share, "power_cycles": one.power_cycles}
            for name, one, share in zip(names, line, relative, strict=True)
        ],
    }


def _relative(one: Planned, base: Planned) -> float | None:
    return None if one.latency_s is None or base.latency_s is None else one.latency_s / base.latency_s


def _notes(requests: Sequence[Request], results: Sequence[Mapping[str, Any]], *, has_supply: bool) -> list[str]:
    """What the supply is, what is infeasible, what is extrapolated, and what plans are."""
    notes = list(dict.fromkeys(note for request in requests for note in request.notes))
    if has_supply:
        supplies = dict.fromkeys((one.supply.capacitance_f, one.supply.resistance_ohm) for one in requests)
        notes += [f"supply: {write(c, 'F')} charged through {write(r, 'ohm')}" for c, r in supplies]
    for result in results:
        missing = [row["name"] for row in result["networks"] if row["latency_s"] is None]
        if missing:
            notes.append(f"{result['choice']}: nothing feasible for {', '.join(missing)}")
    measured = sorted({request.device.max_vector for request in requests})
    notes.append(f"prices of vectors longer than {' and '.join(map(str, measured))} are extrapolated")
    return [*notes, "plans of networks are found by descent, not proven best: small differences may have either sign"]


def _text(results: Sequence[Mapping[str, Any]], notes: Sequence[str]) -> str:
    """Return sentence and table, for a person."""
    n = len(results[0]["networks"])
    worst = max(results, key=lambda result: result["relative"] or 0)
    of = f"mean over {n} networks" if n > 1 else results[0]["networks"][0]["name"]
    sentence = f"{of}: ours {time_cell(results[0]['latency_s'])}"
    if worst["relative"] is not None and worst["relative"] > 1:
        sentence += f"; most is lost by this: {worst['choice']}, {worst['relative']:.2f} times as long"
    head = ("choice", "latency", "relative", "least", "most", "power cycles")
    rows = [
        (
            result["choice"],
            time_cell(result["latency_s"]),
            *(number_cell(result[key], 4) for key in ("relative", "relative_least", "relative_most")),
            "-" if result["power_cycles"] is None else f"{result['power_cycles']:,}",
        )
        for result in results
    ]
    return "\n".join([sentence, "", Table(head, rows).to_text(), "", *(f"note: {note}" for note in notes)])
