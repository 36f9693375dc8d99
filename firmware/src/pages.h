/* Flash by pages and records, for the bootloaders. */
#ifndef PAGES_H
#define PAGES_H

#include <stdint.h>

void write_record(uint32_t address, const void *record, uint32_t length); /* length: a multiple of UNIT */
void copy_page(uint32_t to, uint32_t from);                               /* onto an erased page */

#endif
