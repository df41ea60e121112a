/* Board calls of emulated processors: see emulated.h. */
#include "emulated.h"

#define IN_NVM(part) __attribute__((used, section(".nvm." #part)))
#define REST_AT (EBB_WEIGHTS_AT + EBB_WEIGHT_WORDS)

/* The linker puts ebb_weights between the two, so that they make one area of EBB_NVM_WORDS words. */
int16_t ebb_nvm[EBB_WEIGHTS_AT] IN_NVM(first);
int16_t board_nvm_rest[EBB_NVM_WORDS - REST_AT] IN_NVM(rest);
volatile struct board_mailbox board_mailbox IN_NVM(mailbox);
volatile uint16_t board_persistent[EBB_PERSISTENT_WORDS] IN_NVM(persistent);

static uint8_t is_charged; /* set at every boot but those after a reset */

void ebb_nvm_read(enum ebb_transfer kind, uint32_t address, uint16_t words, int16_t *vm)
{
    const volatile int16_t *from = ebb_nvm + address;
    (void)kind;
    while (words--)
        *vm++ = *from++;
}

void ebb_nvm_write(enum ebb_transfer kind, uint32_t address, uint16_t words, const int16_t *vm)
{
    volatile int16_t *to = ebb_nvm + address;
    (void)kind;
    while (words--)
        *to++ = *vm++;
}

static void stop(uint16_t report)
{
    board_mailbox.report = report;
    for (;;)
        board_halt();
}

uint8_t ebb_is_charged(void)
{
    const uint8_t was_charged = is_charged;
    is_charged = 0;
    return was_charged;
}

uint16_t ebb_persisted(uint8_t index)
{
    return board_persistent[index];
}

void ebb_persist(uint8_t index, uint16_t word)
{
    board_persistent[index] = word;
}

void ebb_sleep_until_charged(void)
{
    stop(BOARD_SLEEPS);
}

void ebb_fail(enum ebb_failure code)
{
    stop((uint16_t)(BOARD_FAILED + (uint16_t)code));
}

void board_main(void)
{
    is_charged = 1;
    if ((uint16_t)ebb_number() != board_mailbox.wanted)
        ebb_start();
    ebb_run();
    stop(BOARD_DONE);
}
