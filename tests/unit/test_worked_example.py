"""The text of energy/README.md against plain arithmetic, and both against the code.

The tables of the worked example are read from the text. Their numbers are worked out again below from sizes and prices
that are typed here, without the code, and then compared with what the code says of the same plan. What else the text
says that a machine can check is at the end.
"""

import contextlib
import io
import math
import re
import tomllib
from dataclasses import replace
from functools import cache
from importlib.resources import files
from itertools import combinations, pairwise, takewhile
from pathlib import Path

import numpy as np
import pytest

from energy.costing.limits import limit_device_s, limit_plan_s
from energy.costing.plan import price_plan
from energy.counting import rows
from energy.counting.exact import count_batch, place_batch
from energy.counting.tiles import map_sums
from energy.events import EVENTS
from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import read_supply_family
from energy.networks.designs import LayerDesign
from energy.networks.shapes import LayerShape, NetworkShape
from energy.scheduling.execution import Execution
from energy.scheduling.schedule import Pricer, cycle_budget_nj, schedule
from energy.scheduling.worst_case import HarvestUncertainty
from energy.simulation.harvest import constant_source
from energy.simulation.simulate import simulate
from tests.conftest import ROOT

TEXT = (ROOT / "energy" / "README.md").read_text(encoding="utf-8")
FLAT = " ".join(TEXT.split())
CUTS = ("greedy", "optimal")

# Prices as they are typed from the papers: energy [nJ] and time [us] of what events are made of, at 16 cycles a us.
PARTS = {
    "read call": (192.69110618985066, 430 / 16),
    "read word": (24.096781407047943, 64 / 16),
    "write call": (198.80671888670114, 421 / 16),
    "write word": (23.866387540946922, 64 / 16),
    "MAC call": (205.7298797039179, 622 / 16),
    "MAC element": (0.503343396188007, 1.5 / 16),
    "A": (3.4965641, 12 / 16),
    "M": (18.92907692, 45 / 16),
    "D": (41.6912821, 161 / 16),
    "X": (3.9232308, 15 / 16),
}
C, R, VS, VON, VOFF, F = 36e-6, 3100.0, 5.892, 4.535, 3.290, 0.60

CONV = LayerShape(op="conv", in_h=1, in_w=8, in_ch=3, out_h=1, out_w=8, out_ch=4, kernel_h=1, kernel_w=3, pad=1)
CLASSIFY = LayerShape(op="conv", in_h=1, in_w=8, in_ch=4, out_h=1, out_w=1, out_ch=5, kernel_h=1, kernel_w=8)
NETWORK = NetworkShape(name="tiny", layers=(CONV, CLASSIFY), layer_names=("conv", "classify"), inputs=((-1,), (0,)))
DEVICE = read_device("msp430fr5994-tinas2025")
SUPPLY = read_supply_family("tinas2025").supply(C)
SCENARIOS = Scenarios.of([SUPPLY])


# --- the text ---------------------------------------------------------------------------------------------------------


def table(head):
    """Rows of the table whose head starts with the given cells, as lists of cells, the head first."""
    lines = TEXT.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(f"| {head} |"))
    body = takewhile(lambda line: line.startswith("|"), lines[first:])
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in body]
    return [rows[0], *rows[2:]]


def numbers(row):
    return [float(cell) for cell in row[1:]]


@cache
def batch_table():
    """Rows by their name, those that are the same for each batch from the sentence above the table."""
    always = re.search(r"Each batch also counts (.*?)\.", FLAT).group(1)
    rows = {event: [float(count)] * 9 for count, event in re.findall(r"(\d+) (\w+)", always)}
    return rows | {row[0]: numbers(row) for row in table("event | 0")[1:]}


@cache
def cycle_table():
    head, *rows = table("cuts | cycle")
    return {cuts: [dict(zip(head, row, strict=True)) for row in rows if row[0] == cuts] for cuts in CUTS}


@cache
def quantity_table():
    rows = table("quantity | greedy")[1:]
    return {cuts: {row[0]: float(row[1 + i]) for row in rows} for i, cuts in enumerate(CUTS)}


