"""The config of a run: all sections, and the hash that names the run's folder.

`experiments.config.read` reads one from a file and checks it completely before anything starts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from energy.hardware.files import DEFAULT_DEVICE, DEFAULT_SUPPLY
from experiments.config.sections import (
    OWN_FILES,
    ComputeSection,
    DataSection,
    DeploySection,
    ExecutionSection,
    FileOrName,
    FinetuneSection,
    PredictorSection,
    SearchSection,
    Section,
    SpaceSection,
    SupernetSection,
    SupplySection,
    TeacherSection,
)
from experiments.storage.files import file_digest
from experiments.storage.keys import digest


class Config(Section):
    """Settings of a run."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    name: str = Field(default="run", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: int = Field(default=0, ge=0, lt=2**32)
    data: DataSection = DataSection()
    space: SpaceSection = SpaceSection()
    device: FileOrName = FileOrName(name=DEFAULT_DEVICE)
    supply: SupplySection = SupplySection(name=DEFAULT_SUPPLY)
    execution: ExecutionSection = ExecutionSection()
    teacher: TeacherSection | None = None
    supernet: SupernetSection = SupernetSection()
    predictor: PredictorSection = PredictorSection()
    search: SearchSection = SearchSection()
    finetune: FinetuneSection = FinetuneSection()
    deploy: DeploySection = DeploySection()
    compute: ComputeSection = ComputeSection()

    def own_files(self) -> dict[str, Path]:
        """Return the files that sections name, by section."""
        named = {section: getattr(getattr(self, section), "file", None) for section in OWN_FILES}
        return {section: Path(file) for section, file in named.items() if file is not None}

    def to_dict(self) -> dict[str, Any]:
        """Return every setting with its value, as JSON types; what is not set is left out."""
        return dict(json.loads(self.model_dump_json(by_alias=True, exclude_none=True)))

    def key(self) -> str:
        """Return the hash that names the run's folder: all but the name, effort, proofs and the number of processes."""
        settings = self.to_dict()
        del settings["name"], settings["deploy"], settings["compute"]["processes"]
        settings["search"] = {key: value for key, value in self.search.decisive().items() if value is not None}
        for section, file in self.own_files().items():
            del settings[section]["file"]
            settings[section]["content"] = file_digest(file)
        return digest(settings)
