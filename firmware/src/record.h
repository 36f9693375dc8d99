/* What the bootloader must remember of an update: that there is one, and how many pages of it are done.
 *
 * record_nor.c: in the first sector of the NOR. record_eeprom.c: in an I2C EEPROM. */
#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>
#include <stdint.h>

void record_init(void);
bool record_is_set(void);
uint32_t record_pages_done(void);
void record_page_done(uint32_t page);
void record_write(void); /* an update waits, and no page of it is done */
void record_clear(void);

#endif
