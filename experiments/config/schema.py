"""What a run is asked to do: one TOML file, checked completely before anything starts.

Unknown keys are refused with the nearest known one, quantities take units, every default is filled in. Torch-free.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from energy.networks.rules import rules
from energy.planning.planner import check_rules
from energy.scheduling.execution import Execution
from energy.validation import closest
from evo.methods import ADAPTIVE, RefinementRate, method
from evo.objectives import objectives
from experiments.formatting.quantities import parse
from experiments.storage.files import file_digest
from experiments.storage.keys import digest
from experiments.storage.run_folder import CONFIG_FILE, is_run_folder
from models.spaces import preset

SHIPPED = resources.files("experiments.config") / "built_in"
"""Folder of the configs that ship with the project."""


class ConfigError(ValueError):
    """A config that cannot be used: which file, which key, and what is wrong with it."""

    def __init__(self, file: str, key: str, message: str) -> None:
        """Say it in one line."""
        super().__init__(f"{file}: {key}: {message}" if key else f"{file}: {message}")
        self.file = file
        self.key = key


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
"""Sections that may name a file, and what a run calls its copy of it."""

LEAST_LEARNT = 20
"""Networks that a predictor has to learn from at least. [1]"""

_MOST = 1_000_000
"""Upper limit of counts, far above every use: what is larger is a slip, found before hours of work. [1]"""


class Section(BaseModel):
    """A table of the config: frozen, strict about types, no unknown keys, finite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class DataSection(Section):
    """Which data set, and which people are held out."""

    name: str = "watch"
    fold: int = Field(default=0, ge=0, le=4)
    dir: str | None = Field(default=None, min_length=1)


class StageSection(Section):
    """A stage of an own space, as `models.spaces.Stage`."""

    kernels: tuple[int, ...] = Field(strict=False)
    channels: tuple[int, ...] = Field(strict=False)
    depths: tuple[int, ...] = Field(default=(1,), strict=False)
    residuals: tuple[bool, ...] = Field(default=(False,), strict=False)
    strides: tuple[int, ...] = Field(default=(1,), strict=False)
    expansions: tuple[int, ...] = Field(default=(1,), strict=False)
    blocks: tuple[str, ...] = Field(default=("conv",), strict=False)
    one_kernel: bool = False
    is_scaled: bool = True


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
    """Something that ships with the project by its name, or an own file."""

    name: str | None = None
    file: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> FileOrName:
        if (self.name is None) == (self.file is None):
            raise ValueError("exactly one of name and file must be given")
        return self

    @property
    def source(self) -> str:
        """The name or the path."""
        return self.file or str(self.name)


class TeacherSection(Section):
    """Answers of a network of your own, learnt by the largest network of the shared weights and by fine-tuned ones.

    The file is .npy, class probabilities `(n_train, n_classes)` in the order of the training split.
    """

    file: str


class SupplySection(FileOrName):
    """The harvester and its capacitors: one front for each capacitance."""

    capacitances: Annotated[tuple[float, ...], BeforeValidator(_each_capacitance)] = (47e-6, 100e-6, 470e-6)
    resistance: Annotated[float, _quantity("ohm")] | None = Field(default=None, gt=0)
    harvest_uncertainty: float = Field(default=1.0, ge=1)


class ExecutionSection(Section):
    """How plans are run and counted."""

    policy: Literal["packed", "one-batch-per-cycle"] = "packed"
    rules: Literal["ebbnas", "inas2021", "tinas2025"] = "ebbnas"
    counting: Literal["", "exact", "published"] = ""
    cuts: Literal["optimal", "greedy"] = "optimal"

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

    epochs: int = Field(default=40, ge=1, le=_MOST)
    batch_size: int = Field(default=64, ge=2, le=_MOST)
    learning_rate: float = Field(default=1e-2, gt=0)
    n_random: int = Field(default=2, ge=0, le=_MOST)
    draw: Literal["by gene", "by size"] = "by gene"
    opening: float = Field(default=0.0, ge=0, le=1)
    distillation: float = Field(default=0.5, ge=0, le=1)
    log_every: int = Field(default=5, ge=1, le=_MOST)


