/* A tiny application: it says its name, asks for an update, tests itself, commits, and then sleeps and feeds the watchdog
 * ten times a second.
 *
 * APP_NAME, APP_VERSION. APP_SICK: it hangs before it would commit.
 */
#include "boot.h"
#include "image.h"
#include "port.h"

extern uint32_t stack_top;
extern uint8_t image_size;
void nmi_handler(void);

void app_main(void) __attribute__((noreturn));

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
    &stack_top, app_main, nmi_handler, stop, stop, stop, stop, 0, 0, 0, 0, stop, stop, 0, stop, tick,
};

__attribute__((section(".header"), used)) static const struct {
    uint32_t magic, version;
    const uint8_t *size;
    uint32_t crc;
} header = {IMAGE_MAGIC, APP_VERSION, &image_size, 0};

/* Stands in the last page of the slot, so that an image that was only partly written says so here. */
__attribute__((section(".tail"), used)) static const char tail[] = APP_NAME " runs\r\n";

static bool self_test(void)
{
    return image_is_valid(REG(0xE000ED08u));
}

void app_main(void)
{
    const struct boot_api *boot = *(const struct boot_api *const *)(LOADER + 7u * 4u);
    port_init();
    uart_puts(tail);
#ifdef APP_SICK
    stop();
#endif
    if (boot->update) {
        boot->update();
    }
    if (self_test()) {
        boot->commit();
        uart_puts("committed\r\n");
    }
    REG(0xE000E014u) = CPU_HZ / 10u - 1u; /* SysTick */
    REG(0xE000E018u) = 0;
    REG(0xE000E010u) = 7;
    for (;;) {
        __asm volatile("wfi");
        wdt_feed();
    }
}
