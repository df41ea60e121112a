"""Reader of torch modules into a `ForeignGraph`, by `torch.export`, which runs the module once on zeros.

Modules in memory are read, never files of weights, programs or scripts, since some of these run code when opened.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from torch import nn

from models.exchange.operations import INPUT, ForeignGraph, Operation, Window, times, unsupported

_KIND_OF = {
    "conv1d": "conv",
    "conv2d": "conv",
    "linear": "linear",
    "matmul": "linear",
    "batch_norm": "batch_norm",
    "relu": "relu",
    "relu_": "relu",
    "avg_pool1d": "average_pool",
    "avg_pool2d": "average_pool",
    "adaptive_avg_pool1d": "mean",
    "adaptive_avg_pool2d": "mean",
    "mean": "mean",
    "add": "add",
    "add_": "add",
    "flatten": "reshape",
    "reshape": "reshape",
    "squeeze": "reshape",
    "unsqueeze": "reshape",
    "view": "reshape",
    "alias": "same",
    "clone": "same",
    "contiguous": "same",
    "detach": "same",
    "to": "same",
    "dropout": "same",
    "dropout_": "same",
    "feature_dropout": "same",
    "div": "prepare",
    "mul": "prepare",
    "permute": "prepare",
    "sub": "prepare",
    "transpose": "prepare",
    "upsample_bilinear2d": "prepare",
    "upsample_linear1d": "prepare",
    "argmax": "answer",
    "log_softmax": "answer",
    "softmax": "answer",
}


def read_torch(module: nn.Module, input_shape: tuple[int, ...], name: str) -> ForeignGraph:
    """Return the network of a torch module in evaluation mode.

    Args:
        module: The module, which is switched to evaluation mode.
        input_shape: Channels and sizes of its input, without the batch. [1]
        name: Name of the network.

    Raises:
        ValueError: The module does not accept the input, does not return one tensor, cannot be traced, or has an
            operator that the cost model does not support.
    """
    module.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings of torch concern the run of the module, not its result
        program = _traced(module, torch.zeros(1, *input_shape), name)
    return _Reader(program).graph(name, input_shape)


def _traced(module: nn.Module, sample: torch.Tensor, name: str) -> Any:
    """Return the program of a module, after one ordinary run."""
    try:
        with torch.no_grad():
            module(sample)
    except Exception as error:  # noqa: BLE001 - a user's module may raise anything
        shape, reason = times(tuple(sample.shape[1:])), _first_line(error)
        raise ValueError(f"--input {shape} must suit the module, and it says: {reason}") from None
    try:
        return torch.export.export(module, (sample,))
    except Exception as error:  # noqa: BLE001 - torch.export passes on any error of the module
        raise ValueError(f"{name}: torch.export must be able to trace the module: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


class _Reader:
    """State of reading a traced program."""

    def __init__(self, program: Any) -> None:
        signature = program.graph_signature
        self.nodes = list(program.graph.nodes)
        self.parameters = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        sources = {str(name) for name in signature.user_inputs}
        self.maps = {node for node in self.nodes if node.op == "placeholder" and node.name in sources}
        for node in self.nodes:  # results that depend on the input
            if node.op == "call_function" and any(read in self.maps for read in node.all_input_nodes):
                self.maps.add(node)
        self.changed: dict[Any, Any] = {}

    def graph(self, name: str, input_shape: tuple[int, ...]) -> ForeignGraph:
        """Return the network."""
        (given,) = (node.args[0] for node in self.nodes if node.op == "output")
        if len(given) != 1 or given[0] not in self.maps:
            raise ValueError(f"{name}: the module must give one tensor that depends on its input, and nothing else")
        found = {}
        for node in self.nodes:
            if node.op == "call_function" and node in self.maps:
                found[node.name] = node, [self._now(read) for read in self._reads(node)]
                if _operator(node).endswith("_"):
                    self.changed[node.args[0]] = node
        needed: set[str] = set()
        open_nodes = [self._now(given[0])]
        while open_nodes:
            node = open_nodes.pop()
            if node.name not in needed and node.name in found:
                needed.add(node.name)
                open_nodes += found[node.name][1]
        operations = tuple(self._operation(node, reads) for key, (node, reads) in found.items() if key in needed)
        return ForeignGraph(name=name, input_shape=input_shape, operations=operations)

    def _now(self, node: Any) -> Any:
        """Return the node with the current value of `node`, since some nodes change their input in place."""
        while node in self.changed:
            node = self.changed[node]
        return node

    def _reads(self, node: Any) -> list[Any]:
        return [read for read in node.args if isinstance(read, torch.fx.Node) and read in self.maps]

    def _operation(self, node: Any, reads: list[Any]) -> Operation:
        operator = _operator(node)
        if operator not in _KIND_OF:
            raise unsupported(node.name, operator, tuple(sorted(name for name in _KIND_OF if not name.endswith("_"))))
        kind, name = _KIND_OF[operator], self._name(node)
        if kind != "add" and (len(reads) > 1 or node.args[0] not in self.maps):
            raise ValueError(f"node {node.name!r} ({operator}) must read one map first, and constants behind it")
        arguments, constant_size = _arguments(node), 0
        if kind == "add" and len(reads) == 1:
            kind = "bias"
            constants = [value for value in node.args if not (isinstance(value, torch.fx.Node) and value in self.maps)]
            constant_size = max(_numel(value) for value in constants)
        shape = _shape(reads[0])
        return Operation(
            key=node.name,
            name=name,
            operator=operator,
            kind=kind,
            reads=tuple(INPUT if read.op == "placeholder" else read.name for read in reads),
            out_shape=_shape(node),
            window=_window(operator, arguments, shape) if kind in ("conv", "average_pool") else None,
            axes=_axes(operator, node, arguments, len(shape)) if kind == "mean" else (),
            constant_size=constant_size,
        )

    def _name(self, node: Any) -> str:
        """Return the name of the module that owns the node's weights, or the node's own name without weights."""
        for read in node.args[1:]:
            while isinstance(read, torch.fx.Node):
                if read.name in self.parameters:
                    return str(self.parameters[read.name]).rpartition(".")[0] or str(node.name)
                read = read.args[0] if read.args and read not in self.maps else None
        return str(node.name)


def _operator(node: Any) -> str:
    """Return the name of the operator of a node, without `aten::` and overload."""
    schema = getattr(node.target, "_schema", None)
    return str(node.target.__name__ if schema is None else schema.name.split("::")[-1])


def _arguments(node: Any) -> dict[str, Any]:
    """Return the arguments of a node by name, with defaults of the operator."""
    names = [argument.name for argument in node.target._schema.arguments]
    defaults = {argument.name: argument.default_value for argument in node.target._schema.arguments}
    return {**defaults, **dict(zip(names, node.args, strict=False)), **node.kwargs}


def _shape(node: Any) -> tuple[int, ...]:
    """Return the shape of a result without the batch."""
    return tuple(int(size) for size in node.meta["val"].shape[1:])


def _numel(value: Any) -> int:
    return int(value.meta["val"].numel()) if isinstance(value, torch.fx.Node) else 1


def _window(operator: str, arguments: dict[str, Any], in_shape: tuple[int, ...]) -> Window:
    n_axes = len(in_shape) - 1

    def every(value: Any) -> tuple[int, ...]:
        values = tuple(value) if isinstance(value, (list, tuple)) else (value,)
        return tuple(int(size) for size in (values * n_axes if len(values) == 1 else values))

    if not operator.startswith("conv"):
        kernel, pad = every(arguments["kernel_size"]), every(arguments["padding"])
        stride = every(arguments["stride"] or kernel)
        return Window(kernel=kernel, stride=stride, pad_begin=pad, pad_end=pad, dilation=(1,) * n_axes)
    kernel = tuple(int(size) for size in arguments["weight"].meta["val"].shape[2:])
    dilation, pad = every(arguments["dilation"]), arguments["padding"]
    begin = end = (0,) * n_axes
    if pad == "same":
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        begin, end = tuple(total // 2 for total in totals), tuple(total - total // 2 for total in totals)
    elif pad != "valid":
        begin = end = every(pad)
    return Window(
        kernel=kernel,
        stride=every(arguments["stride"]),
        pad_begin=begin,
        pad_end=end,
        dilation=dilation,
        groups=int(arguments["groups"]),
    )


def _axes(operator: str, node: Any, arguments: dict[str, Any], rank: int) -> tuple[int, ...]:
    """Return the axes of a mean, counted without the batch."""
    if operator == "mean":
        given = arguments.get("dim") or ()
        return tuple((axis if axis >= 0 else axis + rank + 1) - 1 for axis in given)
    if math.prod(_shape(node)[1:]) != 1:
        raise ValueError(f"node {node.name!r} ({operator}): its output size must be 1, not {times(_shape(node)[1:])}")
    return tuple(range(1, rank))
