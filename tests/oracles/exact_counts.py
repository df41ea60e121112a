"""Slow oracle of exact counting: walks a layer tile by tile, keeps the tags of VM buffers and counts every transfer.

Written from energy/README section 4 alone ("rule k" is its list); the counts of `energy` must equal it.
Nothing is multiplied out over a layer: every iteration is visited, every batch is walked twice, once with the tags that
the batch before it left (warm) and once with none (cold, right after a boot). A tile is a `range` along each axis.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from energy.networks.designs import LayerDesign
from energy.networks.shapes import LayerShape

Tags = dict[str, tuple[int, ...]]
"""Operand -> the tile its VM buffer holds; an operand that is absent holds nothing."""

RECORD_WORDS = 6
BIAS_WORDS = 2
ACCUMULATOR_WORDS = 2
BATCH_NORM_WORDS = 4


@dataclass
class OracleBatch:
    """Events of one batch, by name; an event that is absent does not happen.

    Attributes:
        warm: When the batch before it ran in the same power cycle; the first batch of a layer finds nothing resident.
        cold: When the device has just booted.
    """

    warm: dict[str, int]
    cold: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A layer with its design after rule 1 and the rewriting of a kernel that covers its input; tiles fit the axes."""

    op: str
    in_h: int
    in_w: int
    in_ch: int
    out_h: int
    out_w: int
    out_ch: int
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
    order: str
    batch: int
    vector: str


@dataclass(frozen=True)
class Step:
    """One iteration of the loops: indices of its tiles, and the pixels and channels these cover."""

    r: int
    c: int
    m: int
    n: int
    rows: range
    cols: range
    outs: range
    ins: range

    @property
    def n_elements(self) -> int:
        """Elements of the output tile, for pooling of the tile of the input; pad channels are none."""
        return len(self.rows) * len(self.cols) * len(self.outs)


def even(words: int) -> int:
    """The number rounded up to even."""
    return words + words % 2


def exact_batches(layer: LayerShape, design: LayerDesign) -> list[OracleBatch]:
    """The batches of one layer, in the order in which they run."""
    job = normalised(layer, design)
    resident: Tags = {}
    batches = []
    for loop in innermost_loops(job):
        for steps in batches_of(job, loop):
            cold = _events_of(job, steps, {})
            warm = _events_of(job, steps, resident)
            batches.append(OracleBatch(warm=warm, cold=cold))
    return batches


# --- the layer as it is counted -------------------------------------------------------------------------------------


def normalised(layer: LayerShape, design: LayerDesign) -> Job:
    """The layer and the design as they are counted."""
    job = Job(
        op=layer.op,
        in_h=layer.in_h,
        in_w=layer.in_w,
        in_ch=layer.in_ch,
        out_h=layer.out_h,
        out_w=layer.out_w,
        out_ch=layer.out_ch,
        kernel_h=layer.kernel_h,
        kernel_w=layer.kernel_w,
        stride_h=layer.stride if layer.in_h > 1 else 1,
        stride_w=layer.stride if layer.in_w > 1 else 1,
        pad_h=layer.pad if layer.kernel_h > 1 else 0,
        pad_w=layer.pad if layer.kernel_w > 1 else 0,
        tile_h=design.tile_h,
        tile_w=design.tile_w,
        tile_out=design.tile_out,
        tile_in=design.tile_in,
        order=design.order,
        batch=design.batch,
        vector=design.vector,
    )
    if job.op == "conv":
        job = _flattened(job)
    if job.op in ("conv", "depthwise_conv"):  # the others have no kernel, and nothing of them depends on the axis
        job = _transposed(job)
    return job


def _flattened(job: Job) -> Job:
    """A convolution whose kernel covers its whole unpadded input, as a 1x1 convolution on a 1x1 map."""
    if (job.kernel_h, job.kernel_w) != (job.in_h, job.in_w) or job.pad_h > 0 or job.pad_w > 0:
        return job
    n_channels = job.in_h * job.in_w * job.in_ch
    return replace(job, in_h=1, in_w=1, kernel_h=1, kernel_w=1, in_ch=n_channels, stride_h=1, stride_w=1)


def _transposed(job: Job) -> Job:
    """Rule 1: a layer of width 1 becomes one of height 1."""
    if not job.in_w == job.kernel_w == job.out_w == 1:
        return job
    swapped = {}
    for name in ("in", "out", "kernel", "stride", "pad", "tile"):
        swapped[f"{name}_h"] = getattr(job, f"{name}_w")
        swapped[f"{name}_w"] = getattr(job, f"{name}_h")
    return replace(job, **swapped)


