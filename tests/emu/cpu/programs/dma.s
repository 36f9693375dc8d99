@ cpu: -mcpu=cortex-m4
@ nRF52840: a line leaves through UARTE in one transfer. Runs wherever it stands.
.include "common.inc"
vectors
function start
    set 0x40002500, 8
    set 0x20000000, 0x6B726F77
    set 0x20000004, 0x000A2173
    set 0x40002544, 0x20000000
    set 0x40002548, 7
    set 0x40002008, 1
ends
