/* Settings in a log over two pages: a value that changes is a new record, and the last whole one of its key counts. A
 * full page, and one with a record that a power cut has torn, is left: what counts goes to the other page, and when all
 * of it is there that page gets its header. Of two pages with a header the one with the larger sequence counts.
 *
 * It stores a value after the other until it has stored STORES of them, says what it is storing, has stored and reads back,
 * and then sleeps. What comes next is known from what stands in the log. BUG selects a mistake; see README.md.
 */
#include "image.h"
#include "pages.h"
#include "port.h"

enum { KEYS = 2, RECORDS = 3, STORES = 5, LETTERS = 8, FIRST = 32 };
enum held { BLANK, WHOLE, TORN };

struct header {
    uint32_t sequence;
    uint32_t crc;
};

/* Written from its first byte to its last, in units of the chip: the checksum comes last and is what commits it. */
struct record {
    uint32_t key;
    char value[LETTERS];
    uint32_t crc;
};

struct store {
    uint32_t page; /* 0, 1: the one that counts */
    uint32_t sequence;
    uint32_t used; /* records of it */
    bool is_torn;
    bool is_known[KEYS];
    char value[KEYS][LETTERS];
};

extern uint32_t stack_top;
void store_main(void) __attribute__((noreturn));
void nmi_handler(void);

static void stop(void)
{
    for (;;)
        ;
}

/* Waking up is all it has to do. */
static void tick(void)
{
}

void nmi_handler(void) __attribute__((weak, alias("stop")));

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    &stack_top, store_main, nmi_handler, stop, stop, stop, stop, 0, 0, 0, 0, stop, stop, 0, stop, tick,
};

static const uint32_t pages[2] = {STATE0, STATE1};
static const char *const names[KEYS] = {"volume", "mode"};

/* Records begin FIRST bytes into a page. */
static uint32_t place(uint32_t page, uint32_t index)
{
    return pages[page] + FIRST + index * sizeof(struct record);
}

/* -- what is said ----------------------------------------------------------------------------------------------------- */

static void say(const char *what, uint32_t key, const char *value)
{
    uart_puts(what);
    uart_puts(names[key]);
    if (value) {
        uart_putc('=');
        for (uint32_t at = 0; at < LETTERS; at++) {
            uart_putc(value[at] > ' ' && value[at] <= '~' ? value[at] : '?');
        }
    }
    uart_puts("\r\n");
}

/* -- the log ---------------------------------------------------------------------------------------------------------- */

/* Erased flash would have a right checksum: that of four bytes of 0xFF is 0xFFFFFFFF. */
static bool has_header(uint32_t page, uint32_t *sequence)
{
    uint32_t faults = flash_faults();
    struct header header = *(const struct header *)pages[page];
    bool is_right = header.sequence != 0xFFFFFFFFu && crc32(0, &header.sequence, 4) == header.crc;
    *sequence = header.sequence;
    return is_right && flash_faults() == faults;
}

static void give_header(struct store *store, uint32_t page, uint32_t sequence)
{
    struct header header = {sequence, crc32(0, &sequence, 4)};
    write_record(pages[page], &header, sizeof header);
    store->page = page;
    store->sequence = sequence;
}

static void erase(uint32_t page)
{
    flash_unlock();
    flash_erase(pages[page]);
    flash_lock();
}

static enum held look(uint32_t at, struct record *record)
{
    uint32_t faults = flash_faults();
    *record = *(const struct record *)at;
    const uint32_t *words = (const uint32_t *)record;
    if (flash_faults() != faults) {
        return TORN;
    }
    if ((words[0] & words[1] & words[2] & words[3]) == 0xFFFFFFFFu) {
        return BLANK;
    }
#if BUG == 3 /* the checksum of a record is not looked at */
    record->key %= KEYS;
    return WHOLE;
#else
    bool is_whole = record->key < KEYS && crc32(0, record, sizeof *record - 4) == record->crc;
    return is_whole ? WHOLE : TORN;
#endif
}

