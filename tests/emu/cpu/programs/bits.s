@ One bit of RAM and one of a port through their aliases; the vectors through the alias of flash at 0.
.include "common.inc"
vectors
function start
    ldr r4, =0x20000800
    movs r0, #0
    str r0, [r4]
    ldr r0, =0x22000000 + 0x800 * 32 + 9 * 4
    movs r1, #1
    str r1, [r0]
    ldr r2, [r0]
    ldr r3, [r4]
    ldr r0, =0x42000000 + 0x1080C * 32 + 5 * 4
    str r1, [r0]
    ldr r5, [r0]
    ldr r0, =0x4001080C
    ldr r6, [r0]
    movs r0, #0
    ldr r1, [r0, #4]
    ldr r4, =0x20000100
    stmia r4, {r1, r2, r3, r5, r6}
    b done
ends
