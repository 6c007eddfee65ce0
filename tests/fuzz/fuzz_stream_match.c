/* A stream in pieces has a text in it exactly when memmem() finds it in the whole.
 * Input: length of the text, the text, then pieces, each with its length before it. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/util.h"
#include "probes/stream_match.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct stream_match match;
    static char whole[1 << 16], text[256];
    size_t length = size == 0 ? 0 : data[0], held = 0;
    uint16_t fits = 0;
    bool found = false;

    if (length == 0 || size < 1 + length || size > sizeof whole)
        return 0;
    memcpy(text, data + 1, length);
    text[length] = '\0';
    if (strlen(text) != length)
        return 0;
    stream_match_init(&match, text);
    data += 1 + length;
    size -= 1 + length;
    while (size > 0) {
        size_t piece = MIN((size_t)data[0], size - 1);

        memcpy(whole + held, data + 1, piece);
        held += piece;
        found = found || stream_match_feed(&match, &fits, data + 1, piece);
        data += 1 + piece;
        size -= 1 + piece;
    }
    assert(found == (memmem(whole, held, text, length) != NULL));
    return 0;
}
