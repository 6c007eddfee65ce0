/*
 * stream_match - does a stream of bytes contain a text? Nothing of the stream is kept.
 *
 * By Knuth, Morris and Pratt: every byte is looked at about once, wherever the pieces end.
 */
#ifndef FPROXY_PROBES_STREAM_MATCH_H
#define FPROXY_PROBES_STREAM_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STREAM_MATCH_MAX = 1024 };   /* bytes of the text */

struct stream_match {
    const char *text;               /* borrowed */
    uint16_t length;
    uint16_t back[STREAM_MATCH_MAX];    /* after `i` bytes that fit and one that does not, so many
                                         * of them still do */
};

/* `text` has 1 to STREAM_MATCH_MAX bytes. */
void stream_match_init(struct stream_match *match, const char *text);

/* `*fits` is 0 at the beginning of a stream. True: found; then there is no need to go on. */
bool stream_match_feed(const struct stream_match *match, uint16_t *fits, const void *bytes,
                       size_t count);

#endif
