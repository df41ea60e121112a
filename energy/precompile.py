"""Compilation of all inner loops for this machine: `python -m energy.precompile`, run by a search beside its training.

The machine code goes to the folder of `energy.jit_cache`; later commands that price, plan or search start at once.
"""

from __future__ import annotations

from energy.costing.population import price_population
from energy.hardware.device import read_device
from energy.hardware.files import DEFAULT_DEVICE
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import read_supply_family
from energy.jit_cache import precompiled_marker, remove_unused
from energy.networks.rules import DEFAULT_RULES, rules
from energy.networks.shapes import LayerShape, NetworkShape
from energy.planning.packed import PackedExplorer
from energy.scheduling.execution import PACKED
from energy.scheduling.schedule import cycle_budget_nj
from energy.simulation.harvest import constant_source
from energy.simulation.simulate import simulate


def precompile() -> None:
    """Plan, price and simulate a network of one small layer, which calls every compiled function."""
    layer = LayerShape(op="conv", in_h=1, in_w=8, in_ch=2, out_h=1, out_w=8, out_ch=2, kernel_h=1, kernel_w=3, pad=1)
    network = NetworkShape(name="precompile", layers=(layer,), layer_names=("conv",), inputs=((-1,),))
    device = read_device(DEFAULT_DEVICE)
    supply = read_supply_family("tinas2025").supply()
    scenarios = Scenarios.of([supply])
    explorer = PackedExplorer(device, scenarios, rules(DEFAULT_RULES))
    plan = explorer.plan(network)
    price_population([network], [plan], device, scenarios, PACKED)
    sequence, starts = explorer.pricer.sequence(network, plan), explorer.schedule(network, plan).starts
    harvest = constant_source(supply.resistance_ohm, supply.v_supply_v)
    simulate(sequence, starts, cycle_budget_nj(scenarios), supply, [harvest], timeline_seed=0)
    if (marker := precompiled_marker()) is not None:
        marker.touch()


def is_precompiled() -> bool:
    """Return whether all inner loops are compiled and stored."""
    marker = precompiled_marker()
    return marker is not None and marker.exists()


if __name__ == "__main__":
    precompile()
    remove_unused()
