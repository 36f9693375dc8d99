/* SPDX-License-Identifier: Apache-2.0
 *
 * A pole-mounted weather node: once a second it reads temperature, humidity and wind, smooths them, keeps them in
 * a ring, and reports them in CRC-16 frames whenever the radio link is up.
 *
 * Version 2 rejects outliers before the filter and corrects humidity for temperature.
 *
 * Frame: 0xA5, length, version, node id, sequence (2), readings lost, [version 2: samples rejected],
 * readings (temperature, humidity, wind: 2 bytes each), CRC-16 of length and all it covers. Little-endian.
 */
#include <stdbool.h>

#include "board.h"
#include "tables.h"

#if VERSION != 1 && VERSION != 2
#error "compile with -DVERSION=1 or -DVERSION=2"
#endif

enum { TEMPERATURE, HUMIDITY, WIND, CHANNELS };

typedef struct {
    int16_t value[CHANNELS]; /* 0.01 degC, 0.01 % RH, cm/s */
} reading;

#define RING_SIZE         32u /* a power of two: positions run freely and are masked */
#define READINGS_PER_FRAME 8u /* keeps a frame inside one 64-byte radio packet */
#define FRAME_SYNC        0xA5u
#define WIND_CMPS_PER_PULSE 101 /* Davis 6410: 2.25 mph per pulse per second */
#define WIND_CMPS_MAX     8000

/* Adjustable over the downlink, hence in RAM with initial values in flash. */
static struct {
    uint8_t node_id;
    uint8_t report_period_s;
    uint8_t filter_shift[CHANNELS]; /* weight of a new sample: 2^-shift */
#if VERSION >= 2
    int16_t outlier_limit[CHANNELS]; /* largest believable distance from the median, in the reading's unit */
#endif
} settings = {
    .node_id = 17,
    .report_period_s = 8,
    .filter_shift = {3, 3, 1},
#if VERSION >= 2
    .outlier_limit = {300, 1000, 2500},
#endif
};

static struct {
    reading at[RING_SIZE];
    uint32_t head, tail;
    uint8_t lost; /* since the last frame; stays at 255 */
} ring;

static int32_t filter_state_q8[CHANNELS];
static uint16_t frame_crc, frame_sequence;