class PredictorSection(Section):
    """How accuracies are known in spaces too large to judge every network."""

    networks: int = Field(default=400, ge=0, le=10_000)

    @model_validator(mode="after")
    def _enough(self) -> PredictorSection:
        if 0 < self.networks < LEAST_LEARNT:
            raise ValueError(f"networks must be 0, for no predictor, or at least {LEAST_LEARNT}, not {self.networks}")
        return self


EFFORT = ("evaluations", "time_limit", "patience")
"""Settings of a search that say how far it goes; they are no part of a hash."""

_ADDED_LATER = {"method": "joint"}
"""Settings of a search that were added once there were runs, and their defaults, which leave hashes as they were."""


class SearchSection(Section):
    """The evolutionary search, one a budget."""

    population: int = Field(default=50, ge=4, le=_MOST)
    evaluations: int = Field(default=1000, ge=1, le=1000 * _MOST)
    patience: int | None = Field(default=None, ge=1, le=_MOST)
    refinement_rate: RefinementRate = ADAPTIVE
    method: str = "joint"
    objectives: tuple[str, ...] = Field(default=("error", "latency"), strict=False)
    deadline: Annotated[float, _quantity("s")] | None = Field(default=None, gt=0)
    time_limit: Annotated[float, _quantity("s")] | None = Field(default=None, gt=0)

    def effort(self) -> dict[str, Any]:
        """How far a search goes, as JSON types; what was added later only where it is set."""
        settings = self.model_dump(mode="json", include=set(EFFORT))
        return {key: value for key, value in settings.items() if key != "patience" or value is not None}

    def decisive(self) -> dict[str, Any]:
        """What decides a search, as JSON types: all but its effort, and what was added later only where it is set."""
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

    epochs: int = Field(default=16, ge=1, le=_MOST)
    batch_size: int = Field(default=64, ge=2, le=_MOST)
    learning_rate: float = Field(default=8e-3, gt=0)
    distillation: float = Field(default=0.5, ge=0, le=1)
    max_networks: int = Field(default=20, ge=1, le=_MOST)
    seeds: int = Field(default=1, ge=1, le=_MOST)
    validate_every: int = Field(default=2, ge=0, le=_MOST)


class DeploySection(Section):
    """What is done with the programs of the designs on the fronts."""

    verify: bool = False
    failures: int = Field(default=1000, ge=0, le=1000 * _MOST)


class ComputeSection(Section):
    """What it runs on."""

    threads: int = Field(default=1, ge=1, le=1024)
    processes: int = Field(default=2, ge=1, le=1024)
    device: Literal["cpu", "cuda"] = "cpu"


