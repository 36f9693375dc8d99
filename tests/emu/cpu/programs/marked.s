@ cpu: -mcpu=cortex-m4
@ Reads a granule and its neighbour, then again inside an IT block, through the alias, and runs code in another one.
.include "common.inc"
vectors nmi=on_nmi
function start
    trace_begins
    ldr r4, =0x08004000
    trace 1
    ldr r0, [r4, #8]
    bl settle
    trace 2
    ldr r0, [r4, #4]
    bl settle
    trace 3
    movs r5, #5
    cmp r4, r4
    ite eq
    ldreq r0, [r4]
    movne r5, #6
    b 1f
1:  ldr r1, [r4]
    adds r1, #1
    ldr r2, =0x20000100
    stmia r2, {r0, r1, r5}
    bl settle
    trace 4
    ldr r4, =0x00004000
    ldr r0, [r4]
    bl settle
    trace 5
    bl far
    trace 6
    b done
settle:
    movs r0, #4
1:  subs r0, #1
    bne 1b
    bx lr
function on_nmi
    ldr r6, =0x20000180
    ldr r0, [r6]
    movs r0, #0xEE
    strb r0, [r7]
    adds r7, #1
    bx lr
.ltorg
.org 0x400
function far
    bx lr
ends
