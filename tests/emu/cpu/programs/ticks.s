@ SysTick every 1000 cycles, asleep in between; three ticks, then it is stopped.
.include "common.inc"
vectors systick=on_tick
function start
    trace_begins
    movs r4, #0
    set STLOAD, 999
    set STCTRL, 7
1:  wfi
    cmp r4, #3
    bne 1b
    set STCTRL, 0
    trace 9
2:  wfi
    b 2b
function on_tick
    adds r4, #1
    strb r4, [r7]
    adds r7, #1
    bx lr
ends
