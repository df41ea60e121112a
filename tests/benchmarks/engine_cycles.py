"""Cycles of the engine on a simulated MSP430, event by event, beside those that the cost model assumes.

    python tests/benchmarks/engine_cycles.py [--networks N] [--device FILE] [--designs DIR]

Random small networks of all operators run on the simulator, which counts the cycles of every instruction. What the
board's own loops take (transfers, products of vectors) is measured alone and taken off; the rest is the engine's, and
is explained by the counts of the cost model in the least-squares sense, every network weighted alike. --device writes a
device file with the measured overheads, --designs prices and plans the designs of a run with it.

Not in these numbers: wait states of FRAM, and the CPUX of the MSP430FR5994, which takes a cycle less for some moves.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from scipy.optimize import nnls

from energy.costing.plan import price_plan
from energy.costing.plan_exact import exact_figures
from energy.counting import rows
from energy.events import ORDERS
from energy.hardware.device import _EXACT_OVERHEAD, read_device
from energy.hardware.scenarios import Scenarios
from energy.networks.rules import RULES
from energy.planning.planner import explorer_for
from energy.scheduling.schedule import schedule
from experiments.boards.exported import ExportedFolder, read_exported
from experiments.boards.footprint import Footprint, engine_footprint
from experiments.boards.msp430 import Msp430
from experiments.boards.processor import DONE, report_of, request_inference
from experiments.boards.toolchains import missing_for_msp430, tool_versions
from experiments.designs.request import Overrides
from experiments.designs.request_files import read_request
from experiments.formatting.table import Table
from experiments.storage.files import read_json
from tests.support.exported_programs import PRICER, Case, export

N_NETWORKS = 120
SHIPPED = "msp430fr5994-tinas2025"
OVERHEAD_OF_EVENT = {
    "input_fetch_calls": "input_fetch",
    "weight_fetch_calls": "weight_fetch",
    "partial_fetch_calls": "partial_fetch",
    "output_write_calls": "output_write",
    "partial_write_calls": "output_write",
    "mac_calls": "mac",
    "iterations": "iteration",
    "depthwise_cpu_taps": "depthwise_tap",
    "epilogues": "epilogue",
    "add_elements": "add_element",
    "pool_elements": "pool_element",
    "zero_fill_words": "zero_fill",
    "deinterleave_words": "deinterleave",
    "windows": "window",
    "record_write_calls": "batch",
    "reboots": "boot",
}
"""Counted events and the overheads that go with them."""

UNPRICED = {
    "window": "sums of an output over one of several input-channel tiles, without its epilogue",
    "batch": "finding the place of a batch, its energy, its commit",
    "boot": "reading the record and beginning a power cycle",
}
"""Work of the engine that the cost model has no overhead for."""


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Cycles of the board's own loops: of a call, and of each word or element."""

    read: tuple[int, int]
    write: tuple[int, int]
    mac: tuple[int, int]

    @classmethod
    def measured(cls, cpu: Msp430) -> Lines:
        """Call each of them alone with two lengths; a third checks that they are lines."""
        vm = cpu.symbols["ebb_vm"]

        def line(of_length) -> tuple[int, int]:
            one, two, nine = of_length(1), of_length(2), of_length(9)
            assert nine - one == 8 * (two - one)
            return one - (two - one), two - one

        # kind in R12, address in R14:R13, words in R15, the place in VM on the stack
        return cls(
            read=line(lambda n: cpu.call("ebb_nvm_read", 1, 12, 0, n, stacked=(vm,)).cycles),
            write=line(lambda n: cpu.call("ebb_nvm_write", 1, 12, 0, n, stacked=(vm,)).cycles),
            mac=line(lambda n: cpu.call("ebb_vector_mac", vm, vm, n).cycles),
        )

    def cycles(self, counts: Mapping[str, int]) -> int:
        """Cycles of the board in an inference with these counts."""
        total = 0
        for event, count in counts.items():
            what, _, unit = event.rpartition("_")
            if what == "mac":
                line = self.mac
            elif what.endswith(("_fetch", "_read")):
                line = self.read
            elif what.endswith("_write"):
                line = self.write
            else:
                continue
            total += count * line[0 if unit == "calls" else 1]
        return total