class Config(Section):
    """Everything that decides a run."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    name: str = Field(default="run", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: int = Field(default=0, ge=0, lt=2**32)
    data: DataSection = DataSection()
    space: SpaceSection = SpaceSection()
    device: FileOrName = FileOrName(name="msp430fr5994-tinas2025")
    supply: SupplySection = SupplySection(name="tinas2025")
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


def read_config(
    source: str, *, settings: Sequence[str] = (), budgets: str | None = None, data_dir: str | None = None
) -> Config:
    """Read and check a config.

    Args:
        source: Path of a TOML file, name of a shipped config, or folder of a run.
        settings: Changes such as `"search.evaluations=500"`, later ones win.
        budgets: Capacitances such as `"47uF,100uF"`, in place of the file's.
        data_dir: Folder of the data set, in place of the file's.

    Raises:
        ConfigError: There is no such config, or a key or value is wrong.
    """
    text, label, folder = _find(source)
    try:
        tree: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(label, "", f"must be TOML: {error}") from None
    for section in OWN_FILES:
        if isinstance(tree.get(section), dict) and isinstance(tree[section].get("file"), str):
            tree[section]["file"] = str(folder / tree[section]["file"])
    if isinstance(tree.get("data"), dict) and isinstance(tree["data"].get("dir"), str):
        tree["data"]["dir"] = str((folder / tree["data"]["dir"]).resolve())
    for setting in settings:
        _apply(tree, setting)
    for section in ("data", "supply"):
        if not isinstance(tree.get(section, {}), dict):
            raise ConfigError(label, section, f"must be a table, not {tree[section]!r}")
    if budgets is not None:
        tree.setdefault("supply", {})["capacitances"] = [item.strip() for item in budgets.split(",")]
    if data_dir is not None:
        tree.setdefault("data", {})["dir"] = str(Path(data_dir).resolve())
    for section, default in (("device", "msp430fr5994-tinas2025"), ("supply", "tinas2025")):
        table = tree.get(section)
        if isinstance(table, dict) and not {"name", "file"} & set(table):
            table["name"] = default
    return _checked(tree, label)


def _checked(tree: Mapping[str, Any], label: str) -> Config:
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        key, message = _first_error(error)
        raise ConfigError(label, key, message) from None
    for section, file in config.own_files().items():
        if not file.is_file():
            raise ConfigError(label, f"{section}.file", f"must be a file, there is none at {str(file)!r}")
    return config


def _find(source: str) -> tuple[str, str, Path]:
    """Return the text of a config, what messages call it, and the folder its paths are relative to."""
    path = Path(source)
    if path.is_dir():
        if not is_run_folder(path):
            raise ConfigError(source, "", f"must be a run's folder (no {CONFIG_FILE} in it)")
        path = path / CONFIG_FILE
    if path.is_file():
        try:
            return path.read_text(encoding="utf-8-sig"), str(path), path.parent
        except UnicodeDecodeError:
            raise ConfigError(str(path), "", "must be TOML, which is UTF-8 text") from None
    shipped = sorted(entry.name.removesuffix(".toml") for entry in SHIPPED.iterdir() if entry.name.endswith(".toml"))
    if source in shipped:
        return (SHIPPED / f"{source}.toml").read_text(encoding="utf-8"), source, Path.cwd()
    hint = f"shipped are {', '.join(shipped)}{closest(source, shipped)}"
    raise ConfigError(source, "", f"there is no such file, run folder or shipped config; {hint}")


def _apply(tree: dict[str, Any], setting: str) -> None:
    """Put one `key=value` into the tree; the value is TOML where it reads as such, text otherwise."""
    key, equals, text = setting.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError("--set", "", f"must look like search.evaluations=500, not {setting!r}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    node = tree
    for part in parts[:-1]:
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            raise ConfigError("--set", key, f"{part} is no table")
    node[parts[-1]] = value
    if parts[0] in ("device", "supply") and parts[-1] in ("name", "file"):
        node.pop("file" if parts[-1] == "name" else "name", None)


def _first_error(error: ValidationError) -> tuple[str, str]:
    """Return key and one-line message of the first thing that is wrong; unknown keys come first."""
    errors = sorted(error.errors(include_url=False), key=lambda item: item["type"] != "extra_forbidden")
    first = errors[0]
    location = [part for part in first["loc"] if not (isinstance(part, str) and part.startswith("function-"))]
    key = ".".join(str(part) for part in location)
    if first["type"] == "extra_forbidden":
        known = _known_keys(location[:-1])
        return key, f"unknown key{closest(str(location[-1]), known) or '; known are ' + ', '.join(known)}"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        return key, message
    return key, f"{message[0].lower()}{message[1:]}, not {first['input']!r}"


def _known_keys(location: Sequence[Any]) -> list[str]:
    model: type[BaseModel] = Config
    for part in location:
        if isinstance(part, str):
            annotation: Any = model.model_fields[part].annotation
            while get_args(annotation):
                annotation = get_args(annotation)[0]
            model = annotation
    return [field.alias or name for name, field in model.model_fields.items()]
