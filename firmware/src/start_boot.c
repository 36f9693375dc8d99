/* The vectors of a bootloader. It has no initialised and no zeroed variables, so there is nothing to prepare. */
#include <stdint.h>

#include "boot.h"

extern uint32_t stack_top;
void boot_main(void) __attribute__((noreturn));
void nmi_handler(void);

static void stop(void)
{
    for (;;)
        ;
}

void nmi_handler(void) __attribute__((weak, alias("stop")));

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    &stack_top, boot_main, nmi_handler, stop, stop, stop, stop, &boot_api, 0, 0, 0, stop, stop, 0, stop, stop,
};
