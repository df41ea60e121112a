"""Inputs and results of a simulation: options, outcomes, and the records of all seeds and of one.

`energy.simulation.simulate` makes these records.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from energy.events import FloatArray, IntArray
from energy.validation import require_int, require_number

WEEK_S = 7 * 86400.0


class Outcome(Enum):
    """End of the simulation of one seed; the value is its description for reports."""

    FINISHED = "every inference ended"
    OUT_OF_TIME = "the simulated time ended before the last inference"
    NEVER_FULL = "never reaches Von: the harvest is too weak for the capacitor and its leakage"
    NEVER_ENDS = "a batch never ends: it needs more energy than a power cycle has"


@dataclass(frozen=True, kw_only=True)
class SimulationOptions:
    """Options of the simulated world.

    Attributes:
        charges_while_active: Whether the harvester charges while the device is active; plans neglect it.
        leakage_a: Leakage current of the capacitor. [A]
        esr_ohm: Series resistance of the capacitor: V - I ESR, I = P / V, is what falls to Voff while active. [ohm]
        starts_empty: Whether the capacitor starts at Voff instead of Von.
        n_inferences: Inferences in a row.
        max_time_s: Simulated time after which a seed is given up. [s]

    Raises:
        ValueError: A value is out of range.
    """

    charges_while_active: bool = False
    leakage_a: float = 0.0
    esr_ohm: float = 0.0
    starts_empty: bool = False
    n_inferences: int = 1
    max_time_s: float = WEEK_S

    def __post_init__(self) -> None:
        require_number("leakage_a", self.leakage_a, least=0)
        require_number("esr_ohm", self.esr_ohm, least=0)
        require_int("n_inferences", self.n_inferences)
        require_number("max_time_s", self.max_time_s, above=0)


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Events and voltage of one seed over time.

    Attributes:
        time_s: Times along the way, every edge of activity among them, `(n_samples,)`. [s]
        voltage_v: Voltage of the capacitor at these times; straight lines between them are good for a figure. [V]
        event: Events at the edges, `"boot"`, `"commit"`, `"sleep"` or `"brown_out"`, `(n_events,)`.
        event_time_s: Time of each: a boot as it begins, a commit as it is done. [s]
        event_batch: Batch that the boot is for, that is committed, that was committed last before the sleep, or whose
            work the brown-out loses. [1]
        event_layer: Layer of that batch. [1]
    """

    time_s: FloatArray
    voltage_v: FloatArray
    event: NDArray[np.str_]
    event_time_s: FloatArray
    event_batch: IntArray
    event_layer: IntArray


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """Results of every seed; arrays `(n_seeds,)`.

    The stored energy changes by `harvested_j - leaked_j - drawn_j`.

    Attributes:
        outcomes: End of each.
        latency_s: From the start until all inferences have ended and the capacitor is full again, or inf. [s]
        response_latency_s: The same without the last recharge. [s]
        ends_s: When each inference had ended and the capacitor was full again, `(n_seeds, n_inferences)`. [s]
        simulated_s: Time that was simulated. [s]
        n_boots: Power cycles begun: those that slept and those that browned out. [1]
        n_cycles: Power cycles that ended in sleep. [1]
        n_brown_outs: Power cycles that ended because the voltage fell to Voff. [1]
        n_repeats: Batches that a brown-out interrupted and that ran again. [1]
        n_commits: Batches committed. [1]
        drawn_j: Energy drawn by the device. [J]
        harvested_j: Energy charged by the harvester. [J]
        leaked_j: Energy lost by leakage. [J]
        stored_start_j, stored_end_j: Energy in the capacitor at the start and at the end. [J]
        n_trace_repeats: How often the trace was shorter than the run and started again. [1]
        timeline: Of the chosen seed; None where none was chosen.
    """

    outcomes: tuple[Outcome, ...]
    latency_s: FloatArray
    response_latency_s: FloatArray
    ends_s: FloatArray
    simulated_s: FloatArray
    n_boots: IntArray
    n_cycles: IntArray
    n_brown_outs: IntArray
    n_repeats: IntArray
    n_commits: IntArray
    drawn_j: FloatArray
    harvested_j: FloatArray
    leaked_j: FloatArray
    stored_start_j: FloatArray
    stored_end_j: FloatArray
    n_trace_repeats: IntArray
    timeline: Timeline | None

    def __len__(self) -> int:
        """Return the number of seeds."""
        return len(self.outcomes)

    @property
    def finished(self) -> NDArray[np.bool_]:
        """Whether every inference of a seed ended, `(n_seeds,)`."""
        return np.array([outcome is Outcome.FINISHED for outcome in self.outcomes])

    def inference_s(self) -> FloatArray:
        """Return the latency of each inference, `(n_seeds, n_inferences)`; the first includes the first charge. [s]"""
        begins_s = np.concatenate([np.zeros((len(self), 1)), self.ends_s[:, :-1]], axis=1)
        return np.where(np.isfinite(self.ends_s), self.ends_s - np.where(np.isfinite(begins_s), begins_s, 0), np.inf)
