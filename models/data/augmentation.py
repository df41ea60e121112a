"""Customary augmentation of a data set: a record free of torch, which `models.training.augment` applies."""

from __future__ import annotations

from dataclasses import dataclass

from energy.validation import require_int, require_number


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Variation of training samples, each on its own; the default is none.

    Attributes:
        mixing: Standard deviation of the random matrix added to the identity that mixes a sample's channels: a sensor
            worn a little turned, or with another gain. [1]
        noise: Standard deviation of white noise, on inputs of spread 1. [1]
        shift: Largest shift along each axis longer than 1, in both directions; zeros fill the gap. [1]
        shift_width: Largest shift along the width, None for `shift`; 0 keeps the coefficients of a spectrum, which lie
            along the width, in place. [1]
        flip: Whether half the samples are mirrored along their last axis.

    Raises:
        ValueError: A number is negative, a shift is not a whole number, or `flip` is not a bool.
    """

    mixing: float = 0.0
    noise: float = 0.0
    shift: int = 0
    shift_width: int | None = None
    flip: bool = False

    def __post_init__(self) -> None:
        require_number("mixing", self.mixing, least=0)
        require_number("noise", self.noise, least=0)
        require_int("shift", self.shift, least=0)
        if self.shift_width is not None:
            require_int("shift_width", self.shift_width, least=0)
        if not isinstance(self.flip, bool):
            raise ValueError(f"flip must be true or false, not {self.flip!r}")
