"""What a network from elsewhere does, between its reader and the conversion: a small graph of typed operations.

Readers know ONNX or torch and no cost model, the conversion knows layers and neither of the two. Shapes are without the
batch axis, as torch and ONNX have them: channels first.
"""

from __future__ import annotations

from dataclasses import dataclass

INPUT = ""
"""What `Operation.reads` calls the input of the network."""

KINDS = (
    "conv",  # convolution, `window` says which
    "linear",  # fully connected
    "batch_norm",  # a scale and a shift a channel
    "relu",
    "average_pool",  # `window` says over what
    "mean",  # over `axes`
    "add",  # of two maps
    "bias",  # a constant of `constant_size` numbers added
    "reshape",  # the same numbers in the same order under other axes
    "same",  # changes nothing at inference
    "prepare",  # arithmetic with constants, transposition, resizing: of the network's input alone
    "answer",  # what picks a class or makes scores probabilities: behind the last layer alone
)


@dataclass(frozen=True, kw_only=True)
class Window:
    """How a convolution or a pooling moves, one number an axis, `(n_axes,)`; axes are height, then width.

    Attributes:
        kernel: Taps. [1]
        stride: Steps. [1]
        pad_begin, pad_end: Zeros before and behind. [1]
        dilation: Distance of neighbouring taps. [1]
        groups: Groups of channels that are convolved apart. [1]
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad_begin: tuple[int, ...]
    pad_end: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One node of a network from elsewhere.

    Attributes:
        key: What `reads` of others call its result, unique.
        name: What a person calls it.
        operator: What its source calls what it does.
        kind: One of `KINDS`.
        reads: Keys of the operations whose results it reads, constants left out; `INPUT` for the network's input.
        out_shape: Shape of its result, `(channels, *size)` or `(features,)`. [1]
        window: Of `conv` and `average_pool`.
        axes: Of `mean`: positions in the shape that it reads.
        constant_size: Of `bias`: how many numbers are added. [1]
    """

    key: str
    name: str
    operator: str
    kind: str
    reads: tuple[str, ...]
    out_shape: tuple[int, ...]
    window: Window | None = None
    axes: tuple[int, ...] = ()
    constant_size: int = 0

    def __post_init__(self) -> None:
        assert self.kind in KINDS, self.kind

    def __str__(self) -> str:
        """What messages call it."""
        return f"node {self.name!r} ({self.operator})"


@dataclass(frozen=True, kw_only=True)
class ForeignGraph:
    """A network from elsewhere.

    Attributes:
        name: What to call it.
        input_shape: Shape of its input, `(channels, *size)` or `(features,)`. [1]
        operations: What its result needs, in an order in which it can run, the result last.
    """

    name: str
    input_shape: tuple[int, ...]
    operations: tuple[Operation, ...]


def times(sizes: tuple[int, ...]) -> str:
    """Return a shape as `--input` has it, such as `6x128`."""
    return "x".join(str(size) for size in sizes)


def unsupported(name: str, operator: str, known: tuple[str, ...]) -> ValueError:
    """Return the error of an operator that the cost model does not have.

    Args:
        name: Of the node.
        operator: What its source calls it.
        known: What the source calls those that are supported.
    """
    return ValueError(f"node {name!r}: operator {operator} is not supported; supported are {', '.join(known)}")
