"""Samples for the worker processes of a run, which load them themselves."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from experiments.config.sections import DataSection
from models.data import DataSet, load


def data_of(section: DataSection) -> DataSet:
    """Return the data set of a config; each process keeps one in memory."""
    return _data(section.name, section.fold, section.dir)


@lru_cache(maxsize=1)
def _data(name: str, fold: int, directory: str | None) -> DataSet:
    return load(name, fold=fold, directory=None if directory is None else Path(directory))
