"""Graph of typed operations, the interface between readers of networks and the conversion to layers.

Readers depend on ONNX or torch and not on the cost model; the conversion depends on neither of the two. Shapes have no
batch axis; channels come first, as in torch and ONNX.
"""

from __future__ import annotations

from dataclasses import dataclass

INPUT = ""
"""Key of the input of the network in `Operation.reads`."""

KINDS = (
    "conv",  # convolution, with `window`
    "linear",  # fully connected
    "batch_norm",  # a scale and a shift per channel
    "relu",
    "average_pool",  # over `window`
    "mean",  # over `axes`
    "add",  # of two maps
    "bias",  # a constant of `constant_size` numbers added
    "reshape",  # the same numbers in the same order with other axes
    "same",  # changes nothing at inference
    "prepare",  # arithmetic with constants, transposition, resizing: on the network's input only
    "answer",  # class or probabilities from scores: after the last layer only
)


@dataclass(frozen=True, kw_only=True)
class Window:
    """Window of a convolution or a pooling, one number per axis, `(n_axes,)`; axes are height, then width.

    Attributes:
        kernel: Taps. [1]
        stride: Steps. [1]
        pad_begin, pad_end: Zeros before and after. [1]
        dilation: Distance of neighbouring taps. [1]
        groups: Groups of channels that are convolved separately. [1]
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pad_begin: tuple[int, ...]
    pad_end: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One node of an imported network.

    Attributes:
        key: Unique key of its result in `reads` of other nodes.
        name: Name in messages.
        operator: Name of its operator in the source.
        kind: One of `KINDS`.
        reads: Keys of the results it reads, without constants; `INPUT` for the network's input.
        out_shape: Shape of its result, `(channels, *size)` or `(features,)`. [1]
        window: Window of `conv` and `average_pool`.
        axes: Axes of `mean`, positions in the shape that it reads.
        constant_size: Length of the constant of `bias`. [1]
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
        """Return the name in messages."""
        return f"node {self.name!r} ({self.operator})"


@dataclass(frozen=True, kw_only=True)
class ForeignGraph:
    """An imported network.

    Attributes:
        name: Name of the network.
        input_shape: Shape of its input, `(channels, *size)` or `(features,)`. [1]
        operations: Operations of its result, in an order in which they can run, the result last.
    """

    name: str
    input_shape: tuple[int, ...]
    operations: tuple[Operation, ...]


def times(sizes: tuple[int, ...]) -> str:
    """Return a shape in the form of `--input`, such as `6x128`."""
    return "x".join(str(size) for size in sizes)


def unsupported(name: str, operator: str, known: tuple[str, ...]) -> ValueError:
    """Return the error for an operator that the cost model does not support.

    Args:
        name: Name of the node.
        operator: Name of the operator in the source.
        known: Names of supported operators.
    """
    return ValueError(f"node {name!r}: operator {operator} is not supported; supported are {', '.join(known)}")
