/* STM32F405: words, sectors of three sizes. */
#include "port.h"

#define RCC_AHB1ENR REG(0x40023830u)
#define RCC_APB2ENR REG(0x40023844u)
#define GPIOA_MODER REG(0x40020000u)
#define GPIOA_AFRH REG(0x40020024u)
#define USART_SR REG(0x40011000u)
#define USART_DR REG(0x40011004u)
#define USART_BRR REG(0x40011008u)
#define USART_CR1 REG(0x4001100Cu)
#define IWDG_KR REG(0x40003000u)
#define IWDG_PR REG(0x40003004u)
#define IWDG_RLR REG(0x40003008u)
#define FLASH_KEYR REG(0x40023C04u)
#define FLASH_SR REG(0x40023C0Cu)
#define FLASH_CR REG(0x40023C10u)

#define SR_BSY (1u << 16)
#define SR_ERRORS 0xF2u
#define CR_PG (1u << 0)
#define CR_SER (1u << 1)
#define CR_X32 (2u << 8)
#define CR_STRT (1u << 16)
#define CR_LOCK (1u << 31)

void port_init(void)
{
    RCC_AHB1ENR |= 1u << 0;
    RCC_APB2ENR |= 1u << 4;
    GPIOA_MODER = (GPIOA_MODER & ~(3u << 18)) | 2u << 18; /* PA9: alternate function 7 */
    GPIOA_AFRH = (GPIOA_AFRH & ~0xF0u) | 0x70u;
    USART_BRR = 139; /* 115200 at 16 MHz */
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
    IWDG_PR = 4;
    IWDG_RLR = 500;
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
    FLASH_SR = SR_ERRORS | 1u;
    FLASH_CR = CR_X32;
    return !(status & SR_ERRORS);
}

static uint32_t sector_of(uint32_t address)
{
    uint32_t offset = address - 0x08000000u;
    return offset < 0x10000u ? offset >> 14 : offset < 0x20000u ? 4u : 4u + (offset >> 17);
}

bool flash_erase(uint32_t address)
{
    FLASH_CR = CR_SER | CR_X32 | sector_of(address) << 3;
    FLASH_CR |= CR_STRT;
    return finish();
}

bool flash_program(uint32_t address, const void *unit)
{
    FLASH_CR = CR_PG | CR_X32;
    *(volatile uint32_t *)address = *(const uint32_t *)unit;
    return finish();
}
