"""What operators cost on the device: seconds a million multiply-accumulates, the best plan of each layer on its own.

The options of the spaces `ebb1d` and `ebb2d` follow these tables (models/README.md). Run it from the root of the
project: `.venv/bin/python tests/benchmarks/operator_costs.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from energy.costing.plan import price_plan
from energy.hardware.device import read_device
from energy.hardware.scenarios import Scenarios
from energy.hardware.supply import read_supply_family
from energy.networks.rules import rules
from energy.networks.shapes import LayerShape, NetworkShape
from energy.planning.planner import explorer_for
from energy.planning.protocol import ScenarioExplorer
from energy.scheduling.execution import PACKED

DEVICE = read_device("msp430fr5994-tinas2025")
SUPPLY = read_supply_family("tinas2025").supply(5e-3)
EXPLORER = ScenarioExplorer(explorer=explorer_for(DEVICE, Scenarios.of([SUPPLY]), rules("ebbnas"), PACKED), scenario=0)


def convolution(
    size: int, in_ch: int, out_ch: int, kernel: int, *, op: str = "conv", width: int | None = None
) -> LayerShape:
    """A padded convolution of stride 1 on a map of `size` steps an axis."""
    across = size if width is None else width
    return LayerShape(
        op=op, in_h=size, in_w=across, in_ch=in_ch, out_h=size, out_w=across, out_ch=out_ch,
        kernel_h=kernel, kernel_w=kernel if across > 1 else 1, pad=kernel // 2,
    )  # fmt: skip


def n_macs(layer: LayerShape) -> int:
    """Multiply-accumulates of a layer. [1]"""
    read = 1 if layer.op == "depthwise_conv" else layer.in_ch
    return layer.out_h * layer.out_w * layer.out_ch * layer.kernel_h * layer.kernel_w * read


def latency_s(layer: LayerShape) -> float:
    """Latency of a network of one layer under its best plan. [s]"""
    network = NetworkShape(name="one", layers=(layer,), layer_names=("layer",), inputs=((-1,),))
    found = price_plan(network, EXPLORER.plan(network), DEVICE, SUPPLY, PACKED).latency_s
    assert found is not None
    return found


def table(title: str, head: Sequence[int], rows: Iterable[tuple[str, Sequence[LayerShape]]]) -> None:
    """Print seconds a million multiply-accumulates, and the latency below."""
    print(f"\n{title}\n{'input channels':>22}" + "".join(f"{value:>8}" for value in head))
    for name, layers in rows:
        latencies = [latency_s(layer) for layer in layers]
        costs = [latency / n_macs(layer) * 1e6 for latency, layer in zip(latencies, layers, strict=True)]
        print(f"{name:>15} s/MMAC" + "".join(f"{cost:8.1f}" for cost in costs))
        print(f"{'s':>22}" + "".join(f"{latency:8.2f}" for latency in latencies))


def main() -> None:
    """Print the tables."""
    channels = (8, 12, 16, 20, 24, 32, 40, 48, 60, 64, 80, 128)
    kernels = (1, 3, 5, 7)
    table(
        "convolution to 32 channels, 16 x 16, 5 mF",
        channels,
        ((f"{k}x{k}", [convolution(16, n, 32, k) for n in channels]) for k in kernels),
    )
    table(
        "depthwise convolution, 16 x 16, 5 mF",
        channels,
        ((f"{k}x{k}", [convolution(16, n, n, k, op="depthwise_conv") for n in channels]) for k in (3, 5)),
    )
    table(
        "convolution to 16 channels, 64 steps, 5 mF",
        channels,
        ((f"{k}", [convolution(64, n, 16, k, width=1) for n in channels]) for k in kernels),
    )


if __name__ == "__main__":
    main()
