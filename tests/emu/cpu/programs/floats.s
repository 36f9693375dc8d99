@ cpu: -mcpu=cortex-m4 -mfpu=fpv4-sp-d16
@ A handler that uses every floating-point register: the interrupted code finds its own again.
.include "common.inc"
vectors irq0=on_irq
function start
    set 0x20000180, 0
    set ISER, 1
    set ISPR, 1
    isb
    ldr r4, =0x20000200
    movs r0, #32
    ldr r1, =0x3F800000
1:  str r1, [r4]
    adds r1, #1
    adds r4, #4
    subs r0, #1
    bne 1b
    ldr r4, =0x20000200
    vldmia r4!, {s0-s31}
    ldr r0, =0x00C00000
    vmsr fpscr, r0
    set ISPR, 1
    isb
    mrs r5, control
    vmrs r6, fpscr
    ldr r4, =0x20000300
    vstmia r4!, {s0-s15}
    stmia r4, {r5, r6}
    b done
function on_irq
    mrs r1, control
    ldr r2, =0x20000180
    ldr r0, [r2]
    adds r0, #1
    str r0, [r2]
    lsls r0, r0, #4
    adds r2, r2, r0
    mov r3, sp
    stmia r2, {r1, r3, lr}
    vmrs r0, fpscr
    str r0, [r2, #12]
    vmov s0, r0
    vmov s15, r0
    bx lr
ends
