"""Sections of a config: keys, types, units, ranges and defaults. Torch-free."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from energy.networks.rules import DEFAULT_RULES, rules
from energy.planning.planner import check_rules
from energy.scheduling.execution import CUTS, POLICIES, Execution
from energy.scheduling.worst_case import HarvestUncertainty
from evo.methods import ADAPTIVE, EVALUATIONS, METHOD, POPULATION, RefinementRate, method
from evo.objectives import objectives
from experiments.formatting.quantities import parse
from models.spaces import preset
from models.spaces.stage import Stage
from models.training.settings import FinetuneSettings, SupernetSettings


def _quantity(unit: str) -> BeforeValidator:
    def read(value: Any, info: ValidationInfo) -> Any:
        return parse(str(info.field_name), value, unit)

    return BeforeValidator(read)


def _each_capacitance(value: Any) -> Any:
    if not isinstance(value, (list, tuple)) or not value:
        raise ValueError(f"capacitances must be a list of at least one capacitance, not {value!r}")
    parsed = tuple(parse("capacitances", item, "F") for item in value)
    if any(item <= 0 for item in parsed):
        raise ValueError(f"capacitances must be above 0 F, not {min(parsed):g}")
    if len(set(parsed)) < len(parsed):
        raise ValueError(f"capacitances must differ from each other, not {value!r}")
    return parsed


OWN_FILES = {"device": "device.toml", "supply": "supply.toml", "teacher": "teacher.npy"}
"""Sections that may name a file, and the name of its copy in a run's folder."""

LEAST_LEARNT = 20
"""Least number of networks that a predictor learns from. [1]"""

_MOST = 1_000_000
"""Upper limit of counts, far above every use: a larger count is a slip, found before hours of work. [1]"""


