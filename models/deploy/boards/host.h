/* The board for a PC: NVM and VM are arrays, every event is counted, power fails by a plan of failures.
 *
 * The capacitor is charged at every boot but those after a reset; the first call of ebb_is_charged takes the charge.
 */
#ifndef EBB_HOST_H
#define EBB_HOST_H

#include <stdint.h>

#include "ebb.h"

/* Counted events of an inference, in the order of host_names. */
struct host_counts {
    uint64_t read_calls[EBB_N_TRANSFERS], read_words[EBB_N_TRANSFERS];
    uint64_t write_calls[EBB_N_TRANSFERS], write_words[EBB_N_TRANSFERS];
    uint64_t mac_calls, mac_elements;
    uint64_t work[EBB_N_WORKS];
    uint64_t batches;
};

/* Moments of power failures. The failing write arrives whole, or in part. */
enum host_failing {
    HOST_NEVER,
    HOST_AT_WRITE,   /* once, at write `number` of the inference, counted from 0 */
    HOST_IN_BATCHES, /* once in every batch, at its write `number` */
    HOST_RANDOMLY,   /* at any write with probability 1 / `number`, cut anywhere, `most` times */
    HOST_EVERY_BOOT, /* at write `number` after every boot: may never end */
    HOST_EACH        /* once at each write between two commits but the first `number`, at most `most` of them */
};

struct host_plan {
    enum host_failing when;
    uint32_t number, most;
    uint8_t is_halved; /* half of the bytes arrive in place of all */
    uint8_t resets;    /* in place of a power failure, every second one is a reset that leaves the charge as it is */
    uint64_t seed;     /* of cuts and of the content of VM after a failure */
};

enum host_end { HOST_DONE, HOST_FAILED, HOST_NEVER_ENDS };

/* Events since host_begin. */
struct host_log {
    struct host_counts layers[EBB_N_LAYERS + 1]; /* of each layer; the last after the inference */
    uint32_t boots, failures, writes;            /* writes begun */
    uint32_t resets;                             /* failures that were resets */
    uint32_t most_writes;                        /* in one batch */
    uint32_t most_kinds;                         /* different writes between two commits, under HOST_EACH */
    int code;                                    /* of ebb_fail */
};

extern int16_t host_nvm[EBB_NVM_WORDS];
extern struct host_log host_log;

/* Weights and no record in NVM, as a device leaves the factory. */
void host_provision(void);

/* Put a sample (height x width x channels) into NVM and start an inference; then count under a plan. */
void host_begin(const int16_t *sample, const struct host_plan *plan);

/* Power a program from boot to boot until it returns, cannot go on, or makes no progress where the engine ought to have
 * seen that. */
enum host_end host_power(void (*program)(void));

/* The same for one inference. */
enum host_end host_run(void);

/* Begin a life: a new device, the count of events and the plan of failures. */
void host_begin_life(const struct host_plan *plan);

/* Write words of the application into NVM, or into its own memory that survives; power may fail. */
void host_store(uint32_t address, uint16_t words, const int16_t *from);
void host_keep(uint16_t *to, uint16_t word);

/* Print boots, commits and sleeps as they happen. */
extern uint8_t host_tells;

/* Output number `index` of the finished inference. */
int16_t host_output(uint32_t index);

#endif
