/* STM32G071: double words with error correction, 2 KiB pages. CFGBSY must be down before CR is touched. */
#include "port.h"

#define RCC_IOPENR REG(0x40021034u)
#define RCC_APBENR2 REG(0x40021040u)
#define GPIOA_MODER REG(0x50000000u)
#define GPIOA_AFRH REG(0x50000024u)
#define USART_CR1 REG(0x40013800u)
#define USART_BRR REG(0x4001380Cu)
#define USART_ISR REG(0x4001381Cu)
#define USART_TDR REG(0x40013828u)
#define IWDG_KR REG(0x40003000u)
#define IWDG_PR REG(0x40003004u)
#define IWDG_RLR REG(0x40003008u)
#define FLASH_KEYR REG(0x40022008u)
#define FLASH_SR REG(0x40022010u)
#define FLASH_CR REG(0x40022014u)
#define FLASH_ECCR REG(0x40022018u)

#define SR_BSY (1u << 16 | 1u << 18) /* BSY1, CFGBSY */
#define SR_ERRORS 0xC3FAu
#define CR_PG (1u << 0)
#define CR_PER (1u << 1)
#define CR_STRT (1u << 16)
#define CR_LOCK (1u << 31)
#define ECCR_ECCD (1u << 31)

void port_init(void)
{
    RCC_IOPENR |= 1u << 0;
    RCC_APBENR2 |= 1u << 14;
    GPIOA_MODER = (GPIOA_MODER & ~(3u << 18)) | 2u << 18; /* PA9: alternate function 1 */
    GPIOA_AFRH = (GPIOA_AFRH & ~0xF0u) | 0x10u;
    USART_BRR = 139; /* 115200 at 16 MHz */
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
    IWDG_PR = 4;
    IWDG_RLR = 500;
    IWDG_KR = 0xAAAA;
}

void wdt_feed(void)
{
    IWDG_KR = 0xAAAA;
}

/* Behind the stack. Nobody sets it to anything: only differences mean something. */
extern volatile uint32_t fault_count;

/* A double word that a power cut has torn raises NMI when it is read, also in an application that has called the
 * bootloader. Whoever read it asks for the count; here it must only not stop. */
void nmi_handler(void)
{
    FLASH_ECCR = FLASH_ECCR | ECCR_ECCD;
    fault_count++;
}

uint32_t flash_faults(void)
{
    __asm volatile("dsb" : : : "memory");
    return fault_count;
}

void flash_unlock(void)
{
    if (FLASH_CR & CR_LOCK) {
        FLASH_KEYR = 0x45670123u;
        FLASH_KEYR = 0xCDEF89ABu;
    }
    FLASH_SR = SR_ERRORS;
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
    FLASH_CR = 0;
    return !(status & SR_ERRORS);
}

bool flash_erase(uint32_t address)
{
    FLASH_CR = CR_PER | (address - 0x08000000u) >> 11 << 3;
    FLASH_CR |= CR_STRT;
    return finish();
}

bool flash_program(uint32_t address, const void *unit)
{
    const uint32_t *words = unit;
    FLASH_CR = CR_PG;
    *(volatile uint32_t *)address = words[0];
    *(volatile uint32_t *)(address + 4) = words[1];
    return finish();
}
