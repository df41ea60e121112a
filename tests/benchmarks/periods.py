"""What an inference does with the energy that the one before it has left: three rules, simulated on the capacitor.

    python tests/benchmarks/periods.py [DESIGN.json ...]

Without designs, the built-in example. `entry` takes the whole budget without a recharge, as the engine did once; `rest`
goes on with what is left of the budget; `charged` recharges first, as the engine does. Twelve inferences in a row under
the nominal harvester: brown-outs, the longest inference, and the mean period; the last two beside the bound (6).
"""

import argparse
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import read_supply_family
from energy.networks.rules import RULES
from energy.planning.planner import explorer_for
from energy.scheduling.schedule import BatchSequence, Pricer, cycle_budget_nj, schedule
from energy.simulation.capacitor import Circuit, State, Trace, advance, brown_out_j
from experiments.designs.replan import ANEW
from experiments.designs.request_files import read_request
from experiments.formatting.table import Table
from experiments.storage.files import read_json

N_INFERENCES, N_PERIODS = 12, 120
CAPACITANCES = (100e-6, 470e-6, 5e-3)


@dataclass
class Device:
    """A device on its capacitor, batch by batch."""

    sequence: BatchSequence
    stops: set[int]
    budget_nj: int
    circuit: Circuit
    trace: Trace
    state: State
    left_nj: int = 0
    brown_outs: int = 0

    def work(self, energy_nj: int, active_s: float) -> bool:
        """Draw an energy evenly; whether it lasts."""
        load_w, left_s = energy_nj * 1e-9 / active_s, active_s
        failing_j = brown_out_j(self.circuit, load_w) * (1 - 1e-9)
        while left_s > 0 and self.state.stored_j > failing_j:
            charges = self.circuit.charges_while_active
            self.state, step_s = advance(self.circuit, self.trace, self.state, load_w, left_s, failing_j, charges)
            left_s -= step_s
        return left_s <= 0

    def boot(self) -> None:
        """Charge to Von and boot."""
        while self.state.stored_j < self.circuit.on_j:
            self.state, _ = advance(self.circuit, self.trace, self.state, 0.0, 1e9, self.circuit.on_j, True)
        self.work(self.sequence.boot_nj, self.sequence.boot_s)
        self.left_nj = self.budget_nj - self.sequence.boot_nj

    def infer(self, rule: str, is_first: bool) -> float:
        """Run one inference from the end of the one before; its time to the last commit. [s]"""
        start_s, batch, is_cold = self.state.time_s, 0, True
        if is_first or rule == "charged":
            self.boot()
        elif rule == "entry":
            self.left_nj = self.budget_nj - self.sequence.boot_nj
        while batch < len(self.sequence):
            one = self.sequence
            energies, times = (one.cold_nj, one.cold_s) if is_cold else (one.warm_nj, one.warm_s)
            if energies[batch] > self.left_nj or (batch in self.stops and not is_cold):
                self.boot()
                is_cold = True
                continue
            if self.work(int(energies[batch]), float(times[batch])):
                self.left_nj -= int(energies[batch])
                batch, is_cold = batch + 1, False
            else:
                self.brown_outs += 1
                self.boot()
                is_cold = True
        return self.state.time_s - start_s


def device(request, plan, supply, charges: bool) -> Device:
    pricer, scenarios = Pricer(request.device), Scenarios.of([supply])
    sequence = pricer.sequence(request.network, plan)
    starts = schedule(sequence, scenarios).starts
    on_j = supply.capacitance_f / 2 * supply.v_on_v**2
    return Device(
        sequence=sequence,
        stops=set(starts[1:].tolist()),
        budget_nj=cycle_budget_nj(scenarios),
        circuit=Circuit(float(supply.capacitance_f), on_j, float(supply.v_off_v), 0.0, 0.0, charges),
        trace=Trace(np.array([np.inf]), np.array([supply.v_supply_v]), np.array([supply.resistance_ohm]), False),
        state=State(0.0, on_j, 0.0, 0.0, 0.0, 0, 0),
    )


def row(request, capacitance_f: float, rule: str, charges: bool) -> tuple[str, ...]:
    supply = read_supply_family("tinas2025").supply(capacitance_f)
    scenarios = Scenarios.of([supply])
    plan = explorer_for(request.device, scenarios, RULES[request.rules], request.execution).plan(request.network)
    few = device(request, plan, supply, charges)
    times_s = [few.infer(rule, number == 0) for number in range(N_INFERENCES)]
    many = device(request, plan, supply, charges)
    for number in range(N_PERIODS):
        many.infer(rule, number == 0)
    cycles = schedule(few.sequence, scenarios)
    bound_s = float(cycles.active_s.sum() + cycles.recharge_s.sum())
    return (
        f"{capacitance_f * 1e6:.0f} uF", rule, "yes" if charges else "no", str(few.brown_outs), f"{max(times_s):.3f} s",
        f"{many.state.time_s / N_PERIODS:.3f} s", f"{bound_s:.3f} s",
    )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("designs", nargs="*", type=Path, help="designs (default: the built-in example)")
    options = parser.parse_args()
    example = Path(str(resources.files("experiments.designs") / "examples" / "tinas2025_har.json"))
    for path in options.designs or [example]:
        request = read_request(read_json(path), path.parent, ANEW, with_plan=False)
        rows = [
            row(request, capacitance_f, rule, charges)
            for capacitance_f in CAPACITANCES
            for charges in (False, True)
            for rule in ("entry", "rest", "charged")
        ]
        columns = ("capacitor", "rule", "charges while active", "brown-outs", "longest", "mean period", "bound")
        print(f"{request.name}\n\n{Table(columns, rows).to_text()}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