def plan():
    head, *rows = table("layer | tile_h")
    designs = [dict(zip(head, row, strict=True)) for row in rows]
    assert [design.pop("layer") for design in designs] == list(NETWORK.layer_names)
    return tuple(LayerDesign(**{k: int(v) if v.isdigit() else v for k, v in design.items()}) for design in designs)


# --- the same by plain arithmetic -------------------------------------------------------------------------------------


def worked_events():
    """Events of the nine batches, and what each fetches on top after a boot."""
    events, reloads = [], []
    for batch in range(6):
        tile = batch % 3
        steps = (3, 3, 2)[tile]
        # windows reach one step beyond the tile on each side; the map has steps 0 to 7
        start, box = 3 * tile - 1, steps + 2
        inside = sum(0 <= step < 8 for step in range(start, start + box))
        weights = {"weight_fetch_calls": 1, "weight_fetch_words": 3 * 4 * 2 + 2 * 2}
        events.append(
            {
                "input_fetch_calls": 1,
                "input_fetch_words": 4 * inside,
                "zero_fill_words": 4 * (box - inside),
                "mac_calls": steps * 2,
                "mac_elements": steps * 2 * 3 * 4,
                "epilogues": steps * 2,
                "output_write_calls": steps,
                "output_write_words": steps * 2,
                **(weights if tile == 0 else {}),
            }
        )
        reloads.append({} if tile == 0 else weights)
    for tile, channels in enumerate((12, 12, 8)):
        is_last = tile == 2
        sums = {"partial_fetch_calls": 1, "partial_fetch_words": 2 * 5}
        ends = {"epilogues": 5, "output_write_calls": 1, "output_write_words": 5 + 1}
        events.append(
            {
                "input_fetch_calls": 1,
                "input_fetch_words": channels,
                "weight_fetch_calls": 1,
                "weight_fetch_words": channels * 5 + (2 * 5 if is_last else 0),
                "mac_calls": 5,
                "mac_elements": 5 * channels,
                **(ends if is_last else {"partial_write_calls": 1, "partial_write_words": 2 * 5}),
            }
        )
        reloads.append({} if tile == 0 else sums)
    always = {"iterations": 1, "record_write_calls": 1, "record_write_words": 6}
    happening = [{name: count for name, count in event.items() if count} for event in events]
    return [event | always for event in happening], reloads


def made(recipe):
    """Energy [nJ] and time [us] of a sum such as `read call + 8 A + 4 M`."""
    total = np.zeros(2)
    for term in recipe.split(" + "):
        times, part = re.fullmatch(r"(?:(\d+) )?(.+)", term).groups()
        total += int(times or 1) * np.array(PARTS[part])
    return total


@cache
def price_table():
    """Energy [nJ] and time [us] of an event by name and order of its layer, worked out from the recipes of the text."""
    prices = {}
    for names, order, recipe, _, _ in table("event | order")[1:]:
        for name in names.split(", "):
            for event in EVENTS:
                if re.fullmatch(name.replace("*", r"\w+"), event):
                    prices |= {
                        (event, known): made(recipe) for known in ("weight", "output") if order in ("any", known)
                    }
    return prices


def priced(events, batch):
    order = "weight" if batch < 6 else "output"
    return sum((count * price_table()[event, order] for event, count in events.items()), np.zeros(2))


def recharge_s(energy_nj, resistance_ohm=R):
    left_v = math.sqrt(VON**2 - 2 * energy_nj * 1e-9 / C)
    return resistance_ohm * C * math.log((VS - left_v) / (VS - VON))


@cache
def worked_batches():
    """Warm and cold energy [nJ], rounded up, warm and cold time [us] of the batches; energy and time of a boot."""
    events, reloads = worked_events()
    warm = [priced(event, batch) for batch, event in enumerate(events)]
    cold = [one + priced(reload, batch) for batch, (one, reload) in enumerate(zip(warm, reloads, strict=True))]
    boot = np.array([77880, 55000]) + PARTS["read call"] + 12 * np.array(PARTS["read word"])
    rounded = [[math.ceil(one[0]) for one in column] for column in (warm, cold)]
    times = [[one[1] for one in column] for column in (warm, cold)]
    return (*rounded, *times, math.ceil(boot[0]), boot[1])


