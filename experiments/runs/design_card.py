"""One design of a run on a page of Markdown: network, accuracy, costs, plan, and the commands to reproduce it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from energy.networks.shapes import LayerShape
from experiments.designs.price import Answer, price, sentence
from experiments.designs.request import Request
from experiments.formatting.colours import LATENCY_PARTS
from experiments.formatting.quantities import percent_range, write
from experiments.formatting.table import Table
from experiments.runs.stored_design import StoredDesign
from experiments.storage.files import read_json
from models.data import DATASETS

_ACCURACIES = (
    ("inherited", "with the shared weights", "val"),
    ("finetuned", "fine-tuned", "val"),
    ("finetuned", "fine-tuned", "test"),
    ("deployed", "as deployed", "val"),
    ("deployed", "as deployed", "test"),
)
_SPLITS = {"train": "training", "val": "validation", "test": "test"}


@dataclass(frozen=True, kw_only=True)
class Card:
    """A design with the content of its page.

    Attributes:
        stored: The design.
        request: Network, plan and supply.
        answer: Answer of `price` for them.
        manifest: Manifest of its run.
        splits: Numbers of samples and of recordings of each split.
    """

    stored: StoredDesign
    request: Request
    answer: Answer
    manifest: Mapping[str, Any]
    splits: Mapping[str, tuple[int, int]]

    @classmethod
    def of(cls, stored: StoredDesign) -> Card:
        """Read and price a design; its run is finished, so the test split may be counted."""
        request = stored.request()
        data = stored.work.data
        splits = {name: data.split(name) for name in _SPLITS}
        return cls(
            stored=stored,
            request=request,
            answer=price(request),
            manifest=read_json(stored.run / "manifest.json"),
            splits={name: (len(split), len(set(split.groups.tolist()))) for name, split in splits.items()},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the answer of `design --json`."""
        data = self.stored.work.data
        return {
            "id": self.stored.id,
            "row": self.stored.row.to_dict(),
            "price": self.answer,
            "data": {
                "name": data.name,
                "fold": self.stored.work.config.data.fold,
                "splits": {name: {"samples": n, "groups": groups} for name, (n, groups) in self.splits.items()},
                "source": data.source,
                "licence": data.licence,
            },
        }

    def text(self, use: str = "") -> str:
        """Return the page.

        Args:
            use: A section on the files beside it, heading included; empty for none.
        """
        parts = [
            f"# Design {self.stored.id}",
            f"{sentence(self.answer)[:1].upper()}{sentence(self.answer)[1:]}.",
            use,
            "## What it is",
            self._identity(),
            "## How good it is",
            self._accuracies(),
            self._split_sentence(),
            "## What one inference costs",
            self._costs(),
            "## Layers and their plan",
            self._layers(),
            *(f"Note: {note}." for note in self.answer["notes"]),
            "## How to make it again",
            self._reproduction(),
            "## Data",
            self._data(),
        ]
        return "\n\n".join(part for part in parts if part) + "\n"

    def _identity(self) -> str:
        row, request, space = self.stored.row, self.request, self.stored.work.space
        source = f": {space.source}" if space.source and space.source != "config" else ""
        supply = request.supply
        uncertainty = request.uncertainty.resistance_factor
        rows = [
            ("network", f"`{row.architecture}` of the space `{space.name}`{source}"),
            ("size", f"{row.n_parameters:,} parameters, {row.n_macs:,} multiply-accumulates"),
            ("device", f"{request.device.name}, {write(request.device.vm_bytes, 'B')} of SRAM (VM)"),
            ("capacitor", f"{write(supply.capacitance_f, 'F')}, {supply.v_on_v:g} V to {supply.v_off_v:g} V"),
            ("harvester", f"{write(supply.resistance_ohm, 'ohm')} from {supply.v_supply_v:g} V"),
            ("execution", f"{request.execution.policy}, counted {request.execution.counting}, rules {request.rules}"),
            (
                "worst case",
                "of that harvester" if uncertainty == 1 else f"of harvesters up to {uncertainty:g} times it",
            ),
        ]
        return Table(("", ""), rows, text=(0, 1)).to_markdown()

    def _accuracies(self) -> str:
        row = self.stored.row
        rows = [
            (
                weights,
                _SPLITS[split],
                f"{100 * found.value:.1f} %",
                f"{percent_range(found.low, found.high, digits=1, between=' to ')} %",
            )
            for kind, weights, split in _ACCURACIES
            if (found := row.accuracy(kind, split)) is not None
        ]
        return Table(("weights", "split", "accuracy", "95 % interval [%]"), rows, text=(0, 1)).to_markdown()

    def _split_sentence(self) -> str:
        data, config = self.stored.work.data, self.stored.work.config
        counts = ", ".join(
            f"{_SPLITS[name]} {n:,} samples of {groups:,} recordings or images"
            for name, (n, groups) in self.splits.items()
        )
        return (
            f"Data set `{data.name}`, fold {config.data.fold}, {data.n_classes} classes: {counts}. Validation chose; "
            "the test split was opened once, after all decisions. Intervals resample recordings, not samples."
        )

    def _costs(self) -> str:
        answer, supply = self.answer, self.request.supply
        if not answer["feasible"]:
            return f"It is {sentence(answer)}."
        entries = answer["schedule"]
        most_j = max(entry["energy_j"] for entry in entries)
        parts = {part.name: answer["breakdown"].get(key) for key, part in LATENCY_PARTS.items()}
        shares = ", ".join(
            f"{name} {write(value, 's')} ({100 * value / answer['latency_s']:.0f} %)"
            for name, value in parts.items()
            if value is not None
        )
        worst_s = answer["worst_case_latency_s"]
        ends = (answer["interval"] or {}).get("latency_s", ())
        interval = (
            f", {' to '.join(_time(end) for end in ends)} within the 95 % intervals of the prices" if ends else ""
        )
        rows = [
            ("latency", f"{write(answer['latency_s'], 's')}{interval}"),
            ("its parts", shares),
            ("worst case", _time(worst_s)),
            ("lower limit of any plan", write(answer["limit_plan_s"], "s")),
            ("power cycles", f"{answer['power_cycles']:,}"),
            ("energy", write(answer["energy_j"], "J")),
            (
                "most in one power cycle",
                f"{write(most_j, 'J')} of a cycle energy budget of {write(supply.cycle_budget_j, 'J')}",
            ),
            ("SRAM (VM)", f"{answer['vm_bytes']:,} of {self.request.device.vm_bytes:,} B"),
            ("NVM", f"{answer['nvm_bytes']:,} of {self.request.device.nvm_bytes:,} B"),
            ("tightest", str(self.stored.row.binding_constraint)),
        ]
        return Table(("", ""), rows, text=(0, 1)).to_markdown()

    def _layers(self) -> str:
        network = self.request.network
        rows = [
            (
                name,
                layer.op,
                f"{layer.in_h} x {layer.in_w} x {layer.in_ch}",
                f"{layer.out_h} x {layer.out_w} x {layer.out_ch}",
                _kernel(layer),
                " x ".join(str(plan[key]) for key in ("tile_h", "tile_w", "tile_out", "tile_in")),
                f"{plan['order']}, {plan['vector']}",
                str(plan["batch"]),
                f"{cost['batches']:,}",
                write(cost["active_s"], "s"),
                f"{cost['vm_bytes']:,}",
            )
            for name, layer, plan, cost in zip(
                network.layer_names, network.layers, self.answer["plan"], self.answer["layers"], strict=True
            )
        ]
        head = (
            "layer", "operator", "input", "output", "kernel, stride, pad", "tile h x w x out x in", "order, vector",
            "batch", "batches", "active", "SRAM (VM) [B]",
        )  # fmt: skip
        return Table(head, rows, text=(0, 1, 2, 3, 4, 5, 6)).to_markdown()

    def _reproduction(self) -> str:
        manifest, run, one = self.manifest, self.stored.run.resolve().name, self.stored.id
        versions = ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())
        commit = (manifest.get("git") or {}).get("commit")
        return (
            f"```sh\nebbnas price runs/{run}/designs/{one}.json\nebbnas evaluate runs/{run} {one}\n"
            f"ebbnas search runs/{run} --fresh\n```\n\n"
            f"Seed {manifest['seed']} of the run, {self.stored.row.seed} of the fine-tuning; {versions}"
            f"{f'; commit {commit}' if commit else ''}; data {manifest['hashes']['data']}."
        )

    def _data(self) -> str:
        data = self.stored.work.data
        note = DATASETS[data.name]
        return (
            f"`{data.name}`: {note.what}. Source: {data.source}. Licence: {data.licence}. Cite the source with results."
        )


def _time(value: float | None) -> str:
    return "not defined" if value is None else write(value, "s")


def _kernel(layer: LayerShape) -> str:
    if layer.op not in ("conv", "depthwise_conv"):
        return ""
    return f"{layer.kernel_h} x {layer.kernel_w}, {layer.stride}, {layer.pad}"
