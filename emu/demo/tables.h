/* SPDX-License-Identifier: Apache-2.0
 *
 * Constant tables, worked out by the compiler from the formulas in tables.c.
 */
#ifndef TABLES_H
#define TABLES_H

#include <stdint.h>

/* CRC-16/CCITT-FALSE: polynomial 0x1021, most significant bit first. */
extern const uint16_t crc16_table[256];

/* Temperature in 0.01 degC at ADC codes 0, 4, 8 .. 4096, clamped to -55..125 degC, the thermistor's rating. */
#define TEMPERATURE_STEP 4u
extern const int16_t temperature_table[1025];

#if VERSION >= 2
/* Gain in 1/16384 from sensed to true humidity, at -40.0, -39.5 .. 87.5 degC. */
#define HUMIDITY_GAIN_ONE          16384u
#define HUMIDITY_GAIN_COUNT        256
#define HUMIDITY_GAIN_FIRST_CDEGC  (-4000)
#define HUMIDITY_GAIN_STEP_CDEGC   50
extern const uint16_t humidity_gain_table[HUMIDITY_GAIN_COUNT];
#endif

#endif