def worked_cycles(starts):
    """Energy [nJ], active and recharge time [s] of each cycle."""
    warm_nj, cold_nj, warm_us, cold_us, boot_nj, boot_us = worked_batches()
    cycles = []
    for begin, end in pairwise([*starts, 9]):
        energy_nj = boot_nj + cold_nj[begin] + sum(warm_nj[begin + 1 : end])
        active_us = boot_us + cold_us[begin] + sum(warm_us[begin + 1 : end])
        cycles.append((energy_nj, active_us * 1e-6, recharge_s(energy_nj)))
    return cycles


def starts_of(cuts):
    return [int(cycle["batches"].split("-")[0]) for cycle in cycle_table()[cuts]]


def worked_greedy(budget):
    """Stop only where the next batch does not fit."""
    warm_nj, cold_nj, _, _, boot_nj, _ = worked_batches()
    starts, spent_nj = [0], boot_nj + cold_nj[0]
    for batch in range(1, 9):
        spent_nj += warm_nj[batch]
        if spent_nj > budget:
            starts.append(batch)
            spent_nj = boot_nj + cold_nj[batch]
    return starts


# --- text, arithmetic and code agree ----------------------------------------------------------------------------------


def test_events_of_each_batch_are_those_of_the_table():
    events, reloads = worked_events()
    written = batch_table()
    for batch in range(9):
        found = {name: row[batch] for name, row in written.items() if name in EVENTS and row[batch]}
        assert found == events[batch]
        prefix = "after a boot: "
        found = {name.removeprefix(prefix): row[batch] for name, row in written.items() if name.startswith(prefix)}
        assert {name: count for name, count in found.items() if count} == reloads[batch]


def test_the_code_counts_the_events_of_the_table():
    events, reloads = worked_events()
    pricer, found = Pricer(DEVICE), []
    for layer, design, n_batches in zip(NETWORK.layers, plan(), (6, 3), strict=True):
        own = pricer.rows(layer, design)
        sums = map_sums(*own)
        for index in range(n_batches):
            place, tiles = np.zeros(rows.PLACE_WIDTH, dtype=np.int64), np.zeros(rows.MAP_WIDTH, dtype=np.int64)
            counts = np.zeros((2, rows.N_EVENTS), dtype=np.int64)
            place_batch(*own, index, sums, place, tiles)
            count_batch(*own, place, tiles, *counts)
            found.append([{name: n for name, n in zip(EVENTS, row, strict=True) if n} for row in counts.tolist()])
    assert found == [list(pair) for pair in zip(events, reloads, strict=True)]


def test_prices_of_the_text_are_made_of_what_it_says():
    for row in table("event | order")[1:]:
        energy_nj, time_us = made(row[2])
        assert float(row[3]) == pytest.approx(energy_nj, abs=6e-7)
        assert float(row[4]) == pytest.approx(time_us, rel=1e-12)


def test_the_device_has_the_prices_of_the_text():
    for (event, order), (energy_nj, time_us) in price_table().items():
        at = ("input", "weight", "output").index(order)
        assert DEVICE.exact.energy_j[event][at] * 1e9 == pytest.approx(energy_nj, rel=1e-12)
        assert DEVICE.exact.time_s[event][at] * 1e6 == pytest.approx(time_us, rel=1e-12)


