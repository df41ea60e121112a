"""Ablation of the planner and the runtime: the choices, a network planned under each, and the comparison of latencies.

A choice changes one thing about how a network is planned or run. Fewer rules and a poorer runtime show the gain of a
choice; more of both show what remains to be gained. `experiments.commands.ablate` is the command.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from energy.counting.rows import RUNTIME, Runtime
from energy.hardware.scenarios import Scenarios
from energy.networks.rules import DEFAULT_RULES, RULES, Options, Rules, aligned_parts, ceil_parts
from energy.planning.packed import PackedExplorer
from energy.scheduling.execution import CUTS
from experiments.designs.request import Request

OURS = "ours"
"""Name of the choice that all others are compared with."""

ALL_SIZES_UP_TO = 128
"""Largest tile size that "all tile sizes" tries one by one; of longer axes it tries equal parts beyond. [1]"""

AS_MEASURED = replace(RULES[DEFAULT_RULES], max_vector=None)
"""Rules `ebbnas`, with the longest vector that the device was measured with."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One way to plan and run a network.

    Attributes:
        name: Name in the table.
        rules: Rules of legal designs; the longest vector is the device's where they have none.
        runtime: Savings of the program.
        cuts: Rule that cuts power cycles, `each` for one batch per cycle.
        fuses: Whether batch norm and ReLU are merged into the convolutions before them.
    """

    name: str
    rules: Rules = AS_MEASURED
    runtime: Runtime = RUNTIME
    cuts: str = CUTS[0]
    fuses: bool = True


@dataclass(frozen=True, kw_only=True)
class PlannedNetwork:
    """A network planned under a choice; None where no plan is feasible.

    Attributes:
        latency_s: Sustained latency, Eq. (5). [s]
        power_cycles: Number of power cycles. [1]
    """

    latency_s: float | None
    power_cycles: int | None


def unpadded_parts(size: int) -> Options:
    """Return input channels per tile where maps are stored without padding.

    The vector unit needs even addresses, so an odd number of channels is taken one by one.
    """
    return aligned_parts(size) if size % 2 == 0 else (1,)


def all_sizes(size: int) -> Options:
    """Return all sizes of an axis up to `ALL_SIZES_UP_TO` and the equal parts beyond, rising."""
    return (*range(1, min(size, ALL_SIZES_UP_TO) + 1), *(part for part in ceil_parts(size) if part > ALL_SIZES_UP_TO))


def all_even_sizes(size: int) -> Options:
    """Return `all_sizes` in pairs of words, the alignment of the vector unit; `size` is rounded up to even."""
    return tuple(2 * pairs for pairs in all_sizes(-(-size // 2)))


def choices(max_vector: int) -> tuple[Choice, ...]:
    """Return the choices, ours first.

    Args:
        max_vector: Longest vector of the choice with longer vectors. [1]
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


def plan_under(request: Request, choice: Choice) -> PlannedNetwork:
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
        return PlannedNetwork(latency_s=None, power_cycles=None)
    return PlannedNetwork(latency_s=cycles.latency_s, power_cycles=len(cycles))


def compared(
    choice: Choice, names: Sequence[str], line: Sequence[PlannedNetwork], ours: Sequence[PlannedNetwork]
) -> dict[str, Any]:
    """Return a choice compared with ours, as JSON types.

    Args:
        choice: The choice.
        names: Names of the networks.
        line: The networks planned under the choice, in the same order.
        ours: The networks planned under the first choice.

    Returns:
        Means over networks, None where a network has no feasible plan, and the figures of each network.
    """
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


def _relative(one: PlannedNetwork, base: PlannedNetwork) -> float | None:
    return None if one.latency_s is None or base.latency_s is None else one.latency_s / base.latency_s
