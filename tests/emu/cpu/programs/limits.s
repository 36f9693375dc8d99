@ cpu: -mcpu=cortex-m33
@ The main stack has a limit: what would go below it is a UsageFault of its own, in a handler whose stack has none.
.include "common.inc"
vectors usage=on_usage
function start
    trace_begins
    mrs r1, psplim
    ldr r0, =0x20000110
    str r1, [r0]
    set SHCSR, 0x40000
    ldr r0, =0x20003000
    msr psp, r0
    ldr r0, =0x20002FF0
    msr psplim, r0
    movs r0, #2
    msr control, r0
    isb
    push {r0-r3}
    trace 1
    push {r0}
    trace 2
    b done
function on_usage
    ldr r0, =0x20000100
    ldr r1, =0xE000ED28
    ldr r1, [r1]
    mov r2, lr
    mrs r3, ipsr
    stmia r0, {r1, r2, r3}
    trace 3
    b done
ends
