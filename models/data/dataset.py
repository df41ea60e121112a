"""A data set and its splits.

Training uses `train`, every choice uses `val`, `test` is only read. A split is built when it is asked for, and a data
set tells which were: `opened`. `groups` names the unit the bootstrap resamples, since windows of one recording overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from energy.checks import require_choice, require_int

SPLITS = ("train", "val", "test")
"""Names of the splits."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Samples of one split.

    Attributes:
        inputs: Normalised samples, float32 `(n, channels, *size)`; size is (h,) for one-dimensional data.
        labels: Class of each sample, int64 `(n,)`.
        groups: Recording or image each sample comes from, int64 `(n,)`.

    Raises:
        ValueError: The arrays differ in length or have other types or axes.
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.inputs.dtype != np.float32 or self.inputs.ndim not in (3, 4):
            raise ValueError(
                f"inputs must be float32 (n, channels, *size), not {self.inputs.dtype} {self.inputs.shape}"
            )
        for name in ("labels", "groups"):
            values = getattr(self, name)
            if values.dtype != np.int64 or values.shape != (len(self.inputs),):
                raise ValueError(f"{name} must be int64 ({len(self.inputs)},), not {values.dtype} {values.shape}")

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, kw_only=True, eq=False)
class DataSet:
    """A data set whose splits are built on demand.

    Attributes:
        name: What a config calls it.
        n_classes: Number of classes. [1]
        input_shape: Height, width and channels of a sample as `Space` has them; width 1 for one-dimensional data. [1]
        class_names: One name a class.
        source: Where the data come from.
        licence: Under what terms.
        fingerprint: Changes whenever any sample of any split does: the key of caches.
        build: Makes the split of a name; called at most once for each.

    Raises:
        ValueError: The sizes are no whole numbers or the names do not match the classes.
    """

    name: str
    n_classes: int
    input_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    source: str
    licence: str
    fingerprint: str
    build: Callable[[str], Split] = field(repr=False)
    _splits: dict[str, Split] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        require_int("n_classes", self.n_classes, least=2)
        for size in self.input_shape:
            require_int("input_shape", size)
        if len(self.class_names) != self.n_classes:
            raise ValueError(f"class_names must name {self.n_classes} classes, not {len(self.class_names)}")

    @property
    def opened(self) -> tuple[str, ...]:
        """Names of the splits that were asked for so far, in the order of asking."""
        return tuple(self._splits)

    def split(self, name: str) -> Split:
        """The split called `"train"`, `"val"` or `"test"`, built at the first call.

        Raises:
            ValueError: There is no split of that name.
        """
        require_choice("split", name, SPLITS)
        if name not in self._splits:
            self._splits[name] = self.build(name)
        return self._splits[name]
