/* Runs the design on this computer.
 *
 *   ./design                    the test vectors, PASS or FAIL, and the counts
 *   ./design counts             the counts of one inference, layer by layer, as JSON
 *   ./design run IN OUT         every sample of a file of int16, its outputs into another
 *   ./design failures N SEED    at least N power failures at random writes, cut at any byte
 *   ./design each               one inference with a failure after, and one halfway through, every single write
 *   ./design batches            a failure in every batch, at each of its writes in turn, after and halfway through
 *   ./design starve N           power that lasts for N writes after every boot
 *   ./design boot FILE          one boot with a file of bytes as the whole memory
 *   ./design life N M           the life of a device over N samples, from writing the first to using the last output:
 *                               power fails, or the device is reset, at every write, and at least M times at random
 *   ./design log N SEED         boots, commits and sleeps over N samples; with failures and resets unless SEED is 0
 *
 * Exit status: 0 all as expected, 1 a wrong output, 2 wrong arguments, 3 the inference cannot end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "test_vectors.h"

#define N_INPUTS (EBB_INPUT_PIXELS * EBB_INPUT_CHANNELS)
#define N_OUTPUTS (EBB_OUTPUT_PIXELS * EBB_OUTPUT_CHANNELS)

static const struct host_plan steady = {HOST_NEVER, 0, 0, 0, 0, 0};

enum { PASSED, WRONG, MISTAKE, ENDLESS };

static const char *const transfers[EBB_N_TRANSFERS] = {"record", "input", "weight", "partial", "output"};
static const char *const works[EBB_N_WORKS] = {
    "reboots",         "iterations",         "epilogues",    "depthwise_cpu_taps",
    "zero_fill_words", "deinterleave_words", "add_elements", "pool_elements"};

static void print_count(const char *name, const char *what, uint64_t count)
{
    if (count)
        printf("\"%s%s\": %llu, ", name, what, (unsigned long long)count);
}

/* A transfer in the terms of the cost model: operands are fetched, results and records are written. */
static void print_transfers(const struct host_counts *counts, int kind)
{
    const int is_operand = kind != EBB_RECORD && kind != EBB_OUTPUT;
    print_count(transfers[kind], is_operand ? "_fetch_calls" : "_read_calls", counts->read_calls[kind]);
    print_count(transfers[kind], is_operand ? "_fetch_words" : "_read_words", counts->read_words[kind]);
    print_count(transfers[kind], "_write_calls", counts->write_calls[kind]);
    print_count(transfers[kind], "_write_words", counts->write_words[kind]);
}

static void print_counts(void)
{
    int layer, kind;
    printf("{\"power_cycles\": %lu, \"layers\": [", (unsigned long)host_log.boots);
    for (layer = 0; layer < EBB_N_LAYERS; layer++) {
        const struct host_counts *counts = &host_log.layers[layer];
        printf("%s\n{", layer ? "," : "");
        for (kind = 0; kind < EBB_N_TRANSFERS; kind++)
            print_transfers(counts, kind);
        print_count("mac", "_calls", counts->mac_calls);
        print_count("mac", "_elements", counts->mac_elements);
        for (kind = 0; kind < EBB_N_WORKS; kind++)
            print_count(works[kind], "", counts->work[kind]);
        printf("\"batches\": %llu}", (unsigned long long)counts->batches);
    }
    printf("]}\n");
}

/* --- inferences ----------------------------------------------------------------------------------------------- */

static int explain(enum host_end end)
{
    if (end == HOST_FAILED && host_log.code == EBB_BAD_BUDGET)
        printf("STOPPED: a batch does not fit into the energy of a power cycle, the inference would never end\n");
    else if (end == HOST_FAILED && host_log.code == EBB_BAD_WEIGHTS)
        printf("STOPPED: the weights in non-volatile memory are not those of this program\n");
    else if (end == HOST_FAILED && host_log.code == EBB_NO_PROGRESS)
        printf("STOPPED: no progress over many power cycles, the inference would never end\n");
    else if (end == HOST_FAILED)
        printf("STOPPED: the progress record names no batch of this program\n");
    else
        printf("STOPPED: the engine does not see that it makes no progress\n");
    return ENDLESS;
}

