"""A network, its plan and its schedule as the tables of an exported program (`runtime/ebb.h`).

The tables hold what the engine does not compute: addresses of tensors, accounted energies of batches, and the batches
before which a power cycle ends. Sizes and counts come from `energy`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from energy.counting import rows
from energy.counting.exact import n_batches_of
from energy.counting.nvm import Placement, placed
from energy.counting.rows import padded
from energy.counting.tiles import inner_count, tile_counts
from energy.counting.vm import box_buffer_words, input_buffer_words, operand_words, stored_sum_words, vm_words
from energy.events import ORDERS, IntArray
from energy.hardware.scenarios import Scenarios
from energy.networks.designs import Plan, check_plan
from energy.networks.fuse import normalised, readers_of
from energy.networks.shapes import NETWORK_INPUT, LayerShape
from energy.scheduling.schedule import Pricer, cycle_budget_nj, schedule
from models.deploy.image import Words, weight_image
from models.deploy.integer import IntegerLayer, IntegerNetwork

OPS = {"conv": "EBB_CONV", "depthwise_conv": "EBB_DEPTHWISE", "global_avg_pool": "EBB_AVERAGE", "add": "EBB_SUM"}
"""Operators of the engine, with their names in C."""

_ORDER_NAMES = tuple(f"EBB_{order.upper()}_STAYS" for order in ORDERS)
_VECTOR_NAMES = ("EBB_CHANNEL", "EBB_ROW", "EBB_PLANAR")
_LEAST, _MOST_VM_WORDS = -(2**15), 2**15 - 1
_WIDTHS = {"batches": 32, "first_batch": 32, "input_at": 32, "weight_at": 32, "partial_at": 32}
_WIDTHS |= {"output_at": 32, "partial_half": 32}
_WIDTHS |= dict.fromkeys(("in_h", "in_w", "map_h", "map_w"), 15)
_DEFAULT_WIDTH = 16
"""Bits of the members of `struct ebb_layer`; rows and columns may be negative."""


@dataclass(frozen=True, kw_only=True)
class LayerTable:
    """Row of `struct ebb_layer`: attributes have the names, the units and the order of its members."""

    op: str
    order: str
    vector: str
    factor: int
    half: int
    low: int
    lifts: tuple[int, int]
    in_h: int
    in_w: int
    in_words: int
    map_h: int
    map_w: int
    out_ch: int
    out_words: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    pad_h: int
    pad_w: int
    tile_h: int
    tile_w: int
    tile_out: int
    tile_in: int
    rows: int
    cols: int
    outs: int
    ins: int
    batch: int
    inner: int
    loop_batches: int
    batches: int
    first_batch: int
    input_at: tuple[int, int]
    weight_at: int
    partial_at: int
    output_at: int
    partial_half: int
    vm_weights: int
    vm_results: int
    vm_planes: int
    second_level: int

    def require_fits(self, name: str) -> None:
        """Check that every number fits into its member, and padded rows and columns into a signed word.

        Raises:
            ValueError: A number does not fit; the message names layer, member and value.
        """
        for axis in ("h", "w"):
            size, pad = getattr(self, f"in_{axis}"), getattr(self, f"pad_{axis}")
            if pad and size + pad >= 2**15:
                rule = f"in_{axis} and pad together must be below 32,768 to be exported"
                raise ValueError(f"layer {name!r}: {rule}, not {size + pad:,}")
        for field in fields(self):
            value = getattr(self, field.name)
            for number in value if isinstance(value, tuple) else (value,):
                limit = 2 ** _WIDTHS.get(field.name, _DEFAULT_WIDTH)
                if isinstance(number, int) and not _LEAST <= number < limit:
                    rule = f"{field.name} must be below {limit:,} to be exported"
                    raise ValueError(f"layer {name!r}: {rule}, not {number:,}")


@dataclass(frozen=True, kw_only=True, eq=False)
class EnergyTable:
    """Accounted energies of a layer's batches; equal rows of the loops are stored once.

    Attributes:
        first_rows: Row of `second_rows` for each run of the outermost level, `(n_first,)`.
        second_rows: Row of `kinds` for each run of the second level, `(n_rows, n_second)`.
        kinds: Kind of each batch of a run of the innermost loop, `(n_rows, n_loop)`.
        energies_nj: Energy of each kind when warm and when cold, `(n_kinds, 2)`. [nJ]
    """

    first_rows: IntArray
    second_rows: IntArray
    kinds: IntArray
    energies_nj: IntArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Program:
    """Content of an exported folder.

    Attributes:
        network: The integer network.
        plan: One design per layer.
        placement: Addresses in non-volatile memory.
        layers: One table per layer.
        energies: One table per layer.
        weights: Weights and biases of all layers, `(n_words,)`.
        stops: Whether a power cycle ends before a batch, `(n_batches,)`.
        vm_words: Largest volatile memory of a layer. [words]
        cycle_budget_nj: Accounted energy of a power cycle. [nJ]
        boot_nj: Accounted energy of a boot. [nJ]
        power_cycles: Planned power cycles of one inference.
        input_words: Words per pixel of the stored input of the network. [words]
    """

    network: IntegerNetwork
    plan: Plan
    placement: Placement
    layers: tuple[LayerTable, ...]
    energies: tuple[EnergyTable, ...]
    weights: Words
    stops: NDArray[np.bool_]
    vm_words: int
    cycle_budget_nj: int
    boot_nj: int
    power_cycles: int
    input_words: int


def program(network: IntegerNetwork, plan: Plan, pricer: Pricer, scenarios: Scenarios, cuts: str) -> Program:
    """Make the tables of a design.

    Args:
        network: The network with its weights.
        plan: A well-formed design for each layer, exactly counted.
        pricer: Counts and prices batches.
        scenarios: The supply, an axis of one.
        cuts: Method of cutting batches into power cycles, as for `energy.scheduling.schedule.schedule`.

    Raises:
        ValueError: The plan is not well formed, or exceeds a limit of the engine.
    """
    shape = network.shape
    check_plan(shape, plan, counting="exact")
    row_pairs = [pricer.rows(layer, design) for layer, design in zip(shape.layers, plan, strict=True)]
    images = [weight_image(layer, *own) for layer, own in zip(network.layers, row_pairs, strict=True)]
    if not any(len(image) for image in images):
        raise ValueError(f"network {network.name!r} must have weights to be exported, and has none")
    placement = placed(shape, [len(image) for image in images], [int(stored_sum_words(*own)) for own in row_pairs])
    sequence = pricer.sequence(shape, plan)
    cycles = schedule(sequence, scenarios, cuts=cuts)
    stops = np.zeros(len(sequence), dtype=np.bool_)
    stops[cycles.starts] = True
    used_words = max(int(vm_words(*own)) for own in row_pairs)
    if used_words > _MOST_VM_WORDS:
        raise ValueError(f"volatile memory must be at most {_MOST_VM_WORDS} words to be exported, not {used_words}")
    starts = np.cumsum([0, *(int(n_batches_of(*own)) for own in row_pairs)])
    tables = []
    for index, (layer, own) in enumerate(zip(network.layers, row_pairs, strict=True)):
        table = _layer_table(layer, own, placement, index, int(starts[index]))
        table.require_fits(layer.name)
        tables.append(table)
    return Program(
        network=network,
        plan=plan,
        placement=placement,
        layers=tuple(tables),
        energies=tuple(
            _energy_table(table, pricer.batches(layer, design).nanojoules)
            for table, layer, design in zip(tables, shape.layers, plan, strict=True)
        ),
        weights=np.concatenate(images),
        stops=stops,
        vm_words=used_words,
        cycle_budget_nj=cycle_budget_nj(scenarios),
        boot_nj=pricer.boot_nj,
        power_cycles=len(cycles),
        input_words=_input_words(network),
    )


def _layer_table(
    layer: IntegerLayer, own: tuple[IntArray, IntArray], placement: Placement, index: int, first_batch: int
) -> LayerTable:
    """Return the numbers of one layer; `own` are those of `Pricer.rows`."""
    shape, design = ({column: int(value) for column, value in enumerate(row)} for row in own)
    r, c, m, n = (int(count) for count in tile_counts(*own))
    inner = int(inner_count(*own, (r * c, m, n)))
    batch = min(design[rows.BATCH], inner)
    vm_weights = int(input_buffer_words(*own))
    inputs = [placement.map_offset_words[source] for source in layer.reads]
    return LayerTable(
        op=OPS[layer.shape.op],
        order=_ORDER_NAMES[design[rows.ORDER]],
        vector=_VECTOR_NAMES[design[rows.VECTOR]],
        factor=2**16 >> layer.shift if layer.shift else 0,
        half=2**layer.shift >> 1,
        low=0 if layer.has_relu else _LEAST,
        lifts=(2 ** layer.lifts[0], 2 ** layer.lifts[1]),
        in_h=shape[rows.IN_H],
        in_w=shape[rows.IN_W],
        in_words=shape[rows.IN_WORDS],
        map_h=shape[rows.TILED_H],
        map_w=shape[rows.TILED_W],
        out_ch=shape[rows.OUT_CH],
        out_words=shape[rows.OUT_WORDS],
        kernel_h=shape[rows.KERNEL_H],
        kernel_w=shape[rows.KERNEL_W],
        stride_h=shape[rows.STRIDE_H],
        stride_w=shape[rows.STRIDE_W],
        pad_h=shape[rows.PAD_H],
        pad_w=shape[rows.PAD_W],
        tile_h=design[rows.TILE_H],
        tile_w=design[rows.TILE_W],
        tile_out=design[rows.TILE_OUT],
        tile_in=design[rows.TILE_IN],
        rows=r,
        cols=c,
        outs=m,
        ins=n,
        batch=batch,
        inner=inner,
        loop_batches=-(-inner // batch),
        batches=int(n_batches_of(*own)),
        first_batch=first_batch,
        input_at=(inputs[0], inputs[-1]),
        weight_at=placement.weight_offset_words[index],
        partial_at=placement.partial_offset_words[index] if placement.partial_words[index] else 0,
        output_at=placement.map_offset_words[index],
        partial_half=placement.partial_words[index] // 2,
        vm_weights=vm_weights,
        vm_results=int(operand_words(*own, n)),
        vm_planes=int(box_buffer_words(*own)),
        second_level=_second_level(own),
    )


def _second_level(own: tuple[IntArray, IntArray]) -> int:
    """Return the runs of the second loop level in one of the outermost; the innermost is that of the batches."""
    _, c, m, n = (int(count) for count in tile_counts(*own))
    of_layer, of_design = own
    if of_layer[rows.OP] == rows.POOL:
        return 1
    if of_design[rows.ORDER] == rows.WEIGHT:
        return n
    return c * (m if of_design[rows.ORDER] == rows.OUTPUT else n)


def _energy_table(table: LayerTable, nanojoules: tuple[IntArray, IntArray]) -> EnergyTable:
    """Return the accounted energies of the batches of a layer, warm and cold, with repeated rows stored once."""
    energies_nj, kind = np.unique(np.stack(nanojoules, axis=1), axis=0, return_inverse=True)
    kinds, second = np.unique(kind.reshape(-1, table.loop_batches), axis=0, return_inverse=True)
    if max(len(energies_nj), len(kinds)) >= 2**_DEFAULT_WIDTH:
        raise ValueError(f"batches must be of fewer than 65,536 kinds to be exported, not {len(energies_nj):,}")
    second_rows, first_rows = np.unique(second.reshape(-1, table.second_level), axis=0, return_inverse=True)
    return EnergyTable(first_rows=first_rows.ravel(), second_rows=second_rows, kinds=kinds, energies_nj=energies_nj)


def _input_words(network: IntegerNetwork) -> int:
    """Return the words per pixel of the stored input of the network. [words]

    Channels are padded to even, unless all layers that read the input cover it whole and read its words in a row.

    Raises:
        ValueError: A layer covers a map with pad channels.
    """
    shape, readers = network.shape, readers_of(network.shape)
    for source in (*range(len(shape.layers)), NETWORK_INPUT):
        height, width, channels = shape.input_shape
        if source != NETWORK_INPUT:
            producer = shape.layers[source]
            height, width, channels = producer.out_h, producer.out_w, producer.out_ch
        if channels % 2 == 0 or height * width == 1:
            continue
        covering = [_covers(shape.layers[reader]) for reader in readers[source]]
        if source == NETWORK_INPUT and covering and all(covering):
            return channels
        if any(covering):
            reader = shape.layer_names[readers[source][covering.index(True)]]
            rule = "a kernel that covers a map of several pixels needs an even number of channels to be exported"
            raise ValueError(f"layer {reader!r}: {rule}, not {channels}")
    return padded(shape.input_shape[2])


def _covers(layer: LayerShape) -> bool:
    """Return whether a layer reads its map as one pixel, `energy.networks.fuse.normalised`."""
    return normalised(layer)[0].in_ch != layer.in_ch
