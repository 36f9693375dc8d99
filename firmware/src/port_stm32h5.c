/* STM32H563 without TrustZone: quad words with error correction, 8 KiB sectors. Slot B stands in bank 2. */
#include "port.h"

#define RCC_AHB2ENR REG(0x44020C8Cu)
#define RCC_APB2ENR REG(0x44020CA4u)
#define GPIOA_MODER REG(0x42020000u)
#define GPIOA_AFRH REG(0x42020024u)
#define USART_CR1 REG(0x40013800u)
#define USART_BRR REG(0x4001380Cu)
#define USART_ISR REG(0x4001381Cu)
#define USART_TDR REG(0x40013828u)
#define IWDG_KR REG(0x40003000u)
#define IWDG_PR REG(0x40003004u)
#define IWDG_RLR REG(0x40003008u)
#define FLASH_NSKEYR REG(0x40022004u)
#define FLASH_NSSR REG(0x40022020u)
#define FLASH_NSCR REG(0x40022028u)
#define FLASH_NSCCR REG(0x40022030u)
#define FLASH_ECCDETR REG(0x40022104u)

#define SR_BUSY (1u << 0 | 1u << 1 | 1u << 3) /* BSY, WBNE, DBNE */
#define SR_EOP (1u << 16)
#define SR_ERRORS (0x7Fu << 17)
#define CR_LOCK (1u << 0)
#define CR_PG (1u << 1)
#define CR_SER (1u << 2)
#define CR_START (1u << 5)
#define CR_BKSEL (1u << 31)
#define ECCDETR_ECCD (1u << 31)
#define BANK_SIZE 0x100000u

void port_init(void)
{
    RCC_AHB2ENR |= 1u << 0;
    RCC_APB2ENR |= 1u << 14;
    GPIOA_MODER = (GPIOA_MODER & ~(3u << 18)) | 2u << 18; /* PA9: alternate function 7 */
    GPIOA_AFRH = (GPIOA_AFRH & ~0xF0u) | 0x70u;
    USART_BRR = 278; /* 115200 at 32 MHz */
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

/* A quad word that a power cut has torn raises NMI when it is read, also in an application that has called the
 * bootloader. Whoever read it asks for the count; here it must only not stop. */
void nmi_handler(void)
{
    FLASH_ECCDETR = ECCDETR_ECCD;
    fault_count++;
}

uint32_t flash_faults(void)
{
    __asm volatile("dsb" : : : "memory");
    return fault_count;
}

void flash_unlock(void)
{
    if (FLASH_NSCR & CR_LOCK) {
        FLASH_NSKEYR = 0x45670123u;
        FLASH_NSKEYR = 0xCDEF89ABu;
    }
    FLASH_NSCCR = SR_EOP | SR_ERRORS;
}

void flash_lock(void)
{
    FLASH_NSCR = CR_LOCK;
}

static bool finish(void)
{
    while (FLASH_NSSR & SR_BUSY)
        ;
    uint32_t status = FLASH_NSSR;
    FLASH_NSCCR = SR_EOP | SR_ERRORS;
    FLASH_NSCR = 0;
    return !(status & SR_ERRORS);
}

bool flash_erase(uint32_t address)
{
    uint32_t offset = address - 0x08000000u;
    FLASH_NSCR = CR_SER | offset % BANK_SIZE / PAGE << 6 | (offset < BANK_SIZE ? 0 : CR_BKSEL);
    FLASH_NSCR |= CR_START;
    return finish();
}

bool flash_program(uint32_t address, const void *unit)
{
    const uint32_t *words = unit;
    FLASH_NSCR = CR_PG;
    for (uint32_t at = 0; at < UNIT / 4; at++) {
        ((volatile uint32_t *)address)[at] = words[at];
    }
    return finish();
}
