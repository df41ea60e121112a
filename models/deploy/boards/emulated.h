/* What the boards of emulated processors share: a processor whose non-volatile memory is ordinary memory, and an emulator
 * that puts samples there, cuts power between any two instructions, and reads what the program reports.
 *
 * Non-volatile memory survives; everything else is filled with rubbish before every boot.
 */
#ifndef EBB_EMULATED_H
#define EBB_EMULATED_H

#include <stdint.h>

#include "ebb.h"

/* Why a program has stopped; a failure reports its code on top of BOARD_FAILED. */
enum board_report { BOARD_RUNS, BOARD_DONE, BOARD_SLEEPS, BOARD_FAILED = 0x100 };

/* In non-volatile memory. The emulator asks for an inference by setting `is_asked` once the sample is there. */
struct board_mailbox {
    uint16_t is_asked;
    uint16_t report;
};

/* The start-up code jumps here with nothing but a stack; never returns. */
void board_main(void);

/* The emulator stops here and looks into the mailbox. */
void board_halt(void);

#endif
