/* Names are passed over without following their pointers, so nothing here can loop. */
#include "probes/dns_packet.h"

enum {
    HEADER_BYTES = 12,
    QUESTION_TAIL_BYTES = 4,    /* type, class */
    RECORD_HEAD_BYTES = 10,     /* type, class, TTL, length */
};

uint32_t
dns_number(const unsigned char *bytes, size_t count)
{
    uint32_t value = 0;

    for (size_t i = 0; i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

static bool
skip(struct dns_cursor *cursor, size_t bytes)
{
    if (cursor->length - cursor->at < bytes)
        return false;
    cursor->at += bytes;
    return true;
}

/* Over a name, which ends with a zero byte or a pointer; pointers are not followed. */
static bool
skip_name(struct dns_cursor *cursor)
{
    for (;;) {
        unsigned char label;

        if (cursor->at >= cursor->length)
            return false;
        label = cursor->bytes[cursor->at];
        if (label == 0)
            return skip(cursor, 1);
        if ((label & 0xc0) == 0xc0)
            return skip(cursor, 2);
        if ((label & 0xc0) != 0 || !skip(cursor, (size_t)label + 1))
            return false;
    }
}

bool
dns_packet_begin(struct dns_cursor *cursor, const unsigned char *bytes, size_t length,
                 struct dns_counts *counts)
{
    uint32_t questions;

    *cursor = (struct dns_cursor){ .bytes = bytes, .length = length };
    if (!skip(cursor, HEADER_BYTES))
        return false;
    questions = dns_number(bytes + 4, 2);
    counts->answers = dns_number(bytes + 6, 2);
    counts->authorities = dns_number(bytes + 8, 2);
    for (uint32_t i = 0; i < questions; i++) {
        if (!skip_name(cursor) || !skip(cursor, QUESTION_TAIL_BYTES))
            return false;
    }
    return true;
}

bool
dns_packet_next(struct dns_cursor *cursor, struct dns_record *record)
{
    const unsigned char *head;

    if (!skip_name(cursor))
        return false;
    head = cursor->bytes + cursor->at;
    if (!skip(cursor, RECORD_HEAD_BYTES))
        return false;
    record->type = dns_number(head, 2);
    record->class = dns_number(head + 2, 2);
    record->ttl_s = dns_number(head + 4, 4);
    record->data_at = cursor->at;
    record->data_bytes = dns_number(head + 8, 2);
    return skip(cursor, record->data_bytes);
}
