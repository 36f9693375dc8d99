/* The record in an I2C EEPROM, 24C32: a word and its complement, and a word for each page that is done.
 *
 * A write erases and programs its whole page: what has to survive it stands in another one. */
#include "record.h"

#include "i2c.h"
#include "port.h"

static const uint32_t pending[2] = {0x444E4550u, ~0x444E4550u};

#define DEVICE 0x50u
#define EEPROM_PAGE 32u
#define DONE 0x454E4F44u
#define RECORD 0u
#if BUG == 5 /* the marks share a page with the record */
#define MARK_OF(page) (8u + 4u * (page))
#else
#define MARK_OF(page) (EEPROM_PAGE * (1u + (page)))
#endif

static void put(uint32_t address, const void *data, uint32_t length)
{
    uint8_t message[10] = {(uint8_t)(address >> 8), (uint8_t)address};
    for (uint32_t at = 0; at < length; at++) {
        message[2u + at] = ((const uint8_t *)data)[at];
    }
#if BUG == 2 /* nobody asks whether the last write is over: the chip does not listen, and this one is lost */
    i2c_write(DEVICE, message, 2u + length);
#else
    while (!i2c_write(DEVICE, message, 2u + length))
        ;
#endif
}

static void get(uint32_t address, void *data, uint32_t length)
{
    uint8_t head[2] = {(uint8_t)(address >> 8), (uint8_t)address};
    while (!i2c_read(DEVICE, head, sizeof head, data, length))
        ;
}

void record_init(void)
{
    i2c_init();
}

bool record_is_set(void)
{
    uint32_t found[2];
    get(RECORD, found, sizeof found);
    return found[0] == pending[0] && found[1] == pending[1];
}

uint32_t record_pages_done(void)
{
    uint32_t done = 0, mark;
    for (; done < SLOT_PAGES; done++) {
        get(MARK_OF(done), &mark, sizeof mark);
        if (mark != DONE) {
            break;
        }
    }
    return done;
}

void record_page_done(uint32_t page)
{
    uint32_t mark = DONE;
    put(MARK_OF(page), &mark, sizeof mark);
}

void record_write(void)
{
    uint32_t none = 0;
    for (uint32_t page = 0; page < SLOT_PAGES; page++) {
        put(MARK_OF(page), &none, sizeof none);
    }
    put(RECORD, pending, sizeof pending);
}

void record_clear(void)
{
    uint32_t none[2] = {0, 0};
    put(RECORD, none, sizeof none);
}
