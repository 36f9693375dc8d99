/* brownout.h: firmware in C, tried by brownout on this computer (C99 or C++, gcc or clang, Linux).
 *
 *     cc -std=c99 -g -fPIC -shared -I"$(brownout header)" -o loader.so loader.c
 *
 * Include this file in as many sources as you like; there is nothing to link with. Your library defines one function,
 * brownout_firmware, which is called at every reset and reaches the world by the functions below alone.
 *
 * Every reset gets a process of its own, which is killed where power is lost or a timer resets the board: no static
 * and no heap outlives it, and a function that loses power does not return. A crash, an abort and an exit are
 * findings. Offsets count from 0 in their window; sizes are bytes.
 */
#ifndef BROWNOUT_H
#define BROWNOUT_H

#include <stddef.h>
#include <stdint.h>

#define BROWNOUT_ABI 1
#define BROWNOUT_EXPORT __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/* Yours. Called at every reset. Returns NULL when the device has settled and nothing more is going to happen, or says
 * why nothing can run: a bricked device. */
BROWNOUT_EXPORT const char *brownout_firmware(void);

enum brownout_reset_cause {
    BROWNOUT_POWER, BROWNOUT_SOFTWARE, BROWNOUT_PIN, BROWNOUT_WATCHDOG, BROWNOUT_COMMIT_TIMER, BROWNOUT_FAULT
};

/* What stands in a window, by its bytes: a bootloader cannot know it, the application that was entered does. */
enum brownout_image { BROWNOUT_UNKNOWN, BROWNOUT_OLD, BROWNOUT_NEW, BROWNOUT_OTHER };

/* -- how a call leaves the library; nothing for you ----------------------------------------------------- */

#define BROWNOUT_SENDS 0x100u    /* the callee is given the bytes of data */
#define BROWNOUT_RECEIVES 0x200u /* the callee fills them */

enum brownout_what {
    BROWNOUT_CALL_READ = 1 | BROWNOUT_RECEIVES,
    BROWNOUT_CALL_TRY_READ = 2 | BROWNOUT_RECEIVES,
    BROWNOUT_CALL_PROGRAM = 3 | BROWNOUT_SENDS,
    BROWNOUT_CALL_ERASE = 4,
    BROWNOUT_CALL_SIZE = 5,
    BROWNOUT_CALL_SECTOR_SIZE = 6,
    BROWNOUT_CALL_PAGE_SIZE = 7,
    BROWNOUT_CALL_UNIT = 8,
    BROWNOUT_CALL_ERASED = 9,
    BROWNOUT_CALL_HANDOVER = 16,
    BROWNOUT_CALL_ATTEMPT = 17,
    BROWNOUT_CALL_STAGED = 18,
    BROWNOUT_CALL_REFUSE = 19,
    BROWNOUT_CALL_COMMIT_BEGIN = 20,
    BROWNOUT_CALL_COMMIT_RETURNED = 21,
    BROWNOUT_CALL_OFFER = 22 | BROWNOUT_SENDS,
    BROWNOUT_CALL_TELL = 23 | BROWNOUT_SENDS,
    BROWNOUT_CALL_OFFER_NUMBER = 24,
    BROWNOUT_CALL_TELL_NUMBER = 25,
    BROWNOUT_CALL_CAUSE = 32,
    BROWNOUT_CALL_RESTART = 33,
    BROWNOUT_CALL_HANG = 34,
    BROWNOUT_CALL_WAIT = 35,
    BROWNOUT_CALL_NOW = 36,
    BROWNOUT_CALL_RECALL = 37,
    BROWNOUT_CALL_RETAIN = 38,
    BROWNOUT_CALL_NOTE = 39,
    BROWNOUT_CALL_TIMEOUT = 48,
    BROWNOUT_CALL_ARM = 49,
    BROWNOUT_CALL_STOP = 50,
    BROWNOUT_CALL_FEED = 51
};

typedef int64_t (*brownout_call_function)(uint32_t what, const char *text, int64_t a, int64_t b, void *data,
                                          uint64_t length);

