/* An I2C. One i2c_*.c for each microcontroller. Both return whether everything was acknowledged. */
#ifndef I2C_H
#define I2C_H

#include <stdbool.h>
#include <stdint.h>

void i2c_init(void);
bool i2c_write(uint8_t device, const uint8_t *data, uint32_t length);
bool i2c_read(uint8_t device, const uint8_t *head, uint32_t head_length, uint8_t *data, uint32_t length);

#endif