# --- loops and batches ----------------------------------------------------------------------------------------------


def tiles(size: int, tile: int) -> list[range]:
    """The tiles of one axis; the last is the rest."""
    return [range(start, min(start + tile, size)) for start in range(0, size, tile)]


@cache
def axes_of(job: Job) -> tuple[list[range], list[range], list[range], list[range]]:
    """Tiles along rows, columns, output channels and input channels."""
    height, width = (job.in_h, job.in_w) if job.op == "global_avg_pool" else (job.out_h, job.out_w)
    ins = tiles(even(job.in_ch), job.tile_in) if job.op == "conv" else [range(job.in_ch)]
    return tiles(height, job.tile_h), tiles(width, job.tile_w), tiles(job.out_ch, job.tile_out), ins


def innermost_loops(job: Job) -> Iterator[list[Step]]:
    """Every run of the innermost loop as the list of its iterations, in the order in which they run."""
    rows, cols, outs, ins = axes_of(job)

    def step(r: int, c: int, m: int, n: int) -> Step:
        return Step(r, c, m, n, rows[r], cols[c], outs[m], ins[n])

    loop_over = job.order
    if job.op in ("batch_norm", "global_avg_pool"):
        loop_over = "weight"  # both run over the map inside the channels
    if loop_over == "input":
        for r in range(len(rows)):
            for c in range(len(cols)):
                for n in range(len(ins)):
                    yield [step(r, c, m, n) for m in range(len(outs))]
    elif loop_over == "weight":
        for m in range(len(outs)):
            for n in range(len(ins)):
                yield [step(r, c, m, n) for r in range(len(rows)) for c in range(len(cols))]
    else:
        for r in range(len(rows)):
            for c in range(len(cols)):
                for m in range(len(outs)):
                    yield [step(r, c, m, n) for n in range(len(ins))]


def batches_of(job: Job, loop: list[Step]) -> Iterator[list[Step]]:
    """The batches of one run of the innermost loop; the last may be shorter."""
    for start in range(0, len(loop), job.batch):
        yield loop[start : start + job.batch]


def _is_last_out(job: Job, step: Step) -> bool:
    return step.outs.stop == job.out_ch


def _is_last_in(job: Job, step: Step) -> bool:
    return job.op != "conv" or step.ins.stop == even(job.in_ch)


def _is_last_of_map(job: Job, step: Step) -> bool:
    return step.rows.stop == job.in_h and step.cols.stop == job.in_w


def _has_one_input_tile(job: Job) -> bool:
    return len(axes_of(job)[3]) == 1


# --- what a batch does ----------------------------------------------------------------------------------------------


def _events_of(job: Job, steps: list[Step], tags: Tags) -> dict[str, int]:
    """Events of one batch that finds `tags` in VM; they become what it leaves there."""
    counts: Counter[str] = Counter()
    if job.op in ("conv", "depthwise_conv"):
        _convolve(counts, job, steps, tags)
    elif job.op == "global_avg_pool":
        _pool(counts, job, steps, tags)
    else:
        _apply_to_elements(counts, job, steps, tags)
    _call(counts, "record_write", RECORD_WORDS)
    return {event: count for event, count in counts.items() if count > 0}


def _convolve(counts: Counter[str], job: Job, steps: list[Step], tags: Tags) -> None:
    first, last = steps[0], steps[-1]
    keeps_sums = job.order == "output"
    is_one_box = job.order == "input" and _has_one_input_tile(job)
    accumulators = (first.r, first.c, first.m)
    if keeps_sums and first.n > 0 and tags.get("accumulators") != accumulators:
        _call(counts, "partial_fetch", ACCUMULATOR_WORDS * first.n_elements)
    for step in steps:
        _fetch_window(counts, job, step, tags)
        _fetch_weights(counts, job, step, tags)
        if not keeps_sums and step.n > 0:
            _call(counts, "partial_fetch", ACCUMULATOR_WORDS * step.n_elements)
        _multiply(counts, job, step)
        if _is_last_in(job, step):
            counts["epilogues"] += step.n_elements
        if not keeps_sums and not is_one_box:
            _write_result(counts, job, step)
    if keeps_sums:
        tags["accumulators"] = accumulators
        _write_result(counts, job, last)
    if is_one_box:
        _write_box(counts, job, first, box_width(job, steps))


def _write_result(counts: Counter[str], job: Job, step: Step) -> None:
    """Rule 7: one tile goes to NVM, as outputs after its last input-channel tile, as partial sums before."""
    if _is_last_in(job, step):
        _write_box(counts, job, step, box_width(job, [step]))
    else:
        _call(counts, "partial_write", ACCUMULATOR_WORDS * step.n_elements)


