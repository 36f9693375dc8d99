/* What firmware should not do: the first byte of the flash says which. */
#include <assert.h>
#include <brownout.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int sessions;
static char long_text[5000];

static void do_the(int misdeed, uint8_t *bytes)
{
    switch (misdeed) {
    case 1: *(volatile int *)(uintptr_t)(16 + bytes[1] * 0) = 1; break;
    case 2: assert(bytes[1] == 7); break;
    case 3: exit(3);
    case 4: for (;;) ;
    case 5: for (;;) brownout_read("flash", 0, bytes, 8);
    case 6: brownout_program("nowhere", 0, bytes, 8); break;
    case 7: brownout_read("flash", 0, bytes, (size_t)1 << 40); break;
    case 8: brownout_program("flash", 4, (void *)(uintptr_t)16, 8); break;
    case 9: kill(getppid(), SIGKILL); for (;;) ;
    case 10: brownout_commit_returned(); break;
    case 11: brownout_commit_begin(); brownout_commit_begin(); break;
    case 12: brownout_call(99, "x", 0, 0, NULL, 0); break;
    case 13: memset(long_text, 'a', sizeof long_text - 1); brownout_note(long_text); break;
    case 14: brownout_erase("flash", 0, 17); break;
    case 15: brownout_read("flash", 0xfffffffc, bytes, 8); break;
    case 16: brownout_wait(UINT64_MAX); break;
    case 17: fprintf(stderr, "==%d== at %p\n", (int)getpid(), (void *)&bytes); abort();
    case 18: brownout_program("flash", 250, "0123456789", 10); break;
    case 19: brownout_read("flash", 0, bytes, 8); brownout_note("has read"); break;
    case 21: if (fork() == 0) for (;;) ; break;
    case 22: if (fork() == 0) { setsid(); if (fork() == 0) for (;;) ; } for (;;) ;
    case 23: if (fork() == 0) for (;;) ; abort();
    case 24: if (fork() == 0) for (;;) brownout_read("flash", 0, bytes, 8); break;
    case 20: brownout_note(brownout_try_read("flash", 0, bytes, 8) ? "has handled it" : "met nothing"); break;
    }
}

const char *brownout_firmware(void)
{
    size_t length;
    uint8_t bytes[8] = {0};
    if (sessions++)
        return "a static has survived";
    const uint8_t *order = brownout_attempt(&length);
    if (order == NULL)
        return "no orders";
    do_the(order[0], bytes);
    return NULL;
}