def test_batches_cost_what_the_table_says():
    warm_nj, cold_nj, warm_us, cold_us, boot_nj, boot_us = worked_batches()
    written = batch_table()
    sequence = Pricer(DEVICE).sequence(NETWORK, plan())
    for found, read, in_code in (
        (warm_nj, written["warm nJ"], sequence.warm_nj),
        (cold_nj, written["cold nJ"], sequence.cold_nj),
    ):
        assert found == read == in_code.tolist()
    for found, read, in_code in (
        (warm_us, written["warm us"], sequence.warm_s),
        (cold_us, written["cold us"], sequence.cold_s),
    ):
        assert found == pytest.approx(read, rel=1e-12)
        assert in_code * 1e6 == pytest.approx(read, rel=1e-12)
    assert f"12 words: {boot_nj:,} nJ and {boot_us:,.3f} us" in FLAT
    assert sequence.boot_nj == boot_nj
    assert sequence.boot_s * 1e6 == pytest.approx(boot_us, rel=1e-12)


def test_the_budget_is_that_of_the_text():
    full_nj = C * (VON**2 - VOFF**2) / 2 * 1e9
    assert f"= {full_nj:,.2f} nJ, E_av = {F * full_nj:,.2f} nJ, budget {math.floor(F * full_nj):,} nJ" in FLAT
    assert f"R C = {R * C:.4f} s" in FLAT
    assert cycle_budget_nj(SCENARIOS) == math.floor(F * full_nj)


@pytest.mark.parametrize("cuts", CUTS)
def test_power_cycles_are_those_of_the_table(cuts):
    starts = starts_of(cuts)
    found = schedule(Pricer(DEVICE).sequence(NETWORK, plan()), SCENARIOS, cuts=cuts)
    assert found.starts.tolist() == starts
    for i, (row, (energy_nj, active_s, rest_s)) in enumerate(
        zip(cycle_table()[cuts], worked_cycles(starts), strict=True)
    ):
        assert row["batches"] == f"{starts[i]}-{[*starts, 9][i + 1] - 1}"
        assert int(row["E nJ"]) == energy_nj == found.energy_nj[i]
        assert float(row["V left"]) == pytest.approx(math.sqrt(VON**2 - 2e-9 * energy_nj / C), abs=6e-6)
        for key, time_s, in_code_s in (
            ("active ms", active_s, found.active_s[i]),
            ("recharge ms", rest_s, found.recharge_s[i]),
        ):
            assert float(row[key]) == pytest.approx(1e3 * time_s, abs=6e-7)
            assert in_code_s == pytest.approx(time_s, rel=1e-12)


def test_greedy_cuts_walk_and_no_other_cuts_beat_the_optimal_ones():
    budget = cycle_budget_nj(SCENARIOS)
    assert starts_of("greedy") == worked_greedy(budget)

    def latency_s(starts):
        cycles = worked_cycles(starts)
        return sum(map(sum, cycles)) - sum(c[0] for c in cycles) if max(c[0] for c in cycles) <= budget else math.inf

    every = [[0, *inner] for n in range(9) for inner in combinations(range(1, 9), n)]
    assert len(every) == 2**8
    assert min(every, key=latency_s) == starts_of("optimal")
    assert latency_s(starts_of("optimal")) < latency_s(starts_of("greedy"))


def worked_parts_ms(starts):
    """Active time by part: boots, record reads and reloads, fetches, work, what is kept. [ms]"""
    events, reloads = worked_events()
    total = dict.fromkeys(("reboot", "recovery", "fetch", "compute", "preserve"), 0.0)
    part_of = {
        "fetch": r".*_fetch_.*|zero_fill_words",
        "compute": r"mac_.*|iterations|epilogues",
        "preserve": ".*write.*",
    }
    for batch, counts in enumerate(events):
        for event, count in counts.items():
            part = next(part for part, pattern in part_of.items() if re.fullmatch(pattern, event))
            total[part] += priced({event: count}, batch)[1] / 1e3
    for batch in starts:
        total["reboot"] += 55.0
        total["recovery"] += (
            PARTS["read call"][1] + 12 * PARTS["read word"][1] + priced(reloads[batch], batch)[1]
        ) / 1e3
    return total


