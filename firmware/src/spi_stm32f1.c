/* SPI1 of the STM32F103: SCK PA5, MISO PA6, MOSI PA7; the chip is selected by PA4. */
#include "spi.h"

#define RCC_APB2ENR REG(0x40021018u)
#define GPIOA_CRL REG(0x40010800u)
#define SPI_CR1 REG(0x40013000u)
#define SPI_SR REG(0x40013008u)
#define SPI_DR REG(0x4001300Cu)

#define SR_RXNE (1u << 0)
#define SR_TXE (1u << 1)

void spi_init(void)
{
    RCC_APB2ENR |= 1u << 12 | 1u << 2; /* SPI1, GPIOA */
    SELECT_HIGH();
    GPIOA_CRL = (GPIOA_CRL & ~0xFFFF0000u) | 0xB4B30000u; /* PA4 an output, the others SPI1's */
    SPI_CR1 = 1u << 9 | 1u << 8 | 1u << 6 | 1u << 2;      /* SSM, SSI, SPE, MSTR: 4 MHz of 8 */
}

void spi_transfer(const void *out, void *in, uint32_t length)
{
    const uint8_t *from = out;
    uint8_t *to = in;
    while (length--) {
        while (!(SPI_SR & SR_TXE))
            ;
        SPI_DR = from ? *from++ : 0xFFu;
        while (!(SPI_SR & SR_RXNE))
            ;
        uint8_t byte = (uint8_t)SPI_DR;
        if (to) {
            *to++ = byte;
        }
    }
}
