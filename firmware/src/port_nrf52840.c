/* nRF52840: words, 4 KiB pages, no error register. */
#include "port.h"

#define UART_STARTTX REG(0x40002008u)
#define UART_TXDRDY REG(0x4000211Cu)
#define UART_ENABLE REG(0x40002500u)
#define UART_PSELTXD REG(0x4000250Cu)
#define UART_TXD REG(0x4000251Cu)
#define UART_BAUDRATE REG(0x40002524u)
#define WDT_START REG(0x40010000u)
#define WDT_RUNSTATUS REG(0x40010400u)
#define WDT_CRV REG(0x40010504u)
#define WDT_RREN REG(0x40010508u)
#define WDT_CONFIG REG(0x4001050Cu)
#define WDT_RR0 REG(0x40010600u)
#define NVMC_READY REG(0x4001E400u)
#define NVMC_CONFIG REG(0x4001E504u)
#define NVMC_ERASEPAGE REG(0x4001E508u)

void port_init(void)
{
    UART_PSELTXD = 6;
    UART_BAUDRATE = 0x1D7E000u; /* 115200 */
    UART_ENABLE = 4;
    UART_STARTTX = 1;
}

void uart_putc(char c)
{
    UART_TXDRDY = 0;
    UART_TXD = (uint8_t)c;
    while (!UART_TXDRDY)
        ;
}

void wdt_start(void)
{
    if (WDT_RUNSTATUS & 1u) {
        return;
    }
    WDT_CONFIG = 1;
    WDT_CRV = 32767; /* 1 s */
    WDT_RREN = 1;
    WDT_START = 1;
}

void wdt_feed(void)
{
    WDT_RR0 = 0x6E524635u;
}

void flash_unlock(void)
{
}

void flash_lock(void)
{
    NVMC_CONFIG = 0;
}

static bool finish(void)
{
    while (!(NVMC_READY & 1u))
        ;
    NVMC_CONFIG = 0;
    return true;
}

bool flash_erase(uint32_t address)
{
    NVMC_CONFIG = 2;
    NVMC_ERASEPAGE = address;
    return finish();
}

bool flash_program(uint32_t address, const void *unit)
{
    NVMC_CONFIG = 1;
    *(volatile uint32_t *)address = *(const uint32_t *)unit;
    return finish();
}
