/* I2C1 of the STM32F103: SCL PB6, SDA PB7. */
#include "i2c.h"

#include "port.h"

#define RCC_APB2ENR REG(0x40021018u)
#define RCC_APB1ENR REG(0x4002101Cu)
#define GPIOB_CRL REG(0x40010C00u)
#define I2C_CR1 REG(0x40005400u)
#define I2C_CR2 REG(0x40005404u)
#define I2C_DR REG(0x40005410u)
#define I2C_SR1 REG(0x40005414u)
#define I2C_SR2 REG(0x40005418u)
#define I2C_CCR REG(0x4000541Cu)
#define I2C_TRISE REG(0x40005420u)

#define CR1_PE (1u << 0)
#define CR1_START (1u << 8)
#define CR1_STOP (1u << 9)
#define CR1_ACK (1u << 10)
#define SR1_SB (1u << 0)
#define SR1_ADDR (1u << 1)
#define SR1_BTF (1u << 2)
#define SR1_RXNE (1u << 6)
#define SR1_AF (1u << 10)

void i2c_init(void)
{
    RCC_APB2ENR |= 1u << 3;  /* GPIOB */
    RCC_APB1ENR |= 1u << 21; /* I2C1 */
    GPIOB_CRL = (GPIOB_CRL & ~0xFF000000u) | 0xFF000000u; /* both I2C1's, open drain */
    I2C_CR1 = 0;
    I2C_CR2 = 8;   /* MHz */
    I2C_CCR = 40;  /* 100 kHz */
    I2C_TRISE = 9;
    I2C_CR1 = CR1_PE;
}

static bool stop_after_refusal(void)
{
    I2C_SR1 = ~SR1_AF;
    I2C_CR1 |= CR1_STOP;
    return false;
}

static bool start(uint8_t device, uint32_t reads)
{
    I2C_CR1 |= CR1_START;
    while (!(I2C_SR1 & SR1_SB))
        ;
    I2C_DR = (uint32_t)device << 1 | reads;
    uint32_t status;
    do {
        status = I2C_SR1;
    } while (!(status & (SR1_ADDR | SR1_AF)));
    return !(status & SR1_AF) || stop_after_refusal();
}

static bool send(const uint8_t *data, uint32_t length)
{
    (void)I2C_SR1;
    (void)I2C_SR2; /* clears ADDR */
    while (length--) {
        I2C_DR = *data++;
        uint32_t status;
        do {
            status = I2C_SR1;
        } while (!(status & (SR1_BTF | SR1_AF)));
        if (status & SR1_AF) {
            return stop_after_refusal();
        }
    }
    return true;
}

bool i2c_write(uint8_t device, const uint8_t *data, uint32_t length)
{
    if (!start(device, 0) || !send(data, length)) {
        return false;
    }
    I2C_CR1 |= CR1_STOP;
    return true;
}

bool i2c_read(uint8_t device, const uint8_t *head, uint32_t head_length, uint8_t *data, uint32_t length)
{
    if (!start(device, 0) || !send(head, head_length)) {
        return false;
    }
    I2C_CR1 |= CR1_ACK;
    if (!start(device, 1)) {
        return false;
    }
    if (length == 1) {
        I2C_CR1 &= ~CR1_ACK;
    }
    (void)I2C_SR1;
    (void)I2C_SR2;
    if (length == 1) {
        I2C_CR1 |= CR1_STOP;
    }
    while (length) {
        while (!(I2C_SR1 & SR1_RXNE))
            ;
        *data++ = (uint8_t)I2C_DR;
        if (--length == 1) { /* the last one is not acknowledged */
            I2C_CR1 &= ~CR1_ACK;
            I2C_CR1 |= CR1_STOP;
        }
    }
    return true;
}
