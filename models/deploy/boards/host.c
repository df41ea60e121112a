#include "host.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BOOTS_WITHOUT_PROGRESS 1000
#define NO_CUT UINT32_MAX

int16_t host_nvm[EBB_NVM_WORDS];
struct host_log host_log;

static struct host_plan plan;
static uint64_t random_state;
static uint64_t furthest;          /* furthest position of a record */
static uint32_t stuck;             /* boots since then */
static uint32_t writes_in_batch;   /* since the last commit or boot */
static uint32_t writes_since_boot;
static uint8_t has_failed_in_batch;
static uint16_t layer;             /* of the next batch, by the newest record */
static jmp_buf power;

enum { POWER_LOST = 1, PROGRAM_FAILED };

static struct host_counts *counts(void)
{
    return &host_log.layers[layer <= EBB_N_LAYERS ? layer : EBB_N_LAYERS];
}

/* xorshift64*: fast, and the same on every machine. */
static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * 2685821657736338717u) >> 32) % n;
}

static void broken(const char *rule)
{
    fprintf(stderr, "the program broke a rule of the board: %s\n", rule);
    exit(4);
}

/* --- power ---------------------------------------------------------------------------------------------------- */

/* Change volatile memory after a failure: to anything, or keep all of it, or its control data alone. */
static void lose_vm(void)
{
    unsigned char *bytes = (unsigned char *)&ebb_vm;
    const size_t n_buffer = sizeof ebb_vm.buffer;
    const uint32_t kind = random_below(5);
    size_t i;
    if (kind == 0)
        return;
    if (kind == 1)
        memset(bytes, 0, sizeof ebb_vm);
    else if (kind == 2)
        memset(bytes, 0xff, sizeof ebb_vm);
    else
        for (i = 0; i < (kind == 3 ? n_buffer : sizeof ebb_vm); i++)
            bytes[i] = (unsigned char)random_below(256);
}

static void lose_power(void)
{
    host_log.failures++;
    lose_vm();
    longjmp(power, POWER_LOST);
}

/* Bytes of a write that arrive before power fails, or NO_CUT. */
static uint32_t cut_of(uint32_t bytes)
{
    switch (plan.when) {
    case HOST_AT_WRITE:
        if (host_log.failures || host_log.writes != plan.number)
            return NO_CUT;
        break;
    case HOST_IN_BATCHES:
        if (has_failed_in_batch || writes_in_batch != plan.number)
            return NO_CUT;
        has_failed_in_batch = 1;
        break;
    case HOST_RANDOMLY:
        if (host_log.failures >= plan.most || random_below(plan.number))
            return NO_CUT;
        return random_below(bytes + 1);
    case HOST_EVERY_BOOT:
        if (writes_since_boot != plan.number)
            return NO_CUT;
        break;
    default:
        return NO_CUT;
    }
    return plan.is_halved ? bytes / 2 : bytes;
}

/* A record has arrived: later events belong to the layer that it names. */
static void note_commit(const int16_t *record)
{
    const uint64_t batch = (uint16_t)record[3] | (uint32_t)(uint16_t)record[4] << 16;
    const uint64_t position = (uint64_t)(uint16_t)record[2] << 32 | batch;
    counts()->batches++;
    layer = (uint16_t)record[2];
    if (position > furthest) {
        furthest = position;
        stuck = 0;
    }
    if (writes_in_batch > host_log.most_writes)
        host_log.most_writes = writes_in_batch;
    writes_in_batch = 0;
    has_failed_in_batch = 0;
}

/* --- calls of the engine -------------------------------------------------------------------------------------- */

static void require_range(enum ebb_transfer kind, uint32_t address, uint16_t words, const int16_t *vm)
{
    const int16_t *start = ebb_vm.buffer.words;
    if (!words || address > EBB_NVM_WORDS || words > EBB_NVM_WORDS - address)
        broken("a transfer lies inside the non-volatile memory");
    if (kind != EBB_RECORD && (vm < start || vm + words > start + EBB_VM_WORDS))
        broken("a transfer lies inside the volatile memory");
}

