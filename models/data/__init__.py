"""Data sets, their splits, normalisation and augmentation; the test split is built on request only."""

from models.data.augmentation import Augmentation
from models.data.dataset import DataSet, Split
from models.data.normalisation import Normalisation
from models.data.registry import DATASETS, DataSetNote, describe, load
from models.data.synthetic import synthetic

__all__ = [
    "DATASETS",
    "Augmentation",
    "DataSet",
    "DataSetNote",
    "Normalisation",
    "Split",
    "describe",
    "load",
    "synthetic",
]
