@ Flash: a store is read back in the same block, and code that is replaced runs as what it has become.
@ The controller of the tests: 0x40022000 is 1 while stores program, an address written to 0x40022004 erases its sector.
.include "common.inc"
vectors bus=on_bus, hard=on_bus
function start
    set SHCSR, 0x70000
    ldr r4, =0x08004000
    ldr r5, =0x20000100
    movw r1, #0x1234
    strh r1, [r4]
    ldrh r2, [r4]
    str r2, [r5], #4
    set 0x40022000, 1
    ldr r4, =0x08004000
    movw r1, #0x1234
    strh r1, [r4], #2
    ldrh r2, [r4, #-2]
    str r2, [r5], #4
    movw r1, #0x0F0F
    strh r1, [r4, #-2]
    ldrh r2, [r4, #-2]
    str r2, [r5], #4
    ldr r4, =0x08004000
    movw r1, #0x2001
    bl build
    bl call
    str r0, [r5], #4
    ldr r0, =0x40022004
    ldr r4, =0x08004000
    str r4, [r0]
    movw r1, #0x2002
    bl build
    bl call
    str r0, [r5], #4
    ldr r0, =0x40022000
    movs r1, #2
    str r1, [r0]
    strh r1, [r4]
    b done
@ r1; bx lr
build:
    strh r1, [r4, #0x10]
    movw r2, #0x4770
    strh r2, [r4, #0x12]
    bx lr
call:
    movs r0, #0
    add r3, r4, #0x11
    bx r3
function on_bus
    ldr r0, =0xE000ED28
    ldr r0, [r0]
    ldr r1, =0xE000ED38
    ldr r1, [r1]
    ldr r2, [sp, #24]
    stmia r5!, {r0, r1, r2}
    b done
ends
