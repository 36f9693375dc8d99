@ Loops that go round in a circle, and some that only seem to: `choice` says which.
.include "common.inc"
vectors systick=on_tick
function start
    trace_begins
    ldr r0, =choice
    ldr r0, [r0]
    ldr r1, =table
    ldr r2, [r1, r0, lsl #2]
    ldr r4, =0x40030000
    ldr r5, =0x40003000
    movs r3, #0
    ldr r6, =0x20000400
    str r3, [r6]
    bx r2
.align 2
table: .word feeding, toggling, counting, remembering, talking, starving, waiting, polite, ticking, delaying, drowsy, nervous, deaf, idle
@ A watchdog of 8 ms is fed for ever.
function feeding
    bl watch
    movw r0, #0xAAAA
1:  str r0, [r5]
    b 1b
@ A pin goes up and down.
function toggling
    movs r0, #1
    movs r1, #2
1:  str r0, [r4]
    str r1, [r4]
    b 1b
@ A register of the core counts, and gives up after 300000 rounds.
function counting
    ldr r0, =300000
1:  ldr r1, [r4]
    subs r0, #1
    bne 1b
    b done
@ The same in RAM.
function remembering
    ldr r2, =300000
1:  ldr r1, [r4]
    ldr r0, [r6]
    adds r0, #1
    str r0, [r6]
    cmp r0, r2
    mov r0, #0
    bne 1b
    b done
@ It says something in every round.
function talking
    ldr r0, =0x40013800
    movw r1, #0x200C
    str r1, [r0, #12]
    movs r1, #46
1:  strb r1, [r0, #4]
    b 1b
@ The watchdog runs and is not fed.
function starving
    bl watch
1:  ldr r0, [r4]
    b 1b
@ Waits for a tick of SysTick to change a word of RAM.
function waiting
    set STLOAD, 0x7FFFFF
    set STCTRL, 7
1:  ldr r0, [r4]
    ldr r1, [r6]
    cmp r1, #2
    bne 1b
    set STCTRL, 0
    b done
@ Feeds for as long as a word of RAM says, which ticks change; then it starves.
function polite
    bl watch
    set STLOAD, 79999
    set STCTRL, 7
    movw r0, #0xAAAA
1:  str r0, [r5]
    ldr r1, [r6]
    cmp r1, #10
    bne 1b
    b .
@ Reads SysTick on its slow clock, which it shows the same value of for some rounds.
function ticking
    set STLOAD, 0xFFFF
    set STCTRL, 1
    ldr r0, =STCTRL
1:  ldr r1, [r0, #8]
    cmp r1, #0
    beq 1b
    cmp r1, #0x100
    bhi 1b
    b done
@ Waits for 100 ticks as libraries of vendors do, in RAM alone; works for a while, and waits for 50 in another way.
function delaying
    set STLOAD, 71999
    set STCTRL, 7
1:  bl now
    cmp r0, #100
    blo 1b
    ldr r0, =100000
2:  subs r0, #1
    bne 2b
3:  bl now
    nop
    bl now
    cmp r0, #150
    blo 3b
    set STCTRL, 0
    b done
@ A fault while SysTick runs: its handler is an empty loop, which a tick cannot interrupt.
function deaf
    set STLOAD, 7999
    set STCTRL, 7
    udf #0
@ An empty loop, and a handler that counts ticks of 1 ms.
function idle
    set STLOAD, 7999
    set STCTRL, 7
    b done
@ Waits for events, while an interrupt pends that is disabled; counts how often it wakes until 20 ticks are over.
function nervous
    set SCR, 0x10
    b drowsing
function drowsy
    b drowsing
function drowsing
    set ISPR, 1
    set STLOAD, 71999
    set STCTRL, 7
    movs r3, #0
1:  wfe
    adds r3, #1
    ldr r0, [r6]
    cmp r0, #20
    blo 1b
    str r3, [r6, #4]
    set STCTRL, 0
    b done
function now
    ldr r0, [r6]
    bx lr
function on_tick
    ldr r1, [r6]
    adds r1, #1
    str r1, [r6]
    bx lr
function watch
    movw r0, #0x5555
    str r0, [r5]
    movs r0, #63
    str r0, [r5, #8]
    movw r0, #0xCCCC
    str r0, [r5]
    bx lr
ends
.align 2
.global choice
choice: .word 0