def _fetch_window(counts: Counter[str], job: Job, step: Step, tags: Tags) -> None:
    """Fetch the bounding box of the windows of a tile unless it is resident (rules 2, 5 and 6)."""
    is_depthwise = job.op == "depthwise_conv"
    tag = (step.r, step.c, step.m) if is_depthwise else (step.r, step.c, step.n)
    if tags.get("input") == tag:
        return
    tags["input"] = tag
    rows, cols = windows(job, step)
    channels = len(step.outs) if is_depthwise else len(step.ins)
    _fetch_box(counts, job, rows, cols, channels)
    if is_depthwise and job.vector == "planar":
        counts["deinterleave_words"] += len(rows) * len(cols) * channels


def windows(job: Job, step: Step) -> tuple[range, range]:
    """Rows and columns of the input from the first to the last that a window of the tile touches, padding included."""
    rows = [
        row * job.stride_h - job.pad_h + tap for row in (step.rows[0], step.rows[-1]) for tap in (0, job.kernel_h - 1)
    ]
    cols = [
        col * job.stride_w - job.pad_w + tap for col in (step.cols[0], step.cols[-1]) for tap in (0, job.kernel_w - 1)
    ]
    return range(min(rows), max(rows) + 1), range(min(cols), max(cols) + 1)


def _fetch_weights(counts: Counter[str], job: Job, step: Step, tags: Tags) -> None:
    tag = (step.m, step.n)
    if tags.get("weights") != tag:
        tags["weights"] = tag
        _call(counts, "weight_fetch", weight_words(job, step))


def weight_words(job: Job, step: Step) -> int:
    """Words of the weight tile of an iteration, with its bias where it has one."""
    outs = len(step.outs)
    bias = BIAS_WORDS * outs if _is_last_in(job, step) else 0
    if job.op == "conv":
        return job.kernel_h * job.kernel_w * len(step.ins) * outs + bias
    if job.vector == "channel":
        return job.kernel_h * job.kernel_w * outs + bias
    versions = 2  # as they are and shifted by one column
    return versions * job.kernel_h * aligned_row(job.kernel_w) * outs + bias


