/* SPIM0 of the nRF52840: SCK P0.19, MOSI P0.20, MISO P0.21; the chip is selected by P0.17. It reads and writes RAM alone. */
#include "spi.h"

#define SPIM(offset) REG(0x40003000u + (offset))
#define CHUNK 64u

void spi_init(void)
{
    SELECT_HIGH();
    REG(0x50000518u) = 1u << 17 | 1u << 19 | 1u << 20; /* outputs */
    SPIM(0x508u) = 19;
    SPIM(0x50Cu) = 20;
    SPIM(0x510u) = 21;
    SPIM(0x524u) = 0x80000000u; /* 8 MHz */
    SPIM(0x5C0u) = 0xFF;        /* sent where there is nothing to send */
    SPIM(0x500u) = 7;
}

void spi_transfer(const void *out, void *in, uint32_t length)
{
    const uint8_t *from = out;
    uint8_t *to = in, buffer[CHUNK], dropped[CHUNK];
    while (length) {
        uint32_t step = length < CHUNK ? length : CHUNK;
        for (uint32_t at = 0; at < step; at++) {
            buffer[at] = from ? from[at] : 0xFFu;
        }
        SPIM(0x544u) = (uint32_t)buffer;
        SPIM(0x548u) = step;
        SPIM(0x534u) = (uint32_t)(to ? to : dropped);
        SPIM(0x538u) = step;
        SPIM(0x010u) = 1;
        while (!SPIM(0x118u))
            ;
        SPIM(0x118u) = 0;
        from = from ? from + step : 0;
        to = to ? to + step : 0;
        length -= step;
    }
}
