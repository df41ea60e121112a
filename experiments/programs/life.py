"""Power cycles of a program over several samples, from its log: what is drawn from the capacitor between two charges.

The log (`./design log N 0`) has boots, commits and sleeps. The capacitor is charged only while the program sleeps: the
energies are those of boots and batches of the plan, not what the engine accounts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from energy.scheduling.schedule import BatchSequence, Schedule


class PowerCycle(NamedTuple):
    """Batches [first, end) between two charges, and the energy drawn. [nJ]"""

    first: int
    end: int
    energy_nj: int


def power_cycles(events: Iterable[str], sequence: BatchSequence) -> list[PowerCycle]:
    """Return the power cycles of a log in which a batch ran.

    Args:
        events: Lines of the log.
        sequence: Batches of the plan.

    Raises:
        ValueError: The log has a batch that the plan does not have.
    """
    cycles = []
    first = end = drawn_nj = 0
    for event in (*events, "sleep"):
        if event == "boot":
            drawn_nj += sequence.boot_nj
        elif event == "sleep":
            cycles.append(PowerCycle(first, end, drawn_nj))
            first, drawn_nj = end % len(sequence), 0
        elif event != "commit 0":  # the start of an inference
            end = int(event.removeprefix("commit "))
            if end > len(sequence):
                raise ValueError(f"the program runs batch {end}, and the plan has {len(sequence)}")
            energies_nj = sequence.cold_nj if drawn_nj == sequence.boot_nj else sequence.warm_nj
            drawn_nj += int(energies_nj[end - 1])
    return [cycle for cycle in cycles if cycle.end > cycle.first]


def planned_cycles(schedule: Schedule, sequence: BatchSequence) -> list[PowerCycle]:
    """Return the power cycles of a schedule."""
    ends = [*schedule.starts[1:].tolist(), len(sequence)]
    rows = zip(schedule.starts.tolist(), ends, schedule.energy_nj.tolist(), strict=True)
    return [PowerCycle(*row) for row in rows]
