"""Simulation of a packed plan under harvest traces, event by event: latencies, brown-outs, repeats and a time line.

The charging of the capacitor is integrated numerically (`energy.simulation.capacitor`) and the engine of the program
followed batch by batch (`energy.simulation.runtime`): no recharge formula is used. With a constant harvester and
without charging while active the latency is that of equation (5). Every harvest is one seed of a Monte Carlo run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from energy.events import FloatArray, IntArray
from energy.hardware.supply import Supply
from energy.scheduling.schedule import BatchSequence
from energy.simulation import runtime
from energy.simulation.capacitor import Circuit, State, Trace
from energy.simulation.harvest import Harvest
from energy.simulation.result import Outcome, Simulation, SimulationOptions, Timeline
from energy.simulation.runtime import Batches, Ending, Log, run_inferences
from energy.validation import require_number


def simulate(
    sequence: BatchSequence,
    starts: IntArray,
    cycle_budget_nj: int,
    supply: Supply,
    harvests: Sequence[Harvest],
    *,
    options: SimulationOptions | None = None,
    timeline_seed: int | None = None,
) -> Simulation:
    """Simulate a schedule under harvests.

    Args:
        sequence: The batches of one inference.
        starts: First batch of every planned power cycle, `(n_cycles,)`; the engine sleeps before each.
        cycle_budget_nj: Accounted energy of a power cycle. [nJ]
        supply: Gives capacitor and thresholds; the harvester is that of `harvests`.
        harvests: One for every seed.
        options: Options of the simulated world.
        timeline_seed: Index of the harvest whose time line is kept.

    Returns:
        Results of every seed.

    Raises:
        ValueError: No harvest is given, the schedule does not fit the sequence, or the seed does not exist.
    """
    options = options or SimulationOptions()
    if not harvests:
        raise ValueError("harvests must not be empty")
    if timeline_seed is not None and not 0 <= timeline_seed < len(harvests):
        raise ValueError(f"timeline_seed must be from 0 to {len(harvests) - 1}, not {timeline_seed}")
    simulator = _Simulator(sequence, starts, cycle_budget_nj, supply, options)
    runs = [simulator.run(harvest)[0] for harvest in harvests]
    timeline = None if timeline_seed is None else simulator.timeline(harvests[timeline_seed])
    return _collected(runs, simulator.stored_j, timeline)


@dataclass(frozen=True, kw_only=True)
class _Run:
    """One seed as the engine left it."""

    state: State
    response_s: float
    ending: Ending
    ends_s: FloatArray
    counts: IntArray


class _Simulator:
    """Sequence, supply and options in the form that the compiled engine takes."""

    def __init__(
        self,
        sequence: BatchSequence,
        starts: IntArray,
        cycle_budget_nj: int,
        supply: Supply,
        options: SimulationOptions,
    ) -> None:
        starts = np.asarray(starts, dtype=np.int64)
        _check_schedule(sequence, starts, cycle_budget_nj)
        stops = np.zeros(len(sequence.warm_nj), dtype=np.bool_)
        stops[starts] = True
        half_f = supply.capacitance_f / 2
        self.circuit = Circuit(
            float(supply.capacitance_f),
            half_f * supply.v_on_v**2,
            float(supply.v_off_v),
            float(options.leakage_a),
            float(options.esr_ohm),
            options.charges_while_active,
        )
        self.batches = Batches(
            np.ascontiguousarray(sequence.warm_nj, dtype=np.int64),
            np.ascontiguousarray(sequence.cold_nj, dtype=np.int64),
            np.ascontiguousarray(sequence.warm_s, dtype=np.float64),
            np.ascontiguousarray(sequence.cold_s, dtype=np.float64),
            stops,
            int(sequence.boot_nj),
            float(sequence.boot_s),
            int(cycle_budget_nj),
        )
        self.layer = sequence.layer
        self.options = options
        self.stored_j = half_f * supply.v_off_v**2 if options.starts_empty else self.circuit.on_j

    def run(self, harvest: Harvest, n_samples: int = 0, n_moments: int = 0) -> tuple[_Run, Log]:
        """Simulate one harvest and keep a number of samples and moments."""
        log = Log(
            np.zeros(runtime.N_COUNTS, dtype=np.int64),
            np.empty(n_samples),
            np.empty(n_samples),
            np.empty(n_moments, dtype=np.int64),
            np.empty(n_moments),
            np.empty(n_moments, dtype=np.int64),
        )
        ends_s = np.full(self.options.n_inferences, np.inf)
        start = State(0.0, self.stored_j, 0.0, 0.0, 0.0, 0, 0)
        deadline_s = float(self.options.max_time_s)
        state, response_s, ending = run_inferences(
            self.circuit, _trace(harvest), self.batches, start, ends_s, deadline_s, log
        )
        return _Run(state=state, response_s=response_s, ending=Ending(ending), ends_s=ends_s, counts=log.counts), log

    def timeline(self, harvest: Harvest) -> Timeline:
        """Simulate one harvest twice: to count samples and moments, then to record them."""
        counts = self.run(harvest)[0].counts
        log = self.run(harvest, int(counts[runtime.N_SAMPLES]), int(counts[runtime.N_MOMENTS]))[1]
        return Timeline(
            time_s=log.sample_time_s,
            voltage_v=np.sqrt(2 * log.sample_stored_j / self.circuit.capacitance_f),
            event=np.array(runtime.MOMENTS)[log.moment],
            event_time_s=log.moment_time_s,
            event_batch=log.moment_batch,
            event_layer=self.layer[log.moment_batch],
        )


def _check_schedule(sequence: BatchSequence, starts: IntArray, cycle_budget_nj: int) -> None:
    require_number("cycle_budget_nj", cycle_budget_nj, above=0)
    n_batches = len(sequence.warm_nj)
    if not n_batches:
        raise ValueError("sequence must not be empty")
    if not len(starts) or starts[0] != 0 or np.any(np.diff(starts) <= 0) or starts[-1] >= n_batches:
        raise ValueError(f"starts must rise from 0 and stay below the number of batches, {n_batches}, not {starts}")
    for field in ("warm_s", "cold_s", "boot_s"):
        shortest_s = float(np.min(getattr(sequence, field)))
        if not shortest_s > 0:
            raise ValueError(f"{field} must be above 0, not {shortest_s:g}")


def _trace(harvest: Harvest) -> Trace:
    """Return the harvest as the compiled integrator takes it."""
    ends_s = np.append(harvest.time_s[1:], harvest.duration_s).astype(np.float64)
    is_power = harvest.power_w is not None
    source = harvest.power_w if is_power else harvest.voltage_v
    resistance = source if is_power else harvest.resistance_ohm
    source, resistance = (np.ascontiguousarray(column, dtype=np.float64) for column in (source, resistance))
    return Trace(ends_s, source, resistance, is_power)


def _collected(runs: list[_Run], stored_j: float, timeline: Timeline | None) -> Simulation:
    """Return the runs side by side."""
    counts = np.array([run.counts for run in runs])
    states = {field: np.array([getattr(run.state, field) for run in runs]) for field in State._fields}
    ends_s = np.array([run.ends_s for run in runs])
    return Simulation(
        outcomes=tuple(Outcome[run.ending.name] for run in runs),
        latency_s=ends_s[:, -1],
        response_latency_s=np.array([run.response_s for run in runs]),
        ends_s=ends_s,
        simulated_s=states["time_s"],
        n_boots=counts[:, runtime.BOOT],
        n_cycles=counts[:, runtime.SLEEP],
        n_brown_outs=counts[:, runtime.BROWN_OUT],
        n_repeats=counts[:, runtime.N_REPEATS],
        n_commits=counts[:, runtime.COMMIT],
        drawn_j=states["drawn_j"],
        harvested_j=states["harvested_j"],
        leaked_j=states["leaked_j"],
        stored_start_j=np.full(len(runs), stored_j),
        stored_end_j=states["stored_j"],
        n_trace_repeats=states["n_repeats"],
        timeline=timeline,
    )
