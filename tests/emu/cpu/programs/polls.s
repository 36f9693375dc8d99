@ What a session may end with, chosen by the word `choice`.
.include "common.inc"
vectors
function start
    ldr r0, =choice
    ldr r0, [r0]
    ldr r1, =table
    ldr r2, [r1, r0, lsl #2]
    ldr r4, =0x40030000
    ldr r5, =0x40003000
    bx r2
.align 2
table: .word status, counter, fed, erasing, timed, rest, speak
@ A status bit nobody sets.
function status
    ldr r0, [r4]
    tst r0, #1
    beq status
    b done
@ The same with a counter that gives up.
function counter
    movw r1, #2000
1:  ldr r0, [r4]
    subs r1, #1
    bne 1b
    b done
@ A watchdog of 8192 us is started, then the bit is polled.
function fed
    bl watch
    b status
@ It runs out while a page is erased.
function erasing
    bl watch
    ldr r0, =0x40022004
    ldr r1, =0x08004000
    str r1, [r0]
    b done
@ Polls SysTick without an interrupt until it has counted to zero.
function timed
    set STLOAD, 0xFFFF
    set STCTRL, 5
1:  ldr r0, =STCTRL
    ldr r1, [r0]
    lsls r1, r1, #15
    bpl 1b
    b done
function rest
    wfi
    b rest
function speak
    ldr r0, =0x40013800
    movw r1, #0x200C
    str r1, [r0, #12]
    movs r1, #72
1:  ldr r2, [r0]
    tst r2, #0x80
    beq 1b
    strb r1, [r0, #4]
    movs r1, #105
    strb r1, [r0, #4]
    b done
@ IWDG: prescaler 4, reload 63: 256 ticks of 32 kHz.
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
