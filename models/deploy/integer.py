"""A network in integers: int16 weights and maps, power-of-two scales, int32 sums; the meaning of an exported program.

A real value is q 2^-fraction_bits. The weights of a layer are so small that no sum can overflow in any order, so every
plan of a network gives the same bits. `models.deploy.quantise` makes it, `models.deploy.reference` runs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energy.networks.shapes import LayerShape, NetworkShape
from energy.validation import require_int

LOW, HIGH = -(2**15), 2**15 - 1
"""Range of a word."""

LEAST_SHIFT, MOST_SHIFT = 2, 16
"""Shifts of a sum that two 16 x 16 multiplications can do, see `runtime/ebb.c`."""

MOST_LIFT = 14
"""Largest left shift of an operand of an `add`: the sum of two stays within 2^30, as every sum does."""

_OPS = ("conv", "depthwise_conv", "add", "global_avg_pool")


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerLayer:
    """One layer.

    Convolutions: out = clip(floor((sum w x + bias + 2^(shift-1)) / 2^shift)), from 0 on with ReLU. Sums of two maps:
    the same of a 2^lift_a + b 2^lift_b. Averages: floor((sum + H W // 2) / (H W)).

    Attributes:
        name: Name in messages.
        shape: Its maps, kernel, stride and padding.
        reads: Indices of the layers that it reads; `NETWORK_INPUT` for the network's input.
        fraction_bits: Fraction bits of its output. [1]
        weight: int16, of a `conv` `(out_ch, kernel_h, kernel_w, in_ch)`, of a `depthwise_conv`
            `(out_ch, kernel_h, kernel_w)`; None where it has none.
        bias: int32 `(out_ch,)`, in units of the sum; None where it has none.
        shift: Right shift of the sum, 2 to 16; 0 of an average. [1]
        lifts: Left shifts of the operands of an `add`. [1]
        has_relu: Whether a ReLU ends it.

    Raises:
        ValueError: The fields do not fit together, or sums could overflow.
    """

    name: str
    shape: LayerShape
    reads: tuple[int, ...]
    fraction_bits: int
    weight: NDArray[np.int16] | None = None
    bias: NDArray[np.int32] | None = None
    shift: int = 0
    lifts: tuple[int, int] = (0, 0)
    has_relu: bool = False

    def __post_init__(self) -> None:
        try:
            self._check()
        except ValueError as error:
            raise ValueError(f"layer {self.name!r}: {error}") from None

    def _check(self) -> None:
        op = self.shape.op
        if op not in _OPS:
            raise ValueError(f"op must be one of {', '.join(_OPS)} to be deployed, not {op!r}")
        if op == "global_avg_pool":
            pixels = self.shape.in_h * self.shape.in_w
            if pixels > -LOW:
                raise ValueError(f"in_h x in_w of an average must be at most {-LOW}, not {pixels}")
            if self.shift or self.has_relu:
                raise ValueError(f"an average must have shift 0 and no ReLU, not {self.shift} and {self.has_relu}")
        elif not LEAST_SHIFT <= self.shift <= MOST_SHIFT:
            raise ValueError(f"shift must be from {LEAST_SHIFT} to {MOST_SHIFT}, not {self.shift}")
        for lift in self.lifts:
            require_int("lifts", lift, least=0)
            if lift > MOST_LIFT:
                raise ValueError(f"lifts must be at most {MOST_LIFT}, not {lift}")
        self._check_weights()

    def _check_weights(self) -> None:
        shape = self.shape
        expected = {
            "conv": (shape.out_ch, shape.kernel_h, shape.kernel_w, shape.in_ch),
            "depthwise_conv": (shape.out_ch, shape.kernel_h, shape.kernel_w),
        }.get(shape.op)
        if expected is None:
            if self.weight is not None or self.bias is not None:
                raise ValueError(f"weight and bias of op {shape.op} must be None")
            return
        if self.weight is None or self.weight.dtype != np.int16 or self.weight.shape != expected:
            given = None if self.weight is None else (str(self.weight.dtype), self.weight.shape)
            raise ValueError(f"weight must be int16 {expected}, not {given}")
        if self.bias is None or self.bias.dtype != np.int32 or self.bias.shape != expected[:1]:
            given = None if self.bias is None else (str(self.bias.dtype), self.bias.shape)
            raise ValueError(f"bias must be int32 {expected[:1]}, not {given}")
        largest = int(channel_load(self.weight, self.bias).max())
        if largest > HIGH:
            raise ValueError(f"sum |weight| + ceil(|bias| / 32768) of a channel must be at most {HIGH}, not {largest}")


def channel_load(weight: NDArray[np.integer[Any]], bias: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Return sum |w| + ceil(|bias| / 32768) of every output channel, `(out_ch,)`; up to `HIGH` no sum overflows."""
    magnitude = np.abs(weight.astype(np.int64)).reshape(len(weight), -1).sum(axis=1)
    return np.asarray(magnitude - (-np.abs(bias.astype(np.int64)) // 2**15))


@dataclass(frozen=True, kw_only=True, eq=False)
class IntegerNetwork:
    """A network in integers.

    Attributes:
        name: Name in messages.
        layers: Its layers, in an order in which they can run.
        input_shape: Height, width and channels of its input; one-dimensional data has width 1. [1]
        input_fraction_bits: Fraction bits of its input. [1]

    Raises:
        ValueError: The layers do not fit together.
    """

    name: str
    layers: tuple[IntegerLayer, ...]
    input_shape: tuple[int, int, int]
    input_fraction_bits: int

    def __post_init__(self) -> None:
        if self.shape.input_shape != tuple(self.input_shape):
            raise ValueError(f"input_shape must be {self.shape.input_shape}, not {self.input_shape}")

    @cached_property
    def shape(self) -> NetworkShape:
        """The network without weights, to be planned and priced."""
        return NetworkShape(
            name=self.name,
            layers=tuple(layer.shape for layer in self.layers),
            layer_names=tuple(layer.name for layer in self.layers),
            inputs=tuple(layer.reads for layer in self.layers),
        )
