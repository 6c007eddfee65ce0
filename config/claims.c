#include "config/claims.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

enum { BUCKETS = 8192 };

/* Lists are indices into `all`, plus one; 0 ends them. Ports share the buckets. */
struct claims {
    struct claim *all; /* owned */
    uint32_t count, room;
    uint32_t wide[BUCKETS];   /* by port: those of every address (of a family) */
    uint32_t narrow[BUCKETS]; /* by port: those of one address ... */
    uint32_t hashed[BUCKETS]; /* ... and the same ones by address and port: many apps may
                               * listen on one port, each at an address of its own */
};

struct claims *
claims_create(void)
{
    return calloc(1, sizeof(struct claims));
}

void
claims_destroy(struct claims *claims)
{
    if (claims != NULL)
        free(claims->all);
    free(claims);
}

static bool
is_wide(const struct address *address)
{
    static const uint8_t zero[16];

    return memcmp(address->ip, zero, sizeof zero) == 0;
}

static uint32_t
bucket(const struct address *address)
{
    uint32_t hash;

    HASH_VALUE(address, sizeof *address, hash);
    return hash % BUCKETS;
}

void
claims_reset(struct claims *claims)
{
    for (uint32_t i = 0; i < claims->count; i++) {
        const struct address *address = &claims->all[i].address;

        if (is_wide(address)) {
            claims->wide[address->port % BUCKETS] = 0;
        } else {
            claims->narrow[address->port % BUCKETS] = 0;
            claims->hashed[bucket(address)] = 0;
        }
    }
    claims->count = 0;
}

static bool
grow(struct claims *claims)
{
    uint32_t room = claims->room == 0 ? 64 : claims->room * 2;
    struct claim *all;

    if (claims->count < claims->room)
        return true;
    all = reallocarray(claims->all, room, sizeof *all);
    if (all == NULL)
        return false;
    claims->all = all;
    claims->room = room;
    return true;
}

int
claims_add(struct claims *claims, const struct address *address, const struct port_span *span,
           void *owner)
{
    uint32_t *list, *hashed;
    struct claim *claim;

    if (!grow(claims))
        return -ENOMEM;
    claim = &claims->all[claims->count++];
    *claim = (struct claim){ .address = *address, .owner = owner, .span = span };
    if (is_wide(address)) {
        list = &claims->wide[address->port % BUCKETS];
    } else {
        list = &claims->narrow[address->port % BUCKETS];
        hashed = &claims->hashed[bucket(address)];
        claim->next_hashed = *hashed;
        *hashed = claims->count;
    }
    claim->next = *list;
    *list = claims->count;
    return 0;
}

static bool
same_place(const struct address *a, const struct address *b)
{
    if (a->family == 0 || b->family == 0)
        return true;
    return a->family == b->family &&
           (is_wide(a) || is_wide(b) ||
            (memcmp(a->ip, b->ip, sizeof a->ip) == 0 && a->scope == b->scope));
}

void
claims_walk(struct claims_walk *walk, const struct claims *claims,
            const struct address *address)
{
    *walk = (struct claims_walk){ .claims = claims,
                                  .address = address,
                                  .at = claims->wide[address->port % BUCKETS],
                                  .list = CLAIMS_WIDE };
}

/* From the wide ones to those of one address: all of the port, or those of this address. */
static bool
next_list(struct claims_walk *walk)
{
    if (walk->list != CLAIMS_WIDE)
        return false;
    walk->list = is_wide(walk->address) ? CLAIMS_NARROW : CLAIMS_HASHED;
    walk->at = walk->list == CLAIMS_NARROW ? walk->claims->narrow[walk->address->port % BUCKETS]
                                           : walk->claims->hashed[bucket(walk->address)];
    return true;
}

const struct claim *
claims_next(struct claims_walk *walk)
{
    do {
        while (walk->at != 0) {
            const struct claim *claim = &walk->claims->all[walk->at - 1];

            walk->at = walk->list == CLAIMS_HASHED ? claim->next_hashed : claim->next;
            if (claim->address.port == walk->address->port &&
                same_place(&claim->address, walk->address))
                return claim;
        }
    } while (next_list(walk));
    return NULL;
}

const struct port_span *
spans_find(const struct port_span *spans, uint32_t count, const struct address *address)
{
    for (uint32_t i = 0; i < count; i++)
        if (address->port >= spans[i].address.port && address->port <= spans[i].last &&
            same_place(&spans[i].address, address))
            return &spans[i];
    return NULL;
}

const char *
listen_text(const struct address *address, char *text)
{
    if (address->family != 0)
        return address_format(address, text);
    snprintf(text, ADDRESS_TEXT_BYTES, "%u", address->port);
    return text;
}
