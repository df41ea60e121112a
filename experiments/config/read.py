"""Configs from TOML files: overrides of the command line, and checks with a message of one line.

Unknown keys are refused with the nearest known one, and every default is filled in. Torch-free.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from energy.hardware.files import DEFAULT_DEVICE, DEFAULT_SUPPLY
from energy.validation import closest
from experiments.config.errors import ConfigError
from experiments.config.schema import Config
from experiments.config.sections import OWN_FILES
from experiments.storage.run_folder import CONFIG_FILE, is_run_folder

BUILT_IN = resources.files("experiments.config") / "built_in"
"""Folder of the built-in configs."""


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A config before it is parsed.

    Attributes:
        text: Its TOML.
        label: Its name in messages.
        folder: Folder that its paths are relative to.
    """

    text: str
    label: str
    folder: Path


def read_config(
    source: str, *, settings: Sequence[str] = (), budgets: str | None = None, data_dir: str | None = None
) -> Config:
    """Read and check a config.

    Args:
        source: Path of a TOML file, name of a built-in config, or folder of a run.
        settings: Changes such as `"search.evaluations=500"`, later ones win.
        budgets: Capacitances such as `"47uF,100uF"`, in place of the file's.
        data_dir: Folder of the data set, in place of the file's.

    Raises:
        ConfigError: The config is not found, or a key or value is wrong.
    """
    found = _find(source)
    try:
        tree: dict[str, Any] = tomllib.loads(found.text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(found.label, "", f"must be TOML: {error}") from None
    _resolve_paths(tree, found.folder)
    for setting in settings:
        _apply(tree, setting)
    for section in ("data", "supply"):
        if not isinstance(tree.get(section, {}), dict):
            raise ConfigError(found.label, section, f"must be a table, not {tree[section]!r}")
    if budgets is not None:
        tree.setdefault("supply", {})["capacitances"] = [item.strip() for item in budgets.split(",")]
    if data_dir is not None:
        tree.setdefault("data", {})["dir"] = str(Path(data_dir).resolve())
    for section, default in (("device", DEFAULT_DEVICE), ("supply", DEFAULT_SUPPLY)):
        table = tree.get(section)
        if isinstance(table, dict) and not {"name", "file"} & set(table):
            table["name"] = default
    return _checked(tree, found.label)


def _resolve_paths(tree: Mapping[str, Any], folder: Path) -> None:
    """Make the paths of a config relative to its folder absolute, or relative to the current one."""
    for section in OWN_FILES:
        if isinstance(tree.get(section), dict) and isinstance(tree[section].get("file"), str):
            tree[section]["file"] = str(folder / tree[section]["file"])
    if isinstance(tree.get("data"), dict) and isinstance(tree["data"].get("dir"), str):
        tree["data"]["dir"] = str((folder / tree["data"]["dir"]).resolve())


def _checked(tree: Mapping[str, Any], label: str) -> Config:
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        key, message = _first_error(error)
        raise ConfigError(label, key, message) from None
    for section, file in config.own_files().items():
        if not file.is_file():
            raise ConfigError(label, f"{section}.file", f"must be an existing file, not {str(file)!r}")
    return config


def _find(source: str) -> _Source:
    """Find a config by path, by folder of a run or by built-in name."""
    path = Path(source)
    if path.is_dir():
        if not is_run_folder(path):
            raise ConfigError(source, "", f"must be a run's folder (no {CONFIG_FILE} in it)")
        path = path / CONFIG_FILE
    if path.is_file():
        try:
            return _Source(text=path.read_text(encoding="utf-8-sig"), label=str(path), folder=path.parent)
        except UnicodeDecodeError:
            raise ConfigError(str(path), "", "must be TOML, which is UTF-8 text") from None
    names = sorted(entry.name.removesuffix(".toml") for entry in BUILT_IN.iterdir() if entry.name.endswith(".toml"))
    if source in names:
        text = (BUILT_IN / f"{source}.toml").read_text(encoding="utf-8")
        return _Source(text=text, label=source, folder=Path.cwd())
    hint = f"built-in configs are {', '.join(names)}{closest(source, names)}"
    raise ConfigError(source, "", f"no file, run folder or built-in config of this name found; {hint}")


def _apply(tree: dict[str, Any], setting: str) -> None:
    """Put one `key=value` into the tree; a value that is not TOML is text."""
    key, equals, text = setting.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError("--set", "", f"must have the form search.evaluations=500, not {setting!r}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    node = tree
    for part in parts[:-1]:
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            raise ConfigError("--set", key, f"{part} must be a table for keys below it, not a value")
    node[parts[-1]] = value
    if parts[0] in ("device", "supply") and parts[-1] in ("name", "file"):
        node.pop("file" if parts[-1] == "name" else "name", None)


def _first_error(error: ValidationError) -> tuple[str, str]:
    """Return key and one-line message of the first error; unknown keys come first."""
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