/* One test vector under a plan of failures. */
static int infer(int vector, const struct host_plan *plan)
{
    enum host_end end;
    uint32_t i;
    host_begin(ebb_test_inputs[vector], plan);
    end = host_run();
    if (end != HOST_DONE)
        return explain(end);
    for (i = 0; i < N_OUTPUTS; i++)
        if (host_output(i) != ebb_test_outputs[vector][i]) {
            printf("FAIL: vector %d, output %lu is %d in place of %d, after %lu power failures\n", vector,
                   (unsigned long)i, host_output(i), ebb_test_outputs[vector][i], (unsigned long)host_log.failures);
            return WRONG;
        }
    return PASSED;
}

/* Counts of one inference, for any result. */
static int count(void)
{
    enum host_end end;
    host_begin(ebb_test_inputs[0], &steady);
    end = host_run();
    if (end != HOST_DONE)
        return explain(end);
    print_counts();
    return PASSED;
}

static int run_vectors(void)
{
    int vector, end = PASSED;
    for (vector = 0; vector < EBB_N_TEST_VECTORS && end == PASSED; vector++)
        end = infer(vector, &steady);
    if (end == PASSED) {
        printf("PASS: %d test vectors, each in %lu power cycles\n", EBB_N_TEST_VECTORS, (unsigned long)host_log.boots);
        print_counts();
    }
    return end;
}

static int report(int end, unsigned long n_failures, unsigned long n_inferences)
{
    if (end == PASSED)
        printf("PASS: %lu power failures in %lu inferences, 0 wrong outputs\n", n_failures, n_inferences);
    return end;
}

static int fail_randomly(uint32_t n, uint64_t seed)
{
    struct host_plan plan = {HOST_RANDOMLY, 0, 0, 0, 0, 0};
    unsigned long n_failures = 0, n_inferences = 0;
    int end = infer(0, &steady);
    const uint32_t writes = host_log.most_writes; /* failures are rare enough for a batch to pass at times */
    while (end == PASSED && n_failures < n) {
        plan.most = (uint32_t)(n - n_failures);
        plan.number = 1u + writes * (1u + (uint32_t)(n_inferences % 7u) * 3u);
        plan.seed = seed * 1000003u + n_inferences;
        end = infer((int)(n_inferences % EBB_N_TEST_VECTORS), &plan);
        n_failures += host_log.failures;
        n_inferences++;
    }
    return report(end, n_failures, n_inferences);
}

/* A failure at write 0, 1, 2, ... of an inference, or of every batch, after it and halfway through. */
static int fail_at_every_write(enum host_failing when)
{
    struct host_plan plan = {HOST_NEVER, 0, 0, 0, 0, 0};
    unsigned long n_failures = 0, n_inferences = 0;
    int end = infer(0, &steady);
    const uint32_t n = when == HOST_AT_WRITE ? host_log.writes : host_log.most_writes;
    plan.when = when;
    while (end == PASSED && plan.number < n) {
        plan.seed = n_inferences;
        end = infer(0, &plan);
        n_failures += host_log.failures;
        n_inferences++;
        plan.number += plan.is_halved;
        plan.is_halved = !plan.is_halved;
    }
    return report(end, n_failures, n_inferences);
}

static int starve(uint32_t n)
{
    const struct host_plan plan = {HOST_EVERY_BOOT, n, 0, 0, 0, 0};
    const int end = infer(0, &plan);
    return report(end, host_log.failures, 1);
}

