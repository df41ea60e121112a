"""Integer networks as safetensors bytes: int16 weights, int32 biases, and the other fields as JSON in the header.

Such a file holds tensors and text and cannot run code. The same network gives the same bytes.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from energy.networks.shapes import LayerShape
from energy.validation import require_keys
from models.deploy.integer import IntegerLayer, IntegerNetwork

SCHEMA = 1
_KEY = "integer_network"
_HEADER_LENGTH_BYTES = 8
_LAYER_KEYS = ("name", "shape", "reads", "fraction_bits", "shift", "lifts", "has_relu")


def network_bytes(network: IntegerNetwork) -> bytes:
    """Return the network as a file's content."""
    tensors = {}
    for index, layer in enumerate(network.layers):
        if layer.weight is not None and layer.bias is not None:
            tensors[f"{index}.weight"] = np.ascontiguousarray(layer.weight)
            tensors[f"{index}.bias"] = np.ascontiguousarray(layer.bias)
    header = {
        "schema": SCHEMA,
        "name": network.name,
        "input_shape": list(network.input_shape),
        "input_fraction_bits": network.input_fraction_bits,
        "layers": [
            {
                "name": layer.name,
                "shape": layer.shape.to_dict(),
                "reads": list(layer.reads),
                "fraction_bits": layer.fraction_bits,
                "shift": layer.shift,
                "lifts": list(layer.lifts),
                "has_relu": layer.has_relu,
            }
            for layer in network.layers
        ],
    }
    return save(tensors, metadata={_KEY: json.dumps(header)})


def read_network(data: bytes) -> IntegerNetwork:
    """Return the network that `network_bytes` wrote.

    Raises:
        ValueError: The bytes are damaged, or not an integer network.
    """
    try:
        tensors, header = load(data), _header_in(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ValueError(f"an integer network must be whole safetensors data: {error}") from None
    require_keys("integer network", header, required=("schema", "name", "input_shape", "input_fraction_bits", "layers"))
    if header["schema"] != SCHEMA:
        raise ValueError(f"schema of an integer network must be {SCHEMA}, not {header['schema']!r}")
    layers = [
        _layer(row, tensors.get(f"{index}.weight"), tensors.get(f"{index}.bias"))
        for index, row in enumerate(header["layers"])
    ]
    height, width, channels = header["input_shape"]
    return IntegerNetwork(
        name=header["name"],
        layers=tuple(layers),
        input_shape=(height, width, channels),
        input_fraction_bits=header["input_fraction_bits"],
    )


def _layer(row: Any, weight: Any, bias: Any) -> IntegerLayer:
    require_keys("layer of an integer network", row, required=_LAYER_KEYS)
    first, second = row["lifts"]
    return IntegerLayer(
        name=row["name"],
        shape=LayerShape(**row["shape"]),
        reads=tuple(row["reads"]),
        fraction_bits=row["fraction_bits"],
        weight=weight,
        bias=bias,
        shift=row["shift"],
        lifts=(first, second),
        has_relu=row["has_relu"],
    )


def _header_in(data: bytes) -> Any:
    length = int.from_bytes(data[:_HEADER_LENGTH_BYTES], "little")
    metadata = json.loads(data[_HEADER_LENGTH_BYTES : _HEADER_LENGTH_BYTES + length]).get("__metadata__", {})
    return json.loads(metadata[_KEY])
