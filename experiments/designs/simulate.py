"""A design that was played under harvests: what became of it, beside the nominal latency and the bound.

`experiments.commands.simulate` is the command, `experiments.designs.harvest_bounds` gives the bound.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from energy.events import FloatArray
from energy.hardware.supply import Scenarios
from energy.scheduling.schedule import Pricer, Schedule, cycle_budget_nj, schedule
from energy.simulation.harvest import Harvest
from energy.simulation.result import Outcome, Simulation, SimulationOptions
from energy.simulation.simulate import simulate
from experiments.designs.harvest_bounds import at_v_on_w, bound_s
from experiments.designs.request import Request
from experiments.formatting.quantities import write
from experiments.formatting.table import Table

QUANTILES = {"min": 0.0, "q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95, "max": 1.0}
"""What summaries hold, and the share of the values that is not above it."""


@dataclass(frozen=True, kw_only=True)
class Played:
    """A design that was played.

    Attributes:
        request: The design.
        schedule: Its power cycles as planned.
        harvests: One a seed.
        world: What the simulated world was like.
        simulation: What became of every seed.
        bound_s: Worst-case latency over the harvests, Eq. (6); None where it is not defined. [s]
        unbounded: Why there is no bound, empty where there is one.
    """

    request: Request
    schedule: Schedule
    harvests: tuple[Harvest, ...]
    world: SimulationOptions
    simulation: Simulation
    bound_s: float | None
    unbounded: str

    @classmethod
    def of(cls, request: Request, harvests: tuple[Harvest, ...], world: SimulationOptions) -> Played:
        """Play a feasible design."""
        assert request.plan is not None
        sequence = Pricer(request.device).sequence(request.network, request.plan)
        scenarios = Scenarios.of([request.supply])
        planned = schedule(sequence, scenarios, cuts=request.execution.cuts_of_schedule)
        simulation = simulate(
            sequence, planned.starts, cycle_budget_nj(scenarios), request.supply, harvests, options=world
        )
        most_s, unbounded = bound_s(planned, request, harvests, world)
        return cls(
            request=request,
            schedule=planned,
            harvests=harvests,
            world=world,
            simulation=simulation,
            bound_s=most_s,
            unbounded=unbounded,
        )

    @property
    def latencies_s(self) -> FloatArray:
        """Latency of every inference that ended, seed by seed. [s]"""
        latency_s = self.simulation.inference_s().ravel()
        return latency_s[np.isfinite(latency_s)]

    @property
    def misses(self) -> int | None:
        """Inferences that ended after the deadline or never; None where there is no deadline."""
        if self.request.deadline_s is None:
            return None
        return int((self.simulation.inference_s() > self.request.deadline_s).sum())

    def notes(self) -> list[str]:
        """What must be said about the numbers."""
        found = []
        if (repeats := int(self.simulation.n_trace_repeats.max())) > 0:
            trace = self.harvests[0]
            times = "once" if repeats == 1 else f"up to {repeats:,} times"
            found.append(f"{trace.name} lasts {write(trace.duration_s, 's')} and was started again {times}")
        if self.request.supply.recharge != "energy-balance":
            found.append("the nominal latency has the margin-scaled recharge of published tables, the simulation not")
        if self.unbounded:
            found.append(f"no worst-case bound: {self.unbounded}")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the answer of `simulate --json`, without notes and files."""
        simulation, latencies_s = self.simulation, self.latencies_s
        done = simulation.finished
        columns = ("n_boots", "n_brown_outs", "n_repeats", "harvested_j", "drawn_j", "leaked_j", "simulated_s")
        return {
            "name": self.request.name,
            "feasible": True,
            "finished": bool(done.all()),
            "seeds": len(simulation),
            "inferences": self.world.n_inferences,
            "outcomes": {key.name.lower(): n for key, n in sorted(_tally(simulation).items(), key=lambda i: i[0].name)},
            "nominal_latency_s": self.schedule.latency_s,
            "nominal_power_cycles": len(self.schedule) * self.world.n_inferences,
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
        """Whether no inference took longer than the bound, but for rounding."""
        assert self.bound_s is not None
        return bool(self.latencies_s.max() <= self.bound_s * (1 + 1e-6))

    def text(self) -> str:
        """Return the answer for a person: a sentence, then a table."""
        parts = [f"{self.request.name}: {self.sentence()}"]
        if len(self.latencies_s):
            parts += ["", _table(self), "", *self._beside()]
        return "\n".join(parts)

    def sentence(self) -> str:
        """What happened, in one sentence."""
        simulation, latencies_s = self.simulation, self.latencies_s
        n, done = len(simulation), int(simulation.finished.sum())
        if not done:
            return f"nothing finished: {'; '.join(self._failures())}"
        bound = "" if self.bound_s is None else f" (bound {write(self.bound_s, 's')})"
        if n * self.world.n_inferences == 1:
            text = f"finished in {write(float(latencies_s[0]), 's')}{bound}"
        else:
            what = "inferences" if n == 1 else f"seeds{'' if self.world.n_inferences == 1 else ', all inferences,'}"
            count = self.world.n_inferences if n == 1 else f"{done:,} of {n:,}"
            median, most = (write(float(value), "s") for value in (np.median(latencies_s), latencies_s.max()))
            text = f"{count} {what} finished: median {median}, longest {most}{bound}"
        counts = [_range(simulation.n_boots, "power cycle"), _range(simulation.n_brown_outs, "brown-out")]
        late = [f"{self.misses:,} after the deadline"] if self.misses else []
        return ", ".join([text, *late, *counts, *(self._failures() if done < n else ())])

    def _failures(self) -> list[str]:
        """Why seeds did not finish."""
        found = []
        for outcome, n in _tally(self.simulation).items():
            if outcome is not Outcome.FINISHED:
                share = "" if n == len(self.simulation) else f"{n:,} of {len(self.simulation):,} seeds: "
                amount = self._weakness() if outcome is Outcome.NEVER_FULL else ""
                found.append(f"{share}{outcome.value}{amount}")
        return found

    def _weakness(self) -> str:
        """What a harvest that never reaches Von offers, beside what is needed."""
        supply, leak_w = self.request.supply, self.world.leakage_a * self.request.supply.v_on_v
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
            says = f"the longest took {100 * longest_s / self.bound_s:.1f} % of it"
            says = says if self.is_inside else f"EXCEEDED: {says}"
            lines.append(f"bound    {write(self.bound_s, 's', digits=4)}, Eq. (6): {says}")
        if self.request.deadline_s is not None:
            limit_s, n = write(self.request.deadline_s, "s"), self.simulation.ends_s.size
            lines.append(f"deadline {limit_s}: missed by {self.misses:,} of {n:,} inferences")
        return lines


def _tally(simulation: Simulation) -> Counter[Outcome]:
    return Counter(simulation.outcomes)


def _summary(values: Any) -> dict[str, float | None]:
    """Return least, greatest and quantiles; None where there is nothing."""
    if not len(values):
        return dict.fromkeys(QUANTILES)
    return {name: float(np.quantile(values, share)) for name, share in QUANTILES.items()}


def _range(counts: Any, name: str) -> str:
    low, high = int(counts.min()), int(counts.max())
    if high == 0:
        return f"no {name}s"
    return f"{low:,}{'' if low == high else f' to {high:,}'} {name}{'' if high == 1 else 's'}"


def _table(played: Played) -> str:
    simulation, done = played.simulation, played.simulation.finished
    rows: list[tuple[str, Any, str]] = [("latency of an inference", played.latencies_s, "s")]
    if played.world.n_inferences == 1:
        rows.append(("the same without the last recharge", simulation.response_latency_s[done], "s"))
    rows += [
        ("power cycles (boots)", simulation.n_boots[done], ""),
        ("brown-outs", simulation.n_brown_outs[done], ""),
        ("batches repeated", simulation.n_repeats[done], ""),
        ("energy harvested", simulation.harvested_j[done], "J"),
        ("energy drawn", simulation.drawn_j[done], "J"),
    ]
    if played.world.leakage_a:
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
