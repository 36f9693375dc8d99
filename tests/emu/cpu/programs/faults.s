@ One of several faults, chosen by the word `choice`: what the handler finds is left at 0x20000100.
.include "common.inc"
vectors hard=on_hard, mem=on_own, bus=on_own, usage=on_own
function start
    ldr r0, =choice
    ldr r0, [r0]
    lsrs r1, r0, #8
    beq 1f
    set SHCSR, 0x70000
1:  ldr r0, =choice
    ldrb r0, [r0]
    ldr r5, =0x30000000
    ldr r1, =table
    ldr r2, [r1, r0, lsl #2]
    bx r2
.align 2
table: .word load, store, jump, odd_jump, undefined, even_jump, breakpoint, no_vectors, bad_stack, never, division
function load
    ldr r3, [r5]
    b done
function store
    str r3, [r5, #4]
    b done
function jump
    ldr r3, =0x30000001
    bx r3
function odd_jump
    ldr r3, =0xFFFFFFFF
    bx r3
function undefined
    udf #0
    b done
function even_jump
    ldr r3, =done
    bic r3, #1
    bx r3
function breakpoint
    bkpt #1
    b done
function no_vectors
    ldr r0, =VTOR
    ldr r1, =0x30000000
    str r1, [r0]
    udf #0
function bad_stack
    ldr r0, =0x30000100
    mov sp, r0
    udf #0
function never
    ldr r3, =0x40000001
    bx r3
function division
    movs r0, #0
    udiv r3, r3, r0
    b done
function on_hard
    movs r4, #3
    b report
function on_own
    movs r4, #4
report:
    ldr r0, =0xE000ED28
    ldmia r0, {r0-r3}
    ldr r6, =0xE000ED38
    ldr r3, [r6]
    ldr r6, [sp, #24]
    ldr r5, =0x20000100
    stmia r5, {r0-r4, r6}
    b done
ends
.align 2
.global choice
choice: .word 0
