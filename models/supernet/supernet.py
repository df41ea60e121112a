"""One set of weights for all networks of a space (once-for-all's idea, Cai et al., ICLR 2020, arXiv 1908.09791).

`SuperNet.forward` is a pure function of the input, the graph and the statistics: no network is ever "active".
`models.training.supernet_trainer` trains the weights, `models.evaluation.shared_weights` evaluates the networks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.spaces import Graph, Node, Space
from models.supernet.elastic import ElasticConv, Statistics, elastic_layers, key_of, moments_of, run_graph, run_layer

__all__ = ["Statistics", "SuperNet"]


class SuperNet(nn.Module):
    """The weights of every slot of a space at its largest.

    Attributes:
        space: The space.
        layers: Layers with weights, by `key_of` their slot.
    """

    def __init__(self, space: Space, seed: int) -> None:
        """Draw the initial weights.

        Args:
            space: The space.
            seed: Seed of the initial weights.
        """
        super().__init__()
        self.space = space
        generator = torch.Generator().manual_seed(seed)
        self.layers = elastic_layers(space.slots, space.n_dims, generator)

    def forward(self, x: Tensor, graph: Graph, statistics: Statistics | None = None) -> Tensor:
        """Return the class scores of one network, `(n, n_classes)`.

        Args:
            x: Inputs, `(n, channels, *size)`.
            graph: The network, `space.graph(arch)`.
            statistics: Statistics that normalise its hidden layers; those of the batch where None.
        """

        def layer(node: Node, maps: list[Tensor]) -> Tensor:
            moments = statistics[node.slot] if statistics is not None and node.is_hidden else None
            return run_layer(self.layers, node, maps, moments)

        return run_graph(graph, x, layer)

    def batch_statistics(self, x: Tensor, graph: Graph) -> dict[str, tuple[Tensor, Tensor]]:
        """Return the statistics of one network on a batch, layer after layer, in one pass.

        Args:
            x: Inputs, `(n, channels, *size)`.
            graph: The network.

        Returns:
            Moments by slot; with them, `forward` of the same batch gives the same scores.
        """
        statistics: dict[str, tuple[Tensor, Tensor]] = {}

        def layer(node: Node, maps: list[Tensor]) -> Tensor:
            if node.is_hidden:
                elastic = self.layers[key_of(node.slot)]
                assert isinstance(elastic, ElasticConv)
                raw = elastic.convolve(maps[0], node)
                statistics[node.slot] = moments_of(raw)
                return elastic.normalise(raw, node, statistics[node.slot])
            return run_layer(self.layers, node, maps, None)

        with torch.no_grad():
            run_graph(graph, x, layer)
        return statistics
