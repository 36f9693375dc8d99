/* An SPI with one chip on it. One spi_*.c for each microcontroller. */
#ifndef SPI_H
#define SPI_H

#include <stdint.h>

#include "port.h"

/* SELECT_LOW, SELECT_HIGH: the pin that selects the chip, in one store. */
#if defined(CHIP_STM32F1)
#define SELECT_LOW() (REG(0x40010814u) = 1u << 4) /* PA4 */
#define SELECT_HIGH() (REG(0x40010810u) = 1u << 4)
#elif defined(CHIP_STM32L4)
#define SELECT_LOW() (REG(0x48000028u) = 1u << 4) /* PA4 */
#define SELECT_HIGH() (REG(0x48000018u) = 1u << 4)
#elif defined(CHIP_NRF52840)
#define SELECT_LOW() (REG(0x5000050Cu) = 1u << 17) /* P0.17 */
#define SELECT_HIGH() (REG(0x50000508u) = 1u << 17)
#endif

void spi_init(void);
void spi_transfer(const void *out, void *in, uint32_t length); /* out 0: ones are sent; in 0: what comes is dropped */

#endif
