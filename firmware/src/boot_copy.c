/* One slot that runs (A), and one where an update waits (B). A flag says that A is to be made from B; it is cleared when A
 * has been read back whole, so a copy that was cut is made again from the start.
 *
 * BUG selects a mistake; see README.md.
 */
#include "boot.h"
#include "image.h"
#include "pages.h"
#include "port.h"

static const uint32_t pending[MARK / 4u] = {0x444E4550u, ~0x444E4550u};

#define FLAG STATE0
#define STARTED (STATE0 + 16u)

static bool is_set(uint32_t address)
{
    uint32_t faults = flash_faults();
    return REG(address) == pending[0] && REG(address + 4) == pending[1] && flash_faults() == faults;
}

static void clear_flag(void)
{
    flash_unlock();
    flash_erase(FLAG);
    flash_lock();
}

static bool source_is_valid(void)
{
#if BUG == 3 /* what waits in B is not looked at */
    return ((const struct image *)SLOT_B)->magic == IMAGE_MAGIC;
#else
    return image_is_valid(SLOT_B);
#endif
}

static bool is_newer(void)
{
#if BUG == 5 /* versions are not compared */
    return true;
#else
    return image_version(SLOT_B) > image_version(SLOT_A);
#endif
}

/* Whether A is complete: nothing has to be copied. */
static bool is_installed(void)
{
#if BUG == 6 /* the header is taken for the image: it is written first */
    return ((const struct image *)SLOT_A)->magic == IMAGE_MAGIC && image_version(SLOT_A) == image_version(SLOT_B);
#else
    return image_is_valid(SLOT_A) && image_version(SLOT_A) == image_version(SLOT_B);
#endif
}

#if BUG == 7 /* after a cut the copy goes on where A still reads blank, and erases nothing again */
static void copy(void)
{
    if (!is_set(STARTED)) {
        write_record(STARTED, pending, sizeof pending);
        flash_unlock();
        for (uint32_t page = 0; page < SLOT_PAGES; page++) {
            flash_erase(SLOT_A + page * PAGE);
        }
        flash_lock();
    }
    flash_unlock();
    for (uint32_t at = 0; at < SLOT_SIZE; at += UNIT) {
        bool blank = true, wanted = false;
        for (uint32_t byte = at; byte < at + UNIT; byte++) {
            blank = blank && *(const uint8_t *)(SLOT_A + byte) == (uint8_t)ERASED;
            wanted = wanted || *(const uint8_t *)(SLOT_B + byte) != (uint8_t)ERASED;
        }
        if (blank && wanted) {
            flash_program(SLOT_A + at, (const void *)(SLOT_B + at));
        }
    }
    flash_lock();
}
#else
static void copy(void)
{
#if BUG == 2
    write_record(STARTED, pending, sizeof pending);
#endif
    for (uint32_t page = 0; page < SLOT_PAGES; page++) {
#if BUG != 4 /* A is programmed without an erase */
        flash_unlock();
        flash_erase(SLOT_A + page * PAGE);
        flash_lock();
#endif
        copy_page(SLOT_A + page * PAGE, SLOT_B + page * PAGE);
    }
}
#endif

static void install(void)
{
    if (is_installed() || !source_is_valid()) {
        clear_flag();
        return;
    }
#if BUG == 1 /* the flag is cleared before the copy is complete */
    clear_flag();
    copy();
#else
    copy();
    if (!is_installed()) {
        uart_puts("copy failed\r\n");
        system_reset();
    }
    clear_flag();
#endif
}

void boot_main(void)
{
    port_init();
#if BUG == 2 /* a copy that was begun is not made again */
    if (is_set(FLAG) && !is_set(STARTED)) {
#else
    if (is_set(FLAG)) {
#endif
        install();
    }
    if (image_is_valid(SLOT_A)) {
        image_run(SLOT_A);
    }
    uart_puts("no image\r\n");
    for (;;)
        ;
}

static void update(void)
{
    if (source_is_valid() && is_newer() && !is_installed()) {
        clear_flag();
        write_record(FLAG, pending, sizeof pending);
        system_reset();
    }
}

static void commit(void)
{
}

const struct boot_api boot_api = {update, commit};