@pytest.mark.parametrize("cuts", CUTS)
def test_quantities_are_those_of_the_table(cuts):
    cycles = worked_cycles(starts_of(cuts))
    active_s, rest_s = sum(c[1] for c in cycles), sum(c[2] for c in cycles)
    worst_s = active_s + 1.25 * rest_s
    empty_s = worst_s + recharge_s(C * (VON**2 - VOFF**2) / 2 * 1e9, 1.25 * R)
    records_us = 9 * (PARTS["write call"][1] + 6 * PARTS["write word"][1])
    warm_us = sum(worked_batches()[2])
    worked = {
        "power cycles": len(cycles),
        "energy nJ": sum(c[0] for c in cycles),
        **{f"{part} ms": time_ms for part, time_ms in worked_parts_ms(starts_of(cuts)).items()},
        "active ms": 1e3 * active_s,
        "recharge ms": 1e3 * rest_s,
        "latency ms, (5)": 1e3 * (active_s + rest_s),
        "response ms": 1e3 * (active_s + rest_s - cycles[-1][2]),
        "continuous ms": (warm_us - records_us) / 1e3,
        "worst case ms, (6), R up to 1.25 R0": 1e3 * worst_s,
        "worst case ms, buffer may start empty": 1e3 * empty_s,
        "VM bytes": 2 * max(5 * 4 + (3 * 4 * 2 + 2 * 2) + 3 * 2, 12 + 12 * 5 + 2 * 5),
        "NVM bytes": 2 * (12 + (3 * 4 * 4 + 2 * 4) + (32 * 5 + 2 * 5) + max(8 * 4, 2 * 2 * 5) + 8 * 4 + 6),
    }
    assert quantity_table()[cuts] == pytest.approx(worked, abs=6e-7)
    assert in_code(cuts) == pytest.approx(worked, rel=1e-12)


def in_code(cuts):
    """The same quantities from `price_plan`."""
    wide = HarvestUncertainty(resistance_factor=1.25)
    answer, empty = (
        price_plan(NETWORK, plan(), DEVICE, SUPPLY, Execution(cuts=cuts), uncertainty=uncertainty)
        for uncertainty in (wide, replace(wide, starts_empty=True))
    )
    assert answer.feasible
    return {
        "power cycles": answer.power_cycles,
        "energy nJ": answer.energy_j * 1e9,
        **{f"{part.removesuffix('_s')} ms": 1e3 * time_s for part, time_s in answer.breakdown.items()},
        "active ms": 1e3 * answer.active_s,
        "latency ms, (5)": 1e3 * answer.latency_s,
        "response ms": 1e3 * answer.response_latency_s,
        "continuous ms": 1e3 * answer.continuous_latency_s,
        "worst case ms, (6), R up to 1.25 R0": 1e3 * answer.worst_case_latency_s,
        "worst case ms, buffer may start empty": 1e3 * empty.worst_case_latency_s,
        "VM bytes": answer.vm_bytes,
        "NVM bytes": answer.nvm_bytes,
    }


def test_limits_are_those_of_the_text():
    def limit_ms(events):
        """One boot, and recharge along the chord between nothing and the budget."""
        energy_nj, time_us = sum(count * np.array(PARTS[part]) for part, count in events.items())
        boot_nj, boot_us = np.array([77880, 55000]) + PARTS["read call"] + 12 * np.array(PARTS["read word"])
        av_nj = F * C * (VON**2 - VOFF**2) / 2 * 1e9
        assert energy_nj < av_nj - boot_nj
        return (time_us + boot_us) / 1e3 + 1e3 * recharge_s(av_nj) / av_nj * (energy_nj + boot_nj)

    # conv: 9 x 4 weights and 2 x 4 words of bias, 8 x 3 inputs, 8 x 4 outputs of 9 products; classify: 32 x 5 + 2 x 5
    n_weights = 9 * 4 + 2 * 4 + 32 * 5 + 2 * 5
    device_ms = limit_ms(
        {"read word": n_weights + 8 * 3, "write word": 5, "MAC element": 8 * 4 * 9 + 32 * 5},
    )
    # with even channels, every map, and a vector call and an epilogue (2 X + 6 A + 2 M) for each of 32 + 5 outputs
    n_outputs = 8 * 4 + 5
    plan_ms = limit_ms(
        {
            "read word": n_weights + 3 * 4 + 8 * 4 + 8 * 4,
            "write word": 8 * 4 + 6,
            "MAC element": 8 * 4 * 12 + 32 * 5,
            "MAC call": n_outputs,
            "A": n_outputs * (13 + 6),
            "M": n_outputs * (9 + 2),
            "X": n_outputs * 2,
        }
    )
    assert f"device {device_ms:.6f} ms, plan {plan_ms:.6f} ms" in FLAT
    assert limit_device_s(NETWORK, DEVICE, SCENARIOS)[0] * 1e3 == pytest.approx(device_ms, rel=1e-9)
    assert limit_plan_s(NETWORK, DEVICE, SCENARIOS)[0] * 1e3 == pytest.approx(plan_ms, rel=1e-9)


