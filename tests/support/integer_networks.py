"""Random small integer networks of all operators, and random plans for them: what exported programs are tested with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from energy.networks.designs import ORDERS_OF_OP, LayerDesign, Plan, tiled_map
from energy.networks.fuse import normalised
from energy.networks.shapes import NETWORK_INPUT, LayerShape, NetworkShape
from energy.networks.vectors import VECTORS_OF_OP
from models.deploy.integer import LOW, IntegerLayer, IntegerNetwork, channel_load
from models.spaces import Space

MapShape = tuple[int, int, int]
BITS = 8


@dataclass
class Growing:
    """A network under construction: its layers, and the map that the next one reads."""

    input_shape: MapShape
    layers: list[IntegerLayer] = field(default_factory=list)
    source: int = NETWORK_INPUT

    @property
    def map(self) -> MapShape:
        return self.shape_of(self.source)

    def shape_of(self, source: int) -> MapShape:
        if source == NETWORK_INPUT:
            return self.input_shape
        shape = self.layers[source].shape
        return (shape.out_h, shape.out_w, shape.out_ch)

    def add(self, layer: IntegerLayer) -> None:
        self.layers.append(layer)
        self.source = len(self.layers) - 1


def random_network(rng: np.random.Generator, *, most_layers: int = 4) -> IntegerNetwork:
    """Maps of up to 8 x 8 x 7 in one or two dimensions: odd channels, strides, padding, residuals, covering kernels."""
    height, width = int(rng.integers(1, 9)), 1 if rng.random() < 0.3 else int(rng.integers(1, 9))
    net = Growing((height, width, int(rng.integers(1, 7))))
    for _ in range(int(rng.integers(1, most_layers + 1))):
        kind = rng.choice(["conv", "conv", "depthwise_conv", "add"])
        if kind == "add" and net.layers:
            net.add(_sum(rng, net))
        else:
            net.add(_convolution(rng, net, "conv" if kind == "add" else str(kind)))
    if rng.random() < 0.5:
        height, width, channels = net.map
        net.add(_layer(net, _same_map("global_avg_pool", net.map, out=(1, 1))))
        net.add(weighted(rng, net, _shape("conv", (1, 1, channels), 5, (1, 1)), has_relu=False))
    return IntegerNetwork(
        name="random", layers=tuple(net.layers), input_shape=net.input_shape, input_fraction_bits=BITS
    )


def network_of_space(rng: np.random.Generator, space: Space) -> IntegerNetwork:
    """A random network of a space with random weights."""
    shape = space.network(space.sample(rng, 1)[0])
    net = Growing(shape.input_shape)
    for layer, reads, name in zip(shape.layers, shape.inputs, shape.layer_names, strict=True):
        if layer.op in ("conv", "depthwise_conv"):
            made = weighted(rng, net, layer, has_relu=bool(rng.random() < 0.7))
        elif layer.op == "add":
            made = _layer(net, layer, shift=3, lifts=(2, 2))
        else:
            made = _layer(net, layer)
        net.add(replace(made, reads=reads, name=name))
    return IntegerNetwork(
        name=space.name, layers=tuple(net.layers), input_shape=net.input_shape, input_fraction_bits=BITS
    )


def random_plan(rng: np.random.Generator, network: NetworkShape) -> Plan:
    """Tiles of any size that fit, every order, batch and vector mode; tiles of input channels are even."""
    plan = []
    for layer in network.layers:
        height, width = tiled_map(layer)
        n_pairs = -(-normalised(layer)[0].in_ch // 2)
        vector = str(rng.choice(VECTORS_OF_OP[layer.op]))
        is_by_channel = layer.op == "depthwise_conv" and vector == "row"
        plan.append(
            LayerDesign(
                tile_h=int(rng.integers(1, height + 1)),
                tile_w=int(rng.integers(1, width + 1)),
                tile_out=1 if is_by_channel else int(rng.integers(1, layer.out_ch + 1)),
                tile_in=2 * int(rng.integers(1, n_pairs + 1)),
                order=str(rng.choice(ORDERS_OF_OP[layer.op])),
                batch=int(rng.integers(1, 9)),
                vector=vector,
            )
        )
    return tuple(plan)


def random_samples(rng: np.random.Generator, network: IntegerNetwork, n: int) -> np.ndarray:
    """Samples over the whole range of a word, `(n, height, width, channels)`."""
    return rng.integers(LOW, -LOW, (n, *network.input_shape)).astype(np.int16)


def weighted(rng: np.random.Generator, net: Growing, shape: LayerShape, *, has_relu: bool) -> IntegerLayer:
    """A convolution whose outputs fill the range of a word, and often leave it."""
    kernel = (shape.kernel_h, shape.kernel_w)
    size = (shape.out_ch, *kernel, shape.in_ch) if shape.op == "conv" else (shape.out_ch, *kernel)
    weight = rng.integers(-300, 301, size)
    bias = rng.integers(-(2**20), 2**20, shape.out_ch).astype(np.int32)
    load = int(channel_load(weight, bias).max())
    if load > -LOW - 1:
        weight = weight * 30_000 // load
        load = 30_000
    shift = int(np.clip(np.log2(load + 1) - rng.integers(0, 3), 2, 16))
    return _layer(net, shape, weight=weight.astype(np.int16), bias=bias, shift=shift, has_relu=has_relu)


def _layer(net: Growing, shape: LayerShape, reads: tuple[int, ...] | None = None, **given) -> IntegerLayer:
    reads = (net.source,) if reads is None else reads
    return IntegerLayer(name=f"{shape.op}_{len(net.layers)}", shape=shape, reads=reads, fraction_bits=BITS, **given)


def _shape(op: str, read: MapShape, out_ch: int, kernel: tuple[int, int], stride: int = 1, pad: int = 0) -> LayerShape:
    height, width, channels = read
    outs = [
        (size + 2 * (pad if length > 1 else 0) - length) // (stride if size > 1 else 1) + 1
        for size, length in zip((height, width), kernel, strict=True)
    ]
    return LayerShape(
        op=op, in_h=height, in_w=width, in_ch=channels, out_h=outs[0], out_w=outs[1], out_ch=out_ch,
        kernel_h=kernel[0], kernel_w=kernel[1], stride=stride, pad=pad,
    )  # fmt: skip


def _same_map(op: str, read: MapShape, out: tuple[int, int]) -> LayerShape:
    height, width, channels = read
    return LayerShape(
        op=op, in_h=height, in_w=width, in_ch=channels, out_h=out[0], out_w=out[1], out_ch=channels,
        kernel_h=1, kernel_w=1,
    )  # fmt: skip


def _sum(rng: np.random.Generator, net: Growing) -> IntegerLayer:
    sources = [i for i in range(NETWORK_INPUT, len(net.layers)) if net.shape_of(i) == net.map]
    lifts = tuple(int(lift) for lift in rng.integers(0, 4, 2))
    return _layer(
        net, _same_map("add", net.map, out=net.map[:2]), reads=(net.source, int(rng.choice(sources))),
        shift=int(rng.integers(2, 5)), lifts=lifts, has_relu=bool(rng.random() < 0.5),
    )  # fmt: skip


def _convolution(rng: np.random.Generator, net: Growing, op: str) -> IntegerLayer:
    height, width, channels = net.map
    pad, stride = int(rng.integers(0, 3)), int(rng.integers(1, 4))
    kernel = tuple(int(rng.integers(1, min(5, size + 2 * pad) + 1)) if size > 1 else 1 for size in (height, width))
    # Only the network's input may be covered whole where its pixels have a pad channel.
    can_cover = channels % 2 == 0 or height * width == 1 or not net.layers
    if op == "conv" and can_cover and rng.random() < 0.15:
        kernel, pad = (height, width), 0
    is_covering = kernel == (height, width) and (pad == 0 or kernel == (1, 1))
    if is_covering and not can_cover:
        kernel = (1, 1)
    out_ch = channels if op == "depthwise_conv" else int(rng.integers(1, 8))
    shape = _shape(op, net.map, out_ch, (kernel[0], kernel[1]), stride, pad)
    return weighted(rng, net, shape, has_relu=bool(rng.random() < 0.5))
