@ WFE and YIELD go on; WFE with nothing to come is a loop that ends as sleep.
.include "common.inc"
vectors
function start
    trace_begins
    trace 1
    yield
    trace 2
    sev
    wfe
    trace 3
1:  wfe
    b 1b
ends
