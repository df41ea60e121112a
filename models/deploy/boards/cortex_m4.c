/* A bare Cortex-M4: vector table and vector unit; the rest is emulated.c. Nothing is copied or cleared at a boot. */
#include "emulated.h"

extern char board_stack_end[];

__attribute__((noinline)) void board_halt(void)
{
    __asm__ volatile("nop");
}

struct vectors {
    char *stack_end;
    void (*reset)(void);
};

const struct vectors board_vectors __attribute__((used, section(".vectors"))) = {board_stack_end, board_main};

int32_t ebb_vector_mac(const int16_t *a, const int16_t *b, uint16_t length)
{
    int32_t sum = 0;
    while (length--)
        sum += (int32_t)*a++ * *b++;
    return sum;
}
