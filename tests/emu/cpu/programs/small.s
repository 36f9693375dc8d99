@ cpu: -mcpu=cortex-m0
@ What a Cortex-M0 refuses: `choice` says which. Everything is a HardFault there.
.include "common.inc"
vectors hard=on_hard, svc=on_call
function start
    trace_begins
    svc #0
    ldr r0, =choice
    ldr r0, [r0]
    ldr r1, =0x20000401
    cmp r0, #1
    beq word
    cmp r0, #2
    beq halves
    .short 0xFBB0, 0xF0F1       @ udiv r0, r0, r1
    b done
word:
    ldr r2, [r1]
    b done
halves:
    strh r2, [r1]
    b done
function on_call
    trace 2
    bx lr
function on_hard
    trace 3
    b done
ends
.align 2
.global choice
choice: .word 0
