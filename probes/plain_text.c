#include "probes/plain_text.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* How many bytes the character at `at` has, of at most `left`; 0: it is none (RFC 3629: no
 * overlong forms, no surrogates, nothing beyond U+10FFFF). */
static size_t
character(const unsigned char *at, size_t left)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t bytes = at[0] < 0x80 ? 1 : at[0] < 0xc0 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3
                   : at[0] < 0xf8 ? 4 : 0;
    uint32_t code = bytes == 1 ? at[0] : at[0] & (0x7fu >> bytes);

    if (bytes == 0 || bytes > left)
        return 0;
    for (size_t i = 1; i < bytes; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3f);
    }
    if (bytes > 1 && (code < least[bytes] || code > 0x10ffff ||
                      (code >= 0xd800 && code <= 0xdfff) || code < 0xa0))
        return 0;
    return bytes;
}

static bool
is_control(unsigned char byte)
{
    return byte < 0x20 || byte == 0x7f;
}

void
plain_text(char *to, size_t to_bytes, const char *from, size_t from_bytes)
{
    size_t used = 0;

    assert(to_bytes > 0);
    for (size_t at = 0; at < from_bytes;) {
        const unsigned char *byte = (const unsigned char *)from + at;
        size_t bytes = character(byte, from_bytes - at);
        bool blank = *byte == ' ' || (*byte >= '\t' && *byte <= '\r');

        if (blank && used == 0) {
            at++;
            continue;
        }
        if (used + (bytes > 0 ? bytes : 1) >= to_bytes)
            break;
        memcpy(to + used, byte, bytes);
        if (blank || bytes == 0 || is_control(*byte))
            to[used] = blank ? ' ' : '?';
        used += bytes > 0 ? bytes : 1;
        at += bytes > 0 ? bytes : 1;
    }
    while (used > 0 && to[used - 1] == ' ')
        used--;
    to[used] = '\0';
}

void
plain_first_line(char *to, size_t to_bytes, const char *from, size_t from_bytes)
{
    const char *end = from + from_bytes;

    to[0] = '\0';
    while (from < end && to[0] == '\0') {
        const char *line_end = memchr(from, '\n', (size_t)(end - from));
        size_t length = (size_t)((line_end != NULL ? line_end : end) - from);
        const char *figures = memchr(from, '|', length);

        plain_text(to, to_bytes, from, figures != NULL ? (size_t)(figures - from) : length);
        from += length + 1;
    }
}
