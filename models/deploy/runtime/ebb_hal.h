/* Interface of a board: nine calls.
 *
 * Every access to the program's area of non-volatile memory (NVM) goes through the first two, so a board can count and cut power without
 * details of the program. Addresses and lengths are in words of 16 bits; addresses count from the start of the
 * program's area in NVM. The engine never assumes that volatile memory (VM) or registers survive ebb_sleep_until_charged.
 */
#ifndef EBB_HAL_H
#define EBB_HAL_H

#include <stdint.h>

/* Content of a transfer. */
enum ebb_transfer { EBB_RECORD, EBB_INPUT, EBB_WEIGHT, EBB_PARTIAL, EBB_OUTPUT, EBB_N_TRANSFERS };

/* Work other than transfers and vector calls, reported where it is done. */
enum ebb_work {
    EBB_BOOT,         /* the program starts after a power failure */
    EBB_ITERATION,    /* one tile of a convolution */
    EBB_EPILOGUE,     /* an output element: bias, scale, ReLU */
    EBB_TAP,          /* a multiply-accumulate of a depthwise convolution on the CPU */
    EBB_ZERO_FILL,    /* a word of padding */
    EBB_DEINTERLEAVE, /* a word moved into a plane of its own channel */
    EBB_ADD,          /* an element of two maps added */
    EBB_POOL,         /* an element pooled */
    EBB_N_WORKS
};

/* Reasons why the program cannot continue. */
enum ebb_failure {
    EBB_BAD_RECORD = 1, /* a valid progress record of a batch outside this program */
    EBB_BAD_BUDGET = 2,  /* a batch that does not fit into a full power cycle: the inference would never end */
    EBB_BAD_WEIGHTS = 3, /* weights in NVM that are not those of this program */
    EBB_NO_PROGRESS = 4  /* EBB_MOST_BOOTS boots in a row without a commit */
};

/* Move words between NVM and VM. A write may be cut short by a failing supply, between any two bytes. */
void ebb_nvm_read(enum ebb_transfer kind, uint32_t address, uint16_t words, int16_t *vm);
void ebb_nvm_write(enum ebb_transfer kind, uint32_t address, uint16_t words, const int16_t *vm);

/* The sum of a[i] * b[i]. Both vectors lie in ebb_vm.buffer; it stays below 2^30 for any data. Vectors start at even
 * words and have even lengths wherever the plan's tiles of input channels are even. */
int32_t ebb_vector_mac(const int16_t *a, const int16_t *b, uint16_t length);

/* Give up the rest of this power cycle. May return after a recharge with VM lost, or never (the device boots anew). */
void ebb_sleep_until_charged(void);

/* Whether the capacitor stands at Von, so that a power cycle may start. A board without a comparator on the capacitor
 * answers 1 once after a boot by power-up, and 0 otherwise: after any other reset, and when asked again. */
uint8_t ebb_is_charged(void);

/* A few words that survive power failures, in memory that the CPU writes word by word: 0 on a new device. A word is
 * written whole or not at all. */
#define EBB_PERSISTENT_WORDS 6
uint16_t ebb_persisted(uint8_t index);
void ebb_persist(uint8_t index, uint16_t word);

/* Report an ebb_failure; never returns. */
void ebb_fail(enum ebb_failure code);

/* Count work; compiles to nothing without EBB_COUNT. */
#ifdef EBB_COUNT
void ebb_event(enum ebb_work kind, uint16_t calls, uint32_t amount);
#else
#define ebb_event(kind, calls, amount) ((void)0)
#endif

#endif
