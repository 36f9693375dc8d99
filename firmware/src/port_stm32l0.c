/* STM32L072: words, and erased flash reads 0. Erase units have 128 bytes; a page of the layout is eight of them. */
#include "port.h"

#define RCC_IOPENR REG(0x4002102Cu)
#define RCC_APB2ENR REG(0x40021034u)
#define GPIOA_MODER REG(0x50000000u)
#define GPIOA_AFRH REG(0x50000024u)
#define USART_CR1 REG(0x40013800u)
#define USART_BRR REG(0x4001380Cu)
#define USART_ISR REG(0x4001381Cu)
#define USART_TDR REG(0x40013828u)
#define IWDG_KR REG(0x40003000u)
#define IWDG_PR REG(0x40003004u)
#define IWDG_RLR REG(0x40003008u)
#define FLASH_PECR REG(0x40022004u)
#define FLASH_PEKEYR REG(0x4002200Cu)
#define FLASH_PRGKEYR REG(0x40022010u)
#define FLASH_SR REG(0x40022018u)

#define SR_BSY (1u << 0)
#define SR_EOP (1u << 1)
#define SR_ERRORS (1u << 8 | 1u << 9 | 1u << 10 | 1u << 13 | 1u << 16 | 1u << 17)
#define PECR_PELOCK (1u << 0)
#define PECR_PRGLOCK (1u << 1)
#define PECR_PROG (1u << 3)
#define PECR_ERASE (1u << 9)
#define ERASE_SIZE 128u

void port_init(void)
{
    RCC_IOPENR |= 1u << 0;
    RCC_APB2ENR |= 1u << 14;
    GPIOA_MODER = (GPIOA_MODER & ~(3u << 18)) | 2u << 18; /* PA9: alternate function 4 */
    GPIOA_AFRH = (GPIOA_AFRH & ~0xF0u) | 0x40u;
    USART_BRR = 18; /* 115200 at 2.1 MHz */
    USART_CR1 = 1u << 3 | 1u;
}

void uart_putc(char c)
{
    while (!(USART_ISR & 1u << 7))
        ;
    USART_TDR = (uint8_t)c;
}

void wdt_start(void)
{
    IWDG_KR = 0xCCCC;
    IWDG_KR = 0x5555;
    IWDG_PR = 4; /* 37 kHz by 64 */
    IWDG_RLR = 578;
    IWDG_KR = 0xAAAA;
}

void wdt_feed(void)
{
    IWDG_KR = 0xAAAA;
}

void flash_unlock(void)
{
    if (FLASH_PECR & PECR_PELOCK) {
        FLASH_PEKEYR = 0x89ABCDEFu;
        FLASH_PEKEYR = 0x02030405u;
    }
    if (FLASH_PECR & PECR_PRGLOCK) {
        FLASH_PRGKEYR = 0x8C9DAEBFu;
        FLASH_PRGKEYR = 0x13141516u;
    }
    FLASH_SR = SR_EOP | SR_ERRORS;
}

void flash_lock(void)
{
    FLASH_PECR |= PECR_PELOCK;
}

static bool finish(void)
{
    while (FLASH_SR & SR_BSY)
        ;
    uint32_t status = FLASH_SR;
    FLASH_SR = SR_EOP | SR_ERRORS;
    return !(status & SR_ERRORS);
}

/* A page is several erase units of the chip: the first one goes first, so a record there is gone before what follows it. */
bool flash_erase(uint32_t address)
{
    bool is_done = true;
    FLASH_PECR |= PECR_ERASE | PECR_PROG;
    for (uint32_t at = 0; at < PAGE; at += ERASE_SIZE) {
        REG(address + at) = 0;
        is_done = finish() && is_done;
    }
    FLASH_PECR &= ~(PECR_ERASE | PECR_PROG);
    return is_done;
}

bool flash_program(uint32_t address, const void *unit)
{
    REG(address) = *(const uint32_t *)unit;
    return finish();
}
