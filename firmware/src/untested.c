/* What stands for image.c in an application that takes itself for sound: it is smaller by a checksum. */
#include "image.h"

bool image_is_valid(uint32_t slot)
{
    (void)slot;
    return true;
}
