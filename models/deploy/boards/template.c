/* Template for a real board; it compiles without changes, and does nothing. Notes are for the TI MSP430FR5994 with its
 * vector unit (LEA) and an external FRAM on SPI, the device of the built-in prices.
 */
#include "ebb.h"

/* Memory. The LEA reads only its own 4 KB of RAM from 0x2C00 on, and vectors at multiples of four bytes: place
 * `ebb_vm` there with the linker, its first member at a multiple of four (section ".leaRAM" in TI's linker files). The
 * rest of the RAM is for the stack, of which the engine needs a few hundred bytes. `ebb_weights` is provisioned once to
 * word EBB_WEIGHTS_AT of the FRAM, and the record slots before it are erased then: a record of another program names
 * batches of this one; the tables of model.c stay in the controller's own FRAM. Above 8 MHz that FRAM needs
 * wait states: set NWAITS before the clock.
 */

void ebb_nvm_read(enum ebb_transfer kind, uint32_t address, uint16_t words, int16_t *vm)
{
    /* Chip select low, opcode 03h, byte address (3 bytes), then 2 * words bytes by DMA from the SPI's receive register:
     * one channel receives, another clocks dummies out. Sleep until the receiving one is done, chip select high. */
    (void)kind, (void)address, (void)words, (void)vm;
}

void ebb_nvm_write(enum ebb_transfer kind, uint32_t address, uint16_t words, const int16_t *vm)
{
    /* Write enable (06h) in a frame of its own, then opcode 02h, address and data as above. The bytes must arrive in
     * rising order: the checksum of a progress record is its last word. Wait until the last bit has left the shift
     * register before the chip select rises. */
    (void)kind, (void)address, (void)words, (void)vm;
}

int32_t ebb_vector_mac(const int16_t *a, const int16_t *b, uint16_t length)
{
    /* LEACMD__MAC takes even lengths and addresses at multiples of four; its result is Q31, twice the sum: halve it. A
     * plan whose tiles of input channels are odd makes other vectors, which the CPU must do. */
    int32_t sum = 0;
    while (length--)
        sum += (int32_t)*a++ * *b++;
    return sum;
}

void ebb_sleep_until_charged(void)
{
    /* Raise the pin that opens the power switch at once, or enter LPM4 with a comparator on the capacitor that
     * wakes the CPU at Von. VM may be lost or kept. */
}

void ebb_fail(enum ebb_failure code)
{
    /* Show the code to an operator, and stay here. */
    (void)code;
    for (;;)
        ;
}

#ifdef EBB_COUNT
void ebb_event(enum ebb_work kind, uint16_t calls, uint32_t amount)
{
    (void)kind, (void)calls, (void)amount;
}
#endif

/* Called at every boot: ebb_run continues after the last commit. A failure between two inferences repeats the code
 * between ebb_run and ebb_start, so the output may be used twice, but no sample is lost once ebb_start has returned. */
int main(void)
{
    for (;;) {
        ebb_run();
        /* Use the output at word EBB_OUTPUT_AT, EBB_OUTPUT_WORDS per pixel. Then put the next sample at EBB_INPUT_AT,
         * EBB_INPUT_WORDS per pixel, channels fastest, pad channels zero. The first output of a new device belongs to
         * no sample. */
        ebb_start();
    }
}
