/* The record in the first sector of the NOR: a word and its complement, and a byte for each page that is done. */
#include "record.h"

#include "nor.h"
#include "port.h"

static const uint32_t pending[2] = {0x444E4550u, ~0x444E4550u};

#define RECORD 0u
#define MARKS 0x20u

void record_init(void)
{
}

bool record_is_set(void)
{
    uint32_t found[2];
    nor_read(RECORD, found, sizeof found);
    return found[0] == pending[0] && found[1] == pending[1];
}

uint32_t record_pages_done(void)
{
    uint8_t marks[SLOT_PAGES];
    uint32_t done = 0;
    nor_read(MARKS, marks, sizeof marks);
    while (done < SLOT_PAGES && marks[done] == 0) {
        done++;
    }
    return done;
}

void record_page_done(uint32_t page)
{
    uint8_t mark = 0;
    nor_program(MARKS + page, &mark, 1);
}

void record_write(void)
{
#if BUG == 2 /* nobody waits for the end of the erase: the program meets a chip that is busy */
    nor_erase_begin(RECORD);
#else
    nor_erase(RECORD);
#endif
    nor_program(RECORD, pending, sizeof pending);
}

void record_clear(void)
{
    nor_erase(RECORD);
}
