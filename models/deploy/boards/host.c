#include "host.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_STUCK (4u * EBB_MOST_BOOTS + 1000u) /* boots without progress after which the engine ought to have ended */
#define NO_CUT UINT32_MAX
#define MOST_KINDS 131072u /* a power of two */
#define PERSISTENT_AT 0x80000000u /* addresses of persistent words and of the application's own, among those of NVM */

int16_t host_nvm[EBB_NVM_WORDS];
struct host_log host_log;
uint8_t host_tells;

static uint16_t persistent[EBB_PERSISTENT_WORDS];
static struct host_plan plan;
static uint64_t random_state;
static uint32_t stuck;             /* boots since the newest commit */
static uint32_t writes_in_batch;   /* since the last commit or boot */
static uint32_t writes_since_boot;
static uint8_t has_failed_in_batch;
static struct {
    uint32_t address, commits;
} kinds[MOST_KINDS];               /* the different writes since a commit, found by their address */
static uint32_t n_kinds, n_commits;
static uint16_t layer;             /* of the next batch, by the newest record */
static uint8_t is_charged;
static jmp_buf power;

enum { POWER_LOST = 1, PROGRAM_FAILED, RESET };

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
    const uint8_t is_reset = plan.resets && host_log.failures % 2u;
    host_log.failures++;
    host_log.resets += is_reset;
    if (host_tells)
        printf(is_reset ? "reset\n" : "failure\n");
    lose_vm();
    longjmp(power, is_reset ? RESET : POWER_LOST);
}

/* Whether power fails at a write: it comes for the first time since the last commit, and its turn has come. */
static uint8_t fails_once(uint32_t address)
{
    uint32_t place = address * 2654435761u & (MOST_KINDS - 1u);
    while (kinds[place].commits == n_commits && kinds[place].address != address)
        place = (place + 1u) & (MOST_KINDS - 1u);
    if (kinds[place].commits == n_commits)
        return 0;
    if (n_kinds == MOST_KINDS / 2u)
        broken("a batch has fewer than 65,536 different writes");
    kinds[place].address = address;
    kinds[place].commits = n_commits;
    if (++n_kinds > host_log.most_kinds)
        host_log.most_kinds = n_kinds;
    return n_kinds > plan.number && n_kinds <= plan.number + plan.most;
}

/* Bytes of a write that arrive before power fails, or NO_CUT. */
static uint32_t cut_of(uint32_t address, uint32_t bytes)
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
    case HOST_EACH:
        if (!fails_once(address))
            return NO_CUT;
        break;
    default:
        return NO_CUT;
    }
    return plan.is_halved ? bytes / 2 : bytes;
}

/* Number of a batch among those of all layers, by the record that names it. */
static unsigned long batch_of(const int16_t *record)
{
    const uint16_t in = (uint16_t)record[2] & 0x7fffu, last = EBB_N_LAYERS - 1;
    const struct ebb_layer *of = &ebb_layers[in < EBB_N_LAYERS ? in : last];
    const unsigned long batch = (uint16_t)record[3] | (unsigned long)(uint16_t)record[4] << 16;
    return of->first_batch + (in < EBB_N_LAYERS ? batch : of->batches);
}

/* A record has arrived: later events belong to the layer that it names. */
static void note_commit(const int16_t *record)
{
    counts()->batches++;
    layer = (uint16_t)record[2] & 0x7fffu;
    stuck = 0;
    if (writes_in_batch > host_log.most_writes)
        host_log.most_writes = writes_in_batch;
    writes_in_batch = 0;
    has_failed_in_batch = 0;
    n_kinds = 0;
    n_commits++;
    if (host_tells)
        printf("commit %lu\n", batch_of(record));
}

/* The bytes of a write that arrive. */
static void write_bytes(void *to, const void *from, uint32_t bytes, uint32_t cut)
{
    memcpy(to, from, cut < bytes ? cut : bytes);
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
    const uint32_t bytes = words * (uint32_t)sizeof *vm, cut = cut_of(address, bytes);
    require_range(kind, address, words, vm);
    write_bytes(host_nvm + address, vm, bytes, cut);
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

uint8_t ebb_is_charged(void)
{
    const uint8_t was_charged = is_charged;
    is_charged = 0;
    return was_charged;
}

uint16_t ebb_persisted(uint8_t index)
{
    return persistent[index];
}

void ebb_persist(uint8_t index, uint16_t word)
{
    host_keep(&persistent[index], word);
}

void ebb_sleep_until_charged(void)
{
    if (host_tells)
        printf("sleep\n");
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
    if (host_tells && kind == EBB_BOOT)
        printf("boot\n");
}

/* --- calls of the program of this board ----------------------------------------------------------------------- */

void host_provision(void)
{
    memset(host_nvm, 0, sizeof host_nvm);
    memset(persistent, 0, sizeof persistent);
    memcpy(host_nvm + EBB_WEIGHTS_AT, ebb_weights, sizeof ebb_weights);
}

/* Overwrite maps and partial sums of before, so that a skipped batch changes the result. */
static void poison_maps(void)
{
    uint32_t word;
    for (word = EBB_WEIGHTS_AT + EBB_WEIGHT_WORDS; word < EBB_NVM_WORDS; word++)
        host_nvm[word] = (int16_t)(uint16_t)random_below(65536);
}

static void begin_log(const struct host_plan *failures)
{
    plan = *failures;
    memset(&host_log, 0, sizeof host_log);
    layer = 0;
    stuck = writes_in_batch = writes_since_boot = n_kinds = 0;
    n_commits++;
    has_failed_in_batch = 0;
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
    begin_log(failures);
}

void host_begin_life(const struct host_plan *failures)
{
    host_provision();
    random_state = failures->seed * 2u + 1u;
    poison_maps();
    begin_log(failures);
}

void host_store(uint32_t address, uint16_t words, const int16_t *from)
{
    const uint32_t bytes = words * (uint32_t)sizeof *from, cut = cut_of(address, bytes);
    write_bytes(host_nvm + address, from, bytes, cut);
    host_log.writes++;
    writes_in_batch++;
    writes_since_boot++;
    if (cut != NO_CUT)
        lose_power();
}

/* A word arrives whole or not at all. */
void host_keep(uint16_t *to, uint16_t word)
{
    const uint32_t address = PERSISTENT_AT | (uint32_t)((uintptr_t)to & 0x7fffffffu);
    const uint8_t may_fail = plan.when == HOST_EACH || plan.when == HOST_RANDOMLY;
    const uint32_t cut = may_fail ? cut_of(address, sizeof word) : NO_CUT;
    if (cut >= sizeof word)
        *to = word;
    if (cut != NO_CUT)
        lose_power();
}

enum host_end host_power(void (*program)(void))
{
    switch (setjmp(power)) {
    case PROGRAM_FAILED:
        return HOST_FAILED;
    case RESET:
        is_charged = 0;
        break;
    default:
        is_charged = 1;
    }
    if (++stuck > MOST_STUCK)
        return HOST_NEVER_ENDS;
    writes_in_batch = writes_since_boot = 0;
    program();
    return HOST_DONE;
}

static void run_counted(void)
{
    host_log.boots++;
    ebb_run();
}

enum host_end host_run(void)
{
    return host_power(run_counted);
}

int16_t host_output(uint32_t index)
{
    const uint32_t pixel = index / EBB_OUTPUT_CHANNELS, channel = index % EBB_OUTPUT_CHANNELS;
    return host_nvm[EBB_OUTPUT_AT + pixel * EBB_OUTPUT_WORDS + channel];
}
