#include "image.h"

#include "port.h"

#define SCB_VTOR REG(0xE000ED08u)

static const uint32_t nibbles[16] = {
    0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
    0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu, 0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
};

uint32_t crc32(uint32_t crc, const void *data, uint32_t length)
{
    const uint8_t *at = data;
    crc = ~crc;
    while (length--) {
        crc ^= *at++;
        crc = crc >> 4 ^ nibbles[crc & 15u];
        crc = crc >> 4 ^ nibbles[crc & 15u];
    }
    return ~crc;
}

bool image_is_valid(uint32_t slot)
{
    const struct image *image = (const struct image *)slot;
    uint32_t faults = flash_faults();
    if (image->magic != IMAGE_MAGIC || image->size < sizeof *image || image->size > SLOT_SIZE) {
        return false;
    }
    uint32_t crc = crc32(0, image, sizeof *image - sizeof image->crc);
    bool is_whole = crc32(crc, image + 1, image->size - sizeof *image) == image->crc;
#if BUG == 8 /* that error correction could not repair a word is not looked at */
    (void)faults;
    return is_whole;
#else
    return is_whole && flash_faults() == faults;
#endif
}

uint32_t image_version(uint32_t slot)
{
    return ((const struct image *)slot)->version;
}

void image_run(uint32_t slot)
{
    const struct image *image = (const struct image *)slot;
    SCB_VTOR = slot;
    __asm volatile("dsb\n isb\n msr msp, %0\n bx %1" : : "r"(image->vectors[0]), "r"(image->vectors[1]) : "memory");
    __builtin_unreachable();
}
