"""The engine of the exported program, batch by batch, on a capacitor: boots, commits, sleeps, brown-outs and repeats.

A power cycle boots at Von with a fresh budget and compares the accounted energy of each batch with what is left; it
sleeps where the next one does not fit or has its stop bit set. What a batch draws is its accounted energy, spread over
its active time. Below Voff the power fails: the batch is lost and runs again after the next boot. All compiled.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from energy.events import FloatArray, IntArray
from energy.jit import compiled
from energy.simulation.capacitor import Circuit, State, Trace, advance, brown_out_j, powers_w

MOST_FAILURES = 1000
"""Power cycles without a commit after which a batch is given up."""

ROUNDING = 1e-10
"""Share of the energy at Von that a device may be below the cut-off: a budget may end exactly there."""

LEAST_GAIN = 1e-12
"""A capacitor that gains no more than this share while the whole trace passes will never be full."""


class Ending(IntEnum):
    """End of the simulation of one seed; `energy.simulation.result.Outcome` describes it in words."""

    FINISHED, OUT_OF_TIME, NEVER_FULL, NEVER_ENDS = range(4)


MOMENTS = ("boot", "commit", "sleep", "brown_out")
"""Kinds of moments at the edges of activity; compiled code holds the index into this tuple."""

BOOT, COMMIT, SLEEP, BROWN_OUT = range(len(MOMENTS))

N_REPEATS, N_SAMPLES, N_MOMENTS = range(len(MOMENTS), len(MOMENTS) + 3)
N_COUNTS = len(MOMENTS) + 3
"""Counters: one of each kind of moment, then repeated batches, samples and moments. Plain integers, by which every
version of the compiler can index."""


class Batches(NamedTuple):
    """A sequence of batches with its stop bits and budget.

    Attributes:
        warm_nj, cold_nj: Energy of a batch that follows another, or a boot, `(n_batches,)`. [nJ]
        warm_s, cold_s: Active time of the same. [s]
        stops: Whether the engine sleeps before a batch, `(n_batches,)`.
        boot_nj: Energy of a boot. [nJ]
        boot_s: Active time of a boot. [s]
        cycle_budget_nj: Accounted energy of a power cycle. [nJ]
    """

    warm_nj: IntArray
    cold_nj: IntArray
    warm_s: FloatArray
    cold_s: FloatArray
    stops: NDArray[np.bool_]
    boot_nj: int
    boot_s: float
    cycle_budget_nj: int


class Log(NamedTuple):
    """Record of a simulation; entries that do not fit are counted and dropped, so that lengths can be found.

    Attributes:
        counts: Counters, `(N_COUNTS,)`.
        sample_time_s, sample_stored_j: Times [s] and stored energies [J] along the way.
        moment: Kinds of the moments, indices into `MOMENTS`.
        moment_time_s: Times of the moments. [s]
        moment_batch: Batch booted for, committed, committed last before the sleep, or lost.
    """

    counts: IntArray
    sample_time_s: FloatArray
    sample_stored_j: FloatArray
    moment: IntArray
    moment_time_s: FloatArray
    moment_batch: IntArray


@compiled
def _sample(log: Log, state: State) -> None:
    index = log.counts[N_SAMPLES]
    if index < len(log.sample_time_s):
        log.sample_time_s[index] = state.time_s
        log.sample_stored_j[index] = state.stored_j
    log.counts[N_SAMPLES] += 1


@compiled
def _note(log: Log, moment: int, state: State, batch: int) -> None:
    index = log.counts[N_MOMENTS]
    if index < len(log.moment):
        log.moment[index] = moment
        log.moment_time_s[index] = state.time_s
        log.moment_batch[index] = batch
    log.counts[N_MOMENTS] += 1
    log.counts[moment] += 1


@compiled
def _can_fill(circuit: Circuit, trace: Trace) -> bool:
    """Return whether any piece of the trace charges a capacitor that is almost at Von; none charges better above."""
    for piece in range(len(trace.ends_s)):
        charge_w, leak_w = powers_w(circuit, trace, piece, True, circuit.on_j)
        if charge_w > leak_w:
            return True
    return False


@compiled
def _recharge(circuit: Circuit, trace: Trace, state: State, deadline_s: float, log: Log) -> tuple[State, int]:
    """Charge up to Von.

    A charge is never to be full where the capacitor stands no higher after the whole trace has passed once: more
    charge at its start is more charge at its end, so it will never stand higher again.
    """
    if state.stored_j < circuit.on_j and not _can_fill(circuit, trace):
        return state, Ending.NEVER_FULL
    before_j, n_repeats = -1.0, state.n_repeats
    while state.stored_j < circuit.on_j:
        if state.time_s >= deadline_s:
            return state, Ending.OUT_OF_TIME
        if state.n_repeats > n_repeats:
            if state.stored_j <= before_j * (1.0 + LEAST_GAIN):
                return state, Ending.NEVER_FULL
            before_j, n_repeats = state.stored_j, state.n_repeats
        state, _ = advance(circuit, trace, state, 0.0, deadline_s - state.time_s, circuit.on_j, True)
        _sample(log, state)
    return state, Ending.FINISHED if state.time_s <= deadline_s else Ending.OUT_OF_TIME


@compiled
def _work(
    circuit: Circuit, trace: Trace, state: State, energy_nj: int, active_s: float, log: Log
) -> tuple[State, bool]:
    """Draw an energy, evenly over a time; False where the voltage falls to the cut-off before all is drawn."""
    load_w = energy_nj * 1e-9 / active_s
    failing_j = brown_out_j(circuit, load_w) - ROUNDING * circuit.on_j
    left_s = active_s
    while left_s > 0.0 and state.stored_j > failing_j:
        state, step_s = advance(circuit, trace, state, load_w, left_s, failing_j, circuit.charges_while_active)
        left_s -= step_s
    _sample(log, state)
    return state, left_s <= 0.0


@compiled
def _power_cycle(
    circuit: Circuit, trace: Trace, batches: Batches, state: State, first: int, log: Log
) -> tuple[State, int]:
    """Boot and run batches until the engine sleeps or the power fails; return the batch to go on with."""
    _note(log, BOOT, state, first)
    state, is_up = _work(circuit, trace, state, batches.boot_nj, batches.boot_s, log)
    batch, left_nj = first, batches.cycle_budget_nj - batches.boot_nj
    while is_up and batch < len(batches.warm_nj):
        is_cold = batch == first
        energy_nj = batches.cold_nj[batch] if is_cold else batches.warm_nj[batch]
        if energy_nj > left_nj or (batches.stops[batch] and not is_cold):
            break
        active_s = batches.cold_s[batch] if is_cold else batches.warm_s[batch]
        state, is_up = _work(circuit, trace, state, energy_nj, active_s, log)
        if is_up:
            _note(log, COMMIT, state, batch)
            left_nj -= energy_nj
            batch += 1
        else:
            log.counts[N_REPEATS] += 1
    if is_up:
        _note(log, SLEEP, state, max(batch - 1, 0))
    else:
        _note(log, BROWN_OUT, state, batch)
    return state, batch


@compiled
def run_inferences(
    circuit: Circuit, trace: Trace, batches: Batches, state: State, ends_s: FloatArray, deadline_s: float, log: Log
) -> tuple[State, float, int]:
    """Simulate inferences in a row, each from a full capacitor to a full capacitor.

    Args:
        circuit: Capacitor, thresholds and losses.
        trace: The harvester.
        batches: What each inference runs.
        state: Where to start.
        ends_s: Filled with the time at which each inference has ended and the capacitor is full again. [s]
        deadline_s: When to give up. [s]
        log: Filled with what happened.

    Returns:
        The last state, the time of the last commit of the last inference [s] (inf where it does not come to it), and
        the `Ending`.
    """
    _sample(log, state)
    response_s = np.inf
    state, ending = _recharge(circuit, trace, state, deadline_s, log)
    for inference in range(len(ends_s)):
        batch, n_failures = 0, 0
        while batch < len(batches.warm_nj) and ending == Ending.FINISHED:
            began = batch
            state, batch = _power_cycle(circuit, trace, batches, state, began, log)
            if batch == len(batches.warm_nj) and inference == len(ends_s) - 1:
                response_s = state.time_s
            state, ending = _recharge(circuit, trace, state, deadline_s, log)
            n_failures = n_failures + 1 if batch == began else 0
            if n_failures > MOST_FAILURES and ending == Ending.FINISHED:
                ending = Ending.NEVER_ENDS
        if ending != Ending.FINISHED:
            break
        ends_s[inference] = state.time_s
    return state, response_s, ending
