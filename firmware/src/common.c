#include "port.h"

void uart_puts(const char *text)
{
    while (*text) {
        uart_putc(*text++);
    }
}

void system_reset(void)
{
    REG(0xE000ED0Cu) = 0x05FA0004u;
    for (;;)
        ;
}
