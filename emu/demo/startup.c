/* SPDX-License-Identifier: Apache-2.0
 *
 * Vector table and reset: what must hold before main() may run. No interrupt is ever enabled, so the table
 * needs only the sixteen entries of the architecture.
 */
#include "board.h"

extern uint32_t stack_top[], data_load[], data_start[], data_end[], bss_start[], bss_end[];

_Noreturn void main(void);
_Noreturn void reset_handler(void);
static void fault_handler(void);

typedef union {
    uint32_t *stack;
    void (*handler)(void);
} vector;

__attribute__((section(".vectors"), used)) const vector vectors[16] = {
    [0] = {.stack = stack_top},
    [1] = {.handler = reset_handler},
    [2] = {.handler = fault_handler},  /* NMI */
    [3] = {.handler = fault_handler},  /* HardFault */
    [4] = {.handler = fault_handler},  /* MemManage */
    [5] = {.handler = fault_handler},  /* BusFault */
    [6] = {.handler = fault_handler},  /* UsageFault */
    [11] = {.handler = fault_handler}, /* SVCall */
    [12] = {.handler = fault_handler}, /* DebugMonitor */
    [14] = {.handler = fault_handler}, /* PendSV */
    [15] = {.handler = fault_handler}, /* SysTick */
};

/* Starving the watchdog is the way out of a fault: it resets the peripherals too, which SYSRESETREQ may not. */
static void fault_handler(void)
{
    for (;;) {
    }
}

_Noreturn void reset_handler(void)
{
    const uint32_t *from = data_load;
    for (uint32_t *to = data_start; to < data_end;)
        *to++ = *from++;
    for (uint32_t *to = bss_start; to < bss_end;)
        *to++ = 0;
    /* The bootloader's own table is still in force when it jumps here. */
    VECTOR_TABLE_OFFSET = (uint32_t)vectors;
    main();
}
