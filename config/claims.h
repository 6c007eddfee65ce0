/*
 * claims - a table of ports and who claims them.
 *
 * It only finds what stands in each other's way; who is in the right is decided where the
 * table is filled. A port alone collides with every address, "0.0.0.0" and "[::]" with all
 * of their family. One look-up costs the same however many apps there are.
 */
#ifndef FPROXY_CONFIG_CLAIMS_H
#define FPROXY_CONFIG_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"

/* Ports in a row at one address, as they stand in one line. */
struct port_span {
    struct address address;     /* with the first port */
    uint16_t last;              /* port */
    unsigned line;              /* 0: not known */
};

struct claim {
    struct address address;
    void *owner;                /* the caller's */
    const struct port_span *span;   /* borrowed */
    uint32_t next, next_hashed; /* in the table's lists */
};

struct claims;

/* NULL without memory. */
struct claims *claims_create(void);
void claims_destroy(struct claims *claims);
/* Empties it; costs no more than what lay in it. */
void claims_reset(struct claims *claims);

/* Adds, whatever is there already. 0 or -ENOMEM. */
int claims_add(struct claims *claims, const struct address *address,
               const struct port_span *span, void *owner);

/* Walks over all claims that collide with `address` (borrowed); adding ends the walk. */
struct claims_walk {
    const struct claims *claims;
    const struct address *address;
    uint32_t at;
    enum { CLAIMS_WIDE, CLAIMS_NARROW, CLAIMS_HASHED } list;
};

void claims_walk(struct claims_walk *walk, const struct claims *claims,
                 const struct address *address);
/* NULL: no more. */
const struct claim *claims_next(struct claims_walk *walk);

/* The first span of `spans` with a port that collides with `address`; NULL: none. */
const struct port_span *spans_find(const struct port_span *spans, uint32_t count,
                                   const struct address *address);

/* "5001", "127.0.0.1:5001" into ADDRESS_TEXT_BYTES; returns text. */
const char *listen_text(const struct address *address, char *text);

#endif
