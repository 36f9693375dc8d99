@ Interrupt 1 (0x40) preempts interrupt 0 (0x80); at equal priorities it follows. BASEPRI and PRIMASK keep both waiting.
.include "common.inc"
vectors irq0=on_low, irq1=on_high
function start
    trace_begins
    set IPR, 0x4080
    set ISER, 3
    set ISPR, 1
    isb
    trace 4
    set IPR, 0x8080
    set ISPR, 1
    isb
    trace 5
    movs r0, #0x80
    msr basepri, r0
    set ISPR, 1
    isb
    trace 6
    movs r0, #0
    msr basepri, r0
    bl settle
    trace 7
    cpsid i
    set ISPR, 2
    isb
    trace 8
    cpsie i
    bl settle
    trace 9
    b done
function settle
    movs r0, #64
1:  subs r0, #1
    bne 1b
    bx lr
function on_low
    trace 1
    set ISPR, 2
    isb
    trace 3
    bx lr
function on_high
    trace 2
    bx lr
ends
