@ SVC, PendSV, and a process stack.
.include "common.inc"
vectors svc=on_call, pendsv=on_pendsv
function start
    trace_begins
    trace 1
    svc #5
    trace 3
    set ICSR, PENDSVSET
    isb
    trace 5
    ldr r0, =0x20002000
    msr psp, r0
    movs r0, #2
    msr control, r0
    isb
    movs r4, #0x44
    svc #6
    mrs r5, control
    trace 7
    b done
function on_call
    mov r5, lr
    tst lr, #4
    ite eq
    mrseq r0, msp
    mrsne r0, psp
    ldr r1, [r0, #24]
    ldrb r2, [r1, #-2]
    ldr r3, =0x20000100
    stmia r3, {r0, r1, r2, r5}
    mrs r1, ipsr
    str r1, [r3, #16]
    trace 2
    bx lr
function on_pendsv
    push {r4, lr}
    trace 4
    pop {r4, pc}
ends
