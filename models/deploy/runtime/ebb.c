/* The engine of ebb.h: loop nests of the operators, residency of operands, the progress record, the schedule.
 *
 * It never allocates, recurses or uses floating point; int may have 16 bits, so every width is explicit.
 */
#include "ebb.h"

#define RECORD_WORDS 6
#define CHECKSUM_FACTOR 31u     /* odd, so that a change of any single word changes the checksum */
#define WEIGHTS_FACTOR 16777619u /* odd too: FNV-1a over words */
#define WEIGHTS_SEED 2166136261u
#define PARITY 0x8000u          /* of the inference, beside the layer in a record */

/* Persistent words: the number of the sample of each parity, in two words; boots without a commit, and the record at
 * which they began. */
#define NUMBER_AT 0u
#define BOOTS_AT 4u
#define BOOTS_SINCE_AT 5u

struct ebb_volatile ebb_vm;

#define VM (ebb_vm.buffer.words)

/* Position of a batch: the tile of the map, the channel tiles, and its iterations of the innermost loop. */
struct place {
    uint32_t map_tile;
    uint16_t out_tile, in_tile;
    uint16_t in_loop;    /* number of the batch in its run of the innermost loop */
    uint16_t begin, end; /* its iterations */
};

/* A tile of the map that tiles divide. */
struct area {
    uint16_t row, col, rows, cols;
};

/* Channels of a tile. */
struct channels {
    uint16_t first, count;
};

static uint16_t least(uint32_t a, uint16_t b)
{
    return a < b ? (uint16_t)a : b;
}

/* Words of a row of single-channel values: even, with at least one word of slack for an odd start. */
static uint16_t padded_row(uint16_t words)
{
    return (uint16_t)((words + 2u) & ~1u);
}

/* --- numbers ------------------------------------------------------------------------------------------------- */

static int32_t load_sum(const int16_t *words)
{
    return (int32_t)((uint32_t)(uint16_t)words[0] | (uint32_t)(uint16_t)words[1] << 16);
}

static void store_sum(int16_t *words, int32_t sum)
{
    words[0] = (int16_t)(uint16_t)((uint32_t)sum & 0xffffu);
    words[1] = (int16_t)(uint16_t)((uint32_t)sum >> 16);
}