static int run_file(const char *in, const char *out)
{
    static int16_t sample[N_INPUTS], outputs[N_OUTPUTS];
    FILE *from = fopen(in, "rb"), *to = fopen(out, "wb");
    enum host_end end = HOST_DONE;
    uint32_t i;
    if (!from || !to) {
        fprintf(stderr, "%s cannot be opened\n", from ? out : in);
        return MISTAKE;
    }
    while (end == HOST_DONE && fread(sample, sizeof sample, 1, from)) {
        host_begin(sample, &steady);
        end = host_run();
        for (i = 0; i < N_OUTPUTS; i++)
            outputs[i] = host_output(i);
        if (!fwrite(outputs, sizeof outputs, 1, to))
            return MISTAKE;
    }
    fclose(from);
    if (fclose(to))
        return MISTAKE;
    return end == HOST_DONE ? PASSED : explain(end);
}

static int boot_with(const char *name)
{
    FILE *from = fopen(name, "rb");
    enum host_end end;
    if (!from) {
        fprintf(stderr, "%s cannot be opened\n", name);
        return MISTAKE;
    }
    host_begin(ebb_test_inputs[0], &steady);
    if (fread(host_nvm, 1, sizeof host_nvm, from) < sizeof host_nvm)
        memset(host_nvm, 0, sizeof host_nvm);
    fclose(from);
    end = host_run();
    if (end != HOST_DONE)
        return explain(end);
    printf("DONE: in %lu power cycles\n", (unsigned long)host_log.boots);
    return PASSED;
}

/* --- the life of a device -------------------------------------------------------------------------------------- */

#define PIECE 64u /* words of a sample that arrive together */

/* What the application keeps over power failures: the number of the newest output that it has used. */
static uint16_t used[2];

static struct {
    uint32_t wanted, newest; /* samples in all; number of the newest output that was used */
    unsigned long repeats;   /* outputs used again, under their number */
    unsigned long starts;
    int result;
} life;

static void check_output(uint32_t number)
{
    const uint32_t vector = (number - 1u) % EBB_N_TEST_VECTORS;
    uint32_t i;
    for (i = 0; i < N_OUTPUTS && life.result == PASSED; i++)
        if (host_output(i) != ebb_test_outputs[vector][i]) {
            printf("FAIL: sample %lu, output %lu is %d in place of %d, after %lu power failures\n",
                   (unsigned long)number, (unsigned long)i, host_output(i), ebb_test_outputs[vector][i],
                   (unsigned long)host_log.failures);
            life.result = WRONG;
        }
}

static void use_output(uint32_t number)
{
    if (number != life.newest && number != life.newest + 1u) {
        printf("FAIL: output %lu came after output %lu\n", (unsigned long)number, (unsigned long)life.newest);
        life.result = WRONG;
    }
    life.repeats += number == life.newest;
    life.newest = number;
    host_keep(&used[1], (uint16_t)(number >> 16));
    host_keep(&used[0], (uint16_t)(number & 0xffffu));
}

static void store_sample(const int16_t *sample)
{
    int16_t piece[PIECE];
    const uint32_t words = (uint32_t)EBB_INPUT_PIXELS * EBB_INPUT_WORDS;
    uint32_t at;
    uint16_t n = 0;
    for (at = 0; at < words; at++) {
        piece[n++] = at % EBB_INPUT_WORDS < EBB_INPUT_CHANNELS ? *sample++ : (int16_t)0;
        if (n == PIECE || at + 1u == words) {
            host_store(EBB_INPUT_AT + at + 1u - n, n, piece);
            n = 0;
        }
    }
}

/* The main loop of boards/template.c. */
static void live(void)
{
    for (;;) {
        uint32_t number, vector;
        ebb_run();
        number = ebb_number();
        if (number) {
            check_output(number);
            if (number != (used[0] | (uint32_t)used[1] << 16))
                use_output(number);
        }
        if (number >= life.wanted || life.result != PASSED)
            return;
        if (++life.starts > life.wanted + host_log.failures) {
            printf("FAIL: output %lu is there after %lu samples\n", (unsigned long)number, life.starts - 1u);
            life.result = WRONG;
            return;
        }
        vector = number % EBB_N_TEST_VECTORS;
        store_sample(ebb_test_inputs[vector]);
        ebb_start();
    }
}

