/* A serial port that receives. One serial_*.c for each chip; 115200 baud, on the port that port.h prints on.
 *
 * The core sleeps until a byte is there or a tenth of a second is over. No handler is entered: interrupts are masked, and
 * what is pending only wakes it.
 */
#ifndef SERIAL_H
#define SERIAL_H

#include <stdbool.h>
#include <stdint.h>

void serial_start(void);
void serial_stop(void); /* everything as after a reset, for what runs next */
void serial_put(uint8_t byte);
uint32_t serial_read(uint8_t *to, uint32_t length, uint32_t tenths); /* how many bytes came before the time was over */

/* serial.c */
void ticks_start(void);
void ticks_stop(void);
bool sleep_until_tick(uint32_t irq); /* until something is pending; whether a tenth of a second is over */

#endif
