"""Conversion of an imported network into layers of the cost model, or an error that names the unsupported node.

Flattening and similar operations vanish; a fully connected layer is a convolution that covers its map; biases belong to
the layer they are added to. Maps `(channels, height)` have height and width 1, as in our spaces.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace

from energy.networks.fuse import fused
from energy.networks.shapes import NETWORK_INPUT, LayerShape, NetworkShape
from models.exchange.operations import INPUT, ForeignGraph, Operation, Window, times

_RESERVED = "input"
"""Name that NETWORK.json reserves for the input of the network."""


@dataclass(frozen=True, kw_only=True)
class Converted:
    """A converted network.

    Attributes:
        network: The network.
        notes: Sentences on omitted operations.
    """

    network: NetworkShape
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Map:
    """An intermediate result.

    Attributes:
        source: Index of the layer that computes it, `NETWORK_INPUT` for the input.
        size: Height, width and channels of the output of that layer. [1]
        shape: Current axes, `(channels, *size)` or `(features,)`. [1]
        is_answer: Whether it is a class or probabilities, computed from the scores of the last layer.
    """

    source: int
    size: tuple[int, int, int]
    shape: tuple[int, ...]
    is_answer: bool = False


def convert(graph: ForeignGraph, *, fuse: bool = True) -> Converted:
    """Return the network as layers of the cost model.

    Args:
        graph: Result of a reader.
        fuse: Whether batch norm and ReLU are merged into the convolutions before them.

    Raises:
        ValueError: A node is not a layer of the cost model; the message names node, rule and value.
    """
    builder = _Builder(graph)
    for operation in graph.operations:
        builder.take(operation)
    return builder.finish(fuse=fuse)


class _Builder:
    """Conversion state: the layers so far."""

    def __init__(self, graph: ForeignGraph) -> None:
        self.graph = graph
        self.layers: list[LayerShape] = []
        self.names: list[str] = []
        self.inputs: list[tuple[int, ...]] = []
        self.prepared: list[str] = []
        self.answers: list[str] = []
        self.maps = {INPUT: _input_map(graph.input_shape)}
        self.kind_of = {operation.key: operation.kind for operation in graph.operations}
        self.n_readers = Counter(key for operation in graph.operations for key in operation.reads)

    def take(self, operation: Operation) -> None:
        """Convert the next operation."""
        for key in operation.reads:
            if key not in self.maps:
                raise ValueError(f"{operation} reads {key!r}, which no node before it gives")
        read = self.maps[operation.reads[0]]
        if read.is_answer and operation.kind not in ("reshape", "same", "answer"):
            raise ValueError(f"{operation} must not read what {self.answers[0]} gives: that is for the end alone")
        self.maps[operation.key] = getattr(self, f"_{operation.kind}")(operation, read)

    def finish(self, *, fuse: bool) -> Converted:
        """Return the network of all converted operations."""
        if not self.layers:
            raise ValueError(f"network {self.graph.name!r} must have at least one layer that computes")
        network = NetworkShape(
            name=self.graph.name,
            layers=tuple(self.layers),
            layer_names=tuple(self.names),
            inputs=tuple(self.inputs),
        )
        notes = []
        if self.prepared:
            what = ", ".join(dict.fromkeys(self.prepared))
            notes.append(
                f"the input is prepared by {what}: not counted, that is done before a sample is given to the device"
            )
        if self.answers:
            what = ", ".join(dict.fromkeys(self.answers))
            notes.append(f"{what} behind the last layer is left out: the largest score stays the largest")
        return Converted(network=fused(network) if fuse else network, notes=tuple(notes))

    def _conv(self, operation: Operation, read: _Map) -> _Map:
        window = operation.window
        assert window is not None
        own = _own_size(operation, read)
        in_sizes = read.shape[1:]
        if len(window.kernel) != len(in_sizes):
            raise ValueError(f"{operation}: the kernel must have {len(in_sizes)} axes, not {len(window.kernel)}")
        kernel = (*window.kernel, 1)[:2]
        out_size = _size_of(operation.out_shape, operation)
        depthwise = _is_depthwise(operation, window, own[2], out_size[2])
        stride, pad = _stride_and_pad(operation, window, in_sizes)
        layer = _layer(
            operation,
            op="depthwise_conv" if depthwise else "conv",
            in_size=own,
            out_size=out_size,
            kernel=(kernel[0], kernel[1]),
            stride=stride,
            pad=pad,
        )
        return self._append(operation, layer, (read,))

    def _linear(self, operation: Operation, read: _Map) -> _Map:
        if len(read.shape) > 1 or len(operation.out_shape) > 1:
            raise ValueError(f"{operation}: a fully connected layer must read one axis of features, not {_of(read)}")
        height, width, _ = read.size
        out_size = (1, 1, operation.out_shape[0])
        layer = _layer(operation, op="conv", in_size=read.size, out_size=out_size, kernel=(height, width))
        return self._append(operation, layer, (read,))

    def _batch_norm(self, operation: Operation, read: _Map) -> _Map:
        if read.shape[0] != read.size[2]:
            raise ValueError(f"{operation}: a batch norm must have one scale per channel, and {_of(read)} is flattened")
        return self._elementwise(operation, "batch_norm", (read,))

    def _relu(self, operation: Operation, read: _Map) -> _Map:
        return self._elementwise(operation, "relu", (read,))

    def _add(self, operation: Operation, read: _Map) -> _Map:
        other = self.maps[operation.reads[1]]
        if (read.size, read.shape) != (other.size, other.shape):
            raise ValueError(f"{operation}: the maps to add must have one shape, not {_of(read)} and {_of(other)}")
        return self._elementwise(operation, "add", (read, other))

    def _elementwise(self, operation: Operation, op: str, reads: tuple[_Map, ...]) -> _Map:
        size = reads[0].size
        found = self._append(operation, _layer(operation, op=op, in_size=size, out_size=size), reads)
        return replace(found, shape=reads[0].shape)

    def _average_pool(self, operation: Operation, read: _Map) -> _Map:
        window = operation.window
        assert window is not None
        is_padded = any((*window.pad_begin, *window.pad_end))
        if window.kernel != read.shape[1:] or is_padded or any(size != 1 for size in operation.out_shape[1:]):
            raise ValueError(
                f"{operation}: an average pooling must cover its whole map {times(read.shape[1:])} without padding, "
                f"not {times(window.kernel)}{' with padding' if is_padded else ''} of it"
            )
        return self._pool(operation, read)

    def _mean(self, operation: Operation, read: _Map) -> _Map:
        axes = tuple(range(1, len(read.shape)))
        if tuple(sorted(operation.axes)) != axes:
            raise ValueError(
                f"{operation}: a mean must be over axes {_axes(axes)} of the map, all but the channels, "
                f"not over {_axes(operation.axes)}"
            )
        return self._pool(operation, read)

    def _pool(self, operation: Operation, read: _Map) -> _Map:
        height, width, channels = read.size
        if read.shape[0] != channels:
            raise ValueError(f"{operation}: a pooling must read a map of {channels} channels, and {_of(read)} is none")
        out_size = (1, 1, channels)
        layer = _layer(operation, op="global_avg_pool", in_size=read.size, out_size=out_size, kernel=(height, width))
        return self._append(operation, layer, (read,))

    def _bias(self, operation: Operation, read: _Map) -> _Map:
        if read.source == NETWORK_INPUT:
            return self._prepare(operation, read)
        source = operation.reads[0]
        if self.kind_of[source] not in ("conv", "linear", "batch_norm") or self.n_readers[source] > 1:
            raise ValueError(
                f"{operation}: a constant must be added right after a layer with weights that no other node reads"
            )
        if operation.constant_size not in (1, read.shape[0]):
            raise ValueError(
                f"{operation}: a constant that is added must have one number per channel, {read.shape[0]}, "
                f"not {operation.constant_size}"
            )
        return read

    def _reshape(self, operation: Operation, read: _Map) -> _Map:
        shape, n_numbers = operation.out_shape, math.prod(read.size)
        is_flat = shape == (n_numbers,)
        is_renamed = is_flat or (len(shape) > 1 and shape[0] == read.size[2] and math.prod(shape) == n_numbers)
        if read.source == NETWORK_INPUT and shape and not is_flat:
            return _input_map(shape)
        if not is_renamed:
            made = times(shape) or "one without the batch"
            raise ValueError(f"{operation}: a reshape must flatten {_of(read)} or keep its channels, not make {made}")
        return replace(read, shape=shape)

    def _same(self, operation: Operation, read: _Map) -> _Map:
        return read

    def _prepare(self, operation: Operation, read: _Map) -> _Map:
        if read.source != NETWORK_INPUT:
            raise ValueError(f"{operation} is supported on the network's input alone, not behind a layer")
        self.prepared.append(operation.operator)
        return _input_map(operation.out_shape)

    def _answer(self, operation: Operation, read: _Map) -> _Map:
        if read.source == NETWORK_INPUT:
            raise ValueError(f"{operation} is supported behind the last layer alone, not on the network's input")
        self.answers.append(operation.operator)
        return replace(read, is_answer=True)

    def _append(self, operation: Operation, layer: LayerShape, reads: tuple[_Map, ...]) -> _Map:
        self.layers.append(layer)
        self.names.append(_unique(operation.name, {_RESERVED, *self.names}))
        self.inputs.append(tuple(read.source for read in reads))
        size = (layer.out_h, layer.out_w, layer.out_ch)
        return _Map(source=len(self.layers) - 1, size=size, shape=operation.out_shape)


def _input_map(shape: tuple[int, ...]) -> _Map:
    sizes = (*shape[1:], 1, 1)[:2] if len(shape) > 1 else (1, 1)
    return _Map(source=NETWORK_INPUT, size=(sizes[0], sizes[1], shape[0]), shape=shape)


def _size_of(shape: tuple[int, ...], operation: Operation) -> tuple[int, int, int]:
    """Return height, width and channels of `(channels, height)` or `(channels, height, width)`."""
    if len(shape) not in (2, 3):
        raise ValueError(f"{operation}: a map must have channels and 1 or 2 axes, not {times(shape)}")
    return (shape[1], shape[2] if len(shape) == 3 else 1, shape[0])


def _own_size(operation: Operation, read: _Map) -> tuple[int, int, int]:
    """Return the size of a map that is read, which must not be reshaped."""
    size = _size_of(read.shape, operation)
    if size != read.size:
        given = times((read.size[2], *read.size[:2]))
        raise ValueError(f"{operation} must read a map as its layer gives it, {given}, not reshaped to {_of(read)}")
    return size


def _is_depthwise(operation: Operation, window: Window, in_ch: int, out_ch: int) -> bool:
    if window.groups == 1:
        return False
    if window.groups != in_ch:
        raise ValueError(
            f"{operation}: groups must be 1, or the {in_ch} channels of its input (depthwise), not {window.groups}"
        )
    if out_ch != in_ch:
        raise ValueError(
            f"{operation}: a depthwise convolution must keep its {in_ch} channels, not make {out_ch} of them"
        )
    return True


def _stride_and_pad(operation: Operation, window: Window, in_sizes: tuple[int, ...]) -> tuple[int, int]:
    """Return the one stride of all axes longer than 1, and the one padding of all whose kernel is longer than 1."""
    wide = [axis for axis, kernel in enumerate(window.kernel) if kernel > 1]
    for axis in range(len(window.kernel)):
        begin, end = window.pad_begin[axis], window.pad_end[axis]
        if begin != end:
            raise ValueError(f"{operation}: padding must be the same on both sides of an axis, not {begin} and {end}")
        if axis not in wide and begin:
            raise ValueError(f"{operation}: padding must be 0 on an axis whose kernel is 1, not {begin}")
        if axis in wide and window.dilation[axis] != 1:
            raise ValueError(f"{operation}: dilation must be 1, not {window.dilation[axis]}")
    strides = {window.stride[axis] for axis, size in enumerate(in_sizes) if size > 1} or {1}
    pads = {window.pad_begin[axis] for axis in wide} or {0}
    for what, values in (("stride", strides), ("padding", pads)):
        if len(values) > 1:
            pair = " and ".join(str(value) for value in sorted(values))
            raise ValueError(f"{operation}: {what} must be the same on both axes, not {pair}")
    return strides.pop(), pads.pop()


def _layer(
    operation: Operation,
    *,
    op: str,
    in_size: tuple[int, int, int],
    out_size: tuple[int, int, int],
    kernel: tuple[int, int] = (1, 1),
    stride: int = 1,
    pad: int = 0,
) -> LayerShape:
    try:
        return LayerShape(
            op=op,
            in_h=in_size[0],
            in_w=in_size[1],
            in_ch=in_size[2],
            out_h=out_size[0],
            out_w=out_size[1],
            out_ch=out_size[2],
            kernel_h=kernel[0],
            kernel_w=kernel[1],
            stride=stride,
            pad=pad,
        )
    except ValueError as error:
        raise ValueError(f"{operation}: {error}") from None


def _unique(name: str, taken: set[str]) -> str:
    found, number = name, 2
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found


def _of(read: _Map) -> str:
    return times(read.shape)


def _axes(axes: tuple[int, ...]) -> str:
    return ", ".join(str(axis) for axis in axes) or "none"
