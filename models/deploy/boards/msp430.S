/* A bare MSP430 with the 16 x 16 bit hardware multiplier: start-up, vector unit, and the arithmetic that compilers call.
 * Nothing is copied or cleared at a boot.
 *
 * Arguments and results of 32 bits lie in R12 (low) and R13, then R14 and R15; R11 to R15 are free. The multiplier is
 * never re-entered: nothing here runs in an interrupt, and a power failure ends in a boot.
 */
        .set    MPY, 0x0130     /* first factor, unsigned */
        .set    MACS, 0x0136    /* first factor, signed, its product is added */
        .set    OP2, 0x0138     /* second factor; the product is there two cycles later */
        .set    RESLO, 0x013A
        .set    RESHI, 0x013C

        .section .vectors, "ax"
        .word   board_reset

        .text
        .globl  board_reset
board_reset:
        mov     #board_stack_end, r1
        call    #board_main

        .globl  board_halt
board_halt:
        nop
        ret

/* int32_t ebb_vector_mac(const int16_t *a, const int16_t *b, uint16_t length) */
        .globl  ebb_vector_mac
ebb_vector_mac:
        mov     #0, &RESLO
        mov     #0, &RESHI
        tst     r14
        jz      2f
1:      mov     @r12+, r15
        mov     r15, &MACS
        mov     @r13+, r15
        mov     r15, &OP2
        dec     r14
        jnz     1b
2:      mov     &RESLO, r12
        mov     &RESHI, r13
        ret

/* The low 16 bits of a product of 16-bit numbers. */
        .globl  __mspabi_mpyi_hw
__mspabi_mpyi_hw:
        mov     r12, &MPY
        mov     r13, &OP2
        mov     &RESLO, r12
        ret

/* The low 32 bits of a product of 32-bit numbers: lo * lo + ((lo * hi + hi * lo) << 16). */
        .globl  __mspabi_mpyl_hw
__mspabi_mpyl_hw:
        mov     r12, &MPY
        mov     r15, &OP2
        mov     &RESLO, r15
        mov     r13, &MPY
        mov     r14, &OP2
        add     &RESLO, r15
        mov     r12, &MPY
        mov     r14, &OP2
        mov     &RESLO, r12
        mov     &RESHI, r13
        add     r15, r13
        ret

/* Shifts of 32-bit numbers by R14 bits: left, right with zeros, right with the sign. */
        .globl  __mspabi_slll
__mspabi_slll:
        and     #31, r14
        jz      2f
1:      rla     r12
        rlc     r13
        dec     r14
        jnz     1b
2:      ret

        .globl  __mspabi_srll
__mspabi_srll:
        and     #31, r14
        jz      2f
1:      clrc
        rrc     r13
        rrc     r12
        dec     r14
        jnz     1b
2:      ret

        .globl  __mspabi_sral
__mspabi_sral:
        and     #31, r14
        jz      2f
1:      rra     r13
        rrc     r12
        dec     r14
        jnz     1b
2:      ret

/* Shifts of 16-bit numbers by R13 bits. */
        .globl  __mspabi_slli
__mspabi_slli:
        and     #15, r13
        jz      2f
1:      rla     r12
        dec     r13
        jnz     1b
2:      ret

        .globl  __mspabi_srli
__mspabi_srli:
        and     #15, r13
        jz      2f
1:      clrc
        rrc     r12
        dec     r13
        jnz     1b
2:      ret

        .globl  __mspabi_srai
__mspabi_srai:
        and     #15, r13
        jz      2f
1:      rra     r12
        dec     r13
        jnz     1b
2:      ret

/* R12 / R13 without signs: quotient in R12, remainder in R14. */
        .globl  __mspabi_divu
__mspabi_divu:
        clr     r14
        mov     #16, r15
1:      rla     r12
        rlc     r14
        jc      2f
        cmp     r13, r14
        jlo     3f
2:      sub     r13, r14
        bis     #1, r12
3:      dec     r15
        jnz     1b
        ret

        .globl  __mspabi_remu
__mspabi_remu:
        call    #__mspabi_divu
        mov     r14, r12
        ret

/* R13:R12 / R15:R14 without signs: quotient in R13:R12, remainder in R10:R9, which callers save. */
divide_long:
        clr     r9
        clr     r10
        mov     #32, r11
1:      rla     r12
        rlc     r13
        rlc     r9
        rlc     r10
        jc      2f
        cmp     r15, r10
        jlo     3f
        jne     2f
        cmp     r14, r9
        jlo     3f
2:      sub     r14, r9
        subc    r15, r10
        bis     #1, r12
3:      dec     r11
        jnz     1b
        ret

        .globl  __mspabi_divul
__mspabi_divul:
        push    r9
        push    r10
        call    #divide_long
        pop     r10
        pop     r9
        ret

        .globl  __mspabi_remul
__mspabi_remul:
        push    r9
        push    r10
        call    #divide_long
        mov     r9, r12
        mov     r10, r13
        pop     r10
        pop     r9
        ret

/* Signed, rounded towards zero. */
        .globl  __mspabi_divli
__mspabi_divli:
        push    r8
        push    r9
        push    r10
        mov     r13, r8
        xor     r15, r8
        tst     r13
        jge     1f
        inv     r12
        inv     r13
        inc     r12
        adc     r13
1:      tst     r15
        jge     2f
        inv     r14
        inv     r15
        inc     r14
        adc     r15
2:      call    #divide_long
        tst     r8
        jge     3f
        inv     r12
        inv     r13
        inc     r12
        adc     r13
3:      pop     r10
        pop     r9
        pop     r8
        ret
