/* What a bootloader offers the application it has started: reserved vector 7 of the bootloader points here.
 *
 * The calls use the application's stack and nothing else: a bootloader has no variables of its own.
 */
#ifndef BOOT_H
#define BOOT_H

struct boot_api {
    void (*update)(void); /* an image waits in the other slot: have it tried, if it is newer and whole. May not return */
    void (*commit)(void); /* the image that runs stays */
};

extern const struct boot_api boot_api;

#endif
