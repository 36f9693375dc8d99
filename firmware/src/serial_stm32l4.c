/* STM32L476: USART1, byte by byte. */
#include "port.h"
#include "serial.h"

#define USART_CR1 REG(0x40013800u)
#define USART_ISR REG(0x4001381Cu)
#define USART_ICR REG(0x40013820u)
#define USART_RDR REG(0x40013824u)
#define NVIC_ISER1 REG(0xE000E104u)
#define NVIC_ICER1 REG(0xE000E184u)

#define IRQ 37u
#define ISR_RXNE (1u << 5)
#define ISR_ORE (1u << 3)
#define CR1_RE (1u << 2)
#define CR1_RXNEIE (1u << 5)

void serial_start(void)
{
    USART_CR1 |= CR1_RE | CR1_RXNEIE;
    NVIC_ISER1 = 1u << (IRQ - 32u);
    ticks_start();
}

void serial_stop(void)
{
    NVIC_ICER1 = 1u << (IRQ - 32u);
    USART_CR1 &= ~(CR1_RE | CR1_RXNEIE);
    ticks_stop();
}

void serial_put(uint8_t byte)
{
    uart_putc((char)byte);
}

uint32_t serial_read(uint8_t *to, uint32_t length, uint32_t tenths)
{
    for (uint32_t count = 0; count < length; count++) {
        while (!(USART_ISR & ISR_RXNE)) {
            USART_ICR = ISR_ORE; /* or it would be pending for ever; the checksum finds what was lost */
            if (sleep_until_tick(IRQ) && tenths-- == 0) {
                return count;
            }
        }
        to[count] = (uint8_t)USART_RDR;
    }
    return length;
}