class Section(BaseModel):
    """A table of the config: frozen, strict about types, no unknown keys, finite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class DataSection(Section):
    """Data set, and the fold of people that are held out."""

    name: str = "watch"
    fold: int = Field(default=0, ge=0, le=4)
    dir: str | None = Field(default=None, min_length=1)


class StageSection(Section):
    """A stage of an own space, as `models.spaces.Stage`."""

    kernels: tuple[int, ...] = Field(strict=False)
    channels: tuple[int, ...] = Field(strict=False)
    depths: tuple[int, ...] = Field(default=Stage.depths, strict=False)
    residuals: tuple[bool, ...] = Field(default=Stage.residuals, strict=False)
    strides: tuple[int, ...] = Field(default=Stage.strides, strict=False)
    expansions: tuple[int, ...] = Field(default=Stage.expansions, strict=False)
    blocks: tuple[str, ...] = Field(default=Stage.blocks, strict=False)
    one_kernel: bool = Stage.one_kernel
    is_scaled: bool = Stage.is_scaled


class SpaceSection(Section):
    """A preset by its name, or an own space by its stages."""

    name: str = "conv1d-3"
    padding: Literal["same", "valid"] | None = None
    stages: tuple[StageSection, ...] | None = Field(default=None, strict=False, min_length=1)
    widths_percent: tuple[int, ...] | None = Field(default=None, strict=False)
    heights: tuple[int, ...] | None = Field(default=None, strict=False)

    @model_validator(mode="after")
    def _preset_or_own(self) -> SpaceSection:
        if self.stages is None:
            preset(self.name)
            for name in ("padding", "widths_percent", "heights"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} belongs to an own space, which needs stages")
        return self


class FileOrName(Section):
    """Name of a built-in description, or path of an own file."""

    name: str | None = None
    file: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> FileOrName:
        if (self.name is None) == (self.file is None):
            raise ValueError(f"exactly one of name and file must be given, not {'both' if self.name else 'none'}")
        return self

    @property
    def source(self) -> str:
        """The name or the path."""
        return self.file or str(self.name)


class TeacherSection(Section):
    """Class probabilities of a network of your own, learnt by the largest network of the space and by fine-tuned ones.

    The file is .npy, `(n_train, n_classes)`, in the order of the training split.
    """

    file: str


class SupplySection(FileOrName):
    """The harvester and its capacitors: one front for each capacitance."""

    capacitances: Annotated[tuple[float, ...], BeforeValidator(_each_capacitance)] = (47e-6, 100e-6, 470e-6)
    resistance: Annotated[float, _quantity("ohm")] | None = Field(default=None, gt=0)
    harvest_uncertainty: float = Field(default=HarvestUncertainty.resistance_factor, ge=1)


class ExecutionSection(Section):
    """Execution and counting of plans."""

    policy: Literal["packed", "one-batch-per-cycle"] = POLICIES[0]
    rules: Literal["ebbnas", "inas2021", "tinas2025"] = DEFAULT_RULES
    counting: Literal["", "exact", "published"] = ""
    cuts: Literal["optimal", "greedy"] = CUTS[0]

    @model_validator(mode="after")
    def _one_execution(self) -> ExecutionSection:
        check_rules(rules(self.rules), self.execution)
        object.__setattr__(self, "counting", self.execution.counting)
        return self

    @property
    def execution(self) -> Execution:
        """Policy, counting and cuts together."""
        return Execution(policy=self.policy, counting=self.counting, cuts=self.cuts)


class SupernetSection(Section):
    """Training of the shared weights."""

    epochs: int = Field(default=SupernetSettings.epochs, ge=1, le=_MOST)
    batch_size: int = Field(default=SupernetSettings.batch_size, ge=2, le=_MOST)
    learning_rate: float = Field(default=SupernetSettings.learning_rate, gt=0)
    n_random: int = Field(default=SupernetSettings.n_random, ge=0, le=_MOST)
    draw: Literal["by gene", "by size"] = SupernetSettings.draw
    opening: float = Field(default=SupernetSettings.opening, ge=0, le=1)
    distillation: float = Field(default=SupernetSettings.distillation, ge=0, le=1)
    log_every: int = Field(default=SupernetSettings.log_every, ge=1, le=_MOST)


class PredictorSection(Section):
    """Predictor of accuracies, for spaces too large to evaluate every network."""

    networks: int = Field(default=400, ge=0, le=10_000)

    @model_validator(mode="after")
    def _enough(self) -> PredictorSection:
        if 0 < self.networks < LEAST_LEARNT:
            raise ValueError(f"networks must be 0, for no predictor, or at least {LEAST_LEARNT}, not {self.networks}")
        return self


EFFORT = ("evaluations", "time_limit", "patience")
"""Effort of a search; these settings are no part of the hash of a run."""

_ADDED_LATER = {"method": "joint"}
"""Settings of a search that were added after the first runs, with the defaults that keep their hashes."""


class SearchSection(Section):
    """Evolutionary search, one per capacitor."""

    population: int = Field(default=POPULATION, ge=4, le=_MOST)
    evaluations: int = Field(default=EVALUATIONS, ge=1, le=1000 * _MOST)
    patience: int | None = Field(default=None, ge=1, le=_MOST)
    refinement_rate: RefinementRate = ADAPTIVE
    method: str = METHOD
    objectives: tuple[str, ...] = Field(default=("error", "latency"), strict=False)
    deadline: Annotated[float, _quantity("s")] | None = Field(default=None, gt=0)
    time_limit: Annotated[float, _quantity("s")] | None = Field(default=None, gt=0)

    def effort(self) -> dict[str, Any]:
        """Return the effort of a search as JSON types; settings added later only where they are set."""
        settings = self.model_dump(mode="json", include=set(EFFORT))
        return {key: value for key, value in settings.items() if key != "patience" or value is not None}

    def decisive(self) -> dict[str, Any]:
        """Return all settings but the effort as JSON types; settings added later only where they are set."""
        settings = self.model_dump(mode="json", exclude=set(EFFORT))
        return {key: value for key, value in settings.items() if (key, value) not in _ADDED_LATER.items()}

    @field_validator("refinement_rate", mode="before")
    @classmethod
    def _share_or_adaptive(cls, rate: Any) -> Any:
        is_number = isinstance(rate, int | float) and not isinstance(rate, bool)
        if not (0 <= rate <= 1 if is_number else rate == ADAPTIVE):
            raise ValueError(f"must be {ADAPTIVE!r} or from 0 to 1, not {rate!r}")
        return float(rate) if is_number else rate

    @field_validator("objectives")
    @classmethod
    def _known_objectives(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        found = tuple(row.name for row in objectives(names))
        if found[0] != "error":
            raise ValueError(f"objectives must begin with error, not {found[0]}")
        return found

    @field_validator("method")
    @classmethod
    def _known_method(cls, name: str) -> str:
        return method(name).name

    @model_validator(mode="after")
    def _whole_population(self) -> SearchSection:
        if self.evaluations < self.population:
            raise ValueError(f"evaluations must be at least the population {self.population}, not {self.evaluations}")
        return self


class FinetuneSection(Section):
    """Training of the networks on the fronts, each on its own."""

    epochs: int = Field(default=FinetuneSettings.epochs, ge=1, le=_MOST)
    batch_size: int = Field(default=FinetuneSettings.batch_size, ge=2, le=_MOST)
    learning_rate: float = Field(default=FinetuneSettings.learning_rate, gt=0)
    distillation: float = Field(default=FinetuneSettings.distillation, ge=0, le=1)
    max_networks: int = Field(default=20, ge=1, le=_MOST)
    seeds: int = Field(default=1, ge=1, le=_MOST)
    validate_every: int = Field(default=FinetuneSettings.validate_every, ge=0, le=_MOST)


class DeploySection(Section):
    """Verification of the programs of the designs on the fronts."""

    verify: bool = False
    failures: int = Field(default=1000, ge=0, le=1000 * _MOST)


class ComputeSection(Section):
    """Threads, processes and device of a run."""

    threads: int = Field(default=1, ge=1, le=1024)
    processes: int = Field(default=2, ge=1, le=1024)
    device: Literal["cpu", "cuda"] = "cpu"