static void copy(char *to, const char *from)
{
    for (uint32_t at = 0; at < LETTERS; at++) {
        to[at] = from[at];
    }
}

static void make(struct record *record, uint32_t key, const char *value)
{
    record->key = key;
    copy(record->value, value);
    record->crc = crc32(0, record, sizeof *record - 4);
}

static void compact(struct store *store)
{
    struct record record;
    uint32_t to = store->page ^ 1u, used = 0;
    erase(to);
    for (uint32_t key = 0; key < KEYS; key++) {
        if (store->is_known[key]) {
            make(&record, key, store->value[key]);
            write_record(place(to, used++), &record, sizeof record);
        }
    }
#if BUG == 1 /* the old page is erased before the new one counts */
    erase(store->page);
#endif
    give_header(store, to, store->sequence + 1);
    store->used = used;
    store->is_torn = false;
}

static void put(struct store *store, uint32_t key, const char *value)
{
    struct record record;
    if (store->used == RECORDS) {
        compact(store);
    }
    make(&record, key, value);
    uint32_t at = place(store->page, store->used++);
#if BUG == 2 /* acknowledged before the end of the checksum is written */
    write_record(at, &record, sizeof record - UNIT);
    say("stored ", key, value);
    write_record(at + sizeof record - UNIT, (const char *)&record + sizeof record - UNIT, UNIT);
#else
    write_record(at, &record, sizeof record);
    say("stored ", key, value);
#endif
    store->is_known[key] = true;
    copy(store->value[key], value);
}

static void mount(struct store *store)
{
    struct record record;
    uint32_t sequence[2];
    bool counts[2] = {has_header(0, &sequence[0]), has_header(1, &sequence[1])};
    store->used = 0;
    store->is_torn = false;
    for (uint32_t key = 0; key < KEYS; key++) {
        store->is_known[key] = false;
    }
    if (!counts[0] && !counts[1]) {
        erase(0);
        give_header(store, 0, 1);
        uart_puts("formatted\r\n");
        return;
    }
    store->page = !counts[0] || (counts[1] && sequence[1] > sequence[0]);
    store->sequence = sequence[store->page];
    while (store->used < RECORDS && !store->is_torn) {
        enum held held = look(place(store->page, store->used), &record);
        if (held == BLANK) {
            break;
        }
        store->is_torn = held == TORN;
        store->used++;
        if (held == WHOLE) {
            store->is_known[record.key] = true;
            copy(store->value[record.key], record.value);
        }
    }
    if (store->is_torn) {
        compact(store);
    }
}

/* -- the firmware ----------------------------------------------------------------------------------------------------- */

/* How many values have been stored: each is a letter on from the one before. */
static uint32_t stores_done(const struct store *store)
{
    uint32_t done = 0;
    for (uint32_t key = 0; key < KEYS; key++) {
        uint32_t number = (uint32_t)store->value[key][0] - 'a' + 1u;
        if (store->is_known[key] && number > done) {
            done = number;
        }
    }
    return done;
}

void store_main(void)
{
    struct store store;
    char value[LETTERS];
    port_init();
    mount(&store);
    for (uint32_t key = 0; key < KEYS; key++) {
        say(store.is_known[key] ? "read " : "no ", key, store.is_known[key] ? store.value[key] : 0);
    }
    for (uint32_t step = stores_done(&store); step < STORES; step++) {
        for (uint32_t at = 0; at < LETTERS; at++) {
            value[at] = (char)('a' + step);
        }
        say("storing ", step % KEYS, value);
        put(&store, step % KEYS, value);
    }
    uart_puts("ready\r\n");
    REG(0xE000E014u) = CPU_HZ / 10u - 1u; /* SysTick */
    REG(0xE000E018u) = 0;
    REG(0xE000E010u) = 7;
    for (;;) {
        __asm volatile("wfi");
    }
}
