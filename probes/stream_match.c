#include "probes/stream_match.h"

#include <assert.h>
#include <string.h>

static uint16_t
step(const struct stream_match *match, uint16_t fits, char byte)
{
    while (fits > 0 && match->text[fits] != byte)
        fits = match->back[fits - 1];
    return match->text[fits] == byte ? fits + 1 : 0;
}

void
stream_match_init(struct stream_match *match, const char *text)
{
    size_t length = strlen(text);

    assert(length >= 1 && length <= STREAM_MATCH_MAX);
    match->text = text;
    match->length = (uint16_t)length;
    match->back[0] = 0;
    for (uint16_t i = 1; i < match->length; i++)
        match->back[i] = step(match, match->back[i - 1], text[i]);
}

bool
stream_match_feed(const struct stream_match *match, uint16_t *fits, const void *bytes,
                  size_t count)
{
    const char *from = bytes;

    for (size_t i = 0; i < count && *fits < match->length; i++)
        *fits = step(match, *fits, from[i]);
    return *fits == match->length;
}
