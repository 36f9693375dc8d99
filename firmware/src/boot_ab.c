/* Two slots, and a pointer to the one that runs, in two versioned copies. A new image is entered once, under a watchdog
 * that cannot be stopped, and has to commit: whatever ends it before that ends its trial.
 *
 * Every change is a record written to the page that does not hold the newest valid one. BUG selects a mistake; see
 * README.md.
 */
#include "boot.h"
#include "image.h"
#include "pages.h"
#include "port.h"

#define CONFIG_MAGIC 0x47464341u

enum { COMMITTED = 1, TRIAL = 2, ENTERED = 3 };

struct config {
    uint32_t magic;
    uint32_t sequence; /* the larger one is the newer one */
    uint32_t slot;     /* 0, 1 */
    uint32_t state;
    uint32_t rejected; /* version of an image whose trial failed: it is not tried again */
    uint32_t reserved[2];
    uint32_t crc;
};

/* As a device leaves the factory: slot A, committed. Without a valid record nothing is started. */
__attribute__((section(".factory"), used)) static const struct config factory = {
    CONFIG_MAGIC, 0, 0, COMMITTED, 0, {0, 0}, 0xDD9C0730u,
};

static const uint32_t slots[2] = {SLOT_A, SLOT_B};
static const uint32_t pages[2] = {STATE0, STATE1};

static bool is_valid(const struct config *config)
{
#if BUG == 2 /* the checksum of a record is not looked at */
    return config->magic == CONFIG_MAGIC;
#else
    uint32_t faults = flash_faults();
    bool is_whole = config->magic == CONFIG_MAGIC && crc32(0, config, sizeof *config - 4) == config->crc;
    return is_whole && config->slot < 2 && flash_faults() == faults;
#endif
}

static bool slot_is_valid(uint32_t slot)
{
#if BUG == 4 /* an image is not looked at before it is tried and before it is run */
    return ((const struct image *)slot)->magic == IMAGE_MAGIC;
#else
    return image_is_valid(slot);
#endif
}

/* The newest valid record into *config; returns the page it stands in, -1: there is none. */
static int load(struct config *config)
{
    int newest = -1;
    for (int page = 0; page < 2; page++) {
        const struct config *held = (const struct config *)pages[page];
        if (is_valid(held) && (newest < 0 || held->sequence > config->sequence)) {
            *config = *held;
            newest = page;
        }
    }
    config->slot &= 1u;
    return newest;
}

static void save(struct config *config, uint32_t slot, uint32_t state)
{
    struct config held;
    int newest = load(&held);
#if BUG == 1 /* the page with the only valid record is erased to write the new one */
    int page = newest;
#else
    int page = newest == 0 ? 1 : 0;
#endif
    config->sequence = held.sequence + 1;
    config->slot = slot;
    config->state = state;
    config->crc = crc32(0, config, sizeof *config - 4);
#if BUG != 6 /* a record is programmed over an older one without an erase */
    flash_unlock();
    flash_erase(pages[page]);
    flash_lock();
#endif
    write_record(pages[page], config, sizeof *config);
}

static void stop(const char *why) __attribute__((noreturn));

static void stop(const char *why)
{
    uart_puts(why);
    for (;;)
        ;
}

static void enter(struct config *config)
{
#if BUG == 5 /* committed before the image has shown anything */
    save(config, config->slot, COMMITTED);
#elif BUG != 3 /* that the image was entered is not recorded */
    save(config, config->slot, ENTERED);
#endif
#if BUG != 7 /* no watchdog guards the trial */
    wdt_start();
#endif
    image_run(slots[config->slot]);
}

void boot_main(void)
{
    struct config config;
    port_init();
    if (load(&config) < 0) {
        stop("no config\r\n");
    }
    if (config.state == ENTERED) {
        config.rejected = image_version(slots[config.slot]);
        save(&config, config.slot ^ 1u, COMMITTED);
    }
    if (config.state == TRIAL) {
        if (slot_is_valid(slots[config.slot])) {
            enter(&config);
        }
        save(&config, config.slot ^ 1u, COMMITTED);
    }
    for (uint32_t tried = 0; tried < 2; tried++) {
        uint32_t slot = slots[config.slot ^ tried];
        if (slot_is_valid(slot)) {
            image_run(slot);
        }
    }
    stop("no image\r\n");
}

static void update(void)
{
    struct config config;
    load(&config);
    uint32_t other = slots[config.slot ^ 1u];
    if (config.state != COMMITTED || !slot_is_valid(other)) {
        return;
    }
    uint32_t version = image_version(other);
    if (version <= image_version(slots[config.slot]) || version <= config.rejected) {
        return;
    }
    save(&config, config.slot ^ 1u, TRIAL);
    system_reset();
}

static void commit(void)
{
    struct config config;
    load(&config);
    if (config.state == ENTERED) {
        save(&config, config.slot, COMMITTED);
    }
}

const struct boot_api boot_api = {update, commit};
