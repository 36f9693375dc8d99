/* nRF52840: UARTE0. Everything goes through RAM; between two reads its FIFO holds what comes. */
#include "port.h"
#include "serial.h"

#define UARTE_STARTRX REG(0x40002000u)
#define UARTE_STOPRX REG(0x40002004u)
#define UARTE_STARTTX REG(0x40002008u)
#define UARTE_ENDRX REG(0x40002110u)
#define UARTE_ENDTX REG(0x40002120u)
#define UARTE_RXTO REG(0x40002144u)
#define UARTE_INTENSET REG(0x40002304u)
#define UARTE_INTENCLR REG(0x40002308u)
#define UARTE_ENABLE REG(0x40002500u)
#define UARTE_PSELRXD REG(0x40002514u)
#define UARTE_RXPTR REG(0x40002534u)
#define UARTE_RXMAXCNT REG(0x40002538u)
#define UARTE_RXAMOUNT REG(0x4000253Cu)
#define UARTE_TXPTR REG(0x40002544u)
#define UARTE_TXMAXCNT REG(0x40002548u)
#define NVIC_ISER0 REG(0xE000E100u)
#define NVIC_ICER0 REG(0xE000E180u)

#define IRQ 2u
#define INT_ENDRX (1u << 4)

void serial_start(void)
{
    UARTE_ENABLE = 0;
    UARTE_PSELRXD = 8;
    UARTE_ENABLE = 8;
    UARTE_INTENSET = INT_ENDRX;
    NVIC_ISER0 = 1u << IRQ;
    ticks_start();
}

void serial_stop(void)
{
    NVIC_ICER0 = 1u << IRQ;
    UARTE_INTENCLR = INT_ENDRX;
    UARTE_ENDRX = 0;
    UARTE_ENABLE = 0;
    ticks_stop();
}

void serial_put(uint8_t byte)
{
    volatile uint8_t data = byte;
    UARTE_TXPTR = (uint32_t)&data;
    UARTE_TXMAXCNT = 1;
    UARTE_ENDTX = 0;
    UARTE_STARTTX = 1;
    while (!UARTE_ENDTX)
        ;
}

uint32_t serial_read(uint8_t *to, uint32_t length, uint32_t tenths)
{
    UARTE_RXPTR = (uint32_t)to;
    UARTE_RXMAXCNT = length;
    UARTE_ENDRX = 0;
    UARTE_RXTO = 0;
    UARTE_STARTRX = 1;
    while (!UARTE_ENDRX) {
        if (sleep_until_tick(IRQ) && tenths-- == 0 && !UARTE_ENDRX) {
            UARTE_STOPRX = 1;
            while (!UARTE_RXTO)
                ;
        }
    }
    return UARTE_RXAMOUNT;
}
