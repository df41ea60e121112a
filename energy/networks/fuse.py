"""Rewriting before counting: networks without separate batch norm and ReLU, layers in the form that is counted.

`fused` merges a batch norm or ReLU layer into the convolution before it, whose weights, bias and epilogue do its work.
`normalised` gives the equal layer that exact counting counts, energy/README sections 3 and 4. No prices, no tiles.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from energy.networks.shapes import LayerShape, NetworkShape

_CONVOLUTIONS = ("conv", "depthwise_conv")


def fused(network: NetworkShape) -> NetworkShape:
    """Return the network with batch norm and ReLU layers merged into the convolutions before them.

    A layer is merged where it alone reads the convolution, or what is merged into that already. A ReLU that only a
    batch norm reads stays, and the batch norm with it: they do not commute, and an epilogue ends with its ReLU.

    Args:
        network: Any network.

    Returns:
        A network of the same name that computes the same; merged layers have the name and the shape of their
        convolution. Equal to `network` where nothing can be merged.
    """
    home = merged_layers(network)
    kept = [index for index in range(len(network.layers)) if index not in home]
    position = {index: new for new, index in enumerate(kept)}
    return NetworkShape(
        name=network.name,
        layers=tuple(network.layers[index] for index in kept),
        layer_names=tuple(network.layer_names[index] for index in kept),
        inputs=tuple(tuple(position[home.get(i, i)] if i >= 0 else i for i in network.inputs[index]) for index in kept),
    )


def merged_layers(network: NetworkShape) -> dict[int, int]:
    """Return the index of every layer that can be merged -> index of its convolution."""
    readers = readers_of(network)
    home: dict[int, int] = {}
    for index, layer in enumerate(network.layers):
        if layer.op not in ("batch_norm", "relu"):
            continue
        source = network.inputs[index][0]
        if source < 0 or len(readers[source]) > 1:
            continue
        is_before_norm = [network.layers[reader].op for reader in readers[index]] == ["batch_norm"]
        if layer.op == "relu" and is_before_norm:
            continue
        if network.layers[source].op in _CONVOLUTIONS:
            home[index] = source
        elif source in home:
            home[index] = home[source]
    return home


def readers_of(network: NetworkShape) -> tuple[tuple[int, ...], ...]:
    """Return the indices of the layers that read each map, ascending, a layer twice where it reads the map twice.

    Returns:
        `(n_layers + 1,)`; the last entry, `NETWORK_INPUT`, is the network's input.
    """
    readers: list[list[int]] = [[] for _ in range(len(network.layers) + 1)]
    for index, sources in enumerate(network.inputs):
        for source in sources:
            readers[source].append(index)
    return tuple(tuple(indices) for indices in readers)


@lru_cache(maxsize=65536)
def normalised(layer: LayerShape) -> tuple[LayerShape, bool]:
    """Return the equal layer that exact counting counts.

    A convolution whose kernel covers its whole unpadded input becomes a 1x1 convolution on a 1x1 map of H W N channels;
    a layer along its height only, in_w = kernel_w = out_w = 1, is turned to lie along its width.

    Args:
        layer: Any layer; operators without a kernel are turned regardless of their kernel sizes.

    Returns:
        The layer, and whether it was turned: `tile_h` and `tile_w` of its designs change places then.
    """
    has_kernel = layer.op in _CONVOLUTIONS
    kernel = (layer.kernel_h, layer.kernel_w) if has_kernel else (1, 1)
    is_covered = kernel == (layer.in_h, layer.in_w) and layer.pad_of("h") == layer.pad_of("w") == 0
    if layer.op == "conv" and is_covered and kernel != (1, 1):
        in_ch = layer.in_h * layer.in_w * layer.in_ch
        return replace(layer, in_h=1, in_w=1, in_ch=in_ch, kernel_h=1, kernel_w=1, stride=1, pad=0), False
    # An axis of length 1 under a kernel of length 1 has an output of length 1: padding does not apply.
    is_upright = (layer.in_w, kernel[1]) == (1, 1) != (layer.in_h, kernel[0])
    if not is_upright:
        return layer, False
    turned = replace(
        layer,
        in_h=layer.in_w,
        in_w=layer.in_h,
        out_h=layer.out_w,
        out_w=layer.out_h,
        kernel_h=layer.kernel_w,
        kernel_w=layer.kernel_h,
    )
    return turned, True
