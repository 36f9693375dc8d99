#include "pages.h"

#include "port.h"

void write_record(uint32_t address, const void *record, uint32_t length)
{
    const uint8_t *data = record;
    flash_unlock();
    for (uint32_t at = 0; at < length; at += UNIT) {
        flash_program(address + at, data + at);
    }
    flash_lock();
}

static bool is_blank(const void *unit)
{
#if UNIT == 2
    return *(const uint16_t *)unit == (uint16_t)ERASED;
#else
    const uint32_t *words = unit;
    for (uint32_t at = 0; at < UNIT / 4; at++) {
        if (words[at] != ERASED) {
            return false;
        }
    }
    return true;
#endif
}

void copy_page(uint32_t to, uint32_t from)
{
    flash_unlock();
    for (uint32_t at = 0; at < PAGE; at += UNIT) {
        if (!is_blank((const void *)(from + at))) {
            flash_program(to + at, (const void *)(from + at));
        }
    }
    flash_lock();
}
