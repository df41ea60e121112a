"""Capacitor in small steps of time: charged by a harvester, discharged by leakage and the load.

State: the stored energy E = C V^2 / 2, its rate dE/dt = V (I_h(V, t) - I_leak) - P_load, advanced by the classical
Runge-Kutta rule. I_h = (Vs(t) - V) / R(t) while Vs > V and 0 otherwise; for power traces V I_h = P(t) for any V.
No closed form of a recharge is used here: equation (4) is checked against this.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from energy.events import FloatArray
from energy.jit import compiled

FINEST_STEP = 1e-9
"""An energy this close to the one aimed at, relative to it, is reached in one straight last step."""

STEP_ENERGY = 0.05
"""Largest change of the stored energy in a step, relative to it."""

STEP_RC = 0.1
"""Longest step of a charging capacitor, relative to its time constant R C."""

EMPTY = 1e-4
"""A capacitor below this share of Voff charges as if it stood there: energy alone does not leave 0 by itself."""


class Circuit(NamedTuple):
    """Capacitor, thresholds and losses.

    Attributes:
        capacitance_f: Storage capacitance C. [F]
        on_j: Energy stored at Von; the capacitor is never charged above it. [J]
        off_v: Cut-off voltage Voff. [V]
        leakage_a: Leakage current, always drawn while there is charge. [A]
        esr_ohm: Series resistance that lowers the terminal voltage under load. [ohm]
        charges_while_active: Whether the harvester charges while the device is active.
    """

    capacitance_f: float
    on_j: float
    off_v: float
    leakage_a: float
    esr_ohm: float
    charges_while_active: bool


class Trace(NamedTuple):
    """A harvester, constant in pieces.

    Attributes:
        ends_s: End of every piece, `(n_pieces,)`; the trace starts again after the last. [s]
        source: Open-circuit voltage [V], or charging power [W], of every piece, `(n_pieces,)`.
        resistance_ohm: Internal resistance of every piece, `(n_pieces,)`; not read for powers. [ohm]
        is_power: Whether `source` is a power.
    """

    ends_s: FloatArray
    source: FloatArray
    resistance_ohm: FloatArray
    is_power: bool


class State(NamedTuple):
    """State of a simulation; `stored - stored at the start = harvested - leaked - drawn`.

    Attributes:
        time_s: Time since the start. [s]
        stored_j: Energy in the capacitor. [J]
        harvested_j, leaked_j, drawn_j: Energy charged, leaked and drawn by the device so far. [J]
        piece: Index of the trace's present piece.
        n_repeats: How often the trace has started again.
    """

    time_s: float
    stored_j: float
    harvested_j: float
    leaked_j: float
    drawn_j: float
    piece: int
    n_repeats: int


@compiled
def voltage_of(circuit: Circuit, stored_j: float) -> float:
    """Return the voltage of the capacitor, V = sqrt(2 E / C). [V]"""
    return float(np.sqrt(2.0 * max(stored_j, 0.0) / circuit.capacitance_f))


@compiled
def brown_out_j(circuit: Circuit, load_w: float) -> float:
    """Return stored energy at which the terminal voltage V - I ESR, I = P / V, has fallen to Voff. [J]"""
    off_v = circuit.off_v
    voltage_v = (off_v + np.sqrt(off_v**2 + 4.0 * load_w * circuit.esr_ohm)) / 2.0
    return float(circuit.capacitance_f * voltage_v**2 / 2.0)


@compiled
def powers_w(circuit: Circuit, trace: Trace, piece: int, charges: bool, stored_j: float) -> tuple[float, float]:
    """Return the power that charges and power that leaks at a stored energy. [W], [W]"""
    voltage_v = voltage_of(circuit, stored_j)
    leak_w = voltage_v * circuit.leakage_a
    if not charges:
        return 0.0, leak_w
    source = trace.source[piece]
    if trace.is_power:
        return float(source), leak_w
    at_v = max(voltage_v, EMPTY * circuit.off_v)
    return float(max(at_v * (source - at_v) / trace.resistance_ohm[piece], 0.0)), leak_w


@compiled
def _end_s(trace: Trace, piece: int, n_repeats: int) -> float:
    """Return the end of the piece in the given repetition of the trace. [s]"""
    # Not 0 times the duration, which may be infinite.
    return float(trace.ends_s[piece] + (n_repeats * trace.ends_s[-1] if n_repeats > 0 else 0.0))


@compiled
def _passed(trace: Trace, state: State, step_s: float) -> tuple[float, int, int]:
    """Return time, piece and repetition of the trace after a step; a step to the end of a piece ends exactly there."""
    piece, n_repeats = state.piece, state.n_repeats
    end_s = _end_s(trace, piece, n_repeats)
    time_s = end_s if step_s == end_s - state.time_s else state.time_s + step_s
    while time_s >= end_s:
        piece += 1
        if piece == len(trace.ends_s):
            piece, n_repeats = 0, n_repeats + 1
        end_s = _end_s(trace, piece, n_repeats)
    return time_s, piece, n_repeats


@compiled
def _step_s(
    circuit: Circuit, trace: Trace, state: State, load_w: float, longest_s: float, target_j: float, charges: bool
) -> tuple[float, bool]:
    """Return a step within which the rate changes little, at most up to the target at the present rate.

    Returns:
        The step [s], and whether the target is so near that the step ends at it.
    """
    charge_w, leak_w = powers_w(circuit, trace, state.piece, charges, state.stored_j)
    rate_w = charge_w - leak_w - load_w
    step_s = min(longest_s, _end_s(trace, state.piece, state.n_repeats) - state.time_s) if charges else longest_s
    if charge_w > 0.0 and not trace.is_power:
        step_s = min(step_s, STEP_RC * trace.resistance_ohm[state.piece] * circuit.capacitance_f)
    if rate_w == 0.0:
        return step_s, False
    least_j = circuit.capacitance_f * (EMPTY * circuit.off_v) ** 2 / 2.0
    step_s = min(step_s, STEP_ENERGY * max(state.stored_j, least_j) / abs(rate_w))
    to_target_s = (target_j - state.stored_j) / rate_w
    if not 0.0 < to_target_s <= step_s:
        return step_s, False
    return to_target_s, abs(target_j - state.stored_j) <= FINEST_STEP * target_j


@compiled
def _flows_j(
    circuit: Circuit, trace: Trace, state: State, load_w: float, step_s: float, charges: bool
) -> tuple[float, float]:
    """Return energy charged and energy leaked in a step, by the classical Runge-Kutta rule. [J], [J]"""
    piece, stored_j = state.piece, state.stored_j
    charge_1, leak_1 = powers_w(circuit, trace, piece, charges, stored_j)
    middle_j = stored_j + step_s / 2.0 * (charge_1 - leak_1 - load_w)
    charge_2, leak_2 = powers_w(circuit, trace, piece, charges, middle_j)
    middle_j = stored_j + step_s / 2.0 * (charge_2 - leak_2 - load_w)
    charge_3, leak_3 = powers_w(circuit, trace, piece, charges, middle_j)
    end_j = stored_j + step_s * (charge_3 - leak_3 - load_w)
    charge_4, leak_4 = powers_w(circuit, trace, piece, charges, end_j)
    charged_j = step_s / 6.0 * (charge_1 + 2.0 * (charge_2 + charge_3) + charge_4)
    return charged_j, step_s / 6.0 * (leak_1 + 2.0 * (leak_2 + leak_3) + leak_4)


@compiled
def advance(
    circuit: Circuit, trace: Trace, state: State, load_w: float, longest_s: float, target_j: float, charges: bool
) -> tuple[State, float]:
    """Take one step, cut short where the stored energy reaches `target_j` or the piece of the trace ends.

    Args:
        circuit: Capacitor, thresholds and losses.
        trace: The harvester.
        state: Where the simulation stands.
        load_w: Power that the device draws. [W]
        longest_s: Longest step. [s]
        target_j: Stored energy not to be crossed, from either side. [J]
        charges: Whether the harvester charges.

    Returns:
        The state after the step, and the step. [s]
    """
    step_s, lands = _step_s(circuit, trace, state, load_w, longest_s, target_j, charges)
    charged_j, leaked_j = _flows_j(circuit, trace, state, load_w, step_s, charges)
    drawn_j = load_w * step_s
    stored_j = state.stored_j + charged_j - leaked_j - drawn_j
    if lands:
        stored_j = target_j
    elif (state.stored_j - target_j) * (stored_j - target_j) < 0.0:
        share = (target_j - state.stored_j) / (stored_j - state.stored_j)
        step_s, charged_j, leaked_j, drawn_j = share * step_s, share * charged_j, share * leaked_j, share * drawn_j
        stored_j = target_j
    if stored_j > circuit.on_j:
        charged_j, stored_j = charged_j - (stored_j - circuit.on_j), circuit.on_j
    if stored_j < 0.0:
        leaked_j, stored_j = leaked_j + stored_j, 0.0
    time_s, piece, n_repeats = _passed(trace, state, step_s)
    harvested_j, leaked_j = state.harvested_j + charged_j, state.leaked_j + leaked_j
    return State(time_s, stored_j, harvested_j, leaked_j, state.drawn_j + drawn_j, piece, n_repeats), step_s
