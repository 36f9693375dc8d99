/* A serial NOR flash of 25-series commands: pages of 256 bytes, sectors of 4 KiB. The calls wait until it is done. */
#ifndef NOR_H
#define NOR_H

#include <stdint.h>

#define NOR_SECTOR 0x1000u

void nor_init(void);
void nor_read(uint32_t address, void *to, uint32_t length);
void nor_program(uint32_t address, const void *from, uint32_t length); /* inside one page */
void nor_erase(uint32_t address);                                     /* the sector there */
void nor_erase_begin(uint32_t address);                               /* the same, without waiting */

#endif
