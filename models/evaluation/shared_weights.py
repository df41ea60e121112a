"""Accuracy of many networks with shared weights, each with statistics of its own, at the cost of a few.

Networks with the same first layers share their computation. Moreover, a channel of a convolution and its statistics do
not depend on the number of other channels: in a small space, where most networks are evaluated, every layer runs once
at its widest for each kernel and each input, and later layers read leading channels. In a large space each layer runs
at the width of its network. Calibration rows and evaluation rows share one batch; the statistics of a layer come from
the calibration rows alone and normalise all. The last bits depend on the number of threads, so all results are computed
with the number that the evaluator is made with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional as F

from energy.networks.shapes import NETWORK_INPUT
from models.spaces import Archs, Graph, Node, shapes
from models.supernet.elastic import NORM_EPSILON, Moments, convolve, key_of, moments_of, resized, slice_weight
from models.supernet.supernet import SuperNet
from models.threads import threads

MAP_BUDGET_BYTES = 400_000_000
"""Memory that the maps of one path may take before the evaluation rows are split into blocks."""

CHUNK_NETWORKS = 4096
"""Networks evaluated together; bounds the memory of plans and statistics."""

WIDENS_UP_TO = 10_000
"""Largest size of a space whose layers run at their widest; in larger ones few networks share a layer."""

_BYTES_PER_VALUE = 4
_N_TEMPORARY_MAPS = 3

_Signature = tuple[object, ...]
"""Identity of a computation: layer, its sources and the channels that it reads of them."""


@dataclass(frozen=True, kw_only=True)
class _Step:
    """A computation that a network shares with others.

    Attributes:
        number: Equal if and only if the computation is the same.
        node: The layer with all output channels that are computed.
        input_shape: Height, width and channels that its network reads. [1]
        sources: Positions of the steps it reads, `NETWORK_INPUT` for the input.
        reads: Number of leading channels read of each source; None for the input, which is read whole. [1]
        is_pooled: Whether only pooling reads it, so that its result is pooled features of the evaluation rows.
    """

    number: int
    node: Node
    input_shape: tuple[int, int, int]
    sources: tuple[int, ...]
    reads: tuple[int | None, ...]
    is_pooled: bool


class _Map:
    """Result of a step of the current path, with the leading channels that were last read."""

    def __init__(self, number: int, values: Tensor) -> None:
        self.number = number
        self.values = values
        self._kept = values

    def leading(self, n_read: int | None) -> Tensor:
        """Return leading channels, all where None, dense in memory for convolution."""
        if n_read is None or n_read == self.values.shape[1]:
            return self.values
        if self._kept.shape[1] != n_read:
            dense = torch.channels_last if self.values.dim() == 4 else torch.contiguous_format
            self._kept = self.values[:, :n_read].contiguous(memory_format=dense)
        return self._kept


class SharedEvaluator:
    """Evaluator of networks by a copy of the shared weights; later training does not change it.

    Attributes:
        kind: Kind of the accuracies: `"inherited"`.
        split: Name of the split.
        space: The space of the networks.
        n_convolutions: Convolutions computed so far, a measure of the saving by sharing. [1]
    """

    kind = "inherited"

    def __init__(
        self,
        supernet: SuperNet,
        calibration_inputs: ArrayLike,
        inputs: ArrayLike,
        labels: ArrayLike,
        split: str = "val",
        *,
        n_threads: int = 1,
    ) -> None:
        """Take a copy of the weights.

        Args:
            supernet: The shared weights.
            calibration_inputs: Inputs that give the statistics, `(n_calibration, channels, *size)`, of training data.
            inputs: Inputs to evaluate on, `(n, channels, *size)`.
            labels: Their classes, `(n,)`.
            split: Name of the split of `inputs`.
            n_threads: Threads of torch, on which results depend. [1]

        Raises:
            ValueError: Inputs do not have the shape of the space, or differ in number from the labels.
        """
        self.split = split
        self.space = supernet.space
        self.n_convolutions = 0
        self._n_threads = n_threads
        # Copies are aligned in memory, so that sums are added in the same order, and have no gradients.
        self._weights: dict[str, Tensor] = {
            name: tensor.detach().clone() for name, tensor in supernet.state_dict().items()
        }
        is_small = self.space.size <= WIDENS_UP_TO
        self._widest = {slot.node.slot: slot.node.out_ch for slot in self.space.slots} if is_small else None
        calibration = self._rows("calibration_inputs", calibration_inputs)
        rows = self._rows("inputs", inputs)
        classes = torch.from_numpy(np.asarray(labels).astype(np.int64))
        if classes.shape != (len(rows),):
            raise ValueError(f"labels must have shape ({len(rows)},) as inputs have, not {tuple(classes.shape)}")
        self._n_calibration = len(calibration)
        self._n_rows = len(rows)
        n_at_once = MAP_BUDGET_BYTES // self._bytes_per_row()
        first = min(max(n_at_once - len(calibration), n_at_once // 8, 1), len(rows))
        self._blocks = [(torch.cat([calibration, rows[:first]]), classes[:first])]
        for begin in range(first, len(rows), max(n_at_once, 1)):
            end = begin + max(n_at_once, 1)
            self._blocks.append((rows[begin:end], classes[begin:end]))

    def evaluate(self, archs: Archs) -> NDArray[np.float64]:
        """Return the accuracy of each network: share of rows whose label has the highest score, the first of equals.

        Args:
            archs: Architectures, `(n, n_genes)`, canonical or not, in any order.

        Returns:
            Accuracies, `(n,)`; each is independent of the other networks, to the last bit. [1]
        """
        distinct, inverse = np.unique(self.space.canonical(archs), axis=0, return_inverse=True)
        n_correct = np.zeros(len(distinct), dtype=np.int64)
        for begin in range(0, len(distinct), CHUNK_NETWORKS):
            chunk = slice(begin, begin + CHUNK_NETWORKS)
            with threads(self._n_threads):
                n_correct[chunk] = self._count_correct(distinct[chunk])
        return (n_correct / self._n_rows)[inverse.reshape(-1)]

    def scores(self, arch: Archs) -> Tensor:
        """Return the class scores of one network, `(n, n_classes)`, from which `evaluate` counts."""
        plan = _plan(self.space.graph(np.asarray(arch)), self._widest, {})
        moments: dict[int, Moments] = {}
        with threads(self._n_threads):
            return torch.cat([next(self._walk([plan], block, moments)) for block in range(len(self._blocks))])

    def statistics(self, arch: Archs) -> dict[str, Moments]:
        """Return the moments of one network's hidden layers by slot, as `evaluate` uses them."""
        graph = self.space.graph(np.asarray(arch))
        plan = _plan(graph, self._widest, {})
        moments: dict[int, Moments] = {}
        with threads(self._n_threads):
            next(self._walk([plan], 0, moments))
        return {
            node.slot: (moments[step.number][0][: node.out_ch].clone(), moments[step.number][1][: node.out_ch].clone())
            for node, step in zip(graph, plan, strict=True)
            if node.is_hidden
        }

    def _count_correct(self, archs: Archs) -> NDArray[np.int64]:
        known: dict[_Signature, _Step] = {}
        plans = [_plan(self.space.graph(arch), self._widest, known) for arch in archs]
        order = sorted(range(len(plans)), key=lambda row: [step.number for step in plans[row]])
        in_order = [plans[row] for row in order]
        moments: dict[int, Moments] = {}
        n_correct = np.zeros(len(archs), dtype=np.int64)
        for block, (_, classes) in enumerate(self._blocks):
            for row, scores in zip(order, self._walk(in_order, block, moments), strict=True):
                n_correct[row] += int((scores.argmax(dim=1) == classes).sum())
        return n_correct

    def _walk(self, plans: Sequence[Sequence[_Step]], block: int, moments: dict[int, Moments]) -> Iterator[Tensor]:
        """Yield the scores of each network for one block, `(n_rows, n_classes)`, keeping the maps of one path.

        Args:
            plans: Steps of each network, in an order that keeps those with the same beginning together.
            block: Number of the block of rows; block 0 holds the calibration rows.
            moments: Statistics by number of the step; block 0 fills it, other blocks read it.
        """
        rows: dict[tuple[int, int, int], _Map] = {}
        n_calibration = self._n_calibration if block == 0 else 0
        path: list[_Map] = []
        for plan in plans:
            n_shared = 0
            while n_shared < len(path) and path[n_shared].number == plan[n_shared].number:
                n_shared += 1
            del path[n_shared:]
            size = plan[0].input_shape
            if size not in rows:
                rows[size] = _Map(NETWORK_INPUT, resized(self._blocks[block][0], size))
            for step in plan[n_shared:]:
                read = zip(step.sources, step.reads, strict=True)
                maps = [(rows[size] if i == NETWORK_INPUT else path[i]).leading(n_read) for i, n_read in read]
                path.append(_Map(step.number, self._output(step, maps, n_calibration, moments)))
            yield path[-1].values

    def _output(self, step: _Step, maps: Sequence[Tensor], n_calibration: int, moments: dict[int, Moments]) -> Tensor:
        node = step.node
        if node.op == "add":
            return maps[0] + maps[1]
        if node.op == "global_avg_pool":
            return maps[0] if maps[0].dim() == 2 else _pool(maps[0][n_calibration:])
        weight = self._weight(node, "weight")
        if not node.is_hidden:
            features = maps[0] if maps[0].dim() == 2 else maps[0][n_calibration:].flatten(start_dim=1)
            scores: Tensor = F.linear(features, weight[:, : features.shape[1]], self._weight(node, "bias"))
            return scores
        weight = slice_weight(weight, node, maps[0].shape[1])
        if weight.dim() == 3:
            weight = weight.unsqueeze(2)
        self.n_convolutions += 1
        raw = convolve(maps[0], weight, node)
        if n_calibration:
            moments[step.number] = moments_of(raw[:n_calibration])
        mean, variance = moments[step.number]
        scale, shift = (self._weight(node, name)[: node.out_ch] for name in ("scale", "shift"))
        raw = raw[n_calibration:] if step.is_pooled else raw
        output = F.batch_norm(raw, mean, variance, scale, shift, eps=NORM_EPSILON)
        output = output if node.is_linear else output.relu_()
        return _pool(output) if step.is_pooled else output

    def _weight(self, node: Node, name: str) -> Tensor:
        return self._weights[f"layers.{key_of(node.slot)}.{name}"]

    def _rows(self, field: str, inputs: ArrayLike) -> Tensor:
        """Return inputs as maps `(n, channels, h, w)`, channels innermost in memory for fast convolution."""
        rows = torch.from_numpy(np.asarray(inputs).astype(np.float32))
        height, width, channels = self.space.input_shape
        expected = (channels, height) if self.space.n_dims == 1 else (channels, height, width)
        if rows.shape[1:] != expected or not len(rows):
            sizes = ", ".join(str(size) for size in expected)
            raise ValueError(f"{field} must have shape (n, {sizes}) with n at least 1, not {tuple(rows.shape)}")
        maps: Tensor = rows.unsqueeze(2) if self.space.n_dims == 1 else rows
        return maps.contiguous(memory_format=torch.channels_last)

    def _bytes_per_row(self) -> int:
        """Return a bound of the memory of one row along the largest path, with maps that no kernel shrinks. [B]"""
        largest = self.space.graph(self.space.largest)
        nodes = tuple(replace(node, kernel=1, pad=0) for node in largest)
        layers = shapes("widest", Graph(nodes=nodes, input_shape=largest.input_shape)).layers
        values = [layer.out_h * layer.out_w * layer.out_ch for layer in layers]
        return _BYTES_PER_VALUE * (sum(values) + _N_TEMPORARY_MAPS * max(values))