/* One of each for the whole library, however many sources include this file. */
extern BROWNOUT_EXPORT brownout_call_function brownout_call;
extern BROWNOUT_EXPORT uint32_t brownout_abi;
__attribute__((weak)) brownout_call_function brownout_call = NULL;
__attribute__((weak)) uint32_t brownout_abi = BROWNOUT_ABI;

static inline int64_t brownout_say(enum brownout_what what, const char *text, int64_t a, int64_t b)
{
    return brownout_call((uint32_t)what, text, a, b, NULL, 0);
}

/* -- flash: what silicon makes of a call that is not one legal command is what you get ------------------- */

/* Reads. Where error correction gives up the processor traps, and nobody is there to handle it. */
static inline void brownout_read(const char *window, uint32_t offset, void *into, size_t length)
{
    (void)brownout_call(BROWNOUT_CALL_READ, window, offset, 0, into, length);
}

/* The same with a handler for that trap: 0, or -1 where error correction gave up and `into` is left as it was. */
static inline int brownout_try_read(const char *window, uint32_t offset, void *into, size_t length)
{
    return (int)brownout_call(BROWNOUT_CALL_TRY_READ, window, offset, 0, into, length);
}

/* One program command: whole units, inside one page, on erased bytes. */
static inline void brownout_program(const char *window, uint32_t offset, const void *data, size_t length)
{
    (void)brownout_call(BROWNOUT_CALL_PROGRAM, window, offset, 0, (void *)(uintptr_t)data, length);
}

/* One erase command: `length` is that of a sector, or of a larger block the part can erase at once. */
static inline void brownout_erase(const char *window, uint32_t offset, size_t length)
{
    (void)brownout_say(BROWNOUT_CALL_ERASE, window, offset, (int64_t)length);
}

static inline uint32_t brownout_size(const char *window)
{
    return (uint32_t)brownout_say(BROWNOUT_CALL_SIZE, window, 0, 0);
}

/* Of the smallest erase at `offset`. */
static inline uint32_t brownout_sector_size(const char *window, uint32_t offset)
{
    return (uint32_t)brownout_say(BROWNOUT_CALL_SECTOR_SIZE, window, offset, 0);
}

/* No program may cross a multiple of it. */
static inline uint32_t brownout_page_size(const char *window)
{
    return (uint32_t)brownout_say(BROWNOUT_CALL_PAGE_SIZE, window, 0, 0);
}

/* The smallest program; every program is a multiple of it, on a multiple of it. */
static inline uint32_t brownout_unit(const char *window)
{
    return (uint32_t)brownout_say(BROWNOUT_CALL_UNIT, window, 0, 0);
}

/* What an erased byte reads as: 0xFF, or 0x00. */
static inline uint8_t brownout_erased(const char *window)
{
    return (uint8_t)brownout_say(BROWNOUT_CALL_ERASED, window, 0, 0);
}

/* -- images and updates --------------------------------------------------------------------------------- */

/* The image in `window` runs from here on: what follows is the application. `trial`: it is not to stay unless it
 * commits. */
static inline enum brownout_image brownout_handover(const char *window, int trial)
{
    return (enum brownout_image)brownout_say(BROWNOUT_CALL_HANDOVER, window, trial, 0);
}

/* The update the workload brings now, or NULL: none. It comes to the old image once that is there to stay, and once a
 * reset. The bytes stay where they are until the reset. */
static inline const uint8_t *brownout_attempt(size_t *length)
{
    uint64_t count = 0;
    const uint8_t *update = (const uint8_t *)(uintptr_t)brownout_call(BROWNOUT_CALL_ATTEMPT, NULL, 0, 0, &count, 0);
    *length = (size_t)count;
    return update;
}

/* The update was taken: the new image boots next. */
static inline void brownout_staged(void)
{
    (void)brownout_say(BROWNOUT_CALL_STAGED, NULL, 0, 0);
}

/* It was not. */
static inline void brownout_refuse(const char *why)
{
    (void)brownout_say(BROWNOUT_CALL_REFUSE, why, 0, 0);
}

