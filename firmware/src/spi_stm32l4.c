/* SPI1 of the STM32L476: SCK PA5, MISO PA6, MOSI PA7; the chip is selected by PA4. */
#include "spi.h"

#define RCC_AHB2ENR REG(0x4002104Cu)
#define RCC_APB2ENR REG(0x40021060u)
#define GPIOA_MODER REG(0x48000000u)
#define GPIOA_AFRL REG(0x48000020u)
#define SPI_CR1 REG(0x40013000u)
#define SPI_CR2 REG(0x40013004u)
#define SPI_SR REG(0x40013008u)
#define SPI_DR8 (*(volatile uint8_t *)0x4001300Cu)

#define SR_RXNE (1u << 0)
#define SR_TXE (1u << 1)

void spi_init(void)
{
    RCC_AHB2ENR |= 1u << 0;  /* GPIOA */
    RCC_APB2ENR |= 1u << 12; /* SPI1 */
    SELECT_HIGH();
    GPIOA_AFRL = (GPIOA_AFRL & ~0xFFF00000u) | 0x55500000u;
    GPIOA_MODER = (GPIOA_MODER & ~0xFF00u) | 0xA900u; /* PA4 an output, the others SPI1's */
    SPI_CR2 = 1u << 12 | 7u << 8;                     /* RXNE at every byte, frames of 8 bits */
    SPI_CR1 = 1u << 9 | 1u << 8 | 1u << 6 | 1u << 2;  /* SSM, SSI, SPE, MSTR: 2 MHz of 4 */
}

void spi_transfer(const void *out, void *in, uint32_t length)
{
    const uint8_t *from = out;
    uint8_t *to = in;
    while (length--) {
        while (!(SPI_SR & SR_TXE))
            ;
        SPI_DR8 = from ? *from++ : 0xFFu;
        while (!(SPI_SR & SR_RXNE))
            ;
        uint8_t byte = SPI_DR8;
        if (to) {
            *to++ = byte;
        }
    }
}
