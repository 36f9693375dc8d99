/* SPDX-License-Identifier: Apache-2.0
 *
 * The formulas stand here instead of generated numbers: the compiler folds them (its arithmetic is exact to the
 * last bit on every host), so no table can drift from its definition and no float code reaches the image.
 */
#include "tables.h"

#define ENTRIES_4(entry, i)    entry(i), entry((i) + 1), entry((i) + 2), entry((i) + 3)
#define ENTRIES_16(entry, i)   ENTRIES_4(entry, i), ENTRIES_4(entry, (i) + 4), \
                               ENTRIES_4(entry, (i) + 8), ENTRIES_4(entry, (i) + 12)
#define ENTRIES_64(entry, i)   ENTRIES_16(entry, i), ENTRIES_16(entry, (i) + 16), \
                               ENTRIES_16(entry, (i) + 32), ENTRIES_16(entry, (i) + 48)
#define ENTRIES_256(entry, i)  ENTRIES_64(entry, i), ENTRIES_64(entry, (i) + 64), \
                               ENTRIES_64(entry, (i) + 128), ENTRIES_64(entry, (i) + 192)

/* The CRC is linear: the entry of a byte is the XOR of the entries of its bits. */
#define CRC_BIT(i, bit, crc) (((i) >> (bit) & 1) ? (crc) : 0)
#define CRC(i) (CRC_BIT(i, 0, 0x1021) ^ CRC_BIT(i, 1, 0x2042) ^ CRC_BIT(i, 2, 0x4084) ^ CRC_BIT(i, 3, 0x8108) ^ \
                CRC_BIT(i, 4, 0x1231) ^ CRC_BIT(i, 5, 0x2462) ^ CRC_BIT(i, 6, 0x48C4) ^ CRC_BIT(i, 7, 0x9188))

const uint16_t crc16_table[256] = {ENTRIES_256(CRC, 0)};

/* A 10 kohm thermistor, B = 3950 K, to ground under a 10 kohm pull-up: R / R25 = code / (4096 - code).
 * Steps of four codes, because near -40 degC one code is already 0.14 degC and the curve bends fast. */
#define KELVIN(i) (1.0 / (1.0 / 298.15 + __builtin_log((i) / (1024.0 - (i))) / 3950.0))
#define CDEGC_MIN (-5500)
#define CDEGC_MAX 12500
/* Rounded above zero and shifted back, since a cast to int truncates towards zero. */
#define CDEGC_UNCLAMPED(i) ((int)(KELVIN(i) * 100.0 + 0.5) - 27315)
#define CDEGC(i) (CDEGC_UNCLAMPED(i) > CDEGC_MAX ? CDEGC_MAX \
                  : CDEGC_UNCLAMPED(i) < CDEGC_MIN ? CDEGC_MIN : CDEGC_UNCLAMPED(i))
/* The logarithm has no value at code 0. */
#define TEMPERATURE(i) ((i) == 0 ? CDEGC_MAX : CDEGC((i) == 0 ? 1 : (i)))

const int16_t temperature_table[1025] = {
    ENTRIES_256(TEMPERATURE, 0), ENTRIES_256(TEMPERATURE, 256),
    ENTRIES_256(TEMPERATURE, 512), ENTRIES_256(TEMPERATURE, 768), CDEGC_MIN,
};

#if VERSION >= 2
/* Honeywell HIH-4000 data sheet: true RH = sensor RH / (1.0546 - 0.00216 T). A table rather than the division,
 * so that a batch measured in the climate chamber can bring its own. */
#define HUMIDITY_GAIN(i) \
    ((int)(HUMIDITY_GAIN_ONE / (1.0546 - 0.00216 * \
           (HUMIDITY_GAIN_FIRST_CDEGC + HUMIDITY_GAIN_STEP_CDEGC * (i)) / 100.0) + 0.5))

const uint16_t humidity_gain_table[HUMIDITY_GAIN_COUNT] = {ENTRIES_256(HUMIDITY_GAIN, 0)};
#endif
