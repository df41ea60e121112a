"""A data set and its splits.

Training uses `train`, every choice uses `val`, and `test` is for reported accuracies. Splits are built on request;
`opened` lists those built so far. `groups` is the unit that the bootstrap resamples, since windows of one recording
overlap. Large splits stay bytes; `Split.take` reads samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energy.validation import require_choice, require_int
from models.data.augmentation import Augmentation
from models.data.normalisation import Normalisation

SPLITS = ("train", "val", "test")
"""Names of the splits."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Samples of one split.

    Attributes:
        inputs: Samples `(n, channels, *size)`, float32 and normalised, or uint8 as recorded, possibly a read-only
            memory map; size is (h,) for one-dimensional data. `take` reads them.
        labels: Class of each sample, int64 `(n,)`.
        groups: Recording or image of each sample, int64 `(n,)`.
        mean: Mean that `take` subtracts from uint8 samples, float32 `(channels,)`; None for float32 ones.
        spread: Divisor of `take`, above 0, float32 `(channels,)`; None for float32 ones.

    Raises:
        ValueError: The arrays differ in length or have other types or axes.
    """

    inputs: NDArray[np.float32] | NDArray[np.uint8]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    mean: NDArray[np.float32] | None = None
    spread: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.inputs.dtype not in (np.float32, np.uint8) or self.inputs.ndim not in (3, 4):
            raise ValueError(
                "inputs must be float32 (n, channels, *size) or uint8 of these axes, "
                f"not {self.inputs.dtype} {self.inputs.shape}"
            )
        for name in ("labels", "groups"):
            values = getattr(self, name)
            if values.dtype != np.int64 or values.shape != (len(self.inputs),):
                raise ValueError(f"{name} must be int64 ({len(self.inputs)},), not {values.dtype} {values.shape}")
        for name in ("mean", "spread"):
            self._check_statistics(name, getattr(self, name))
        if self.spread is not None and not (self.spread > 0).all():
            raise ValueError(f"spread must be above 0 for each channel, not {self.spread.min():g}")

    def _check_statistics(self, name: str, values: NDArray[Any] | None) -> None:
        is_raw = self.inputs.dtype == np.uint8
        if values is None and is_raw:
            raise ValueError(f"{name} must be float32 ({self.inputs.shape[1]},) with uint8 inputs, not None")
        if values is None:
            return
        if not is_raw:
            raise ValueError(f"{name} must be None with float32 inputs, which are normalised already")
        if values.dtype != np.float32 or values.shape != self.inputs.shape[1:2] or not np.isfinite(values).all():
            raise ValueError(
                f"{name} must be finite float32 ({self.inputs.shape[1]},), not {values.dtype} {values.shape}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample, `(channels, *size)`."""
        return tuple(self.inputs.shape[1:])

    def at_most(self, n: int) -> slice:
        """Return an index of at most `n` samples, spread evenly over all, for `take` and `labels`."""
        return slice(None, None, -(-len(self) // n))

    def part(self, index: slice | NDArray[np.int64]) -> Split:
        """Return the split of these samples alone; a slice copies nothing."""
        return replace(self, inputs=self.inputs[index], labels=self.labels[index], groups=self.groups[index])

    def take(self, index: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        """Return normalised samples, float32 `(n, channels, *size)`; read-only, since they may share memory.

        Args:
            index: Index of the samples: a slice, or positions in any order.
        """
        chosen = self.inputs[index]
        if self.mean is None or self.spread is None:
            return np.asarray(chosen, dtype=np.float32)
        axes = (-1,) + (1,) * (chosen.ndim - 2)
        samples = np.subtract(chosen, self.mean.reshape(axes), dtype=np.float32)
        samples /= self.spread.reshape(axes)
        return samples


@dataclass(frozen=True, kw_only=True, eq=False)
class DataSet:
    """A data set whose splits are built on demand.

    Attributes:
        name: Name in a config.
        n_classes: Number of classes. [1]
        input_shape: Height, width and channels of a sample, as in `Space`; width 1 for one-dimensional data. [1]
        class_names: One name per class.
        source: Origin of the data.
        licence: Licence of the data.
        fingerprint: Key of caches, which changes with any sample of any split.
        augmentation: Customary variation of its training samples.
        build: Builds the split with a name; called at most once per split.
        build_dense: Builds the validation split with recordings cut into more windows, which overlap more; None where
            samples are not cut from recordings.
        build_normalisation: Returns the normalisation of raw samples; None where splits hold it, or without any.

    Raises:
        ValueError: The sizes are not whole numbers or the names do not match the classes.
    """

    name: str
    n_classes: int
    input_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    source: str
    licence: str
    fingerprint: str
    augmentation: Augmentation = field(default_factory=Augmentation)
    build: Callable[[str], Split] = field(repr=False)
    build_dense: Callable[[], Split] | None = field(default=None, repr=False)
    build_normalisation: Callable[[], Normalisation] | None = field(default=None, repr=False)
    _splits: dict[str, Split] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        require_int("n_classes", self.n_classes, least=2)
        for size in self.input_shape:
            require_int("input_shape", size)
        if len(self.class_names) != self.n_classes:
            raise ValueError(f"class_names must name {self.n_classes} classes, not {len(self.class_names)}")

    @property
    def opened(self) -> tuple[str, ...]:
        """Names of the splits built so far, in that order."""
        return tuple(self._splits)

    def split(self, name: str) -> Split:
        """Return the split called `"train"`, `"val"` or `"test"`, built at the first call.

        Raises:
            ValueError: The split is unknown or empty.
        """
        require_choice("split", name, SPLITS)
        if name not in self._splits:
            split = self.build(name)
            if not len(split):
                raise ValueError(f"data set {self.name!r}: split {name} must have samples, and has none")
            self._splits[name] = split
        return self._splits[name]

    @property
    def dense_val(self) -> Split:
        """The validation split from `build_dense`, or the plain one without; built at the first call."""
        if self.build_dense is None:
            return self.split("val")
        if "dense val" not in self._splits:
            self._splits["dense val"] = self.build_dense()
        return self._splits["dense val"]

    @property
    def normalisation(self) -> Normalisation:
        """Normalisation of raw samples into those of the splits, computed from the training split."""
        if self.build_normalisation is not None:
            return self.build_normalisation()
        split = self.split("val")
        n_axes = len(split.sample_shape)
        if split.mean is None or split.spread is None:
            return Normalisation.none(n_axes)
        raw = "image of bytes from 0 to 255"
        return Normalisation.by_channel(split.mean, split.spread, n_axes=n_axes, raw=raw)
