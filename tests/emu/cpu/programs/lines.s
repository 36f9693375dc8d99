@ cpu: -mcpu=cortex-m3 -g
@ Assembled with debug information: three instructions, a line each.
.include "common.inc"
vectors
function start
    movs r0, #1
    nop
    adds r0, #2
    b done
ends
