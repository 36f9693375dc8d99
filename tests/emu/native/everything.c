/* Calls everything in brownout.h, as `everything` in test_calls.py does in Python: both leave the same journal. */
#include <brownout.h>
#include <stdio.h>
#include <string.h>

static void figures(void)
{
    char line[160];
    snprintf(line, sizeof line, "%u bytes, sectors of %u, pages of %u, units of %u, erased %02X; timer %u s",
             brownout_size("b"), brownout_sector_size("b", 8), brownout_page_size("b"), brownout_unit("b"),
             brownout_erased("b"), brownout_commit_timeout());
    brownout_note(line);
}

const char *brownout_firmware(void)
{
    char line[64];
    uint8_t bytes[4];
    size_t length;

    snprintf(line, sizeof line, "cause %d, boot %d", (int)brownout_cause(), (int)brownout_recall("boots"));
    brownout_note(line);
    brownout_retain("boots", brownout_recall("boots") + 1);
    figures();
    brownout_erase("c", 0, 64);
    brownout_program("c", 0, "\x01\x02\x03\x04", 4);
    brownout_read("c", 1, bytes, 4);
    brownout_offer("bytes", bytes, 4);
    brownout_tell("bytes", bytes, 4);
    brownout_offer_number("number", -7);
    brownout_tell_number("number", -7);
    brownout_wait(1000);
    snprintf(line, sizeof line, "at %d us; the image in b is %d", (int)brownout_now(), (int)brownout_handover("b", 1));
    brownout_note(line);
    brownout_arm_timer(brownout_commit_timeout());
    brownout_commit_begin();
    if (brownout_try_read("c", 0, bytes, 1) == 0)
        brownout_program("c", 8, bytes, 1);
    brownout_commit_returned();
    brownout_stop_timer();
    brownout_arm_timer(5);
    brownout_feed_timer();
    if (brownout_attempt(&length) != NULL)
        return "an update for an image that is not the old one";
    snprintf(line, sizeof line, "the image in a is %d", (int)brownout_handover("a", 0));
    brownout_note(line);
    const uint8_t *update = brownout_attempt(&length);
    if (update == NULL)
        return "no update is left";
    brownout_note("it comes");
    if (length != 40 || update[0] != 60 || update[39] != 99) {
        brownout_refuse("too bad");
        brownout_hang();
    }
    brownout_staged();
    brownout_restart();
}
