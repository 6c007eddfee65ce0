/* utf8 - see utf8.h. */
#include "base/utf8.h"

#include <assert.h>
#include <string.h>

/* Of the character that this byte begins. */
static size_t
bytes_from(unsigned char first)
{
    return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

size_t
utf8_whole(const char *text, size_t bytes)
{
    size_t last = bytes;        /* where the last character begins */

    while (last > 0 && bytes - last < 4) {
        last--;
        if (((unsigned char)text[last] & 0xc0) != 0x80)
            return bytes_from((unsigned char)text[last]) > bytes - last ? last : bytes;
    }
    return bytes;
}

void
utf8_copy(char *to, size_t to_bytes, const char *from)
{
    size_t bytes;

    assert(to_bytes > 0);
    bytes = strnlen(from, to_bytes);
    if (bytes == to_bytes)
        bytes = utf8_whole(from, to_bytes - 1);
    memcpy(to, from, bytes);
    to[bytes] = '\0';
}
