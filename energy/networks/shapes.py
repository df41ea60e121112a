"""Shapes of layers and networks: the contract between networks and their costs.

A `LayerShape` is the shape of one layer (energy/README section 3), a `NetworkShape` a validated graph of layers.
Neither knows weights, tiles or prices. Letters: input H x W x N, output R x C x M, kernel Kh x Kw, stride s, pad p.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from energy.validation import closest, require_choice, require_int, require_keys

NETWORK_INPUT = -1
"""Index that stands for the input of the whole network in `NetworkShape.inputs`."""

_INPUT_NAME = "input"
"""What `inputs` of NETWORK.json call the input of the network."""

N_INPUTS = {"conv": 1, "depthwise_conv": 1, "global_avg_pool": 1, "add": 2, "batch_norm": 1, "relu": 1}
"""Every operator with the number of maps it reads."""

OPS = tuple(N_INPUTS)
"""Operators; compiled code holds the index into this tuple."""


@dataclass(frozen=True, kw_only=True)
class LayerShape:
    """Shape of one layer; equal shapes cost the same, so it is the key of every memo.

    Attributes:
        op: Operator, a key of `N_INPUTS`; a fully connected layer is a 1x1 `conv` on a 1x1 map.
        in_h, in_w, in_ch: Input map H, W and channels N. [1]
        out_h, out_w, out_ch: Output map R, C and channels M. [1]
        kernel_h, kernel_w: Kernel Kh, Kw; of no meaning for `global_avg_pool`, which always covers its input. [1]
        stride: Step s on each axis longer than 1. [1]
        pad: Zeros p on both sides of each axis whose kernel is longer than 1. [1]

    Raises:
        ValueError: A size is not a whole number of at least 1, or the sizes do not fit together.
    """

    op: str
    in_h: int
    in_w: int
    in_ch: int
    out_h: int
    out_w: int
    out_ch: int
    kernel_h: int
    kernel_w: int
    stride: int = 1
    pad: int = 0

    def __post_init__(self) -> None:
        require_choice("op", self.op, N_INPUTS)
        for field in fields(self):
            if field.name != "op":
                require_int(field.name, getattr(self, field.name), least=0 if field.name == "pad" else 1)
        for axis in ("h", "w"):
            self._check_axis(axis)
        if self.op != "conv" and self.out_ch != self.in_ch:
            raise ValueError(f"out_ch of a {self.op} must equal in_ch {self.in_ch}, not {self.out_ch}")

    def _check_axis(self, axis: str) -> None:
        size, out, kernel = (getattr(self, f"{name}_{axis}") for name in ("in", "out", "kernel"))
        if self.op in ("conv", "depthwise_conv"):
            pad = self.pad_of(axis)
            if kernel > size + 2 * pad:
                raise ValueError(f"kernel_{axis} must be at most the padded input {size + 2 * pad}, not {kernel}")
            stride = self.stride if size > 1 else 1
            expected = (size + 2 * pad - kernel) // stride + 1
            rule = f"(in_{axis} {size} + 2 x pad {pad} - kernel_{axis} {kernel}) / stride {stride} + 1 = {expected}"
        elif self.op == "global_avg_pool":
            expected, rule = 1, "1"
        else:
            expected, rule = size, f"in_{axis} {size}"
        if out != expected:
            raise ValueError(f"out_{axis} of a {self.op} must be {rule}, not {out}")

    def pad_of(self, axis: str) -> int:
        """Return the padding of axis `"h"` or `"w"`: `pad` holds only where the kernel is longer than 1. [1]"""
        return self.pad if getattr(self, f"kernel_{axis}") > 1 else 0

    @property
    def n_parameters(self) -> int:
        """Weights and biases (scale and shift of a `batch_norm`). [1]"""
        taps = self.kernel_h * self.kernel_w
        per_output = {"conv": taps * self.in_ch + 1, "depthwise_conv": taps + 1, "batch_norm": 2}
        return per_output.get(self.op, 0) * self.out_ch

    @property
    def n_macs(self) -> int:
        """Multiply-accumulates, those in the padding included. [1]"""
        taps = self.kernel_h * self.kernel_w
        per_output = {"conv": taps * self.in_ch, "depthwise_conv": taps}
        return per_output.get(self.op, 0) * self.out_h * self.out_w * self.out_ch

    def to_dict(self) -> dict[str, Any]:
        """Return the layer as the keys of NETWORK.json."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, kw_only=True)
