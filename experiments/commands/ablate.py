"""`ebbnas ablate`: the worth of each choice of the planner and the runtime, network by network.

Every row changes one thing about how a network is planned or run, plans the network again and compares its latency
with ours. `experiments.designs.ablation` holds the choices and plans under them.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from experiments.commands.output import INFEASIBLE, print_json
from experiments.commands.replan import number_cell, time_cell
from experiments.commands.request_options import designs_of
from experiments.designs.ablation import choices, compared, plan_under
from experiments.designs.replan import ANEW
from experiments.designs.request import Overrides, Request
from experiments.formatting.quantities import parse, whole, write
from experiments.formatting.table import Table
from experiments.parallel.progress import Reporter

LONGER = 4
"""Longest vector of the row with longer vectors over the longest measured one, unless `--max-vector` is given. [1]"""


def ablate(options: argparse.Namespace) -> int:
    """Run `ebbnas ablate`."""
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
                line.append(plan_under(request, choice))
                task.advance(f"{choice.name}: {request.name}")
            found.append(line)
    names = [request.name for request in requests[True]]
    results = [compared(choice, names, line, found[0]) for choice, line in zip(rows, found, strict=True)]
    notes = _notes(requests[True], results, has_supply=options.capacitance is not None)
    if options.json:
        print_json({"networks": names, "results": results, "notes": notes})
    else:
        print(_text(results, notes))
    return 0 if results[0]["feasible"] else INFEASIBLE


def _overrides(options: argparse.Namespace, fuses: bool) -> Overrides:
    """Return the overrides of `ANEW` with the supply of the command line and networks fused or not."""
    capacitance, resistance = options.capacitance, options.resistance
    return replace(
        ANEW,
        fuse=fuses,
        capacitance_f=None if capacitance is None else parse("--capacitance", capacitance, "F"),
        resistance_ohm=None if resistance is None else parse("--resistance", resistance, "ohm"),
    )


def _notes(requests: Sequence[Request], results: Sequence[Mapping[str, Any]], *, has_supply: bool) -> list[str]:
    """Return notes on supplies, infeasible networks, extrapolated prices, and the choice of plans."""
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
    return [
        *notes,
        "plans are the best of the candidates of each layer: small differences may have either sign",
    ]


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
