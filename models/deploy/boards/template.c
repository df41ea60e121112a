/* Template for a real board; it compiles without changes, and does nothing. Notes are for the TI MSP430FR5994 with its
 * vector unit (LEA) and an external FRAM on SPI, the device of the built-in prices.
 */
#include "ebb.h"

/* Memory. The LEA reads only its own 4 KB of RAM from 0x2C00 on, and vectors at multiples of four bytes: place
 * `ebb_vm` there with the linker, its first member at a multiple of four (section ".leaRAM" in TI's linker files). The
 * rest of the RAM is for the stack, of which the engine needs a few hundred bytes. `ebb_weights` is provisioned once to
 * word EBB_WEIGHTS_AT of the FRAM. Records need not be erased then: those of another program are recognised as such, and
 * at its first boot a program checks that the weights are its own. The tables of model.c and the persistent words stay in
 * the controller's own FRAM. Above 8 MHz that FRAM needs wait states: set NWAITS before the clock.
 */

/* Words that survive: with TI's compilers #pragma PERSISTENT, with GCC __attribute__((persistent)), which also needs the
 * start value. `used` belongs to the application: the number of the newest output that it has used. */
static uint16_t persistent[EBB_PERSISTENT_WORDS] = {0};
static uint32_t used = 0;

/* Set by main after a boot by power-up, when the capacitor stands at Von. */
static uint8_t is_charged;

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

uint8_t ebb_is_charged(void)
{
    /* With a comparator on the capacitor, or the power-good pin of its charger: whether it stands at Von. Without one, a
     * boot by power-up is a charge that the first power cycle takes. */
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
    persistent[index] = word;
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

/* 1 after a boot by power-up, 0 after any other reset (watchdog, debugger, software): then the capacitor may stand
 * anywhere. On the MSP430FR5994 the first SYSRSTIV is SYSRSTIV_BOR and SYSCTL's PMMBORIFG is set. */
static uint8_t is_power_up(void)
{
    return 1;
}

/* Called at every boot: ebb_run continues after the last commit. A failure before ebb_start repeats the code between the
 * two, so an output may be there again: its number tells. The application's own work between ebb_run and ebb_start takes
 * what the last power cycle has left; ebb_run then waits for a full capacitor. */
int main(void)
{
    is_charged = is_power_up();
    for (;;) {
        uint32_t number;
        ebb_run();
        number = ebb_number();
        if (number && number != used) {
            /* Use the output at word EBB_OUTPUT_AT, EBB_OUTPUT_WORDS per pixel. */
        }
        used = number;
        /* Put the next sample at EBB_INPUT_AT, EBB_INPUT_WORDS per pixel, channels fastest, pad channels zero. */
        ebb_start();
    }
}
