"""Simulated design: its results under harvests, beside the nominal latency and the bound.

`experiments.commands.simulate` is the command, `experiments.designs.harvest_bounds` gives the bound.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from energy.events import FloatArray
from energy.scheduling.schedule import Schedule
from energy.simulation.harvest import Harvest
from energy.simulation.result import Outcome, Simulation, SimulationOptions
from experiments.designs.harvest_bounds import at_v_on_w, harvest_bound
from experiments.designs.request import Request
from experiments.designs.simulated_plan import simulate_plan
from experiments.formatting.quantities import write
from experiments.formatting.table import Table

QUANTILES = {"min": 0.0, "q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95, "max": 1.0}
"""Quantiles of a summary, by name. [1]"""


@dataclass(frozen=True, kw_only=True)
class SimulatedDesign:
    """A design and its simulation.

    Attributes:
        request: The design.
        schedule: Power cycles as planned.
        harvests: Harvest of each seed.
        settings: Settings of the simulation.
        simulation: Result of each seed.
        bound_s: Worst-case latency over the harvests, Eq. (6); None where it is not defined. [s]
        unbounded: Reason for a missing bound, empty where the bound is defined.
    """

    request: Request
    schedule: Schedule
    harvests: tuple[Harvest, ...]
    settings: SimulationOptions
    simulation: Simulation
    bound_s: float | None
    unbounded: str

    @classmethod
    def of(cls, request: Request, harvests: tuple[Harvest, ...], settings: SimulationOptions) -> SimulatedDesign:
        """Simulate a feasible design."""
        simulated = simulate_plan(request, harvests, settings)
        bound = harvest_bound(simulated.schedule, request, harvests, settings)
        return cls(
            request=request,
            schedule=simulated.schedule,
            harvests=harvests,
            settings=settings,
            simulation=simulated.simulation,
            bound_s=bound.latency_s,
            unbounded=bound.problem,
        )

    @property
    def latencies_s(self) -> FloatArray:
        """Latencies of the inferences that ended, seed by seed. [s]"""
        latency_s = self.simulation.inference_s().ravel()
        return latency_s[np.isfinite(latency_s)]

    @property
    def misses(self) -> int | None:
        """Number of inferences that ended after the deadline or never; None without a deadline. [1]"""
        if self.request.deadline_s is None:
            return None
        return int((self.simulation.inference_s() > self.request.deadline_s).sum())

    def notes(self) -> list[str]:
        """Return notes on a repeated trace, the recharge formula and a missing bound."""
        found = []
        if (repeats := int(self.simulation.n_trace_repeats.max())) > 0:
            trace = self.harvests[0]
            times = "once" if repeats == 1 else f"up to {repeats:,} times"
            found.append(f"{trace.name} lasts {write(trace.duration_s, 's')} and was repeated {times}")
        if self.request.supply.recharge != "energy-balance":
            found.append(
                "the nominal latency uses margin-scaled recharge, as published tables do; the simulation does not"
            )
        if self.unbounded:
            found.append(f"no worst-case bound: {self.unbounded}")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of `simulate --json`, without notes and files."""
        simulation, latencies_s = self.simulation, self.latencies_s
        done = simulation.finished
        columns = ("n_boots", "n_brown_outs", "n_repeats", "harvested_j", "drawn_j", "leaked_j", "simulated_s")
        return {
            "name": self.request.name,
            "feasible": True,
            "finished": bool(done.all()),
            "seeds": len(simulation),
            "inferences": self.settings.n_inferences,
            "outcomes": {key.name.lower(): n for key, n in sorted(_tally(simulation).items(), key=lambda i: i[0].name)},
            "nominal_latency_s": self.schedule.latency_s,
            "nominal_power_cycles": len(self.schedule) * self.settings.n_inferences,
            "worst_case_latency_s": self.bound_s,
            "inside_bound": None if self.bound_s is None or not len(latencies_s) else self.is_inside,
            "deadline_s": self.request.deadline_s,
            "deadline_misses": self.misses,
            "latency_s": {**_summary(latencies_s), "all": simulation.inference_s()[done].tolist()},
            "response_latency_s": _summary(simulation.response_latency_s[done]),
            **{name: _summary(getattr(simulation, name)) for name in columns},
            "trace_repeats": int(simulation.n_trace_repeats.max()),
        }

    @property
    def is_inside(self) -> bool:
        """Whether every latency is within the bound, up to rounding."""
        assert self.bound_s is not None
        return bool(self.latencies_s.max() <= self.bound_s * (1 + 1e-6))

    def text(self) -> str:
        """Return the results for a person: a sentence and a table."""
        parts = [f"{self.request.name}: {self.sentence()}"]
        if len(self.latencies_s):
            parts += ["", _table(self), "", *self._beside()]
        return "\n".join(parts)

    def sentence(self) -> str:
        """Return the results in one sentence."""
        simulation, latencies_s = self.simulation, self.latencies_s
        n, done = len(simulation), int(simulation.finished.sum())
        if not done:
            return f"nothing finished: {'; '.join(self._failures())}"
        bound = "" if self.bound_s is None else f" (bound {write(self.bound_s, 's')})"
        if n * self.settings.n_inferences == 1:
            text = f"finished in {write(float(latencies_s[0]), 's')}{bound}"
        else:
            what = "inferences" if n == 1 else f"seeds{'' if self.settings.n_inferences == 1 else ', all inferences,'}"
            count = self.settings.n_inferences if n == 1 else f"{done:,} of {n:,}"
            median, most = (write(float(value), "s") for value in (np.median(latencies_s), latencies_s.max()))
            text = f"{count} {what} finished: median {median}, longest {most}{bound}"
        counts = [_range(simulation.n_boots, "power cycle"), _range(simulation.n_brown_outs, "brown-out")]
        late = [f"{self.misses:,} after the deadline"] if self.misses else []
        return ", ".join([text, *late, *counts, *(self._failures() if done < n else ())])

    def _failures(self) -> list[str]:
        """Return the reasons for unfinished seeds, with their numbers."""
        found = []
        for outcome, n in _tally(self.simulation).items():
            if outcome is not Outcome.FINISHED:
                share = "" if n == len(self.simulation) else f"{n:,} of {len(self.simulation):,} seeds: "
                amount = self._weakness() if outcome is Outcome.NEVER_FULL else ""
                found.append(f"{share}{outcome.value}{amount}")
        return found

    def _weakness(self) -> str:
        """Return what a harvest that never reaches Von supplies, beside Von or the leakage."""
        supply, leak_w = self.request.supply, self.settings.leakage_a * self.request.supply.v_on_v
        most_v = max(float(h.voltage_v.max()) if h.voltage_v is not None else np.inf for h in self.harvests)
        if most_v <= supply.v_on_v:
            return f" (the source gives at most {write(most_v, 'V')}, Von is {write(supply.v_on_v, 'V', digits=4)})"
        most_w = max(float(at_v_on_w(harvest, supply).max()) for harvest in self.harvests)
        return f" (at Von it charges with at most {write(most_w, 'W')}, and {write(leak_w, 'W')} leak)"

    def _beside(self) -> list[str]:
        """Return nominal latency, bound and deadline."""
        longest_s = float(self.latencies_s.max())
        nominal_s = write(self.schedule.latency_s, "s", digits=4)
        lines = [f"nominal  {nominal_s}, {len(self.schedule):,} power cycles, Eq. (5)"]
        if self.bound_s is not None:
            share = f"the longest took {100 * longest_s / self.bound_s:.1f} % of it"
            share = share if self.is_inside else f"EXCEEDED: {share}"
            lines.append(f"bound    {write(self.bound_s, 's', digits=4)}, Eq. (6): {share}")
        if self.request.deadline_s is not None:
            limit_s, n = write(self.request.deadline_s, "s"), self.simulation.ends_s.size
            lines.append(f"deadline {limit_s}: missed by {self.misses:,} of {n:,} inferences")
        return lines


