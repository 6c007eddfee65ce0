#include "proxy/supervisor/ports.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *
port_text(const struct app_listen *port, char *text)
{
    if (port->address.family == 0)
        snprintf(text, ADDRESS_TEXT_BYTES, "%u", port->address.port);
    else
        address_format(&port->address, text);
    return text;
}

/* Is `b` the next port of the same address? */
static bool
follows(const struct app_listen *a, const struct app_listen *b)
{
    struct address next = a->address;

    if (next.port == UINT16_MAX)
        return false;
    next.port++;
    return address_equal(&next, &b->address);
}

/* "5001-5003" for ports[first] to ports[last]. */
static void
range_text(const struct app_listen *ports, uint32_t first, uint32_t last, char *text,
           size_t bytes)
{
    char begin[ADDRESS_TEXT_BYTES];

    port_text(&ports[first], begin);
    if (last == first)
        snprintf(text, bytes, "%s", begin);
    else
        snprintf(text, bytes, "%s-%u", begin, ports[last].address.port);
}

const char *
ports_text(const struct app_listen *ports, uint32_t count, char *text, size_t text_bytes)
{
    static const char cut[] = ", ...";
    size_t used = 0;

    assert(text_bytes > sizeof cut);
    text[0] = '\0';
    for (uint32_t first = 0; first < count;) {
        char range[ADDRESS_TEXT_BYTES + 8];
        uint32_t last = first;
        size_t bytes;

        while (last + 1 < count && follows(&ports[last], &ports[last + 1]))
            last++;
        range_text(ports, first, last, range, sizeof range);
        bytes = strlen(range) + (used > 0 ? 2 : 0);
        if (used + bytes + sizeof cut > text_bytes) {
            memcpy(text + used, used > 0 ? cut : cut + 2, used > 0 ? 6 : 4);
            break;
        }
        used += (size_t)snprintf(text + used, text_bytes - used, "%s%s", used > 0 ? ", " : "",
                                 range);
        first = last + 1;
    }
    return text;
}
