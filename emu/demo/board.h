/* SPDX-License-Identifier: Apache-2.0
 *
 * The weather node's board: every address the demo firmware touches, and nothing else. The peripherals are
 * invented, so that an emulated core can serve them in a few lines; SysTick and VTOR are those of ARMv7-M.
 */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* R: latest 12-bit code, 0..4095, ratiometric to the sensor supply. */
#define ADC_TEMPERATURE REGISTER(0x40001000u)
#define ADC_HUMIDITY    REGISTER(0x40001004u)
#define ADC_CODE_MAX    4095u

/* R: anemometer pulses since the last read; reading clears the counter. */
#define WIND_PULSES REGISTER(0x40001008u)

/* R: reading restarts the countdown; the value is what was left of it, in ms. Runs from reset, cannot be stopped. */
#define WATCHDOG_FEED REGISTER(0x40002000u)

/* The UART leads to the radio modem. DATA: write sends a byte, read takes the received one. */
#define UART_STATUS           REGISTER(0x40003000u)
#define UART_STATUS_TX_READY  (1u << 0)
#define UART_STATUS_RX_FULL   (1u << 1)
#define UART_STATUS_LINK_UP   (1u << 2)
#define UART_DATA             REGISTER(0x40003004u)

/* W: COMMIT_MAGIC tells the bootloader to keep this image; without it the next reset reverts to the old one. */
#define COMMIT_MAILBOX REGISTER(0x50000000u)
#define COMMIT_MAGIC   0x434F4D54u /* "COMT" */

#define SYSTICK_CONTROL            REGISTER(0xE000E010u)
#define SYSTICK_CONTROL_ENABLE     (1u << 0)
#define SYSTICK_CONTROL_CORE_CLOCK (1u << 2)
#define SYSTICK_CONTROL_EXPIRED    (1u << 16) /* cleared by reading the register */
#define SYSTICK_RELOAD             REGISTER(0xE000E014u)
#define SYSTICK_CURRENT            REGISTER(0xE000E018u)
#define VECTOR_TABLE_OFFSET        REGISTER(0xE000ED08u)

#define CORE_CLOCK_HZ 8000000u

#endif
