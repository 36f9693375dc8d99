/* One slot that runs (A); an update waits in a serial NOR flash beside the chip. A record, in a sector of the NOR or in
 * an I2C EEPROM, says that A is to be made from it, and how many pages are done; it is cleared when A has been read back
 * whole.
 *
 * RECORD_IN_EEPROM. BUG selects a mistake; see README.md.
 */
#include "boot.h"
#include "image.h"
#include "nor.h"
#include "port.h"
#include "record.h"

#define WAITS 0x1000u /* where the update stands in the NOR */
#define CHUNK 32u

static void read_header(struct image *header)
{
    nor_read(WAITS, header, sizeof *header);
}

static bool source_is_valid(const struct image *header)
{
    if (header->magic != IMAGE_MAGIC || header->size < sizeof *header || header->size > SLOT_SIZE) {
        return false;
    }
#if BUG == 3 /* what waits is not looked at */
    return true;
#else
    uint8_t buffer[CHUNK];
    uint32_t crc = crc32(0, header, sizeof *header - sizeof header->crc);
    for (uint32_t at = sizeof *header; at < header->size; at += CHUNK) {
        uint32_t length = header->size - at < CHUNK ? header->size - at : CHUNK;
        nor_read(WAITS + at, buffer, length);
        crc = crc32(crc, buffer, length);
    }
    return crc == header->crc;
#endif
}

static bool is_installed(const struct image *header)
{
    return image_is_valid(SLOT_A) && image_version(SLOT_A) == header->version;
}

static bool is_blank(const uint8_t *unit)
{
    for (uint32_t at = 0; at < UNIT; at++) {
        if (unit[at] != 0xFFu) {
            return false;
        }
    }
    return true;
}

static void copy_page_in(uint32_t page, uint32_t size)
{
    uint8_t buffer[CHUNK] __attribute__((aligned(8)));
    uint32_t end = (page + 1u) * PAGE < size ? (page + 1u) * PAGE : size;
    flash_unlock();
    flash_erase(SLOT_A + page * PAGE);
    for (uint32_t at = page * PAGE; at < end; at += CHUNK) {
        nor_read(WAITS + at, buffer, CHUNK);
        for (uint32_t unit = 0; unit < CHUNK && at + unit < end; unit += UNIT) {
            if (!is_blank(buffer + unit)) {
                flash_program(SLOT_A + at + unit, buffer + unit);
            }
        }
    }
    flash_lock();
}

static void copy(const struct image *header)
{
    for (uint32_t page = record_pages_done(); page < SLOT_PAGES; page++) {
#if BUG == 4 /* a page is marked before it is copied */
        record_page_done(page);
        copy_page_in(page, header->size);
#else
        copy_page_in(page, header->size);
        record_page_done(page);
#endif
    }
}

static void install(void)
{
    struct image header;
    read_header(&header);
    if (is_installed(&header) || !source_is_valid(&header)) {
        record_clear();
        return;
    }
#if BUG == 1 /* the record is cleared before the copy is complete */
    record_clear();
    copy(&header);
#else
    copy(&header);
    if (!is_installed(&header)) {
        uart_puts("copy failed\r\n");
        record_write(); /* from the first page on */
        system_reset();
    }
    record_clear();
#endif
}

void boot_main(void)
{
    port_init();
    nor_init();
    record_init();
    if (record_is_set()) {
        install();
    }
    if (image_is_valid(SLOT_A)) {
        image_run(SLOT_A);
    }
    uart_puts("no image\r\n");
    for (;;)
        ;
}

static void update(void)
{
    struct image header;
    nor_init();
    read_header(&header);
    if (source_is_valid(&header) && header.version > image_version(SLOT_A) && !is_installed(&header)) {
        record_init();
        record_write();
        system_reset();
    }
}

static void commit(void)
{
}

const struct boot_api boot_api = {update, commit};
