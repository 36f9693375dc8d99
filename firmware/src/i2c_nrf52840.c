/* TWIM1 of the nRF52840: SCL P0.27, SDA P0.26. It reads and writes RAM alone. */
#include "i2c.h"

#include "port.h"

#define TWIM(offset) REG(0x40004000u + (offset))
#define MAX_LENGTH 64u

static void wait_for(uint32_t event)
{
    while (!TWIM(event))
        ;
    TWIM(event) = 0;
}

void i2c_init(void)
{
    REG(0x5000076Cu) = 0x60Cu; /* P0.27: pulled up, drives 0 alone */
    REG(0x50000768u) = 0x60Cu;
    TWIM(0x508u) = 27;
    TWIM(0x50Cu) = 26;
    TWIM(0x524u) = 0x01980000u; /* 100 kHz */
    TWIM(0x500u) = 6;
}

static bool stop(void)
{
    bool is_refused = TWIM(0x124u);
    TWIM(0x124u) = 0;
    TWIM(0x4C4u) = 7;
    if (is_refused) {
        TWIM(0x014u) = 1;
    }
    wait_for(0x104u);
    return !is_refused;
}

static void copy(uint8_t *to, const uint8_t *from, uint32_t length)
{
    while (length--) {
        *to++ = *from++;
    }
}

bool i2c_write(uint8_t device, const uint8_t *data, uint32_t length)
{
    uint8_t buffer[MAX_LENGTH];
    copy(buffer, data, length);
    TWIM(0x588u) = device;
    TWIM(0x544u) = (uint32_t)buffer;
    TWIM(0x548u) = length;
    TWIM(0x200u) = 1u << 9; /* the last byte sent: stop */
    TWIM(0x008u) = 1;
    while (!TWIM(0x104u) && !TWIM(0x124u))
        ;
    return stop();
}

bool i2c_read(uint8_t device, const uint8_t *head, uint32_t head_length, uint8_t *data, uint32_t length)
{
    uint8_t buffer[4];
    copy(buffer, head, head_length);
    TWIM(0x588u) = device;
    TWIM(0x544u) = (uint32_t)buffer;
    TWIM(0x548u) = head_length;
    TWIM(0x534u) = (uint32_t)data;
    TWIM(0x538u) = length;
    TWIM(0x200u) = 1u << 7 | 1u << 12; /* the last byte sent: read; the last byte read: stop */
    TWIM(0x008u) = 1;
    while (!TWIM(0x104u) && !TWIM(0x124u))
        ;
    return stop();
}
