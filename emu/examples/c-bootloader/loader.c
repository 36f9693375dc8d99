/* A bootloader with two slots and two boot records, written in turn: the newest record says which slot runs.
 *
 * As it stands it trusts a record by its magic alone. Built with -DFIXED it checks a CRC over the whole record.
 */
#include <brownout.h>
#include <string.h>

#define SECTOR 4096u
#define PAGE 256u
#define MAGIC 0x52445442u /* "BTDR" */

struct record {
    uint32_t magic;
    uint32_t sequence; /* the larger is the newer */
    uint32_t active;   /* index into slots */
    uint32_t crc;
};

static const char *const slots[] = {"slot-a", "slot-b"};
static const char *const copies[] = {"record-0", "record-1"};

#ifdef FIXED
static uint32_t crc32(const void *data, size_t length)
{
    const uint8_t *byte = data;
    uint32_t crc = ~0u;
    while (length--) {
        crc ^= *byte++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}
#else
static uint32_t crc32(const void *data, size_t length)
{
    (void)data, (void)length;
    return 0;
}
#endif

static uint32_t check_of(const struct record *record)
{
    return crc32(record, offsetof(struct record, crc));
}

static int read_record(int copy, struct record *record)
{
    brownout_read(copies[copy], 0, record, sizeof *record);
#ifdef FIXED
    return record->magic == MAGIC && record->crc == check_of(record);
#else
    return record->magic == MAGIC;
#endif
}

/* One program command per page, as the chip wants it. */
static void write(const char *window, const uint8_t *data, size_t length)
{
    for (uint32_t at = 0; at < length; at += PAGE)
        brownout_program(window, at, data + at, length - at < PAGE ? length - at : PAGE);
}

static void install(const char *slot, const uint8_t *image, size_t length)
{
    for (uint32_t at = 0; at < brownout_size(slot); at += SECTOR)
        brownout_erase(slot, at, SECTOR);
    write(slot, image, length);
}

static void write_record(int copy, uint32_t sequence, uint32_t active)
{
    struct record record = {MAGIC, sequence, active, 0};
    record.crc = check_of(&record);
    brownout_erase(copies[copy], 0, SECTOR);
    write(copies[copy], (const uint8_t *)&record, sizeof record);
}

const char *brownout_firmware(void)
{
    struct record record[2];
    int good[2] = {read_record(0, &record[0]), read_record(1, &record[1])};
    if (!good[0] && !good[1])
        return "no valid boot record";
    int newest = good[1] && (!good[0] || record[1].sequence > record[0].sequence);
    uint32_t active = record[newest].active;

    brownout_handover(slots[active], 0); /* from here on this is the application */

    size_t length;
    const uint8_t *update = brownout_attempt(&length);
    if (update) {
        install(slots[!active], update, length);
        write_record(!newest, record[newest].sequence + 1, !active);
        brownout_restart();
    }
    return NULL;
}
