/* What the bootloaders and applications need of a chip. One port_*.c for each.
 *
 * Flash calls return whether the controller reported no error; all of them wait until it is done.
 */
#ifndef PORT_H
#define PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

#define REG(address) (*(volatile uint32_t *)(address))

void port_init(void);
void uart_putc(char c);
void wdt_start(void); /* about one second; it cannot be stopped */
void wdt_feed(void);

void flash_unlock(void);
void flash_lock(void);
bool flash_erase(uint32_t address);                     /* the erase unit that begins there */
bool flash_program(uint32_t address, const void *unit); /* UNIT bytes */

/* How many reads error correction could not repair so far. What was read meanwhile is worth nothing, right bytes or not. */
#if defined(CHIP_STM32L4) || defined(CHIP_STM32G0) || defined(CHIP_STM32H5)
uint32_t flash_faults(void);
void nmi_handler(void);
#else
static inline uint32_t flash_faults(void)
{
    return 0;
}
#endif

/* common.c */
void uart_puts(const char *text);
void system_reset(void) __attribute__((noreturn));

#endif