class NetworkShape:
    """A network as a graph of layers in an order in which it can run.

    Attributes:
        name: Name in messages.
        layers: Shapes, `(n_layers,)`.
        layer_names: One unique name per layer.
        inputs: For each layer the indices of the layers it reads, all smaller than its own; `NETWORK_INPUT` for
            the input of the network.

    Raises:
        ValueError: No layers, names that repeat, or a layer whose inputs do not fit.
    """

    name: str
    layers: tuple[LayerShape, ...]
    layer_names: tuple[str, ...]
    inputs: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if not self.layers:
            raise ValueError(f"network {self.name!r}: layers must not be empty")
        if not len(self.layers) == len(self.layer_names) == len(self.inputs):
            raise ValueError(f"network {self.name!r}: layers, layer_names and inputs must have the same length")
        if _INPUT_NAME in self.layer_names:
            raise ValueError(f"network {self.name!r}: no layer may be named {_INPUT_NAME!r}, the network's own input")
        if len(set(self.layer_names)) < len(self.layer_names):
            repeated = next(name for name in self.layer_names if self.layer_names.count(name) > 1)
            raise ValueError(f"network {self.name!r}: layer names must be unique, {repeated!r} repeats")
        for index in range(len(self.layers)):
            self._check_inputs(index)

    def _check_inputs(self, index: int) -> None:
        layer, sources = self.layers[index], self.inputs[index]
        where = f"network {self.name!r}, layer {self.layer_names[index]!r}"
        if len(sources) != N_INPUTS[layer.op]:
            raise ValueError(f"{where}: inputs of op {layer.op} must name {N_INPUTS[layer.op]}, not {len(sources)}")
        expected = (layer.in_h, layer.in_w, layer.in_ch)
        for source in sources:
            if not NETWORK_INPUT <= source < index:
                raise ValueError(f"{where}: inputs must name earlier layers, not number {source}")
            given, giver = self.input_shape, "the network's input"
            if source != NETWORK_INPUT:
                producer = self.layers[source]
                given, giver = (producer.out_h, producer.out_w, producer.out_ch), repr(self.layer_names[source])
            if given != expected:
                raise ValueError(
                    f"{where}: in_h x in_w x in_ch must be {_times(given)} as {giver} gives it, not {_times(expected)}"
                )

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the network's input. [1]"""
        first = self.layers[0]
        return (first.in_h, first.in_w, first.in_ch)

    @property
    def n_parameters(self) -> int:
        """Weights and biases of all layers. [1]"""
        return sum(layer.n_parameters for layer in self.layers)

    @property
    def n_macs(self) -> int:
        """Multiply-accumulates of all layers. [1]"""
        return sum(layer.n_macs for layer in self.layers)

    @property
    def largest_map(self) -> int:
        """Elements of the largest map that a layer reads or writes. [1]"""
        sizes = ((row.in_h * row.in_w * row.in_ch, row.out_h * row.out_w * row.out_ch) for row in self.layers)
        return max(max(pair) for pair in sizes)

    @property
    def adds(self) -> bool:
        """Whether maps are added."""
        return any(layer.op == "add" for layer in self.layers)

    @classmethod
    def from_dict(cls, data: Any) -> NetworkShape:
        """Read the NETWORK.json form.

        Raises:
            ValueError: A key is missing or unknown, or the layers do not fit together.
        """
        require_keys("network", data, required=("layers",), optional=("name",))
        rows = data["layers"]
        if not isinstance(rows, Sequence) or isinstance(rows, str):
            raise ValueError(f"network: layers must be a list, not {rows!r}")
        name = str(data.get("name", "network"))
        names = tuple(str(row.get("name", f"layer_{i}")) for i, row in enumerate(_mappings(rows)))
        return cls(
            name=name,
            layers=tuple(_layer(row, layer_name) for row, layer_name in zip(rows, names, strict=True)),
            layer_names=names,
            inputs=tuple(_sources(row, i, names) for i, row in enumerate(rows)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the NETWORK.json form; `inputs` are written where the graph is not a chain."""
        rows = []
        for index, layer in enumerate(self.layers):
            row: dict[str, Any] = {"name": self.layer_names[index], **layer.to_dict()}
            if self.inputs[index] != (index - 1,):
                row["inputs"] = [self.layer_names[i] if i >= 0 else _INPUT_NAME for i in self.inputs[index]]
            rows.append(row)
        return {"name": self.name, "layers": rows}


def _times(sizes: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in sizes)


def _mappings(rows: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
    for index, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise ValueError(f"network: layers[{index}] must be an object, not {row!r}")
        yield row


def _layer(row: Mapping[str, Any], name: str) -> LayerShape:
    shape_keys = [field.name for field in fields(LayerShape)]
    required = [key for key in shape_keys if key not in ("stride", "pad")]
    require_keys(f"layer {name!r}", row, required=required, optional=("name", "inputs", "stride", "pad"))
    try:
        return LayerShape(**{key: row[key] for key in shape_keys if key in row})
    except ValueError as error:
        raise ValueError(f"layer {name!r}: {error}") from None


def _sources(row: Mapping[str, Any], index: int, names: Sequence[str]) -> tuple[int, ...]:
    if "inputs" not in row:
        if N_INPUTS[row["op"]] != 1:
            raise ValueError(f"layer {names[index]!r}: inputs must be given, a {row['op']} reads two maps")
        return (index - 1,)
    given = row["inputs"]
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise ValueError(f"layer {names[index]!r}: inputs must be a list of layer names, not {given!r}")
    known = {_INPUT_NAME: NETWORK_INPUT, **{name: i for i, name in enumerate(names)}}
    for name in given:
        if not isinstance(name, str) or name not in known:
            raise ValueError(f"layer {names[index]!r}: inputs name no layer {name!r}{closest(str(name), known)}")
    return tuple(known[name] for name in given)
