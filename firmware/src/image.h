/* An image: its vectors, then a header where the table of interrupts would go on (none is used), then code.
 *
 * crc: CRC-32 (zlib's) over everything from the first vector to the last byte, the field itself left out.
 */
#ifndef IMAGE_H
#define IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#define IMAGE_MAGIC 0x4D493142u

struct image {
    uint32_t vectors[16];
    uint32_t magic;
    uint32_t version;
    uint32_t size; /* bytes, vectors and header included */
    uint32_t crc;
};

bool image_is_valid(uint32_t slot);
uint32_t image_version(uint32_t slot);
void image_run(uint32_t slot) __attribute__((noreturn));

uint32_t crc32(uint32_t crc, const void *data, uint32_t length);

#endif