def _plan(graph: Graph, widest: Mapping[str, int] | None, known: dict[_Signature, _Step]) -> list[_Step]:
    """Return the steps of one network.

    Args:
        graph: The network.
        widest: Output channels of each slot at its largest; None to run layers at the width of the network. [1]
        known: Steps so far; new ones are added.
    """
    steps: list[_Step] = []
    readers = [{node.op for node in graph if index in node.inputs} for index in range(len(graph))]
    for node, ops in zip(graph, readers, strict=True):
        # Only a convolution mixes channels: for other layers the number of channels of the input does not matter.
        full = node if widest is None else replace(node, out_ch=widest[node.slot])
        n_read = [graph[source].out_ch if node.op == "conv" else full.out_ch for source in node.inputs]
        reads = tuple(None if i == NETWORK_INPUT else n for i, n in zip(node.inputs, n_read, strict=True))
        numbers = tuple(source if source == NETWORK_INPUT else steps[source].number for source in node.inputs)
        is_pooled = node.is_hidden and ops == {"global_avg_pool"}
        signature = (full, graph.input_shape, numbers, reads, is_pooled)
        if signature not in known:
            known[signature] = _Step(
                number=len(known), node=full, input_shape=graph.input_shape,
                sources=node.inputs, reads=reads, is_pooled=is_pooled,
            )  # fmt: skip
        steps.append(known[signature])
    return steps


def _pool(values: Tensor) -> Tensor:
    return values.mean(dim=(2, 3))