def counts_of(case: Case) -> Iterator[tuple[str, dict[str, int]]]:
    """Loop order and counts of each layer, as the model has them; the engine counts the same."""
    scenarios = Scenarios.of([case.supply])
    sequence = PRICER.sequence(case.network.shape, case.plan)
    figures = exact_figures(
        case.network.shape, case.plan, PRICER, scenarios, sequence, schedule(sequence, scenarios, cuts="optimal")
    )
    for design, shape, layer in zip(case.plan, case.network.shape.layers, figures.layers, strict=True):
        counts = dict(layer.counts)
        if shape.op == "conv":
            own, _ = PRICER.rows(shape, design)
            calls = int(own[rows.KERNEL_H]) * (1 if design.vector == "row" else int(own[rows.KERNEL_W]))
            counts["windows"] = counts["mac_calls"] // calls - counts["epilogues"]
        yield design.order, counts


def row_of(case: Case) -> dict[str, int]:
    """How often each overhead is paid in one inference."""
    row = dict.fromkeys(OVERHEAD_OF_EVENT.values(), 0)
    for _, counts in counts_of(case):
        for event, overhead in OVERHEAD_OF_EVENT.items():
            row[overhead] += counts.get(event, 0)
    return row


def inference_cycles(cpu: Msp430, folder: ExportedFolder) -> int:
    """Cycles of one inference from its first boot to its end."""
    rubbish = np.random.default_rng(0)
    request_inference(cpu, folder, folder.inputs[0], rubbish)
    cpu.write(cpu.symbols["board_mailbox"], bytes(4))
    total = 0
    while report_of(cpu) != DONE:
        cpu.write(cpu.symbols["board_mailbox"] + 2, bytes(2))
        cpu.reset(rubbish)
        before = cpu.counters().cycles
        cpu.run(None)
        total += cpu.counters().cycles - before
    return total


