/* Common part of the boards of emulated processors, whose non-volatile memory is ordinary memory: an emulator puts
 * samples there, cuts power between any two instructions, and reads the reports of the program.
 *
 * Non-volatile memory survives; all other memory is filled with arbitrary values before every boot.
 */
#ifndef EBB_EMULATED_H
#define EBB_EMULATED_H

#include <stdint.h>

#include "ebb.h"

/* Reasons why a program stopped; a failure adds its code to BOARD_FAILED. */
enum board_report { BOARD_RUNS, BOARD_DONE, BOARD_SLEEPS, BOARD_FAILED = 0x100 };

/* In non-volatile memory. The emulator requests an inference by raising `wanted`, the low word of the number of the newest
 * sample, once the sample is there. */
struct board_mailbox {
    uint16_t wanted;
    uint16_t report;
};

/* The start-up code jumps here with nothing but a stack; never returns. */
void board_main(void);

/* The emulator stops here and looks into the mailbox. */
void board_halt(void);

#endif
