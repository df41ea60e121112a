"""Files of a run's folder but its tables, each written whole, and whether all of them are there."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from experiments.config.resolve import Workload
from experiments.config.sections import OWN_FILES
from experiments.config.toml import to_toml
from experiments.pipeline import manifest as manifests
from experiments.pipeline.evaluations import BEST_SO_FAR
from experiments.pipeline.fronts import OwnWeights
from experiments.pipeline.log import StageTimes
from experiments.pipeline.members import BudgetSearch, Member, member, write_designs
from experiments.pipeline.stages import Stages
from experiments.runs.stored_design import INTEGER_END
from experiments.runs.summary import REPORT, Outcome
from experiments.storage.files import read_mapping, write_bytes, write_json, write_text
from experiments.storage.run_folder import CONFIG_FILE, FRONTS_CSV, FRONTS_FILE, MANIFEST_FILE
from experiments.storage.tables import Row

DESIGN_FILES = (".json", ".safetensors", INTEGER_END)
"""Ends of the names of a design's files: its plan, its fine-tuned weights, its network in integers."""


class Inputs(NamedTuple):
    """The resolved config of a run, and the user's files that it names, by their names in the run's folder."""

    settings: dict[str, Any]
    own_files: dict[str, bytes]


@dataclass(frozen=True, kw_only=True)
class RunFiles:
    """The files of one run.

    Attributes:
        work: The settings and inputs of the run.
        folder: Its folder.
    """

    work: Workload
    folder: Path

    @property
    def device_file(self) -> Path | None:
        """The run's copy of a user's device file, None for a built-in device."""
        return self.folder / OWN_FILES["device"] if self.work.config.device.file else None

    def inputs(self) -> Inputs:
        """Return the inputs as `begin` writes them."""
        settings, own_files = self.work.config.to_dict(), {}
        for section, file in self.work.config.own_files().items():
            own_files[OWN_FILES[section]] = file.read_bytes()
            settings[section]["file"] = OWN_FILES[section]
        return Inputs(settings, own_files)

    def begin(self, stages: Stages, inputs: Inputs) -> None:
        """Write the inputs and the manifest of a run that begins or goes on."""
        before = read_mapping(self.folder / MANIFEST_FILE)
        if before is not None and not manifests.is_made_of(before, stages):
            # Evaluations of other stages must not be taken for those of this search.
            shutil.rmtree(self.folder / "evaluations", ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, content in inputs.own_files.items():
            write_bytes(self.folder / name, content)
        write_text(self.folder / CONFIG_FILE, to_toml(inputs.settings))
        write_json(self.folder / MANIFEST_FILE, manifests.manifest(stages, is_finished=False))

    def finish(
        self, stages: Stages, times: StageTimes, keys: Mapping[str, Sequence[str]], found: Mapping[str, Any]
    ) -> None:
        """Write the manifest of a finished run, then its report.

        Args:
            stages: The run.
            times: Wall times of its stages.
            keys: Keys of the stages of single networks, by stage.
            found: Findings, by key of the manifest.
        """
        # Files of a shorter search: a run that is killed after its manifest must not keep an older report.
        for name in (BEST_SO_FAR, REPORT):
            (self.folder / name).unlink(missing_ok=True)
        manifest = {
            **manifests.manifest(stages, is_finished=True),
            "stages": {**manifests.stage_keys(stages), **keys},
            "wall_times_s": times.seconds,
            "peak_memory_bytes": manifests.peak_memory_bytes(),
            "notes": [budget.note for budget in self.work.budgets if budget.note],
            **found,
        }
        write_json(self.folder / MANIFEST_FILE, manifest)
        # The report shows the manifest; where a kill prevents it, the next command writes it.
        self.write_missing_report()

    def are_complete(self, stages: Stages) -> bool:
        """Return whether the run is finished and all its files are there."""
        manifest = read_mapping(self.folder / MANIFEST_FILE)
        if manifest is None or not manifests.is_finished(manifest, stages):
            return False
        try:
            rows = Outcome.read(self.folder).rows
        except (ValueError, OSError):
            return False
        if self.work.config.deploy.verify and any(row.verified is None for row in rows):
            return False
        designs = [f"designs/{row.id}{end}" for row in rows for end in DESIGN_FILES]
        tables = [FRONTS_CSV, FRONTS_FILE] if rows or not manifest["infeasible"] else []
        return all((self.folder / name).exists() for name in (*designs, "evaluations", *tables))

    def remove(self) -> None:
        """Remove everything in the folder."""
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def write_near_misses(self, searches: Sequence[BudgetSearch]) -> list[dict[str, Any]]:
        """Write the least infeasible design of each supply without a feasible one; return which limit it breaks."""
        found = []
        for one in searches:
            if len(one.search.front):
                continue
            miss = one.search.least_infeasible()[0]
            design = member(one, miss.genome)
            write_designs(self.folder / "designs", self.work, [design], self.device_file)
            found.append(
                {
                    "budget": one.budget.name,
                    "id": design.id,
                    "architecture": design.decoded.network.name,
                    "accuracy_inherited_val": design.accuracy,
                    "binding_constraint": miss.constraint.name,
                    "amount": miss.amount,
                    "unit": miss.constraint.unit,
                }
            )
        return found

    def write_designs(self, rows: Sequence[Row], chosen: Sequence[Member], own: OwnWeights) -> None:
        """Write designs and weights; remove the designs of an earlier, shorter search."""
        designs = self.folder / "designs"
        write_designs(designs, self.work, chosen, self.device_file)
        for one in chosen:
            name = one.decoded.network.name
            write_bytes(designs / f"{one.id}.safetensors", own.finetuned[name].weights)
            write_bytes(designs / f"{one.id}{INTEGER_END}", own.quantised[name])
        # Near misses have no weights, and stay.
        weighted = (path.name.removesuffix(".safetensors") for path in designs.glob("*.safetensors"))
        for gone in {name.removesuffix(".int16") for name in weighted} - {row["id"] for row in rows}:
            for end in DESIGN_FILES:
                (designs / f"{gone}{end}").unlink(missing_ok=True)

    def draw(self) -> None:
        """Draw the figure of the fronts."""
        from experiments.figures.plot import plot_run

        plot_run(self.folder, kind="front", formats=("pdf", "png"), width="ieee1")

    def write_missing_report(self) -> None:
        """Write the report of a finished run where it is missing."""
        if not (self.folder / REPORT).exists():
            from experiments.report.write import write_report

            write_report(self.folder)
