/* The copying bootloader with a word of RAM that a reset keeps: while it stands there, a copy is taken to be on its way.
 *
 * That is a mistake, and one that no loss of power shows: power takes the word along, and the copy is made again. A reset
 * in the middle of the copy keeps it.
 */
#define boot_main boot_copying
#include "boot_copy.c"
#undef boot_main

void boot_main(void)
{
    volatile uint32_t *copying = (volatile uint32_t *)0x20000000u;
    if (is_set(FLAG) && *copying == pending[0]) {
        if (image_is_valid(SLOT_A)) {
            image_run(SLOT_A);
        }
        port_init();
        uart_puts("still copying\r\n");
        for (;;)
            ;
    }
    *copying = is_set(FLAG) ? pending[0] : 0;
    boot_copying();
}
