/* Two slots whose content is exchanged, page by page over a scratch page, and exchanged again when the new image does not
 * commit.
 *
 * A page of marks says how far it has come. The request is an exact value. Every later mark is one program and counts as
 * set as soon as it does not read blank: it is begun only when the step before it is complete, so a torn one says the same.
 * BUG selects a mistake; see README.md.
 */
#include "boot.h"
#include "image.h"
#include "pages.h"
#include "port.h"

#define STEPS (3u * SLOT_PAGES)
#define ENTERED STEPS
#define COMMITTED (STEPS + 1u)
#define BACK (STEPS + 2u)

static const uint32_t request[MARK / 4u] = {0x50415753u, ~0x50415753u};
static const uint32_t mark_set[MARK / 4u] = {~ERASED, ~ERASED};

static uint32_t mark_address(uint32_t mark)
{
    return STATE0 + 16u + mark * MARK;
}

static bool is_requested(void)
{
    uint32_t faults = flash_faults();
    return REG(STATE0) == request[0] && REG(STATE0 + 4) == request[1] && flash_faults() == faults;
}

static bool is_marked(uint32_t mark)
{
    uint32_t faults = flash_faults();
    return REG(mark_address(mark)) != ERASED || flash_faults() != faults;
}

static void set_mark(uint32_t mark)
{
    write_record(mark_address(mark), mark_set, UNIT);
}

static void step(uint32_t number)
{
    uint32_t page = number / 3u * PAGE;
    uint32_t to = number % 3u == 0 ? SCRATCH : number % 3u == 1 ? SLOT_A + page : SLOT_B + page;
    uint32_t from = number % 3u == 0 ? SLOT_A + page : number % 3u == 1 ? SLOT_B + page : SCRATCH;
#if BUG == 2 /* the scratch page is not erased before it is used again */
    if (to != SCRATCH)
#endif
    {
        flash_unlock();
        flash_erase(to);
        flash_lock();
    }
    copy_page(to, from);
}

static void exchange(uint32_t first_mark)
{
#if BUG == 3 /* after a cut everything is done again, from the first step on */
    if (is_marked(first_mark + STEPS - 1u)) {
        return;
    }
    for (uint32_t number = 0; number < STEPS; number++) {
        step(number);
        if (!is_marked(first_mark + number)) {
            set_mark(first_mark + number);
        }
    }
#else
    for (uint32_t number = 0; number < STEPS; number++) {
        if (!is_marked(first_mark + number)) {
#if BUG == 1 /* a step is marked before it is done */
            set_mark(first_mark + number);
            step(number);
#else
            step(number);
            set_mark(first_mark + number);
#endif
        }
    }
#endif
}

static bool source_is_valid(void)
{
#if BUG == 6 /* what waits in B is not looked at */
    return ((const struct image *)SLOT_B)->magic == IMAGE_MAGIC;
#else
    return image_is_valid(SLOT_B);
#endif
}

static bool is_newer(void)
{
#if BUG == 7 /* versions are not compared */
    return image_version(SLOT_B) != image_version(SLOT_A);
#else
    return image_version(SLOT_B) > image_version(SLOT_A);
#endif
}

static void run_or_stop(void)
{
#if BUG == 6
    image_run(SLOT_A);
#endif
    if (image_is_valid(SLOT_A)) {
        image_run(SLOT_A);
    }
}

void boot_main(void)
{
    port_init();
    if (is_requested()) {
        exchange(0);
        if (!is_marked(ENTERED)) {
            set_mark(ENTERED);
#if BUG == 5 /* committed before the image has shown anything */
            set_mark(COMMITTED);
#endif
            wdt_start();
            run_or_stop();
            system_reset();
        }
#if BUG == 4 /* an image that did not commit stays */
        wdt_start();
#else
        if (!is_marked(COMMITTED)) {
            exchange(BACK);
        }
#endif
    }
    run_or_stop();
    uart_puts("no image\r\n");
    for (;;)
        ;
}

static void update(void)
{
    bool is_idle = !is_requested() || is_marked(COMMITTED);
    if (is_idle && source_is_valid() && is_newer()) {
        flash_unlock();
        flash_erase(STATE0);
        flash_lock();
        write_record(STATE0, request, sizeof request);
        system_reset();
    }
}

static void commit(void)
{
    if (is_requested() && is_marked(ENTERED) && !is_marked(COMMITTED) && !is_marked(BACK)) {
        set_mark(COMMITTED);
    }
}

const struct boot_api boot_api = {update, commit};
