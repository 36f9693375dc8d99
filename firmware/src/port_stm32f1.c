/* STM32F103: half-words, 1 KiB pages. */
#include "port.h"

#define RCC_APB2ENR REG(0x40021018u)
#define GPIOA_CRH REG(0x40010804u)
#define USART_SR REG(0x40013800u)
#define USART_DR REG(0x40013804u)
#define USART_BRR REG(0x40013808u)
#define USART_CR1 REG(0x4001380Cu)
#define IWDG_KR REG(0x40003000u)
#define IWDG_PR REG(0x40003004u)
#define IWDG_RLR REG(0x40003008u)
#define FLASH_KEYR REG(0x40022004u)
#define FLASH_SR REG(0x4002200Cu)
#define FLASH_CR REG(0x40022010u)
#define FLASH_AR REG(0x40022014u)

#define SR_BSY (1u << 0)
#define SR_ERRORS (1u << 2 | 1u << 4)
#define SR_EOP (1u << 5)
#define CR_PG (1u << 0)
#define CR_PER (1u << 1)
#define CR_STRT (1u << 6)
#define CR_LOCK (1u << 7)

void port_init(void)
{
    RCC_APB2ENR |= 1u << 14 | 1u << 2;                /* USART1, GPIOA */
    GPIOA_CRH = (GPIOA_CRH & ~0xF0u) | 0xB0u;         /* PA9: alternate function, push-pull */
    USART_BRR = 69;                                   /* 115200 at 8 MHz */
    USART_CR1 = 1u << 13 | 1u << 3;
}

void uart_putc(char c)
{
    while (!(USART_SR & 1u << 7))
        ;
    USART_DR = (uint8_t)c;
}

void wdt_start(void)
{
    IWDG_KR = 0xCCCC;
    IWDG_KR = 0x5555;
    IWDG_PR = 4;    /* 40 kHz by 64 */
    IWDG_RLR = 625;
    IWDG_KR = 0xAAAA;
}

void wdt_feed(void)
{
    IWDG_KR = 0xAAAA;
}

void flash_unlock(void)
{
    if (FLASH_CR & CR_LOCK) {
        FLASH_KEYR = 0x45670123u;
        FLASH_KEYR = 0xCDEF89ABu;
    }
}

void flash_lock(void)
{
    FLASH_CR = CR_LOCK;
}

static bool finish(void)
{
    while (FLASH_SR & SR_BSY)
        ;
    uint32_t status = FLASH_SR;
    FLASH_SR = SR_EOP | SR_ERRORS;
    FLASH_CR = 0;
    return !(status & SR_ERRORS);
}

bool flash_erase(uint32_t address)
{
    FLASH_CR = CR_PER;
    FLASH_AR = address;
    FLASH_CR = CR_PER | CR_STRT;
    return finish();
}

bool flash_program(uint32_t address, const void *unit)
{
    FLASH_CR = CR_PG;
    *(volatile uint16_t *)address = *(const uint16_t *)unit;
    return finish();
}
