@ A fault in the handler of a fault.
.include "common.inc"
vectors hard=on_hard
function start
    udf #0
function on_hard
    ldr r0, =0x30000000
    ldr r1, [r0]
    b done
ends
