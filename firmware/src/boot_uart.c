/* One slot (A), and an update that comes over the serial port by XMODEM with CRC. A mark says that A holds a whole image;
 * it is erased before anything else is, and written when what came has been read back. With a mark the bootloader asks a
 * few times whether somebody wants to send, and runs A; without one it asks for ever.
 *
 * BUG selects a mistake; see README.md.
 */
#include "boot.h"
#include "image.h"
#include "pages.h"
#include "port.h"
#include "serial.h"

#define MARKED STATE0
#define BLOCK 128u
#define ASKS 3u

enum { SOH = 0x01, EOT = 0x04, ACK = 0x06, NAK = 0x15, CAN = 0x18 };

struct packet {
    uint8_t data[BLOCK]; /* first, because it is programmed in words */
    uint8_t crc[2];
    uint8_t number, complement;
};

static const uint32_t mark[2] = {0x4B524D21u, ~0x4B524D21u};

/* The device leaves the factory with an image in A. */
__attribute__((section(".factory"), used)) static const uint32_t shipped[2] = {0x4B524D21u, ~0x4B524D21u};

static bool is_marked(void)
{
#if BUG == 3 /* a slot that is not blank is taken for an image */
    return REG(SLOT_A) != 0xFFFFFFFFu;
#else
    uint32_t faults = flash_faults();
    return REG(MARKED) == mark[0] && REG(MARKED + 4) == mark[1] && flash_faults() == faults;
#endif
}

static void erase(uint32_t page)
{
    flash_unlock();
    flash_erase(page);
    flash_lock();
}

static void set_mark(void)
{
#if BUG == 2
    erase(MARKED);
#endif
    write_record(MARKED, mark, sizeof mark);
}

static uint16_t crc16(const uint8_t *data)
{
    uint16_t crc = 0;
    for (uint32_t at = 0; at < BLOCK; at++) {
        crc ^= (uint16_t)(data[at] << 8);
        for (uint32_t bit = 0; bit < 8; bit++) {
            crc = (uint16_t)(crc << 1 ^ (crc & 0x8000u ? 0x1021 : 0));
        }
    }
    return crc;
}

/* The rest of a packet, behind its first byte. */
static bool read_packet(struct packet *packet)
{
    if (serial_read(&packet->number, 2, 10) != 2 || serial_read(packet->data, BLOCK + 2, 10) != BLOCK + 2) {
        return false;
    }
    uint16_t crc = (uint16_t)(packet->crc[0] << 8 | packet->crc[1]);
    return (packet->number ^ packet->complement) == 0xFFu && crc16(packet->data) == crc;
}

/* Before the first block is written. */
static void prepare(void)
{
#if BUG != 2 /* the mark is erased last, when everything else is there */
    erase(MARKED);
#endif
#if BUG == 5 /* a slot that begins blank is taken for an erased one */
    if (REG(SLOT_A) != 0xFFFFFFFFu) {
        for (uint32_t page = 0; page < SLOT_PAGES; page++) {
            erase(SLOT_A + page * PAGE);
        }
    }
#endif
}

static void write_block(uint32_t at, const uint8_t *data)
{
#if BUG != 5
    if (at % PAGE == 0) {
        erase(SLOT_A + at);
    }
#endif
#if BUG == 1 /* marked before the last block is there */
    const struct image *image = (const struct image *)(at ? SLOT_A : (uint32_t)data);
    if (at + BLOCK >= image->size && at < image->size) {
        set_mark();
    }
#endif
    write_record(SLOT_A + at, data, BLOCK);
}

/* All blocks are there: whether they are an image. Answers the host. */
static bool finish(void)
{
#if BUG == 4 /* the host is told before it is true */
    serial_put(ACK);
#endif
#if BUG != 7 /* what came is not looked at */
    if (!image_is_valid(SLOT_A)) {
        serial_put(CAN);
        serial_put(CAN);
        return false;
    }
#endif
#if BUG != 1
    set_mark();
#endif
#if BUG != 4
    serial_put(ACK);
#endif
    return true;
}

/* Whether an image came. ``asks``: how often somebody is asked for, 0 for ever. */
static bool receive(uint32_t asks)
{
    struct packet packet;
    uint32_t at = 0, misses = 0;
    uint8_t answer = 'C', first;
    for (;;) {
        serial_put(answer);
        bool came = serial_read(&first, 1, 5) == 1;
        answer = at ? NAK : 'C';
        if (came && first == EOT && at) {
            return finish();
        }
        if (!came || first != SOH || !read_packet(&packet)) {
            misses++;
            if (at ? misses > 10 : asks && misses >= asks) {
                return false;
            }
            continue;
        }
        misses = 0;
        uint8_t number = (uint8_t)(at / BLOCK + 1);
        if (packet.number == (uint8_t)(number - 1u) && at) {
            answer = ACK; /* once more what is there */
        } else if (packet.number != number || at >= SLOT_SIZE) {
            serial_put(CAN);
            serial_put(CAN);
            return false;
        } else {
            if (!at) {
                prepare();
            }
            write_block(at, packet.data);
            at += BLOCK;
            answer = ACK;
        }
    }
}

void boot_main(void)
{
    port_init();
    serial_start();
#if BUG == 6 /* nobody is asked for where there is no image */
    if (!is_marked()) {
        uart_puts("no image\r\n");
        for (;;)
            ;
    }
#endif
    while (!receive(is_marked() ? ASKS : 0) && !is_marked())
        ;
    serial_stop();
    image_run(SLOT_A);
}

static void update(void)
{
}

static void commit(void)
{
}

const struct boot_api boot_api = {update, commit};
