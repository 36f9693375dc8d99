@ What only some programs do; `choice` says which. Results at 0x20000100.
.include "common.inc"
.equ UART, 0x40013800
vectors hard=on_hard, usage=on_usage, svc=on_call, pendsv=on_pendsv
.section .vectors
    .space 35 * 4
    .word on_uart
.text
function start
    trace_begins
    ldr r5, =0x20000100
    ldr r0, =choice
    ldr r0, [r0]
    ldr r1, =table
    ldr r2, [r1, r0, lsl #2]
    bx r2
.align 2
table: .word unaligned, levels, boosted, cleared, doomed, later
@ A stack that is not aligned to eight bytes: the frame is, and the stack comes back as it was.
function unaligned
    sub sp, #4
    mov r4, sp
    svc #0
    mov r3, sp
    stmia r5!, {r3, r4}
    b done
@ An interrupt that stays asserted runs again until its enable is off.
function levels
    set ISER + 4, 0x20
    set UART + 12, 0x2088
    nop
    nop
    b 1f
1:  b 2f
2:  trace 9
    b done
@ FAULTMASK set in a handler is gone when it has returned.
function boosted
    set ICSR, PENDSVSET
    isb
    b 1f
1:  mrs r3, faultmask
    mov r4, r11
    stmia r5!, {r3, r4}
    b done
@ Fault status is cleared by writing ones.
function cleared
    set SHCSR, 0x70000
    udf #0
    b done
@ A lockup with a watchdog of 8 ms.
function doomed
    ldr r4, =0x40003000
    movw r0, #0x5555
    str r0, [r4]
    movs r0, #63
    str r0, [r4, #8]
    movw r0, #0xCCCC
    str r0, [r4]
    udf #0
@ A store to flash a good while after the last register was touched.
function later
    set 0x40022000, 1
    ldr r0, =8000
1:  subs r0, #1
    bne 1b
    ldr r4, =0x08004000
    movs r1, #0
    strh r1, [r4]
    b done
function on_call
    mov r3, sp
    ldr r2, [sp, #28]
    stmia r5!, {r2, r3}
    bx lr
function on_uart
    trace 1
    ldr r0, =UART
    movs r1, #65
    strb r1, [r0, #4]
    ldr r2, =0x20000003
    cmp r7, r2
    bne 1f
    movw r1, #0x2008
    str r1, [r0, #12]
1:  bx lr
function on_pendsv
    cpsid f
    mrs r11, faultmask
    bx lr
function on_usage
    ldr r0, =0xE000ED28
    ldr r1, [r0]
    ldr r2, =0x00010000
    str r2, [r0]
    ldr r2, [r0]
    stmia r5!, {r1, r2}
    b done
function on_hard
    udf #0
ends
.align 2
.global choice
choice: .word 0
