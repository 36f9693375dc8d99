@ Asks for a reset until it was started three times: RAM survives.
.include "common.inc"
vectors
function start
    ldr r4, =0x20000800
    ldr r5, =0x5AFE0000
    ldr r0, [r4]
    lsrs r1, r0, #16
    lsrs r2, r5, #16
    cmp r1, r2
    it ne
    movne r0, r5
    adds r0, #1
    str r0, [r4]
    uxth r0, r0
    cmp r0, #3
    beq done
    set AIRCR, 0x05FA0004
    b .
ends