/* Sums never overflow with the weights of the exporter; with damaged weights they wrap around. */
static int32_t plus(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

/* The sum divided by 2^k, rounded half up, inside [low, 32767]. Two 16 x 16 multiplications replace the shift, which is
 * slow on a CPU that shifts by one bit at a time: high 2^(16-k) + (low 2^(16-k) >> 16). */
static int16_t scaled(const struct ebb_layer *layer, int32_t sum)
{
    const uint32_t rounded = (uint32_t)sum + layer->half;
    const int32_t high = (int32_t)(int16_t)(uint16_t)(rounded >> 16) * (int16_t)layer->factor;
    const int32_t value = high + (int32_t)(((uint32_t)(uint16_t)rounded * layer->factor) >> 16);
    if (value < layer->low)
        return layer->low;
    return value > 32767 ? (int16_t)32767 : (int16_t)value;
}

/* The mean of a sum over n elements, rounded half up. */
static int16_t mean(int32_t sum, uint16_t n)
{
    const int32_t rounded = plus(sum, (int32_t)(n / 2u));
    int32_t quotient = rounded / (int32_t)n;
    if (quotient * (int32_t)n > rounded)
        quotient--;
    return (int16_t)quotient;
}

/* --- tiles ---------------------------------------------------------------------------------------------------- */

static struct area area_of(const struct ebb_layer *layer, uint32_t map_tile)
{
    struct area area;
    area.row = (uint16_t)(map_tile / layer->cols * layer->tile_h);
    area.col = (uint16_t)(map_tile % layer->cols * layer->tile_w);
    area.rows = least(layer->tile_h, (uint16_t)(layer->map_h - area.row));
    area.cols = least(layer->tile_w, (uint16_t)(layer->map_w - area.col));
    return area;
}

static struct channels outputs_of(const struct ebb_layer *layer, uint16_t tile)
{
    struct channels found;
    found.first = (uint16_t)(tile * layer->tile_out);
    found.count = least(layer->tile_out, (uint16_t)(layer->out_ch - found.first));
    return found;
}

static struct channels inputs_of(const struct ebb_layer *layer, uint16_t tile)
{
    struct channels found;
    found.first = (uint16_t)(tile * layer->tile_in);
    found.count = least(layer->tile_in, (uint16_t)(layer->in_words - found.first));
    return found;
}

/* Words per pixel of output tiles from `first` to the one before `last`: the last tile holds the pad channel. */
static uint16_t width_of(const struct ebb_layer *layer, uint16_t first, uint16_t last)
{
    const uint16_t end = last == layer->outs ? layer->out_words : (uint16_t)(last * layer->tile_out);
    return (uint16_t)(end - first * layer->tile_out);
}

static uint8_t is_last_input(const struct ebb_layer *layer, uint16_t in_tile)
{
    return in_tile + 1u == layer->ins;
}

static uint8_t holds(const struct ebb_tag *tag, uint32_t map_tile, uint16_t channel_tile)
{
    return tag->valid && tag->map_tile == map_tile && tag->channel_tile == channel_tile;
}

static void mark(struct ebb_tag *tag, uint32_t map_tile, uint16_t channel_tile)
{
    tag->map_tile = map_tile;
    tag->channel_tile = channel_tile;
    tag->valid = 1;
}

static void forget_operands(void)
{
    ebb_vm.input.valid = ebb_vm.weights.valid = ebb_vm.sums.valid = 0;
}

/* --- transfers ------------------------------------------------------------------------------------------------ */

static void fill_zeros(int16_t *vm, uint16_t words)
{
    uint16_t i;
    for (i = 0; i < words; i++)
        vm[i] = 0;
    if (words)
        ebb_event(EBB_ZERO_FILL, 1, words);
}

/* Fetch a box of a channel-last map, with zeros outside of the map. The box may start before the map. */
static void fetch_box(const struct ebb_layer *layer, uint32_t map_at, int16_t *vm, int16_t row, int16_t col,
                      uint16_t rows, uint16_t cols, struct channels part)
{
    const uint16_t top = row < 0 ? (uint16_t)-row : 0, left = col < 0 ? (uint16_t)-col : 0;
    const int16_t bottom = (int16_t)(layer->in_h - row), right = (int16_t)(layer->in_w - col);
    const uint16_t end_row = bottom < 0 ? 0 : least(rows, (uint16_t)bottom);
    const uint16_t end_col = right < 0 ? 0 : least(cols, (uint16_t)right);
    const uint16_t n_cols = end_col > left ? (uint16_t)(end_col - left) : 0;
    const uint16_t line = (uint16_t)(cols * part.count);
    const uint8_t has_all = part.count == layer->in_words;
    uint16_t y, x;
    if (end_row <= top || !n_cols) {
        fill_zeros(vm, (uint16_t)(rows * line));
        return;
    }
    fill_zeros(vm, (uint16_t)(top * line));
    fill_zeros(vm + end_row * line, (uint16_t)((rows - end_row) * line));
    map_at += ((uint32_t)(uint16_t)(row + (int16_t)top) * layer->in_w + (uint16_t)(col + (int16_t)left)) * layer->in_words;
    vm += top * line;
    if (has_all && n_cols == cols && cols == layer->in_w) {
        ebb_nvm_read(EBB_INPUT, map_at, (uint16_t)((end_row - top) * line), vm);
        return;
    }
    for (y = top; y < end_row; y++) {
        int16_t *inside = vm + left * part.count;
        fill_zeros(vm, (uint16_t)(left * part.count));
        fill_zeros(vm + end_col * part.count, (uint16_t)((cols - end_col) * part.count));
        if (has_all)
            ebb_nvm_read(EBB_INPUT, map_at, (uint16_t)(n_cols * part.count), inside);
        else
            for (x = 0; x < n_cols; x++)
                ebb_nvm_read(EBB_INPUT, map_at + (uint32_t)x * layer->in_words + part.first, part.count,
                             inside + x * part.count);
        map_at += (uint32_t)layer->in_w * layer->in_words;
        vm += line;
    }
}

/* Write a box of outputs, `width` channels of each pixel from `first_ch` on. */
static void write_box(const struct ebb_layer *layer, struct area area, uint16_t first_ch, uint16_t width,
                      const int16_t *vm)
{
    uint32_t at = layer->output_at + ((uint32_t)area.row * layer->map_w + area.col) * layer->out_words + first_ch;
    const uint8_t has_all = width == layer->out_words;
    uint16_t y, x;
    if (has_all && area.cols == layer->map_w) {
        ebb_nvm_write(EBB_OUTPUT, at, (uint16_t)(area.rows * area.cols * width), vm);
        return;
    }
    for (y = 0; y < area.rows; y++) {
        if (has_all)
            ebb_nvm_write(EBB_OUTPUT, at, (uint16_t)(area.cols * width), vm);
        else
            for (x = 0; x < area.cols; x++)
                ebb_nvm_write(EBB_OUTPUT, at + (uint32_t)x * layer->out_words, width, vm + x * width);
        at += (uint32_t)layer->map_w * layer->out_words;
        vm += area.cols * width;
    }
}

/* Address of the partial sums of a tile; the buffers alternate, so a batch never writes words that it reads again. */
static uint32_t partial_at(const struct ebb_layer *layer, uint16_t turn, uint32_t offset)
{
    return layer->partial_at + (turn & 1u) * layer->partial_half + offset;
}

/* --- convolutions --------------------------------------------------------------------------------------------- */

static uint16_t box_rows(const struct ebb_layer *layer, struct area area)
{
    return (uint16_t)(layer->stride_h * (area.rows - 1u) + layer->kernel_h);
}

static uint16_t box_cols(const struct ebb_layer *layer, struct area area)
{
    return (uint16_t)(layer->stride_w * (area.cols - 1u) + layer->kernel_w);
}

/* Sort the words of a channel-last box into one plane per channel, with rows of the length of vectors. */
static void deinterleave(const struct ebb_layer *layer, uint16_t rows, uint16_t cols, uint16_t n_channels)
{
    const uint16_t line = padded_row(cols);
    const int16_t *from = VM;
    uint16_t y, x, channel;
    for (y = 0; y < rows; y++)
        for (x = 0; x < cols; x++)
            for (channel = 0; channel < n_channels; channel++) {
                VM[layer->vm_planes + (channel * rows + y) * line + x] = *from++;
                ebb_event(EBB_DEINTERLEAVE, 1, 1);
            }
}

/* Rows of a single channel, each at an even word. */
static void fetch_rows(const struct ebb_layer *layer, int16_t row, int16_t col, uint16_t rows, uint16_t cols,
                       struct channels part)
{
    uint16_t y;
    for (y = 0; y < rows; y++)
        fetch_box(layer, layer->input_at[0], VM + y * padded_row(cols), (int16_t)(row + (int16_t)y), col, 1, cols, part);
}

static void fetch_window(const struct ebb_layer *layer, struct area area, uint32_t map_tile, uint16_t channel_tile,
                         struct channels part)
{
    const int16_t row = (int16_t)(area.row * layer->stride_h - layer->pad_h);
    const int16_t col = (int16_t)(area.col * layer->stride_w - layer->pad_w);
    const uint16_t rows = box_rows(layer, area), cols = box_cols(layer, area);
    if (holds(&ebb_vm.input, map_tile, channel_tile))
        return;
    if (layer->op == EBB_DEPTHWISE && layer->vector == EBB_ROW)
        fetch_rows(layer, row, col, rows, cols, part);
    else
        fetch_box(layer, layer->input_at[0], VM, row, col, rows, cols, part);
    if (layer->vector == EBB_PLANAR)
        deinterleave(layer, rows, cols, part.count);
    mark(&ebb_vm.input, map_tile, channel_tile);
}

/* Words of weights of one output channel against `n_in` input channels; rows of a depthwise convolution are stored in
 * two versions. Those of a tile fit into VM; the number for all input channels may exceed 16 bits. */
static uint32_t all_weight_words(const struct ebb_layer *layer, uint16_t n_in)
{
    const uint16_t taps = (uint16_t)(layer->kernel_h * layer->kernel_w);
    if (layer->op == EBB_CONV)
        return (uint32_t)taps * n_in;
    return layer->vector == EBB_CHANNEL ? taps : 2u * layer->kernel_h * padded_row(layer->kernel_w);
}

static uint16_t weight_words(const struct ebb_layer *layer, uint16_t n_in)
{
    return (uint16_t)all_weight_words(layer, n_in);
}

static void fetch_weights(const struct ebb_layer *layer, uint16_t out_tile, uint16_t in_tile)
{
    const struct channels out = outputs_of(layer, out_tile), in = inputs_of(layer, in_tile);
    const uint32_t all = all_weight_words(layer, layer->in_words) + 2u; /* of an output channel, with its bias */
    const uint16_t words = (uint16_t)(weight_words(layer, in.count) * out.count);
    uint32_t at = layer->weight_at + out.first * all;
    if (holds(&ebb_vm.weights, out_tile, in_tile))
        return;
    at += all_weight_words(layer, layer->tile_in) * in_tile * out.count;
    ebb_nvm_read(EBB_WEIGHT, at, (uint16_t)(words + (is_last_input(layer, in_tile) ? 2u * out.count : 0u)),
                 VM + layer->vm_weights);
    mark(&ebb_vm.weights, out_tile, in_tile);
}

/* The bias of an output channel of the tile; it follows the weights of the last input-channel tile. */
static int32_t bias_of(const struct ebb_layer *layer, uint16_t n_out, uint16_t n_in, uint16_t out)
{
    return load_sum(VM + layer->vm_weights + weight_words(layer, n_in) * n_out + 2u * out);
}

/* Products of one window of a convolution with one output channel of the tile. */
static int32_t window_sum(const struct ebb_layer *layer, uint16_t line, uint16_t y, uint16_t x, uint16_t n_in,
                          uint16_t out)
{
    const int16_t *weights = VM + layer->vm_weights + weight_words(layer, n_in) * out;
    const int16_t *row = VM + y * layer->stride_h * line + x * layer->stride_w * n_in;
    const uint16_t length = layer->vector == EBB_ROW ? (uint16_t)(layer->kernel_w * n_in) : n_in;
    const uint16_t calls = layer->vector == EBB_ROW ? 1 : layer->kernel_w;
    int32_t sum = 0;
    uint16_t ky, call;
    for (ky = 0; ky < layer->kernel_h; ky++) {
        for (call = 0; call < calls; call++) {
            sum = plus(sum, ebb_vector_mac(row + call * length, weights, length));
            weights += length;
        }
        row += line;
    }
    return sum;
}

/* The same of a depthwise convolution, tap by tap on the CPU: `line` words per row of the box, `step` per pixel. */
static int32_t taps_sum(const struct ebb_layer *layer, uint16_t line, uint16_t step, uint16_t y, uint16_t x,
                        uint16_t out)
{
    const int16_t *weights = VM + layer->vm_weights + weight_words(layer, 0) * out;
    const int16_t *row = VM + y * layer->stride_h * line + x * layer->stride_w * step + out;
    int32_t sum = 0;
    uint16_t ky, kx;
    for (ky = 0; ky < layer->kernel_h; ky++) {
        for (kx = 0; kx < layer->kernel_w; kx++) {
            sum = plus(sum, (int32_t)row[kx * step] * *weights++);
            ebb_event(EBB_TAP, 1, 1);
        }
        row += line;
    }
    return sum;
}

/* The same by rows of a plane: a window that starts at an odd column takes the weights shifted by one. */
static int32_t plane_sum(const struct ebb_layer *layer, const int16_t *plane, uint16_t line, uint16_t y, uint16_t x,
                         uint16_t out)
{
    const uint16_t length = padded_row(layer->kernel_w), col = (uint16_t)(x * layer->stride_w), odd = col & 1u;
    const int16_t *weights = VM + layer->vm_weights + weight_words(layer, 0) * out + odd * layer->kernel_h * length;
    const int16_t *row = plane + y * layer->stride_h * line + (col - odd);
    int32_t sum = 0;
    uint16_t ky;
    for (ky = 0; ky < layer->kernel_h; ky++) {
        sum = plus(sum, ebb_vector_mac(row, weights, length));
        weights += length;
        row += line;
    }
    return sum;
}

static int32_t depthwise_sum(const struct ebb_layer *layer, struct area area, uint16_t y, uint16_t x, uint16_t n_out,
                             uint16_t out)
{
    const uint16_t rows = box_rows(layer, area), cols = box_cols(layer, area), line = padded_row(cols);
    if (layer->vector == EBB_CHANNEL)
        return taps_sum(layer, (uint16_t)(cols * n_out), n_out, y, x, out);
    if (layer->vector == EBB_ROW)
        return plane_sum(layer, VM, line, y, x, out);
    return plane_sum(layer, VM + layer->vm_planes + out * rows * line, line, y, x, out);
}

/* Bias, scale and ReLU of a finished sum. */
static int16_t finished(const struct ebb_layer *layer, int32_t sum, int32_t bias)
{
    ebb_event(EBB_EPILOGUE, 1, 1);
    return scaled(layer, plus(sum, bias));
}

/* One tile whose outputs are finished at once: sums stay in registers. `width` words per pixel in VM. */
static void compute_outputs(const struct ebb_layer *layer, struct area area, struct channels out, uint16_t n_in,
                            uint16_t width, int16_t *results)
{
    const uint16_t line = (uint16_t)(box_cols(layer, area) * n_in);
    uint16_t y, x, o;
    for (y = 0; y < area.rows; y++)
        for (x = 0; x < area.cols; x++) {
            for (o = 0; o < out.count; o++) {
                const int32_t sum = layer->op == EBB_CONV ? window_sum(layer, line, y, x, n_in, o)
                                                          : depthwise_sum(layer, area, y, x, out.count, o);
                results[o] = finished(layer, sum, bias_of(layer, out.count, n_in, o));
            }
            results += width;
        }
}

/* One tile over some of the input channels: sums of two words in VM, begun or added to. */
static void accumulate(const struct ebb_layer *layer, struct area area, struct channels out, uint16_t n_in,
                       uint8_t is_first, int16_t *sums)
{
    const uint16_t line = (uint16_t)(box_cols(layer, area) * n_in);
    uint16_t y, x, o;
    for (y = 0; y < area.rows; y++)
        for (x = 0; x < area.cols; x++)
            for (o = 0; o < out.count; o++) {
                const int32_t before = is_first ? 0 : load_sum(sums);
                store_sum(sums, plus(before, window_sum(layer, line, y, x, n_in, o)));
                sums += 2;
            }
}

/* Sums of a tile become its outputs in place: an output is never stored after its own sum. */
static void narrow(const struct ebb_layer *layer, struct area area, struct channels out, uint16_t width,
                   uint16_t n_in, int16_t *results)
{
    const uint16_t pixels = (uint16_t)(area.rows * area.cols);
    const int16_t *sums = results;
    uint16_t pixel, o;
    for (pixel = 0; pixel < pixels; pixel++) {
        for (o = 0; o < out.count; o++) {
            results[o] = finished(layer, load_sum(sums), bias_of(layer, out.count, n_in, o));
            sums += 2;
        }
        if (width > out.count)
            results[out.count] = 0;
        results += width;
    }
}

/* Zeros in the last of `width` words of every pixel: the pad channel of a map with an odd number of them. */
static void clear_pad(uint16_t pixels, uint16_t width, int16_t *results)
{
    uint16_t pixel;
    for (pixel = 0; pixel < pixels; pixel++)
        results[pixel * width + width - 1u] = 0;
}

static uint16_t sum_words(struct area area, struct channels out)
{
    return (uint16_t)(2u * area.rows * area.cols * out.count);
}

/* Words of partial sums before a tile, in a buffer that holds those of one run of the innermost loop. */
static uint32_t sums_before(const struct ebb_layer *layer, struct area area, struct channels out)
{
    if (layer->order == EBB_INPUT_STAYS)
        return 2u * (uint32_t)area.rows * area.cols * out.first;
    if (layer->order == EBB_WEIGHT_STAYS)
        return 2u * ((uint32_t)area.row * layer->map_w + (uint32_t)area.rows * area.col) * out.count;
    return 0;
}

/* A batch of a layer with one input-channel tile. */
static void run_finishing(const struct ebb_layer *layer, struct place at)
{
    const uint8_t is_joined = layer->order == EBB_INPUT_STAYS;
    const uint16_t joined_first = at.begin, joined_end = at.end;
    int16_t *results = VM + layer->vm_results;
    uint16_t i;
    for (i = at.begin; i < at.end; i++) {
        const uint16_t out_tile = is_joined ? i : at.out_tile;
        const uint32_t map_tile = layer->order == EBB_WEIGHT_STAYS ? i : at.map_tile;
        const struct area area = area_of(layer, map_tile);
        const struct channels out = outputs_of(layer, out_tile), in = inputs_of(layer, 0);
        const uint16_t width = is_joined ? width_of(layer, joined_first, joined_end)
                                         : width_of(layer, out_tile, (uint16_t)(out_tile + 1u));
        const uint16_t pixels = (uint16_t)(area.rows * area.cols);
        int16_t *own = is_joined ? results + (i - joined_first) * layer->tile_out
                                 : results + (i - at.begin) * layer->tile_h * layer->tile_w * width;
        if (layer->op == EBB_CONV) {
            fetch_window(layer, area, map_tile, 0, in);
            ebb_event(EBB_ITERATION, 1, 1);
        } else {
            fetch_window(layer, area, map_tile, out_tile, out);
        }
        fetch_weights(layer, out_tile, 0);
        compute_outputs(layer, area, out, in.count, width, own);
        if (out_tile + 1u == layer->outs && layer->out_words > layer->out_ch)
            clear_pad(pixels, width, is_joined ? results : own);
        if (!is_joined)
            write_box(layer, area, out.first, width, own);
    }
    if (is_joined)
        write_box(layer, area_of(layer, at.map_tile), (uint16_t)(joined_first * layer->tile_out),
                  width_of(layer, joined_first, joined_end), results);
}

/* An input- or weight-stationary batch over one of several input-channel tiles: partial sums pass through NVM. */
static void run_passing(const struct ebb_layer *layer, struct place at)
{
    const uint16_t place_words = (uint16_t)(2u * layer->tile_h * layer->tile_w * layer->tile_out);
    const struct channels in = inputs_of(layer, at.in_tile);
    int16_t *sums = VM + layer->vm_results;
    uint16_t i;
    for (i = at.begin; i < at.end; i++) {
        const uint16_t out_tile = layer->order == EBB_INPUT_STAYS ? i : at.out_tile;
        const uint32_t map_tile = layer->order == EBB_INPUT_STAYS ? at.map_tile : i;
        const struct area area = area_of(layer, map_tile);
        const struct channels out = outputs_of(layer, out_tile);
        const uint32_t offset = sums_before(layer, area, out);
        fetch_window(layer, area, map_tile, at.in_tile, in);
        fetch_weights(layer, out_tile, at.in_tile);
        if (at.in_tile)
            ebb_nvm_read(EBB_PARTIAL, partial_at(layer, (uint16_t)(at.in_tile - 1u), offset), sum_words(area, out), sums);
        ebb_event(EBB_ITERATION, 1, 1);
        accumulate(layer, area, out, in.count, !at.in_tile, sums);
        if (is_last_input(layer, at.in_tile)) {
            const uint16_t width = width_of(layer, out_tile, (uint16_t)(out_tile + 1u));
            narrow(layer, area, out, width, in.count, sums);
            write_box(layer, area, out.first, width, sums);
        } else {
            ebb_nvm_write(EBB_PARTIAL, partial_at(layer, at.in_tile, offset), sum_words(area, out), sums);
        }
        sums += place_words;
    }
}

/* An output-stationary batch over some of several input-channel tiles: the sums stay in VM until power fails. */
static void run_keeping(const struct ebb_layer *layer, struct place at)
{
    const struct area area = area_of(layer, at.map_tile);
    const struct channels out = outputs_of(layer, at.out_tile);
    int16_t *sums = VM + layer->vm_results;
    struct channels in;
    uint16_t i;
    if (at.begin && !holds(&ebb_vm.sums, at.map_tile, at.out_tile))
        ebb_nvm_read(EBB_PARTIAL, partial_at(layer, (uint16_t)(at.in_loop - 1u), 0), sum_words(area, out), sums);
    for (i = at.begin; i < at.end; i++) {
        in = inputs_of(layer, i);
        fetch_window(layer, area, at.map_tile, i, in);
        fetch_weights(layer, at.out_tile, i);
        ebb_event(EBB_ITERATION, 1, 1);
        accumulate(layer, area, out, in.count, i == 0, sums);
    }
    mark(&ebb_vm.sums, at.map_tile, at.out_tile);
    if (at.end == layer->inner) {
        const uint16_t width = width_of(layer, at.out_tile, (uint16_t)(at.out_tile + 1u));
        narrow(layer, area, out, width, in.count, sums);
        write_box(layer, area, out.first, width, sums);
    } else {
        ebb_nvm_write(EBB_PARTIAL, partial_at(layer, at.in_loop, 0), sum_words(area, out), sums);
    }
}

/* --- other operators ------------------------------------------------------------------------------------------ */

/* One tile of two maps added. */
static void run_sum(const struct ebb_layer *layer, struct place at)
{
    const struct area area = area_of(layer, at.map_tile);
    const struct channels out = outputs_of(layer, at.out_tile);
    const uint16_t pixels = (uint16_t)(area.rows * area.cols);
    const uint16_t width = width_of(layer, at.out_tile, (uint16_t)(at.out_tile + 1u));
    const int16_t *first = VM, *second = VM + pixels * out.count;
    int16_t *results = VM + layer->vm_results;
    uint16_t pixel, o;
    for (o = 0; o < 2u; o++)
        fetch_box(layer, layer->input_at[o], VM + o * pixels * out.count, (int16_t)area.row, (int16_t)area.col,
                  area.rows, area.cols, out);
    for (pixel = 0; pixel < pixels; pixel++)
        for (o = 0; o < out.count; o++) {
            const int32_t sum = (int32_t)*first++ * layer->lifts[0] + (int32_t)*second++ * layer->lifts[1];
            results[pixel * width + o] = scaled(layer, sum);
            ebb_event(EBB_ADD, 1, 1);
        }
    if (width > out.count)
        clear_pad(pixels, width, results);
    write_box(layer, area, out.first, width, results);
}

/* Sums of some channels over some tiles of the input map, kept like those of output-stationary batches. */
static void run_average(const struct ebb_layer *layer, struct place at)
{
    const struct channels out = outputs_of(layer, at.out_tile);
    const uint16_t width = width_of(layer, at.out_tile, (uint16_t)(at.out_tile + 1u));
    const uint16_t n = (uint16_t)(layer->in_h * layer->in_w), words = (uint16_t)(2u * out.count);
    int16_t *results = VM + layer->vm_results;
    uint16_t i, pixel, o;
    if (at.begin && !holds(&ebb_vm.sums, 0, at.out_tile))
        ebb_nvm_read(EBB_PARTIAL, partial_at(layer, (uint16_t)(at.in_loop - 1u), 0), words, results);
    for (i = at.begin; i < at.end; i++) {
        const struct area area = area_of(layer, i);
        const uint16_t pixels = (uint16_t)(area.rows * area.cols);
        fetch_box(layer, layer->input_at[0], VM, (int16_t)area.row, (int16_t)area.col, area.rows, area.cols, out);
        for (o = 0; o < out.count; o++) {
            int32_t sum = i ? load_sum(results + 2u * o) : 0;
            for (pixel = 0; pixel < pixels; pixel++) {
                sum = plus(sum, VM[pixel * out.count + o]);
                ebb_event(EBB_POOL, 1, 1);
            }
            if (layer->inner > 1)
                store_sum(results + 2u * o, sum);
            else
                results[o] = mean(sum, n);
        }
    }
    mark(&ebb_vm.sums, 0, at.out_tile);
    if (at.end < layer->inner) {
        ebb_nvm_write(EBB_PARTIAL, partial_at(layer, at.in_loop, 0), words, results);
        return;
    }
    if (layer->inner > 1)
        for (o = 0; o < out.count; o++)
            results[o] = mean(load_sum(results + 2u * o), n);
    if (width > out.count)
        results[out.count] = 0;
    ebb_nvm_write(EBB_OUTPUT, layer->output_at + out.first, width, results);
}

/* --- batches -------------------------------------------------------------------------------------------------- */

static struct place place_of(const struct ebb_layer *layer, uint32_t batch)
{
    struct place at;
    const uint32_t loop = batch / layer->loop_batches;
    at.in_loop = (uint16_t)(batch % layer->loop_batches);
    at.begin = (uint16_t)(at.in_loop * layer->batch);
    at.end = least((uint32_t)at.begin + layer->batch, layer->inner);
    at.map_tile = 0;
    at.out_tile = at.in_tile = 0;
    if (layer->op == EBB_AVERAGE) {
        at.out_tile = (uint16_t)loop;
    } else if (layer->order == EBB_WEIGHT_STAYS) {
        at.out_tile = (uint16_t)(loop / layer->ins);
        at.in_tile = (uint16_t)(loop % layer->ins);
    } else if (layer->order == EBB_INPUT_STAYS) {
        at.map_tile = loop / layer->ins;
        at.in_tile = (uint16_t)(loop % layer->ins);
    } else {
        at.map_tile = loop / layer->outs;
        at.out_tile = (uint16_t)(loop % layer->outs);
    }
    return at;
}

static void run_batch(const struct ebb_layer *layer, uint32_t batch)
{
    const struct place at = place_of(layer, batch);
    if (layer->op == EBB_SUM)
        run_sum(layer, at);
    else if (layer->op == EBB_AVERAGE)
        run_average(layer, at);
    else if (layer->ins == 1)
        run_finishing(layer, at);
    else if (layer->order == EBB_OUTPUT_STAYS)
        run_keeping(layer, at);
    else
        run_passing(layer, at);
}

static uint32_t energy_nj(const struct ebb_layer *layer, uint32_t batch, uint8_t is_cold)
{
    const uint32_t loop = batch / layer->loop_batches;
    const uint16_t first = layer->first_rows[loop / layer->second_level];
    const uint16_t second = layer->second_rows[(uint32_t)first * layer->second_level + loop % layer->second_level];
    const uint16_t kind = layer->kinds[(uint32_t)second * layer->loop_batches + batch % layer->loop_batches];
    return is_cold ? layer->energies[kind].cold_nj : layer->energies[kind].warm_nj;
}

static uint8_t stops_before(const struct ebb_layer *layer, uint32_t batch)
{
    const uint32_t index = layer->first_batch + batch;
    return (uint8_t)(ebb_stops[index >> 3] >> (index & 7u) & 1u);
}

/* --- progress ------------------------------------------------------------------------------------------------- */

/* The next batch to run, and the parity of its inference; `is_known` is 0 without a record of this program. */
struct position {
    uint16_t layer;
    uint32_t batch;
    uint8_t parity, is_known;
};

/* Half of the program's identity is a word of the record, the other half the seed of its checksum. */
static uint16_t checksum(const int16_t *record)
{
    uint16_t sum = (uint16_t)(EBB_IDENTITY >> 16);
    uint8_t i;
    for (i = 0; i < RECORD_WORDS - 1; i++)
        sum = (uint16_t)(CHECKSUM_FACTOR * sum + (uint16_t)record[i]);
    return sum;
}

/* A record is whole if it is one of this program, its checksum holds, and it lies in the slot of its sequence number. */
static uint8_t is_whole(const int16_t *record, uint8_t slot)
{
    return checksum(record) == (uint16_t)record[RECORD_WORDS - 1] && ((uint16_t)record[0] & 1u) == slot &&
           (uint16_t)record[1] == (uint16_t)(EBB_IDENTITY & 0xffffu);
}

/* Read the next batch: EBB_N_LAYERS after the last, and where no record is whole. */
static void read_position(struct position *next)
{
    int16_t slots[2 * RECORD_WORDS];
    uint8_t slot;
    ebb_nvm_read(EBB_RECORD, EBB_RECORD_AT, 2 * RECORD_WORDS, slots);
    ebb_vm.sequence = 0;
    next->layer = EBB_N_LAYERS;
    next->batch = 0;
    next->parity = next->is_known = 0;
    for (slot = 0; slot < 2; slot++) {
        const int16_t *record = slots + slot * RECORD_WORDS;
        const uint16_t sequence = (uint16_t)record[0], layer = (uint16_t)record[2];
        if (!is_whole(record, slot) || (next->is_known && (uint16_t)(sequence - ebb_vm.sequence) > 0x7fffu))
            continue;
        ebb_vm.sequence = sequence;
        next->layer = layer & (PARITY - 1u);
        next->batch = (uint32_t)load_sum(record + 3);
        next->parity = (uint8_t)(layer >> 15);
        next->is_known = 1;
    }
    if (next->layer > EBB_N_LAYERS || next->batch >= (next->layer < EBB_N_LAYERS ? ebb_layers[next->layer].batches : 1u))
        ebb_fail(EBB_BAD_RECORD);
}

/* Commit everything before a position: the older slot is written, so one of the two is whole at any time. */
static void commit(const struct position *next)
{
    int16_t record[RECORD_WORDS];
    const uint16_t sequence = (uint16_t)(ebb_vm.sequence + 1u);
    record[0] = (int16_t)sequence;
    record[1] = (int16_t)(uint16_t)(EBB_IDENTITY & 0xffffu);
    record[2] = (int16_t)(uint16_t)(next->layer | (next->parity ? PARITY : 0u));
    store_sum(record + 3, (int32_t)next->batch);
    record[RECORD_WORDS - 1] = (int16_t)checksum(record);
    ebb_nvm_write(EBB_RECORD, EBB_RECORD_AT + (sequence & 1u) * RECORD_WORDS, RECORD_WORDS, record);
    ebb_vm.sequence = sequence;
}

/* Number of the sample of the inference at a position. */
static uint32_t number_of(const struct position *at)
{
    const uint8_t words = (uint8_t)(NUMBER_AT + 2u * at->parity);
    if (!at->is_known)
        return 0;
    return (uint32_t)ebb_persisted(words) | (uint32_t)ebb_persisted((uint8_t)(words + 1u)) << 16;
}

/* Count the boots since the newest record. The count is written first: where power fails between the two words, the
 * record does not match, and the next boot counts from 1. */
static void count_boot(void)
{
    uint16_t boots = 1;
    if (ebb_persisted(BOOTS_SINCE_AT) == ebb_vm.sequence)
        boots = (uint16_t)(ebb_persisted(BOOTS_AT) + 1u);
    if (boots > EBB_MOST_BOOTS)
        ebb_fail(EBB_NO_PROGRESS);
    ebb_persist(BOOTS_AT, boots);
    ebb_persist(BOOTS_SINCE_AT, ebb_vm.sequence);
}

/* Whether the next batch belongs to this power cycle. */
static uint8_t belongs(const struct position *next, uint32_t needed_nj, uint8_t is_cold)
{
    if (needed_nj > ebb_vm.left_nj) {
        if (is_cold)
            ebb_fail(EBB_BAD_BUDGET);
        return 0;
    }
    return is_cold || !stops_before(&ebb_layers[next->layer], next->batch);
}

/* Run and commit batches until the inference is done, which is 1, or the power cycle is over. */
static uint8_t run_cycle(struct position *next)
{
    uint8_t is_cold = 1;
    while (next->layer < EBB_N_LAYERS) {
        const struct ebb_layer *layer = &ebb_layers[next->layer];
        const uint32_t batch = next->batch, needed_nj = energy_nj(layer, batch, is_cold);
        if (!belongs(next, needed_nj, is_cold))
            return 0;
        next->batch++;
        if (next->batch == layer->batches) {
            next->layer++;
            next->batch = 0;
        }
        run_batch(layer, batch);
        commit(next);
        if (next->batch == 0)
            forget_operands(); /* they belong to the layer before */
        ebb_vm.left_nj -= needed_nj;
        is_cold = 0;
    }
    return 1;
}

/* --- calls of a program --------------------------------------------------------------------------------------- */

uint8_t ebb_weights_are_whole(void)
{
    uint32_t sum = WEIGHTS_SEED, at = 0;
    forget_operands();
    while (at < EBB_WEIGHT_WORDS) {
        const uint16_t words = least(EBB_WEIGHT_WORDS - at, EBB_VM_WORDS);
        uint16_t i;
        ebb_nvm_read(EBB_WEIGHT, EBB_WEIGHTS_AT + at, words, VM);
        for (i = 0; i < words; i++)
            sum = (sum ^ (uint16_t)VM[i]) * WEIGHTS_FACTOR;
        at += words;
    }
    return sum == EBB_WEIGHTS_SUM;
}

/* A new device, or one with the records of another program. */
static void begin_life(void)
{
    if (!ebb_weights_are_whole())
        ebb_fail(EBB_BAD_WEIGHTS);
    ebb_persist(BOOTS_AT, 0);
}

uint32_t ebb_number(void)
{
    struct position at;
    read_position(&at);
    return number_of(&at);
}

void ebb_start(void)
{
    struct position next;
    uint32_t number;
    uint8_t words;
    read_position(&next);
    number = number_of(&next) + 1u;
    next.layer = 0;
    next.batch = 0;
    next.parity ^= 1u;
    words = (uint8_t)(NUMBER_AT + 2u * next.parity);
    ebb_persist(words, (uint16_t)(number & 0xffffu));
    ebb_persist((uint8_t)(words + 1u), (uint16_t)(number >> 16));
    commit(&next);
}

void ebb_run(void)
{
    struct position next;
    for (;;) {
        while (!ebb_is_charged())
            ebb_sleep_until_charged();
        ebb_event(EBB_BOOT, 1, 1);
        forget_operands();
        ebb_vm.left_nj = EBB_BUDGET_NJ > EBB_BOOT_NJ ? EBB_BUDGET_NJ - EBB_BOOT_NJ : 0;
        read_position(&next);
        if (!next.is_known)
            begin_life();
        if (next.layer == EBB_N_LAYERS)
            return;
        count_boot();
        if (run_cycle(&next))
            return;
        ebb_sleep_until_charged();
    }
}