static int32_t clamp(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

static void count_up(uint8_t *counter)
{
    if (*counter < UINT8_MAX)
        ++*counter;
}

#if VERSION >= 2
#define MEDIAN_WINDOW 5u

static int16_t recent[CHANNELS][MEDIAN_WINDOW];
static uint8_t rejected; /* since the last frame; stays at 255 */

static int16_t median(const int16_t *window)
{
    int16_t sorted[MEDIAN_WINDOW];
    for (uint32_t filled = 0; filled < MEDIAN_WINDOW; filled++) {
        uint32_t slot = filled;
        for (; slot > 0 && sorted[slot - 1] > window[filled]; slot--)
            sorted[slot] = sorted[slot - 1];
        sorted[slot] = window[filled];
    }
    return sorted[MEDIAN_WINDOW / 2];
}

/* A rejected sample still enters the window: three alike in a row move the median, so a true step gets through. */
static void reject_outliers(reading *sample, bool first)
{
    static uint32_t oldest;
    for (uint32_t channel = 0; channel < CHANNELS; channel++) {
        int16_t *window = recent[channel];
        int16_t value = sample->value[channel];
        for (uint32_t i = 0; first && i < MEDIAN_WINDOW; i++)
            window[i] = value;
        window[oldest] = value;
        int16_t middle = median(window);
        int32_t distance = value > middle ? value - middle : middle - value;
        if (distance > settings.outlier_limit[channel]) {
            sample->value[channel] = middle;
            count_up(&rejected);
        }
    }
    oldest = (oldest + 1) % MEDIAN_WINDOW;
}

static int32_t true_humidity(int32_t sensed, int32_t temperature_cdegc)
{
    int32_t row = (temperature_cdegc - HUMIDITY_GAIN_FIRST_CDEGC) / HUMIDITY_GAIN_STEP_CDEGC;
    return sensed * humidity_gain_table[clamp(row, 0, HUMIDITY_GAIN_COUNT - 1)] / (int32_t)HUMIDITY_GAIN_ONE;
}
#endif

static int32_t temperature_cdegc(uint32_t code)
{
    const int16_t *left = &temperature_table[code / TEMPERATURE_STEP];
    return left[0] + (left[1] - left[0]) * (int32_t)(code % TEMPERATURE_STEP) / (int32_t)TEMPERATURE_STEP;
}

/* Honeywell HIH-4000 data sheet: V = Vsupply (0.0062 RH + 0.16). In 0.01 % RH: (code / 4096 - 0.16) / 0.000062,
 * hence -2581..13544. */
static int32_t humidity_sensed(uint32_t code)
{
    return ((int32_t)code * 16129 - 10570323) / 4096;
}

/* Takes one sample; false if a sensor reads as open or shorted. */
static bool take_sample(reading *sample)
{
    uint32_t temperature_code = ADC_TEMPERATURE & ADC_CODE_MAX;
    uint32_t humidity_code = ADC_HUMIDITY & ADC_CODE_MAX;
    uint32_t pulses = WIND_PULSES;
    sample->value[TEMPERATURE] = (int16_t)temperature_cdegc(temperature_code);
    sample->value[HUMIDITY] = (int16_t)humidity_sensed(humidity_code);
    sample->value[WIND] = pulses > WIND_CMPS_MAX / WIND_CMPS_PER_PULSE ? WIND_CMPS_MAX
                                                                       : (int16_t)(pulses * WIND_CMPS_PER_PULSE);
    return temperature_code != 0 && temperature_code != ADC_CODE_MAX && humidity_code != 0 &&
           humidity_code != ADC_CODE_MAX;
}

/* Comes after outlier rejection, or a spike in temperature would show up in humidity. Clamps last: in the cold the
 * sensor reads well above 100 % in saturated air. */
static void finish_humidity(reading *sample)
{
    int32_t humidity = sample->value[HUMIDITY];
#if VERSION >= 2
    humidity = true_humidity(humidity, sample->value[TEMPERATURE]);
#endif
    sample->value[HUMIDITY] = (int16_t)clamp(humidity, 0, 10000);
}

static void smooth(reading *sample, bool first)
{
    for (uint32_t channel = 0; channel < CHANNELS; channel++) {
        int32_t target_q8 = sample->value[channel] * 256;
        int32_t *state_q8 = &filter_state_q8[channel];
        *state_q8 = first ? target_q8 : *state_q8 + ((target_q8 - *state_q8) >> settings.filter_shift[channel]);
        sample->value[channel] = (int16_t)((*state_q8 + 128) >> 8);
    }
}

/* Old weather is worth less than new: a full ring gives up its oldest reading. */
static void ring_push(const reading *sample)
{
    if (ring.head - ring.tail == RING_SIZE) {
        ring.tail++;
        count_up(&ring.lost);
    }
    reading *place = &ring.at[ring.head++ % RING_SIZE];
    for (uint32_t channel = 0; channel < CHANNELS; channel++)
        place->value[channel] = sample->value[channel];
}

/* A modem that never gets ready holds us here unfed, and the watchdog ends it. */
static void send(uint32_t byte)
{
    while (!(UART_STATUS & UART_STATUS_TX_READY)) {
    }
    UART_DATA = byte & 0xFFu;
    frame_crc = (uint16_t)(frame_crc << 8 ^ crc16_table[(frame_crc >> 8 ^ byte) & 0xFFu]);
}

static void send_u16(uint32_t value)
{
    send(value);
    send(value >> 8);
}

static void send_frame(void)
{
    uint32_t waiting = ring.head - ring.tail;
    uint32_t count = waiting < READINGS_PER_FRAME ? waiting : READINGS_PER_FRAME;
    uint32_t head_size = VERSION >= 2 ? 6 : 5;

    send(FRAME_SYNC);
    frame_crc = 0xFFFF;
    send(head_size + count * sizeof(reading));
    send(VERSION);
    send(settings.node_id);
    send_u16(frame_sequence++);
    send(ring.lost);
    ring.lost = 0;
#if VERSION >= 2
    send(rejected);
    rejected = 0;
#endif
    for (; count > 0; count--) {
        const reading *oldest = &ring.at[ring.tail++ % RING_SIZE];
        for (uint32_t channel = 0; channel < CHANNELS; channel++)
            send_u16((uint16_t)oldest->value[channel]);
    }
    send_u16(frame_crc);
}

/* One byte is one command: the new report period in seconds, 1..RING_SIZE. Anything else is line noise. */
static void obey_downlink(void)
{
    if (!(UART_STATUS & UART_STATUS_RX_FULL))
        return;
    uint32_t period_s = UART_DATA & 0xFFu;
    if (period_s >= 1 && period_s <= RING_SIZE)
        settings.report_period_s = (uint8_t)period_s;
}

static void commit(void)
{
    COMMIT_MAILBOX = COMMIT_MAGIC;
}

_Noreturn void main(void)
{
    bool first = true, committed = false;
    uint32_t since_report_s = 0;

    SYSTICK_RELOAD = CORE_CLOCK_HZ - 1;
    SYSTICK_CURRENT = 0;
    SYSTICK_CONTROL = SYSTICK_CONTROL_ENABLE | SYSTICK_CONTROL_CORE_CLOCK;
    for (;;) {
        while (!(SYSTICK_CONTROL & SYSTICK_CONTROL_EXPIRED)) {
        }
        (void)WATCHDOG_FEED;
        obey_downlink();

        reading sample;
        bool sensors_alive = take_sample(&sample);
#if VERSION >= 2
        reject_outliers(&sample, first);
#endif
        finish_humidity(&sample);
        smooth(&sample, first);
        first = false;
        ring_push(&sample);

        since_report_s++;
        if (since_report_s < settings.report_period_s || !(UART_STATUS & UART_STATUS_LINK_UP))
            continue;
        since_report_s = 0;
        while (ring.head != ring.tail)
            send_frame();
        /* Only an image that can sense and report has earned its slot: one that cannot must be reverted. */
        if (sensors_alive && !committed) {
            commit();
            committed = true;
        }
    }
}
