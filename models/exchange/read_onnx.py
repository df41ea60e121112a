"""Reader of ONNX files into a `ForeignGraph`, which uses shapes of weights only; the package `onnx` is optional."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.exchange.operations import INPUT, ForeignGraph, Operation, Window, times, unsupported

MISSING = "needs the package onnx: pip install 'ebbnas[onnx]'"
"""End of the message where the package is missing."""

_KIND_OF = {
    "Conv": "conv",
    "Gemm": "linear",
    "MatMul": "linear",
    "BatchNormalization": "batch_norm",
    "Relu": "relu",
    "AveragePool": "average_pool",
    "GlobalAveragePool": "mean",
    "ReduceMean": "mean",
    "Add": "add",
    "Flatten": "reshape",
    "Reshape": "reshape",
    "Squeeze": "reshape",
    "Unsqueeze": "reshape",
    "Identity": "same",
    "Dropout": "same",
    "Cast": "same",
    "Div": "prepare",
    "Mul": "prepare",
    "Resize": "prepare",
    "Sub": "prepare",
    "Transpose": "prepare",
    "ArgMax": "answer",
    "LogSoftmax": "answer",
    "Softmax": "answer",
}


def read_onnx(path: Path, input_shape: tuple[int, ...] | None) -> ForeignGraph:
    """Return the network of an ONNX file.

    Args:
        path: The file.
        input_shape: Channels and sizes of the network's input, without the batch; that of the file where None. [1]

    Raises:
        ValueError: The package `onnx` is missing, the file is not ONNX, inputs or outputs are not one, a shape is
            unknown, or the cost model does not support an operator.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise ValueError(f"reading {path} {MISSING}") from None
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except DecodeError:
        raise ValueError(f"{path}: must be an ONNX file, and cannot be read as one") from None
    if not model.graph.node:
        raise ValueError(f"{path}: must be an ONNX file with at least one node, and has none")
    try:
        return _Reader.of(path, model, input_shape).graph()
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _inferred(model: Any, source: str, shape: tuple[int, ...]) -> Any:
    """Return the model with the shape of every value, for a given input shape."""
    import onnx

    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    del fixed.graph.value_info[:]
    for value in fixed.graph.output:
        value.type.tensor_type.ClearField("shape")
    (entry,) = (value for value in fixed.graph.input if value.name == source)
    entry.type.tensor_type.shape.Clear()
    for size in shape:
        entry.type.tensor_type.shape.dim.add().dim_value = size
    try:
        return onnx.shape_inference.infer_shapes(fixed, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        reason = str(error).splitlines()[-1].strip()
        raise ValueError(f"the shapes of its values do not fit an input of {times(shape[1:])}: {reason}") from None


@dataclass(frozen=True, kw_only=True)
class _Reader:
    """State of reading a model.

    Attributes:
        name: Name of the network.
        nodes: Nodes of the result, in the order of the file.
        source: Name of the network's input.
        input_shape: Its shape without the batch. [1]
        constants: Names of values that do not depend on the input.
        shapes: Known shapes of values, the batch included. [1]
        integers: Values of integer constants.
    """

    name: str
    nodes: tuple[Any, ...]
    source: str
    input_shape: tuple[int, ...]
    constants: frozenset[str]
    shapes: Mapping[str, tuple[int, ...]]
    integers: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, path: Path, model: Any, input_shape: tuple[int, ...] | None) -> _Reader:
        """Find the needed nodes and infer shapes."""
        given = {value.name for value in model.graph.initializer}
        sources = [value for value in model.graph.input if value.name not in given]
        if len(sources) != 1 or len(model.graph.output) != 1:
            counts = f"{len(sources)} inputs and {len(model.graph.output)} outputs"
            raise ValueError(f"the network must have one input and one output, not {counts}")
        constants = _constants(model.graph, given)
        nodes = _needed(model.graph, sources[0].name, constants)
        shape = _input_shape(sources[0], input_shape)
        inferred = _inferred(model, sources[0].name, shape)
        values = (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output)
        shapes = {value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim) for value in values}
        shapes |= {value.name: tuple(value.dims) for value in inferred.graph.initializer}
        return cls(
            name=path.stem,
            nodes=nodes,
            source=sources[0].name,
            input_shape=shape[1:],
            constants=constants,
            shapes=shapes,
            integers=_integers(model.graph),
        )

    def graph(self) -> ForeignGraph:
        """Return the network."""
        operations = tuple(self._operation(node) for node in self.nodes)
        return ForeignGraph(name=self.name, input_shape=self.input_shape, operations=operations)

    def _operation(self, node: Any) -> Operation:
        kind, name = _KIND_OF[node.op_type], _name(node)
        reads = _reads(node, self.constants)
        if kind in ("add", "prepare") and len(reads) > 1 and node.op_type != "Add":
            raise ValueError(
                f"node {name!r} ({node.op_type}) must be given one map and constants, not {len(reads)} maps"
            )
        if not reads or (kind == "linear" and (len(reads) > 1 or node.input[0] in self.constants)):
            raise ValueError(f"node {name!r} ({node.op_type}) must read a map first, and constants behind it")
        if kind == "add" and len(reads) == 1:
            kind = "bias"
        attributes = {item.name: item for item in node.attribute}
        if node.op_type == "Gemm" and "transA" in attributes and attributes["transA"].i:
            raise ValueError(f"node {name!r} (Gemm): transA must be 0, not 1")
        sizes = self._shape(reads[0], name)[1:]
        return Operation(
            key=node.output[0],
            name=name,
            operator=node.op_type,
            kind=kind,
            reads=tuple(INPUT if read == self.source else read for read in reads),
            out_shape=self._shape(node.output[0], name)[1:] if kind != "answer" else (1,),
            window=self._window(node, attributes, sizes) if kind in ("conv", "average_pool") else None,
            axes=self._axes(node, attributes, len(sizes)) if kind == "mean" else (),
            constant_size=self._constant_size(node) if kind == "bias" else 0,
        )

    def _shape(self, value: str, name: str) -> tuple[int, ...]:
        """Return the shape of a value that node `name` reads or gives, the batch included."""
        shape = self.shapes.get(value, ())
        if not shape or 0 in shape[1:]:
            fits = f"does it fit an input of {times(self.input_shape)}?"
            raise ValueError(f"node {name!r}: the shape of {value!r} must be known before it runs, and is not; {fits}")
        return shape

    def _window(self, node: Any, attributes: Mapping[str, Any], in_shape: tuple[int, ...]) -> Window:
        channels, in_sizes = in_shape[0], in_shape[1:]

        def ints(key: str, default: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(attributes[key].ints) if key in attributes else default

        kernel, groups = ints("kernel_shape", ()), attributes["group"].i if "group" in attributes else 1
        if node.op_type == "Conv":
            weight = self._shape(node.input[1], _name(node))
            kernel = weight[2:]
            if weight[1] * groups != channels:
                rule = f"its input must have {weight[1] * groups} channels, as its weights do"
                raise ValueError(f"node {_name(node)!r} (Conv): {rule}, not {channels}")
        n_axes = len(kernel)
        stride, dilation = ints("strides", (1,) * n_axes), ints("dilations", (1,) * n_axes)
        pads = ints("pads", (0,) * 2 * n_axes)
        begin, end = pads[:n_axes], pads[n_axes:]
        mode = attributes["auto_pad"].s.decode() if "auto_pad" in attributes else "NOTSET"
        if mode.startswith("SAME"):
            axes = zip(in_sizes, kernel, stride, dilation, strict=True)
            totals = [max(0, (-(-size // s) - 1) * s + (k - 1) * d + 1 - size) for size, k, s, d in axes]
            small, large = tuple(total // 2 for total in totals), tuple(total - total // 2 for total in totals)
            begin, end = (small, large) if mode == "SAME_UPPER" else (large, small)
        return Window(
            kernel=kernel,
            stride=stride,
            pad_begin=begin,
            pad_end=end,
            dilation=dilation,
            groups=groups,
        )

    def _axes(self, node: Any, attributes: Mapping[str, Any], rank: int) -> tuple[int, ...]:
        """Return the axes of a mean, counted without the batch."""
        if node.op_type == "GlobalAveragePool":
            return tuple(range(1, rank))
        axes = attributes["axes"].ints if "axes" in attributes else self.integers.get("".join(node.input[1:2]), ())
        return tuple((axis if axis >= 0 else axis + rank + 1) - 1 for axis in axes)

    def _constant_size(self, node: Any) -> int:
        (constant,) = (value for value in node.input if value in self.constants)
        size = 1
        for length in self.shapes.get(constant, ()):
            size *= length
        return size


def _constants(graph: Any, given: set[str]) -> frozenset[str]:
    """Return the names of all values that do not depend on the input."""
    found = {*given, ""}
    for node in graph.node:
        if all(value in found for value in node.input):
            found.update(node.output)
    return frozenset(found)


def _integers(graph: Any) -> dict[str, tuple[int, ...]]:
    """Return the integer constants of a file by name, without those in external files."""
    from onnx import TensorProto, numpy_helper

    tensors = {value.name: value for value in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            tensors[node.output[0]] = node.attribute[0].t
    return {
        name: tuple(numpy_helper.to_array(tensor).ravel().tolist())
        for name, tensor in tensors.items()
        if tensor.data_type == TensorProto.INT64 and tensor.data_location != TensorProto.EXTERNAL
    }


def _needed(graph: Any, source: str, constants: frozenset[str]) -> tuple[Any, ...]:
    """Return the nodes of the result, in the order of the file, without those that only compute shapes."""
    producers = {value: node for node in graph.node for value in node.output}
    needed: set[str] = set()
    open_values = [graph.output[0].name]
    while open_values:
        value = open_values.pop()
        if value == source or value in needed:
            continue
        if value not in producers:
            raise ValueError(f"value {value!r} must be given by a node, and is not")
        node = producers[value]
        if node.domain not in ("", "ai.onnx") or node.op_type not in _KIND_OF:
            raise unsupported(_name(node), node.op_type, tuple(sorted(_KIND_OF)))
        needed.add(value)
        open_values += _reads(node, constants)
    return tuple(node for node in graph.node if needed.intersection(node.output))


def _reads(node: Any, constants: frozenset[str]) -> list[str]:
    """Return the names of the maps that a node reads, without computed sizes of a reshape or a resizing."""
    values = node.input if _KIND_OF[node.op_type] in ("add", "linear") or _is_arithmetic(node) else node.input[:1]
    return [value for value in values if value not in constants]


def _is_arithmetic(node: Any) -> bool:
    return node.op_type in ("Div", "Mul", "Sub")


def _name(node: Any) -> str:
    return node.name or node.output[0]


def _input_shape(source: Any, given: tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the shape of the network's input, the batch included: that of the file, completed by the given one."""
    dims = source.type.tensor_type.shape.dim
    batch = (dims[0].dim_value if dims else 0) or 1
    sizes = tuple(dim.dim_value for dim in dims[1:])
    if given is None:
        if not sizes or 0 in sizes:
            known = "x".join(str(size or "?") for size in sizes) or "of no known size"
            raise ValueError(f"--input must be given, such as 6x128: input {source.name!r} of the file is {known}")
        return (batch, *sizes)
    is_fitting = len(given) == len(sizes) and all(size in (0, own) for size, own in zip(sizes, given, strict=True))
    if dims and not is_fitting:
        expected = "x".join(str(size or "?") for size in sizes)
        raise ValueError(f"--input must be {expected} as input {source.name!r} of the file is, not {times(given)}")
    return (batch, *given)
