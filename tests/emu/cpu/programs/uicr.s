@ cpu: -mcpu=cortex-m4
@ nRF52840: start-up code that finds its pin not to be a reset, writes UICR twice and resets; a table to registers nobody has.
.include "common.inc"
vectors
function start
    ldr r1, =0x40000000
    ldr r2, =0x4003C520
    movs r0, #0
copying:
    str r0, [r2], #4
    adds r0, #1
    cmp r0, #5
    bne copying
    ldr r2, [r1, #0x400]
    ldr r0, =0x10001200
    ldr r1, [r0]
    adds r1, #1
    bne done
    set 0x4001E504, 1
    movs r1, #18
    ldr r0, =0x10001200
    str r1, [r0]
    b second
second:
    str r1, [r0, #4]
    set AIRCR, 0x05FA0004
    b .
ends
