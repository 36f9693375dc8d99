@ cpu: -mcpu=cortex-m0plus
@ Stores what a table says, [address, value] until an address is 0, and goes to deep sleep. A woken core traces 9.
.include "common.inc"
vectors
function start
    trace_begins
    trace 1
    ldr r4, =table
1:  ldmia r4!, {r0, r1}
    cmp r0, #0
    beq 2f
    str r1, [r0]
    b 1b
2:  set SCR, 4
    dsb
    wfi
    trace 9
    b done
.align 2
.global table
table:
    .space 128
ends