void ebb_nvm_read(enum ebb_transfer kind, uint32_t address, uint16_t words, int16_t *vm)
{
    require_range(kind, address, words, vm);
    memcpy(vm, host_nvm + address, words * sizeof *vm);
    counts()->read_calls[kind]++;
    counts()->read_words[kind] += words;
}

void ebb_nvm_write(enum ebb_transfer kind, uint32_t address, uint16_t words, const int16_t *vm)
{
    const uint32_t bytes = words * (uint32_t)sizeof *vm, cut = cut_of(bytes);
    require_range(kind, address, words, vm);
    memcpy(host_nvm + address, vm, cut < bytes ? cut : bytes);
    host_log.writes++;
    writes_in_batch++;
    writes_since_boot++;
    if (cut >= bytes) {
        counts()->write_calls[kind]++;
        counts()->write_words[kind] += words;
        if (kind == EBB_RECORD)
            note_commit(vm);
    }
    if (cut != NO_CUT)
        lose_power();
}

int32_t ebb_vector_mac(const int16_t *a, const int16_t *b, uint16_t length)
{
    const int16_t *start = ebb_vm.buffer.words, *end = start + EBB_VM_WORDS;
    uint32_t sum = 0; /* wraps around with damaged weights only */
    uint16_t i;
    if (a < start || a + length > end || b < start || b + length > end)
        broken("a vector lies inside the volatile memory");
    for (i = 0; i < length; i++)
        sum += (uint32_t)((int32_t)a[i] * b[i]);
    counts()->mac_calls++;
    counts()->mac_elements += length;
    return (int32_t)sum;
}

void ebb_sleep_until_charged(void)
{
    lose_vm();
    longjmp(power, POWER_LOST);
}

void ebb_fail(enum ebb_failure code)
{
    host_log.code = code;
    longjmp(power, PROGRAM_FAILED);
}

void ebb_event(enum ebb_work kind, uint16_t calls, uint32_t amount)
{
    (void)calls;
    counts()->work[kind] += amount;
}

/* --- calls of the program of this board ----------------------------------------------------------------------- */

void host_provision(void)
{
    memset(host_nvm, 0, sizeof host_nvm);
    memcpy(host_nvm + EBB_WEIGHTS_AT, ebb_weights, sizeof ebb_weights);
}

/* Overwrite maps and partial sums of before, so that a skipped batch changes the result. */
static void poison_maps(void)
{
    uint32_t word;
    for (word = EBB_WEIGHTS_AT + EBB_WEIGHT_WORDS; word < EBB_NVM_WORDS; word++)
        host_nvm[word] = (int16_t)(uint16_t)random_below(65536);
}

void host_begin(const int16_t *sample, const struct host_plan *failures)
{
    uint32_t pixel, channel;
    random_state = failures->seed * 2u + 1u;
    poison_maps();
    for (pixel = 0; pixel < EBB_INPUT_PIXELS; pixel++)
        for (channel = 0; channel < EBB_INPUT_WORDS; channel++)
            host_nvm[EBB_INPUT_AT + pixel * EBB_INPUT_WORDS + channel] =
                channel < EBB_INPUT_CHANNELS ? *sample++ : (int16_t)0;
    plan.when = HOST_NEVER;
    ebb_start();
    plan = *failures;
    memset(&host_log, 0, sizeof host_log);
    layer = 0;
    furthest = stuck = writes_in_batch = writes_since_boot = 0;
    has_failed_in_batch = 0;
}

enum host_end host_run(void)
{
    switch (setjmp(power)) {
    case PROGRAM_FAILED:
        return HOST_FAILED;
    default:
        break;
    }
    if (++stuck > MOST_BOOTS_WITHOUT_PROGRESS)
        return HOST_NEVER_ENDS;
    host_log.boots++;
    writes_in_batch = writes_since_boot = 0;
    ebb_run();
    return HOST_DONE;
}

int16_t host_output(uint32_t index)
{
    const uint32_t pixel = index / EBB_OUTPUT_CHANNELS, channel = index % EBB_OUTPUT_CHANNELS;
    return host_nvm[EBB_OUTPUT_AT + pixel * EBB_OUTPUT_WORDS + channel];
}
