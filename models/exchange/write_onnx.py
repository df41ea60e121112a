"""Writer of a trained network as an ONNX file with raw samples as input; the package `onnx` is optional."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from energy.networks.shapes import NETWORK_INPUT
from models.exchange.deployable import Deployable, Step
from models.exchange.read_onnx import MISSING

OPSET = 17
"""Version of the written ONNX operators, supported by runtimes since 2022."""

_IR_VERSION = 8
_SAMPLES, _SCORES = "samples", "scores"


def require_onnx() -> None:
    """Check that the package `onnx` is installed.

    Raises:
        ValueError: It is missing.
    """
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise ValueError(f"writing an ONNX file {MISSING}") from None


def onnx_bytes(network: Deployable) -> bytes:
    """Return the content of the file; the same network gives the same bytes.

    Its input `samples` is float32 `(batch, channels, *size)`, its output `scores` `(batch, n_classes)`; its metadata
    `class_names` is a JSON list.

    Raises:
        ValueError: The package `onnx` is missing.
    """
    require_onnx()
    return _Writer(network).model().SerializeToString(deterministic=True)


class _Writer:
    """State of writing: nodes and constants so far."""

    def __init__(self, network: Deployable) -> None:
        self.network = network
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def model(self) -> Any:
        """Return the whole model."""
        from onnx import TensorProto, checker, helper

        network = self.network
        prepared = self._prepare()
        results: list[str] = []
        for step in network.steps:
            reads = [prepared if index == NETWORK_INPUT else results[index] for index in step.reads]
            results.append(self._step(step, reads, is_last=step is network.steps[-1]))
        samples, scores = (
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *sizes])
            for name, sizes in ((_SAMPLES, network.sample_shape), (_SCORES, (len(network.class_names),)))
        )
        graph = helper.make_graph(self.nodes, "network", [samples], [scores], self.constants, doc_string=network.title)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION, producer_name="EbbNAS")
        helper.set_model_props(model, {"class_names": json.dumps(network.class_names)})
        checker.check_model(model, full_check=True)
        return model

    def _prepare(self) -> str:
        """Add normalisation and resizing of raw samples, and return the name of the result."""
        network, last = self.network, _SAMPLES
        for operator, name, values in (
            ("Sub", "mean", network.normalisation.mean),
            ("Div", "spread", network.normalisation.spread),
        ):
            constant = self._constant(f"raw.{name}", values.astype(np.float32))
            last = self._node(operator, f"raw.{operator.lower()}", [last, constant])
        if network.is_resized:
            pairs = zip(network.map_size, network.sample_shape[1:], strict=True)
            scales = np.array([1, 1, *(new / old for new, old in pairs)], dtype=np.float32)
            inputs = [last, "", self._constant("raw.scales", scales)]
            last = self._node(
                "Resize", "raw.resize", inputs, mode="linear", coordinate_transformation_mode="half_pixel"
            )
        return last

    def _step(self, step: Step, reads: Sequence[str], *, is_last: bool) -> str:
        """Add the nodes of one layer, and return the name of its result."""
        if step.op == "add":
            return self._node("Add", step.name, reads)
        if step.op == "global_avg_pool":
            return self._node("GlobalAveragePool", step.name, reads)
        assert step.weight is not None
        weight = self._constant(f"{step.name}.weight", step.weight)
        if step.op == "linear":
            assert step.bias is not None
            flat = self._node("Flatten", f"{step.name}.flatten", reads)
            inputs = [flat, weight, self._constant(f"{step.name}.bias", step.bias)]
            return self._node("Gemm", step.name, inputs, result=_SCORES if is_last else "", transB=1)
        kernel, stride, pad = self.network.window(step)
        groups = step.shape.in_ch if step.op == "depthwise_conv" else 1
        settings: dict[str, Any] = {"kernel_shape": kernel, "strides": stride, "pads": pad + pad, "group": groups}
        last = self._node("Conv", step.name, [*reads, weight], **settings)
        if step.norm is not None:
            names = ("scale", "shift", "mean", "variance")
            own = [self._constant(f"{step.name}.{name}", getattr(step.norm, name)) for name in names]
            last = self._node("BatchNormalization", f"{step.name}.norm", [last, *own], epsilon=step.norm.epsilon)
        return self._node("Relu", f"{step.name}.relu", [last]) if step.has_relu else last

    def _node(self, operator: str, name: str, inputs: Sequence[str], *, result: str = "", **settings: Any) -> str:
        from onnx import helper

        result = result or f"{name}.out"
        self.nodes.append(helper.make_node(operator, list(inputs), [result], name=name, **settings))
        return result

    def _constant(self, name: str, values: Any) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(values, name))
        return name