def measure(n_networks: int) -> tuple[np.ndarray, np.ndarray, Lines]:
    """Overheads paid `(n, n_overheads)` and cycles of the engine `(n,)` in an inference of each network."""
    paid, cycles, lines = [], [], None
    for seed in range(n_networks):
        case = Case.random(10_000 + seed)
        with tempfile.TemporaryDirectory() as name:
            path = Path(name)
            folder = read_exported(export(case.program(), path / "design", n_vectors=1))
            with Msp430.of(folder, path) as cpu:
                lines = lines or Lines.measured(cpu)
                own = inference_cycles(cpu, folder) - sum(lines.cycles(counts) for _, counts in counts_of(case))
        paid.append(list(row_of(case).values()))
        cycles.append(own)
    assert lines is not None
    return np.array(paid), np.array(cycles), lines


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was measured.

    Attributes:
        cycles: Of each overhead. [cycles]
        n_networks: In which each is paid. [1]
        rms, worst: Relative error of the explained cycles of an inference. [1]
    """

    cycles: Mapping[str, float]
    n_networks: Mapping[str, int]
    rms: float
    worst: float


def explained(paid: np.ndarray, cycles: np.ndarray) -> Found:
    """The overheads, none below 0, that explain the cycles of all inferences best in relation to their length."""
    each, _ = nnls(paid / cycles[:, np.newaxis], np.ones(len(cycles)))
    error = paid @ each / cycles - 1
    overheads = list(dict.fromkeys(OVERHEAD_OF_EVENT.values()))
    return Found(
        cycles=dict(zip(overheads, each.tolist(), strict=True)),
        n_networks=dict(zip(overheads, (paid > 0).sum(axis=0).tolist(), strict=True)),
        rms=float(np.sqrt((error**2).mean())),
        worst=float(np.abs(error).max()),
    )


def assumed_cycles(device_data: Mapping[str, Any]) -> dict[str, str]:
    """Cycles of each overhead as the cost model has them; a range where they differ with the loop order."""
    per_operation = {name: row["cycles"] for name, row in device_data["cpu"].items()}

    def cycles(entry: Mapping[str, Any]) -> int:
        return sum(number * per_operation[operation] for operation, number in entry.items())

    found = {}
    for name, entry in {**_EXACT_OVERHEAD, **device_data["overhead"]}.items():
        options = sorted({cycles(entry[order]) for order in ORDERS} if set(entry) & set(ORDERS) else {cycles(entry)})
        found[name] = " to ".join(str(option) for option in dict.fromkeys((options[0], options[-1])))
    return found


def device_text(text: str, data: Mapping[str, Any], found: Found) -> str:
    """The device file with the measured overheads, in additions: the operation with the least energy a cycle."""
    cycles_of_add = data["cpu"]["add"]["cycles"]
    rows = [
        f"{name} = {{ add = {max(1, round(cycles / cycles_of_add))} }}"
        for name, cycles in found.cycles.items()
        if name not in UNPRICED and found.n_networks[name]
    ]
    renamed = text.replace(f'name = "{SHIPPED}"', f'name = "{SHIPPED}-measured"')
    return "\n".join(
        [
            renamed,
            "# Measured on a simulated MSP430, see tests/benchmarks/engine_cycles.py.",
            "[overhead_exact]",
            *rows,
            "",
        ]
    )


def show(found: Found, lines: Lines, footprints: Mapping[str, Footprint], data: Mapping[str, Any]) -> None:
    """Print the tables; bss is the operand buffers of a plan."""
    for flag, own in footprints.items():
        print(f"engine, {flag}: text {own.text_bytes} B, data {own.data_bytes} B, bss {own.bss_bytes} B")
        print(f"  undefined: {', '.join(own.undefined)}")
    print(f"\nloops of the board, taken off: read {lines.read}, write {lines.write}, vector {lines.mac} (call, unit)\n")
    assumed = assumed_cycles(data)
    rows = [
        (name, f"{cycles:.0f}", assumed.get(name, "-"), str(found.n_networks[name]), UNPRICED.get(name, ""))
        for name, cycles in found.cycles.items()
    ]
    print(Table(("overhead", "measured", "assumed", "networks", "not priced"), rows, text=(0, 4)).to_text())
    print(f"\nexplains the cycles of an inference to within {found.rms:.1%} rms, {found.worst:.1%} at worst")


def compare_designs(designs: Path, device: Path) -> None:
    """Latencies of the designs of a run: as priced, the same at the measured overheads, planned anew with them."""
    rows = []
    ratios = []
    for path in [*sorted(designs.glob("*.json"))]:
        request = read_request(read_json(path), designs, Overrides())
        measured = read_device(device)
        measured = replace(measured, vm_bytes=request.device.vm_bytes)
        assert request.plan is not None
        explorer = explorer_for(measured, Scenarios.of([request.supply]), RULES["ebbnas"], request.execution)
        anew = explorer.plan(request.network)
        latencies_s = [
            price_plan(request.network, plan, on, request.supply, request.execution).latency_s
            for plan, on in ((request.plan, request.device), (request.plan, measured), (anew, measured))
        ]
        ratios.append(np.array(latencies_s) / latencies_s[0])
        rows.append((path.stem, *(f"{latency_s:.3f}" for latency_s in latencies_s)))
    print(Table(("design", "assumed s", "same plan, measured s", "planned anew s"), rows, text=(0,)).to_text())
    mean = np.mean(ratios, axis=0)
    print(f"\nmean of the ratios to the first column: {mean[1]:.3f} and {mean[2]:.3f}, {len(rows)} designs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=N_NETWORKS, help="random networks that are run")
    parser.add_argument("--device", type=Path, help="write a device file with the measured overheads")
    parser.add_argument("--designs", type=Path, help="designs of a run, priced and planned with that file")
    options = parser.parse_args()
    missing = missing_for_msp430()
    if missing:
        sys.exit(missing)
    text = (resources.files("energy.hardware") / "devices" / f"{SHIPPED}.toml").read_text()
    data = tomllib.loads(text)
    for tool, version in tool_versions().items():
        print(f"{tool}: {version}")
    with tempfile.TemporaryDirectory() as name:
        folder = read_exported(export(Case.random(2).program(), Path(name) / "design"))
        footprints = {flag: engine_footprint(folder, Path(name), flag) for flag in ("-O2", "-Os")}
    paid, cycles, lines = measure(options.networks)
    found = explained(paid, cycles)
    show(found, lines, footprints, data)
    if options.device:
        options.device.write_text(device_text(text, data, found))
        if options.designs:
            compare_designs(options.designs, options.device)


if __name__ == "__main__":
    main()
