"""Figures of one plan under exact counting, for `energy.costing.plan`; power cycles packed or one batch each."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from energy.costing.published_cycles import vm_over_bytes
from energy.costing.result import Figures, LayerPrice, ScheduleEntry
from energy.counting.commit_record import BOOT_EVENTS
from energy.counting.exact import count_all
from energy.events import EVENTS, ORDERS, PART_OF_EVENT, PARTS, IntArray
from energy.hardware.scenarios import Scenarios
from energy.networks.designs import Plan
from energy.networks.shapes import NetworkShape
from energy.scheduling.schedule import BatchSequence, Pricer, Schedule, cycle_budget_nj

_NOT_CONTINUOUS = ("reboots", "record_read_calls", "record_read_words", "record_write_calls", "record_write_words")
"""Events that would not happen under continuous power."""


def exact_figures(
    network: NetworkShape, plan: Plan, pricer: Pricer, scenarios: Scenarios, sequence: BatchSequence, cycles: Schedule
) -> Figures:
    """Count one network under one plan with the cycles of its schedule.

    Args:
        network: The network.
        plan: One well-formed design per layer.
        pricer: Gives counts and prices.
        scenarios: The supply, an axis of one.
        sequence: The batches of the plan.
        cycles: The power cycles that hold them.
    """
    bounds = np.searchsorted(sequence.layer, np.arange(len(network.layers) + 1))
    active_by_part_s = dict.fromkeys(PARTS, 0.0)
    continuous_s, rows = 0.0, []
    for index, (begin, end) in enumerate(pairwise(bounds.tolist())):
        is_first = np.zeros(end - begin, dtype=np.bool_)
        first, last = np.searchsorted(cycles.starts, [begin, end])
        is_first[cycles.starts[first:last] - begin] = True
        layer, design = network.layers[index], plan[index]
        total, reloads = count_all(*pricer.rows(layer, design), is_first)
        boots = np.array([BOOT_EVENTS.get(event, 0) for event in EVENTS], dtype=np.int64) * (last - first)
        prices_s = pricer.tables[1][ORDERS.index(design.order)]
        for (event, part), time_s in zip(PART_OF_EVENT.items(), ((total + boots) * prices_s).tolist(), strict=True):
            active_by_part_s[part] += time_s
            continuous_s += 0.0 if event in _NOT_CONTINUOUS else time_s
        active_by_part_s["recovery"] += float(reloads @ prices_s)
        counts = {**dict(zip(EVENTS, (total + reloads + boots).tolist(), strict=True)), "batches": end - begin}
        rows.append(
            _row(
                network.layer_names[index],
                sequence,
                (begin, end),
                cycles,
                {event: count for event, count in counts.items() if count},
                pricer.vm_bytes(layer, design),
                pricer,
                scenarios,
            )
        )
    return Figures(
        layers=tuple(rows),
        schedule=_entries(sequence, cycles, bounds),
        nvm_bytes=pricer.nvm_bytes(network, plan),
        active_by_part_s=active_by_part_s,
        continuous_s=continuous_s,
        energy_j=cycles.energy_j,
    )


def _row(
    name: str,
    sequence: BatchSequence,
    bounds: tuple[int, int],
    cycles: Schedule,
    counts: dict[str, int],
    vm_bytes: int,
    pricer: Pricer,
    scenarios: Scenarios,
) -> LayerPrice:
    """Return one layer: its batches `[begin, end)` with the boots before them."""
    begin, end = bounds
    starts = cycles.starts[(cycles.starts >= begin) & (cycles.starts < end)]
    reload_nj = sequence.cold_nj[starts] - sequence.warm_nj[starts] + sequence.boot_nj
    reload_s = sequence.cold_s[starts] - sequence.warm_s[starts] + sequence.boot_s
    over_nj = max(int(sequence.cold_nj[begin:end].max()) + sequence.boot_nj - cycle_budget_nj(scenarios), 0)
    violations = {
        "energy_j": over_nj * 1e-9,
        "vm_bytes": int(vm_over_bytes(np.array(vm_bytes // pricer.device.word_bytes), pricer.device)),
    }
    is_safe = not any(violations.values())
    # Where every batch has a cycle of its own, cycles belong to layers.
    owns = slice(begin, end) if len(cycles) == len(sequence) else slice(0, 0)
    owned = bool(len(cycles.energy_nj[owns]))
    return LayerPrice(
        layer=name,
        latency_s=float((cycles.active_s[owns] + cycles.recharge_s[owns]).sum()) if owned and is_safe else None,
        active_s=float(sequence.warm_s[begin:end].sum() + reload_s.sum()) if is_safe else None,
        power_cycles=end - begin if owned and is_safe else None,
        energy_j=float(sequence.warm_nj[begin:end].sum() + reload_nj.sum()) * 1e-9,
        cycle_energy_max_j=float(cycles.energy_nj[owns].max()) * 1e-9 if owned else None,
        cycle_energy_min_j=float(cycles.energy_nj[owns].min()) * 1e-9 if owned else None,
        batches=end - begin,
        vm_bytes=vm_bytes,
        violations=violations,
        counts=counts,
    )


def _entries(sequence: BatchSequence, cycles: Schedule, bounds: IntArray) -> tuple[ScheduleEntry, ...]:
    """Return equal consecutive cycles as one entry: as many batches, the same energy and the same active time."""
    ends = np.append(cycles.starts[1:], len(sequence))
    alike = np.column_stack([ends - cycles.starts, cycles.energy_nj, cycles.active_s])
    heads = np.flatnonzero(np.append(True, (alike[1:] != alike[:-1]).any(axis=1)))
    entries = []
    for head, after in pairwise([*heads.tolist(), len(cycles)]):
        recharge_s = float(cycles.recharge_s[head])
        entries.append(
            ScheduleEntry(
                cycles=after - head,
                first=_position(int(cycles.starts[head]), sequence, bounds),
                last=_position(int(ends[after - 1]) - 1, sequence, bounds),
                energy_j=float(cycles.energy_nj[head]) * 1e-9,
                active_s=float(cycles.active_s[head]),
                recharge_s=recharge_s if np.isfinite(recharge_s) else None,
            )
        )
    return tuple(entries)


def _position(batch: int, sequence: BatchSequence, bounds: IntArray) -> tuple[int, int]:
    """Return the index of the layer and of the batch in it."""
    layer = int(sequence.layer[batch])
    return layer, batch - int(bounds[layer])
