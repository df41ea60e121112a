/* The engine: one inference over many power cycles, from a plan that model.c holds as tables.
 *
 * An inference is a sequence of batches. A batch fetches operands from NVM, computes in VM, writes its results to NVM,
 * and is then committed by a progress record. A failure before the commit repeats the batch; later ones lose nothing.
 * Words have 16 bits. Letters: input H x W x N, output R x C x M, kernel Kh x Kw; r, c, m, n count the tiles.
 */
#ifndef EBB_H
#define EBB_H

#include <stdint.h>

#include "ebb_hal.h"
#include "model.h" /* EBB_VM_WORDS, EBB_N_LAYERS, addresses in NVM */

enum ebb_op { EBB_CONV, EBB_DEPTHWISE, EBB_AVERAGE, EBB_SUM };
enum ebb_order { EBB_INPUT_STAYS, EBB_WEIGHT_STAYS, EBB_OUTPUT_STAYS };
enum ebb_vector { EBB_CHANNEL, EBB_ROW, EBB_PLANAR };

/* Accounted energy of a batch after another in its power cycle, and of a batch after a boot. [nJ] */
struct ebb_energy {
    uint32_t warm_nj, cold_nj;
};

/* A layer with its execution design. Tile sizes are at most the sizes of their axes. */
struct ebb_layer {
    uint8_t op, order, vector;
    uint16_t factor, half;                     /* a shift of sums by k, 2 to 16, as 2^(16-k) and 2^(k-1) */
    int16_t low;                               /* least output: 0 with ReLU */
    int16_t lifts[2];                          /* powers of two for the operands of a sum */
    uint16_t in_h, in_w, in_words;             /* input map; stored channels, even */
    uint16_t map_h, map_w;                     /* the map that tiles divide: the output, for averages the input */
    uint16_t out_ch, out_words;                /* output channels, and stored ones */
    uint16_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
    uint16_t tile_h, tile_w, tile_out, tile_in; /* Tr, Tc, Tm, Tn */
    uint16_t rows, cols, outs, ins;            /* r, c, m, n */
    uint16_t batch;                            /* S, iterations of the innermost loop between two commits */
    uint16_t inner;                            /* iterations of the innermost loop */
    uint16_t loop_batches;                     /* batches of one run of the innermost loop */
    uint32_t batches;                          /* batches of the layer */
    uint32_t first_batch;                      /* batches of all layers before it */
    uint32_t input_at[2], weight_at, partial_at, output_at;
    uint32_t partial_half;                     /* words of one of the two partial-sum buffers */
    uint16_t vm_weights, vm_results;           /* starts of buffers in VM; inputs start at 0 */
    uint16_t vm_planes;                        /* start of de-interleaved planes in VM */
    /* Energies: outer loops have two levels; equal rows of a level are stored once. */
    uint16_t second_level;                     /* runs of the second level in one of the first */
    const uint16_t *first_rows, *second_rows, *kinds;
    const struct ebb_energy *energies;
};

extern const struct ebb_layer ebb_layers[EBB_N_LAYERS];

/* One bit per batch: set where a power cycle ends before it although it might fit. */
extern const uint8_t ebb_stops[];

/* Weights and biases, tile by tile, in the layout of NVM from EBB_WEIGHTS_AT on. */
extern const int16_t ebb_weights[EBB_WEIGHT_WORDS];

/* Tile in a buffer; valid is 0 for an empty buffer. */
struct ebb_tag {
    uint32_t map_tile;
    uint16_t channel_tile, valid;
};

/* State that a power failure loses. Vector units require `words` at a multiple of four bytes. */
struct ebb_volatile {
    union {
        int16_t words[EBB_VM_WORDS];
        uint32_t alignment;
    } buffer;
    struct ebb_tag input, weights, sums;
    uint32_t left_nj;  /* energy left in this power cycle */
    uint16_t sequence; /* number of the newest progress record */
};

extern struct ebb_volatile ebb_vm;

/* Go on from the last commit until the inference is done; sleeps as often as the plan and the budget say. Every power
 * cycle starts with a charged capacitor: at its entry ebb_run waits until ebb_is_charged. Without an inference, on a new
 * device or with the records of another program, it checks the weights and returns. */
void ebb_run(void);

/* Number of the sample whose output lies in NVM once ebb_run has returned; 0 without one. It tells an output that is
 * there again after a power failure from a new one. */
uint32_t ebb_number(void);

/* Begin the next inference: call it once the whole input lies in NVM. Its sample has the next number. Until its last
 * write, the record, is complete the device still stands behind the inference before, whatever fails, and the output
 * of that one stays where it is. */
void ebb_start(void);

/* Whether NVM holds the weights of this program, by a checksum. Reads all EBB_WEIGHT_WORDS words through VM: call it
 * between inferences. */
uint8_t ebb_weights_are_whole(void);

#endif
