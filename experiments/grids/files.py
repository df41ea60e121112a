"""Grid files: axes over a base config, read and checked completely before a cell is run. Torch-free.

A cell has one item of every axis; its config is the base's with the changes of `[set]` and of its items.
"""

from __future__ import annotations

import itertools
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energy.validation import closest
from experiments.config.errors import ConfigError
from experiments.config.read import read_config
from experiments.config.schema import Config
from experiments.config.toml import dotted, to_setting
from experiments.storage.keys import digest

_KEYS = ("schema", "name", "base", "set", "axes")
_ONE_PROCESS = "compute.processes=1"
"""Setting of every cell unless the grid sets it: cells run beside each other, with one process each."""

_MOST_CELLS = 100_000


@dataclass(frozen=True, kw_only=True)
class Item:
    """One value of an axis.

    Attributes:
        value: Its value in tables: a number, a truth value or a text.
        settings: Changes to the config, `key=value` each.
    """

    value: Any
    settings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One run of a grid.

    Attributes:
        number: Its place in the product, from 1.
        values: Values of its axes, by axis.
        config: Config of its run.
    """

    number: int
    values: Mapping[str, Any]
    config: Config

    @property
    def label(self) -> str:
        """Values in one line."""
        return ", ".join(f"{axis}={value}" for axis, value in self.values.items()) or "the only one"

    @property
    def key(self) -> str:
        """Hash that names its run."""
        return self.config.key()

    @property
    def folder_name(self) -> str:
        """Name of its run's folder."""
        return f"{self.config.name}-{self.key}"

    @property
    def supernet_group(self) -> str:
        """Hash of the settings of the shared weights, equal for cells that can share them."""
        tree = self.config.to_dict()
        names = ("seed", "data", "space", "supernet", "teacher")
        return digest({"of": [tree.get(name) for name in names], "device": tree["compute"]["device"]})


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A grid file.

    Attributes:
        name: Name of its folder.
        axes: Names of the axes, in the order of the file.
        cells: Product of the axes, the last axis fastest.
    """

    name: str
    axes: tuple[str, ...]
    cells: tuple[Cell, ...]


def read_grid(path: Path) -> Grid:
    """Read a grid file and check the config of every cell.

    Raises:
        ConfigError: The file or the config of a cell is wrong, or two cells are the same run.
    """
    tree = _tree(path)
    label, folder = str(path), path.parent
    name = tree.get("name", path.stem)
    _check_name(label, name)
    base = tree.get("base")
    if not isinstance(base, str):
        raise ConfigError(label, "base", f"must be a built-in config or a path, not {base!r}")
    if (folder / base).exists():
        base = str(folder / base)
    common = [_setting(key, value, folder) for key, value in dotted(tree.get("set", {})).items()]
    axes = {axis: _items(label, axis, items, folder) for axis, items in dotted(tree["axes"]).items()}
    if math.prod(map(len, axes.values())) > _MOST_CELLS:
        raise ConfigError(label, "axes", f"must make at most {_MOST_CELLS:,} cells")
    cells = []
    for number, chosen in enumerate(itertools.product(*axes.values()), 1):
        values = {axis: item.value for axis, item in zip(axes, chosen, strict=True)}
        settings = [_ONE_PROCESS, *common, *(one for item in chosen for one in item.settings)]
        try:
            config = read_config(base, settings=settings)
        except ConfigError as error:
            raise ConfigError(label, error.key, str(error).removeprefix(f"{error.file}: {error.key}: ")) from None
        cells.append(Cell(number=number, values=values, config=config))
    _check_distinct(label, cells)
    return Grid(name=name, axes=tuple(axes), cells=tuple(cells))


def _tree(path: Path) -> dict[str, Any]:
    """Return the tables of the file, top-level keys and their types checked."""
    if not path.is_file():
        raise ConfigError(str(path), "", "grid file not found")
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(str(path), "", f"must be TOML: {error}") from None
    for key in tree:
        if key not in _KEYS:
            raise ConfigError(str(path), key, f"unknown key{closest(key, _KEYS) or '; known are ' + ', '.join(_KEYS)}")
    if tree.get("schema") != 1:
        raise ConfigError(str(path), "schema", f"must be 1, not {tree.get('schema')!r}")
    for key in ("set", "axes"):
        if not isinstance(tree.setdefault(key, {}), dict):
            raise ConfigError(str(path), key, f"must be a table, not {tree[key]!r}")
    if not tree["axes"]:
        raise ConfigError(str(path), "axes", "must have at least one axis, such as seed = [0, 1]")
    return tree


def _check_name(label: str, name: Any) -> None:
    allowed = isinstance(name, str) and name[:1].isalnum() and all(c.isalnum() or c in "._-" for c in name)
    if not allowed:
        raise ConfigError(label, "name", f"must be letters, digits, '.', '_' and '-', not {name!r}")


def _check_distinct(label: str, cells: Sequence[Cell]) -> None:
    seen: dict[str, Cell] = {}
    for cell in cells:
        other = seen.setdefault(cell.key, cell)
        if other is not cell:
            rule = "must give every cell its own run; effort limits, names and processes do not"
            raise ConfigError(label, "axes", f"{rule}: cells ({other.label}) and ({cell.label}) are the same run")


def _items(label: str, axis: str, items: Any, folder: Path) -> list[Item]:
    if not isinstance(items, list) or not items:
        raise ConfigError(label, f"axes.{axis}", f"must be a list of at least one value, not {items!r}")
    return [_item(label, axis, item, folder) for item in items]


def _item(label: str, axis: str, item: Any, folder: Path) -> Item:
    if not isinstance(item, Mapping):
        shown = ",".join(map(str, item)) if isinstance(item, list) else item
        return Item(value=shown, settings=(_setting(axis, item, folder),))
    name = item.get("label")
    if not isinstance(name, str) or len(item) < 2:
        raise ConfigError(label, f"axes.{axis}", f"a table must have a label and the keys that it sets, not {item!r}")
    changes = dotted({key: value for key, value in item.items() if key != "label"})
    return Item(value=name, settings=tuple(_setting(key, value, folder) for key, value in changes.items()))


def _setting(key: str, value: Any, folder: Path) -> str:
    """Return one change as `--set` takes it; paths are relative to the grid file, one capacitance is a list of one."""
    if key == "supply.capacitances" and not isinstance(value, list):
        value = [value]
    if isinstance(value, str) and (key == "data.dir" or key.endswith(".file")):
        value = str((folder / value).resolve())
    return to_setting(key, value)
