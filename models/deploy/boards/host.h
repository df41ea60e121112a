/* The board for a PC: NVM and VM are arrays, every event is counted, power fails by a plan of failures. */
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
    HOST_EVERY_BOOT  /* at write `number` after every boot: may never end */
};

struct host_plan {
    enum host_failing when;
    uint32_t number, most;
    uint8_t is_halved; /* half of the bytes arrive in place of all */
    uint64_t seed;     /* of cuts and of the content of VM after a failure */
};

enum host_end { HOST_DONE, HOST_FAILED, HOST_NEVER_ENDS };

/* Events since host_begin. */
struct host_log {
    struct host_counts layers[EBB_N_LAYERS + 1]; /* of each layer; the last after the inference */
    uint32_t boots, failures, writes;            /* writes begun */
    uint32_t most_writes;                        /* in one batch */
    int code;                                    /* of ebb_fail */
};

extern int16_t host_nvm[EBB_NVM_WORDS];
extern struct host_log host_log;

/* Weights and no record in NVM, as a device leaves the factory. */
void host_provision(void);

/* Put a sample (height x width x channels) into NVM and start an inference; then count under a plan. */
void host_begin(const int16_t *sample, const struct host_plan *plan);

/* Power the program until it is done, cannot go on, or makes no progress over many boots. */
enum host_end host_run(void);

/* Output number `index` of the finished inference. */
int16_t host_output(uint32_t index);


#endif
