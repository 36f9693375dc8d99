/* I2C1 of the STM32L476: SCL PB6, SDA PB7. */
#include "i2c.h"

#include "port.h"

#define RCC_AHB2ENR REG(0x4002104Cu)
#define RCC_APB1ENR1 REG(0x40021058u)
#define GPIOB_MODER REG(0x48000400u)
#define GPIOB_OTYPER REG(0x48000404u)
#define GPIOB_AFRL REG(0x48000420u)
#define I2C_CR1 REG(0x40005400u)
#define I2C_CR2 REG(0x40005404u)
#define I2C_TIMINGR REG(0x40005410u)
#define I2C_ISR REG(0x40005418u)
#define I2C_ICR REG(0x4000541Cu)
#define I2C_RXDR REG(0x40005424u)
#define I2C_TXDR REG(0x40005428u)

#define CR2_READ (1u << 10)
#define CR2_START (1u << 13)
#define CR2_STOP (1u << 14)
#define CR2_AUTOEND (1u << 25)
#define ISR_TXIS (1u << 1)
#define ISR_RXNE (1u << 2)
#define ISR_NACKF (1u << 4)
#define ISR_STOPF (1u << 5)
#define ISR_TC (1u << 6)

void i2c_init(void)
{
    RCC_AHB2ENR |= 1u << 1;   /* GPIOB */
    RCC_APB1ENR1 |= 1u << 21; /* I2C1 */
    GPIOB_OTYPER |= 3u << 6;
    GPIOB_AFRL = (GPIOB_AFRL & ~0xFF000000u) | 0x44000000u;
    GPIOB_MODER = (GPIOB_MODER & ~0xF000u) | 0xA000u;
    I2C_TIMINGR = 0x00000E14u; /* 100 kHz of 4 MHz */
    I2C_CR1 = 1;
}

static bool end(void)
{
    while (!(I2C_ISR & ISR_STOPF))
        ;
    bool is_refused = I2C_ISR & ISR_NACKF;
    I2C_ICR = ISR_STOPF | ISR_NACKF;
    return !is_refused;
}

/* All bytes; until the stop, or the end of the count where there is to be none. */
static bool send(uint32_t control, const uint8_t *data, uint32_t length)
{
    I2C_CR2 = control | length << 16 | CR2_START;
    while (length--) {
        uint32_t status;
        do {
            status = I2C_ISR;
        } while (!(status & (ISR_TXIS | ISR_NACKF)));
        if (status & ISR_NACKF) {
            if (!(control & CR2_AUTOEND)) {
                I2C_CR2 |= CR2_STOP;
            }
            return end();
        }
        I2C_TXDR = *data++;
    }
    return true;
}

bool i2c_write(uint8_t device, const uint8_t *data, uint32_t length)
{
    return send((uint32_t)device << 1 | CR2_AUTOEND, data, length) && end();
}

bool i2c_read(uint8_t device, const uint8_t *head, uint32_t head_length, uint8_t *data, uint32_t length)
{
    if (!send((uint32_t)device << 1, head, head_length)) {
        return false;
    }
    while (!(I2C_ISR & ISR_TC))
        ;
    I2C_CR2 = (uint32_t)device << 1 | length << 16 | CR2_READ | CR2_AUTOEND | CR2_START;
    while (length--) {
        uint32_t status;
        do {
            status = I2C_ISR;
        } while (!(status & (ISR_RXNE | ISR_NACKF)));
        if (status & ISR_NACKF) {
            return end();
        }
        *data++ = (uint8_t)I2C_RXDR;
    }
    return end();
}