def _tally(simulation: Simulation) -> Counter[Outcome]:
    return Counter(simulation.outcomes)


def _summary(values: Any) -> dict[str, float | None]:
    """Return the quantiles of `QUANTILES`; None for each where there are no values."""
    if not len(values):
        return dict.fromkeys(QUANTILES)
    return {name: float(np.quantile(values, share)) for name, share in QUANTILES.items()}


def _range(counts: Any, name: str) -> str:
    low, high = int(counts.min()), int(counts.max())
    if high == 0:
        return f"no {name}s"
    return f"{low:,}{'' if low == high else f' to {high:,}'} {name}{'' if high == 1 else 's'}"


def _table(simulated: SimulatedDesign) -> str:
    simulation, done = simulated.simulation, simulated.simulation.finished
    rows: list[tuple[str, Any, str]] = [("latency of an inference", simulated.latencies_s, "s")]
    if simulated.settings.n_inferences == 1:
        rows.append(("the same without the last recharge", simulation.response_latency_s[done], "s"))
    rows += [
        ("power cycles (boots)", simulation.n_boots[done], ""),
        ("brown-outs", simulation.n_brown_outs[done], ""),
        ("batches repeated", simulation.n_repeats[done], ""),
        ("energy harvested", simulation.harvested_j[done], "J"),
        ("energy drawn", simulation.drawn_j[done], "J"),
    ]
    if simulated.settings.leakage_a:
        rows.append(("energy leaked", simulation.leaked_j[done], "J"))
    head = {"min": "min", "median": "median", "q95": "95 %", "max": "max"}
    if simulation.ends_s.size == 1:
        head = {"median": "value"}
    cells = []
    for name, values, unit in rows:
        found = _summary(values)
        figures = [found[key] or 0.0 for key in head]
        cells.append((name, *(write(one, unit, digits=4) if unit else f"{one:,.6g}" for one in figures)))
    return Table(("", *head.values()), cells).to_text()
