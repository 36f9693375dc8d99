@ What a bench runs: arithmetic, loads, stores and branches for as long as it is let.
@ Behind it, one that polls a register, and one that resets at once.
.include "common.inc"
vectors
function start
    ldr r0, =choice
    ldr r0, [r0]
    ldr r3, =0x20000400
    movs r1, #1
    movs r2, #0
    cmp r0, #1
    beq polling
    cmp r0, #2
    beq restart
    movs r0, #0
working:
    adds r2, #1
    eors r1, r2
    ldr r4, [r3]
    adds r4, r4, r1
    str r4, [r3]
    lsrs r5, r4, #3
    ands r5, r2
    bl leaf
    cmp r2, r0
    bne working
    b done
function leaf
    adds r6, r5, r4
    cmp r6, #7
    it eq
    addeq r6, #1
    bx lr
function polling
    ldr r4, =0x40020000
    movs r0, #0
1:  str r0, [r4]
    ldr r5, [r4]
    adds r0, #1
    b 1b
function restart
    set AIRCR, 0x05FA0004
    b .
ends
.align 2
.global choice
choice: .word 0