static int live_through(uint32_t wanted, const struct host_plan *plan)
{
    enum host_end end;
    used[0] = used[1] = 0;
    memset(&life, 0, sizeof life);
    life.wanted = wanted;
    host_begin_life(plan);
    end = host_power(live);
    if (end != HOST_DONE)
        return explain(end);
    return life.result;
}

/* Lives in which power fails once at each write; where there are more writes between two commits than boots that the
 * engine allows, in several lives. Then lives with failures at random. */
static int live_and_fail(uint32_t wanted, uint32_t n_random)
{
    struct host_plan plan = {HOST_EACH, 0, EBB_MOST_BOOTS - 2u, 0, 0, 0};
    unsigned long failures = 0, resets = 0, repeats = 0, lives = 0, random_failures = 0;
    int end = live_through(wanted, &steady);
    const uint32_t writes = host_log.most_writes;
    uint8_t how;
    for (how = 0; how < 3 && end == PASSED; how++) {
        plan.is_halved = how == 1;
        plan.resets = how == 2;
        plan.number = 0;
        do {
            plan.seed = lives++;
            end = live_through(wanted, &plan);
            failures += host_log.failures;
            resets += host_log.resets;
            repeats += life.repeats;
            plan.number += plan.most;
        } while (end == PASSED && plan.number < host_log.most_kinds);
    }
    plan.when = HOST_RANDOMLY;
    plan.is_halved = 0;
    plan.resets = 1;
    plan.most = UINT32_MAX;
    while (end == PASSED && random_failures < n_random) {
        plan.seed = lives++;
        plan.number = 1u + writes * (1u + (uint32_t)(lives % 7u) * 3u);
        end = live_through(wanted, &plan);
        random_failures += host_log.failures;
        resets += host_log.resets;
        repeats += life.repeats;
    }
    if (end == PASSED)
        printf("PASS: %lu power failures (%lu of them resets) in %lu lives of %lu samples, 0 wrong, 0 lost, "
               "%lu repeated under their number\n",
               failures + random_failures, resets, lives, (unsigned long)wanted, repeats);
    return end;
}

static int tell_life(uint32_t wanted, uint64_t seed)
{
    struct host_plan plan = {HOST_NEVER, 20, UINT32_MAX, 0, 1, 0};
    plan.when = seed ? HOST_RANDOMLY : HOST_NEVER;
    plan.seed = seed;
    host_tells = 1;
    return live_through(wanted, &plan);
}

int main(int n_arguments, char **arguments)
{
    const char *what = n_arguments > 1 ? arguments[1] : "";
    const uint32_t number = n_arguments > 2 ? (uint32_t)strtoul(arguments[2], 0, 10) : 0;
    host_provision();
    if (n_arguments == 1)
        return run_vectors();
    if (!strcmp(what, "counts") && n_arguments == 2)
        return count();
    if (!strcmp(what, "run") && n_arguments == 4)
        return run_file(arguments[2], arguments[3]);
    if (!strcmp(what, "failures") && n_arguments == 4)
        return fail_randomly(number, strtoul(arguments[3], 0, 10));
    if (!strcmp(what, "each") && n_arguments == 2)
        return fail_at_every_write(HOST_AT_WRITE);
    if (!strcmp(what, "batches") && n_arguments == 2)
        return fail_at_every_write(HOST_IN_BATCHES);
    if (!strcmp(what, "starve") && n_arguments == 3)
        return starve(number);
    if (!strcmp(what, "boot") && n_arguments == 3)
        return boot_with(arguments[2]);
    if (!strcmp(what, "life") && n_arguments == 4)
        return live_and_fail(number, (uint32_t)strtoul(arguments[3], 0, 10));
    if (!strcmp(what, "log") && n_arguments == 4)
        return tell_life(number, strtoul(arguments[3], 0, 10));
    fprintf(stderr, "usage: design [counts | run IN OUT | failures N SEED | each | batches | starve N | boot FILE | "
                    "life N M | log N SEED]\n");
    return MISTAKE;
}