@pytest.mark.parametrize("cuts", CUTS)
def test_the_simulation_takes_as_long_as_the_text_says(cuts):
    sequence = Pricer(DEVICE).sequence(NETWORK, plan())
    starts = np.array(starts_of(cuts))
    result = simulate(sequence, starts, cycle_budget_nj(SCENARIOS), SUPPLY, [constant_source(R, VS)])
    assert 1e3 * result.latency_s[0] == pytest.approx(quantity_table()[cuts]["latency ms, (5)"], rel=1e-3)
    assert result.n_cycles[0] == len(starts)


# --- the rest of the text ---------------------------------------------------------------------------------------------


def test_the_lines_at_the_top_print_what_stands_below_them():
    code, printed = re.search(r"```python\n(.*?)```\n\n    (.*?)\n", TEXT, re.DOTALL).groups()
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(code, {})
    assert output.getvalue() == f"{printed}\n"


@pytest.mark.parametrize("name", ["tinas2025", "inas2021"])
def test_measured_prices_are_those_of_the_shipped_files(name):
    data = tomllib.loads(
        files("energy.hardware").joinpath("devices", f"msp430fr5994-{name}.toml").read_text(encoding="utf-8")
    )
    head, *rows = table("line")
    energy, cycles = (head.index(f"{name} [{unit}]") for unit in ("J", "cycles"))
    lines = {"NVM read": "nvm_read", "NVM write": "nvm_write", "vector MAC": "vector_mac"}
    for row in rows:
        written_j, written = ([float(x) for x in row[at].removesuffix(" v").split(" + ")] for at in (energy, cycles))
        entry = data[lines[row[0]]] if row[0] in lines else data["cpu"].get(row[0].split(", ")[-1], data["reboot"])
        found_j = [value for key, value in entry.items() if key.startswith("energy")]
        found = [value for key, value in entry.items() if key.startswith("cycles")]
        found = found or [entry["time_s"] * data["clock_hz"]]
        assert sorted(written_j) == pytest.approx(sorted(found_j), rel=1e-12, abs=0)
        assert sorted(written) == pytest.approx(sorted(found), abs=5e-3 if name == "inas2021" else 1e-6)


def test_every_test_that_the_text_names_exists():
    named = re.findall(r"`(tests/\S+?\.py)::(\w+)`", TEXT)
    assert len(named) > 20
    missing = [
        (file, test) for file, test in named if f"\ndef {test}(" not in (ROOT / file).read_text(encoding="utf-8")
    ]
    assert not missing


def test_the_map_names_every_module_and_no_other():
    modules = {path.relative_to(ROOT / "energy") for path in (ROOT / "energy").rglob("*.py")}
    named = set()
    for folder, text in table("folder")[1:]:
        stems = re.findall(r"`(\w+)`", f"{folder} {text}")
        named |= {Path(*re.findall(r"`(\w+)/`", folder), f"{stem}.py") for stem in stems}
    assert named == {path for path in modules if path.stem != "__init__"}


def test_names_of_the_symbols_stand_in_the_code():
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "energy").rglob("*.py"))
    named = {name for row in table("symbol")[1:] for name in re.findall(r"`(\w+)`", row[1])}
    assert len(named) > 30
    assert not {name for name in named if not re.search(rf"\b{name}\b", code)}