/* Before and after the writes that make the running image stay: once commit has returned, it must. */
static inline void brownout_commit_begin(void)
{
    (void)brownout_say(BROWNOUT_CALL_COMMIT_BEGIN, NULL, 0, 0);
}

static inline void brownout_commit_returned(void)
{
    (void)brownout_say(BROWNOUT_CALL_COMMIT_RETURNED, NULL, 0, 0);
}

/* -- promises of a store -------------------------------------------------------------------------------- */

/* Somebody asks that `key` hold this value: from here on it may. */
static inline void brownout_offer(const char *key, const void *value, size_t length)
{
    (void)brownout_call(BROWNOUT_CALL_OFFER, key, 0, 0, (void *)(uintptr_t)value, length);
}

/* The user is told that `key` holds it: from here on it must. To tell anything but the value told last, or one offered
 * since, breaks the check `durable`. */
static inline void brownout_tell(const char *key, const void *value, size_t length)
{
    (void)brownout_call(BROWNOUT_CALL_TELL, key, 0, 0, (void *)(uintptr_t)value, length);
}

static inline void brownout_offer_number(const char *key, int64_t value)
{
    (void)brownout_say(BROWNOUT_CALL_OFFER_NUMBER, key, value, 0);
}

static inline void brownout_tell_number(const char *key, int64_t value)
{
    (void)brownout_say(BROWNOUT_CALL_TELL_NUMBER, key, value, 0);
}

/* -- the processor -------------------------------------------------------------------------------------- */

/* What began this session. */
static inline enum brownout_reset_cause brownout_cause(void)
{
    return (enum brownout_reset_cause)brownout_say(BROWNOUT_CALL_CAUSE, NULL, 0, 0);
}

/* A software reset: retained RAM stays, nothing else does. */
__attribute__((noreturn)) static inline void brownout_restart(void)
{
    for (;;)
        (void)brownout_say(BROWNOUT_CALL_RESTART, NULL, 0, 0);
}

/* Stand still, for a timer to reset the board, if there is one. */
__attribute__((noreturn)) static inline void brownout_hang(void)
{
    for (;;)
        (void)brownout_say(BROWNOUT_CALL_HANG, NULL, 0, 0);
}

/* Device time, in microseconds; now: since the reset. */
static inline void brownout_wait(uint64_t duration_us)
{
    (void)brownout_say(BROWNOUT_CALL_WAIT, NULL, (int64_t)duration_us, 0);
}

static inline uint64_t brownout_now(void)
{
    return (uint64_t)brownout_say(BROWNOUT_CALL_NOW, NULL, 0, 0);
}

/* Retained RAM: what it holds under `key`, 0 after a power cut. */
static inline int64_t brownout_recall(const char *key)
{
    return brownout_say(BROWNOUT_CALL_RECALL, key, 0, 0);
}

static inline void brownout_retain(const char *key, int64_t value)
{
    (void)brownout_say(BROWNOUT_CALL_RETAIN, key, value, 0);
}

/* A line in the journal, for the reader of a replay. What is printed is shown with a crash only. */
static inline void brownout_note(const char *text)
{
    (void)brownout_say(BROWNOUT_CALL_NOTE, text, 0, 0);
}

/* -- the commit timer ----------------------------------------------------------------------------------- */

/* What the scenario says, in seconds; 0: there is none. */
static inline uint32_t brownout_commit_timeout(void)
{
    return (uint32_t)brownout_say(BROWNOUT_CALL_TIMEOUT, NULL, 0, 0);
}

static inline void brownout_arm_timer(uint32_t seconds)
{
    (void)brownout_say(BROWNOUT_CALL_ARM, NULL, seconds, 0);
}

/* Disarm it. A timer that cannot be stopped can be fed: from then on the running firmware does so. */
static inline void brownout_stop_timer(void)
{
    (void)brownout_say(BROWNOUT_CALL_STOP, NULL, 0, 0);
}

static inline void brownout_feed_timer(void)
{
    (void)brownout_say(BROWNOUT_CALL_FEED, NULL, 0, 0);
}

#ifdef __cplusplus
}
#endif

#endif
