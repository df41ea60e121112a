"""Objects that the names of a config stand for: data, space, device and supplies.

Looking them up finds every mistake in them before work starts.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from energy.hardware.device import Device, read_device
from energy.hardware.supply import Supply, read_supply_family
from energy.networks.rules import Rules, rules
from energy.scheduling.execution import Execution
from energy.scheduling.worst_case import HarvestUncertainty
from experiments.config.errors import ConfigError
from experiments.config.schema import Config
from experiments.formatting.quantities import budget_name
from experiments.storage.keys import digest
from models.data import DataSet, load
from models.spaces import Space, Stage, preset


@dataclass(frozen=True, kw_only=True)
class Budget:
    """One supply of a run.

    Attributes:
        name: Short name, such as `470uF`.
        supply: The supply.
        note: Remark on the supply for the person who runs the search.
    """

    name: str
    supply: Supply
    note: str | None


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A config with its names looked up.

    Attributes:
        config: The config.
        data: The data set, no split opened.
        space: The networks, their input and classes those of the data.
        device: The device.
        budgets: The supplies, in the order of the config.
    """

    config: Config
    data: DataSet
    space: Space
    device: Device
    budgets: tuple[Budget, ...]

    @property
    def execution(self) -> Execution:
        """Execution and counting of inferences."""
        return self.config.execution.execution

    @property
    def rules(self) -> Rules:
        """Rules of the execution designs, with the longest vector that the device was measured with."""
        found = rules(self.config.execution.rules, self.device.max_vector)
        return found.under(self.execution.counting)

    @property
    def uncertainty(self) -> HarvestUncertainty:
        """Harvesters that worst cases are taken over."""
        return HarvestUncertainty(resistance_factor=self.config.supply.harvest_uncertainty)

    @property
    def device_key(self) -> str:
        """Hash of the values of a device file."""
        prices = {
            f"{counting}.{table}.{event}": price.tolist()
            for counting in ("published", "exact")
            for table, rows in vars(getattr(self.device, counting)).items()
            for event, price in rows.items()
        }
        sizes = {key: value for key, value in vars(self.device).items() if isinstance(value, (int, float))}
        return digest({"prices": prices, "sizes": sizes})

    @property
    def space_key(self) -> str:
        """Hash of a space without its name and source."""
        return digest({key: value for key, value in asdict(self.space).items() if key not in ("name", "source")})

    def data_reads(self) -> dict[str, Any]:
        """Return the values that the data depend on."""
        return {"name": self.data.name, "fold": self.config.data.fold, "fingerprint": self.data.fingerprint}


def look_up(config: Config, label: str | None = None) -> Workload:
    """Look up the names of a config.

    Args:
        config: The config.
        label: Its name in messages, such as its file; that of the config where None.

    Raises:
        ConfigError: A name is unknown, or its file is missing or damaged; the message names the key.
    """
    directory = None if config.data.dir is None else Path(config.data.dir)
    try:
        key = "data"
        data = load(config.data.name, fold=config.data.fold, directory=directory)
        key = "space"
        space = _space(config, data)
        key = "device"
        device = read_device(Path(config.device.file) if config.device.file else str(config.device.name))
        key = "supply"
        budgets = _budgets(config)
    except (ValueError, OSError) as error:
        raise ConfigError(label or config.name, key, str(error)) from None
    return Workload(config=config, data=data, space=space, device=device, budgets=budgets)


def _space(config: Config, data: DataSet) -> Space:
    section = config.space
    if section.stages is None:
        return preset(section.name).for_data(data.input_shape, data.n_classes)
    return Space(
        name=section.name,
        input_shape=data.input_shape,
        n_classes=data.n_classes,
        stages=tuple(Stage(**stage.model_dump()) for stage in section.stages),
        padding=section.padding or "same",
        widths_percent=section.widths_percent or (100,),
        heights=section.heights or (),
        source="config",
    )


def _budgets(config: Config) -> tuple[Budget, ...]:
    section = config.supply
    family = read_supply_family(Path(section.file) if section.file else str(section.name))
    found = []
    for capacitance_f in section.capacitances:
        note = None if section.resistance is not None else family.note(capacitance_f)
        supply = family.supply(capacitance_f, section.resistance)
        found.append(Budget(name=budget_name(capacitance_f), supply=supply, note=note))
    if len({budget.name for budget in found}) < len(found):
        raise ValueError("capacitances must differ in their first six digits")
    return tuple(found)
