#include "probes/shown.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"

static size_t
show_byte(char *text, size_t text_bytes, unsigned char byte)
{
    static const char named[] = "\r\n\t\"", names[] = "rnt\"";
    const char *found = byte == '\0' ? NULL : strchr(named, byte);

    if (found != NULL)
        return (size_t)snprintf(text, text_bytes, "\\%c", names[found - named]);
    return (size_t)snprintf(text, text_bytes, byte >= ' ' && byte < 0x7f ? "%c" : "\\%03o",
                            byte);
}

const char *
shown(char *text, const void *bytes, size_t count)
{
    const unsigned char *from = bytes;
    size_t at = 0, i;

    text[0] = '\0';
    for (i = 0; i < MIN(count, (size_t)SHOWN_BYTES) && at + 8 < SHOWN_CHARACTERS; i++)
        at += show_byte(text + at, SHOWN_CHARACTERS - at, from[i]);
    if (i < count)
        snprintf(text + at, SHOWN_CHARACTERS - at, "...");
    return text;
}