def aligned_row(size: int) -> int:
    """The smallest even number of words that holds a row of `size` words and one of slack."""
    return 2 * ((size + 2) // 2)


def _multiply(counts: Counter[str], job: Job, step: Step) -> None:
    rows_of_taps = job.kernel_h * step.n_elements
    taps = job.kernel_h * job.kernel_w * step.n_elements
    if job.op == "conv":
        counts["iterations"] += 1
    if job.op == "depthwise_conv" and job.vector == "channel":
        counts["depthwise_cpu_taps"] += taps
    elif job.op == "depthwise_conv":
        _vector_calls(counts, rows_of_taps, aligned_row(job.kernel_w))
    elif job.vector == "channel":
        _vector_calls(counts, taps, len(step.ins))
    else:
        _vector_calls(counts, rows_of_taps, job.kernel_w * len(step.ins))


def _vector_calls(counts: Counter[str], times: int, elements: int) -> None:
    counts["mac_calls"] += times
    counts["mac_elements"] += times * elements


def _pool(counts: Counter[str], job: Job, steps: list[Step], tags: Tags) -> None:
    first, last = steps[0], steps[-1]
    is_first_of_map = first.r == first.c == 0
    sums = ACCUMULATOR_WORDS * len(first.outs)
    if not is_first_of_map and tags.get("accumulators") != (first.m,):
        _call(counts, "partial_fetch", sums)
    for step in steps:  # every tile of the input is needed once, so it is never resident
        _fetch_box(counts, job, step.rows, step.cols, len(step.outs))
        counts["pool_elements"] += step.n_elements
    tags["accumulators"] = (first.m,)
    if _is_last_of_map(job, last):
        _call(counts, "output_write", box_width(job, [last]))
    else:
        _call(counts, "partial_write", sums)


def _apply_to_elements(counts: Counter[str], job: Job, steps: list[Step], tags: Tags) -> None:
    """Add, ReLU and batch normalisation: element by element, nothing of a map is needed twice."""
    for step in steps:
        n_maps = 2 if job.op == "add" else 1
        for _ in range(n_maps):
            _fetch_box(counts, job, step.rows, step.cols, len(step.outs))
        if job.op == "batch_norm" and tags.get("weights") != (step.m,):
            tags["weights"] = (step.m,)
            _call(counts, "weight_fetch", BATCH_NORM_WORDS * len(step.outs))
        counts[f"{job.op}_elements"] += step.n_elements
        _write_box(counts, job, step, box_width(job, [step]))


# --- transfers ------------------------------------------------------------------------------------------------------


def _call(counts: Counter[str], event: str, words: int, times: int = 1) -> None:
    """Issue `times` transfers of `words` each, one after the other."""
    counts[f"{event}_calls"] += times
    counts[f"{event}_words"] += times * words


def _inside(box: range, size: int) -> range:
    """What of an interval lies on an axis of `size`."""
    start, stop = max(box.start, 0), min(box.stop, size)
    return range(start, max(start, stop))


def _fetch_box(counts: Counter[str], job: Job, rows: range, cols: range, channels: int) -> None:
    """Fetch what of a box lies in the map, fill the rest with zeros (rules 2, 3 and 5)."""
    real_rows, real_cols = _inside(rows, job.in_h), _inside(cols, job.in_w)
    n_real = len(real_rows) * len(real_cols)
    counts["zero_fill_words"] += (len(rows) * len(cols) - n_real) * channels
    if n_real == 0:
        return
    has_all_channels = channels == even(job.in_ch)
    has_whole_rows = cols == range(job.in_w)  # as it was before clipping: no padding left or right
    if not has_all_channels:
        _call(counts, "input_fetch", channels, times=n_real)
    elif not has_whole_rows:
        _call(counts, "input_fetch", len(real_cols) * channels, times=len(real_rows))
    else:
        _call(counts, "input_fetch", n_real * channels)


def box_width(job: Job, steps: list[Step]) -> int:
    """Channels of an output box: the real ones of its tiles, and the pad channel with the last of them (rule 8)."""
    width = 0
    for step in steps:
        width += len(step.outs)
        if _is_last_out(job, step):
            width += even(job.out_ch) - job.out_ch
    return width


def _write_box(counts: Counter[str], job: Job, step: Step, width: int) -> None:
    """Write the pixels of a tile, `width` channels of each (rule 8)."""
    n_rows, n_cols = len(step.rows), len(step.cols)
    has_all_channels = width == even(job.out_ch)
    has_whole_rows = n_cols == job.out_w
    if not has_all_channels:
        _call(counts, "output_write", width, times=n_rows * n_cols)
    elif not has_whole_rows:
        _call(counts, "output_write", n_cols * width, times=n_rows)
    else:
        _call(counts, "output_write", n_rows * n_cols * width)


# --- volatile memory ------------------------------------------------------------------------------------------------


def exact_vm_words(layer: LayerShape, design: LayerDesign) -> int:
    """Words of the three static buffers, each as large as its largest tile and at an even address (rule 10)."""
    job = normalised(layer, design)
    inputs, weights, outputs = [0], [0], [0]
    for loop in innermost_loops(job):
        for steps in batches_of(job, loop):
            outputs.append(_output_words(job, steps))
            for step in steps:
                inputs.append(_input_words(job, step))
                weights.append(_weight_buffer_words(job, step))
    return even(max(inputs)) + even(max(weights)) + even(max(outputs))


def _input_words(job: Job, step: Step) -> int:
    if job.op in ("relu", "batch_norm", "global_avg_pool"):
        return step.n_elements
    if job.op == "add":
        return 2 * step.n_elements
    rows, cols = (len(axis) for axis in windows(job, step))
    if job.op == "conv":
        return rows * cols * len(step.ins)
    outs = len(step.outs)
    if job.vector == "channel":
        return rows * cols * outs
    if job.vector == "row":
        return rows * aligned_row(cols)
    return even(rows * cols * outs) + outs * rows * aligned_row(cols)


def _weight_buffer_words(job: Job, step: Step) -> int:
    if job.op in ("conv", "depthwise_conv"):
        return weight_words(job, step)
    return BATCH_NORM_WORDS * len(step.outs) if job.op == "batch_norm" else 0


def _output_words(job: Job, steps: list[Step]) -> int:
    """Words that one batch keeps; each of its tiles has a place as large as the largest tile of the batch."""
    if job.op == "global_avg_pool":
        rows, cols, _, _ = axes_of(job)
        if len(rows) * len(cols) > 1:
            return ACCUMULATOR_WORDS * len(steps[0].outs)
        return box_width(job, steps)
    if not _has_one_input_tile(job):
        n_places = 1 if job.order == "output" else len(steps)
        return n_places * max(ACCUMULATOR_WORDS * step.n_elements for step in steps)
    if job.order == "input":  # side by side in one box
        return len(steps[0].rows) * len(steps[0].cols) * box_width(job, steps)
    return len(steps) * max(len(step.rows) * len(step.cols) * box_width(job, [step]) for step in steps)
