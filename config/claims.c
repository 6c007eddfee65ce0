#include "config/claims.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct owner {
    char name[APP_NAME_BYTES];
    const char *file; /* borrowed */
    unsigned line;
    UT_hash_handle hh; /* by name; not for an app without one */
};

struct port_claim {
    struct address address;
    struct owner *owner;
    unsigned line;
    UT_hash_handle hh; /* by address; of one address only */
};

/* Who has a port number: a port alone (family 0) collides with all others, "0.0.0.0" and
 * "[::]" with all of their family; the first of one address stands for those of its family. */
struct port_claims {
    struct port_claim *alone;
    struct port_claim *every[2]; /* IPv4, IPv6 */
    struct port_claim *one[2];
};

/* Claims lie in blocks, one an app: they never move and are freed together. */
struct block {
    struct block *next;
    struct owner owner;
    struct port_claim ports[];
};

struct claims {
    const char *name_key, *ports_key; /* as the file at hand writes them */
    struct owner *names;
    struct block *blocks;
    struct port_claim *by_address;
    struct port_claims by_port[65536];
};

struct claims *
claims_create(void)
{
    return calloc(1, sizeof(struct claims));
}

void
claims_destroy(struct claims *claims)
{
    struct block *block, *next;

    if (claims == NULL)
        return;
    HASH_CLEAR(hh, claims->names);
    HASH_CLEAR(hh, claims->by_address);
    for (block = claims->blocks; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    free(claims);
}

static bool
is_every_address(const struct address *address)
{
    static const uint8_t zero[16];

    return memcmp(address->ip, zero, sizeof zero) == 0;
}

/* The claim that stands in the way of a socket on `address`. One look-up, for an app may
 * have thousands of ports and there may be thousands of apps. */
static struct port_claim *
find_collision(struct claims *claims, const struct address *address)
{
    const struct port_claims *held = &claims->by_port[address->port];
    int family = address->family == 6;
    struct port_claim *claim;

    if (held->alone != NULL)
        return held->alone;
    if (address->family == 0) {
        for (int i = 0; i < 2; i++)
            if (held->every[i] != NULL || held->one[i] != NULL)
                return held->every[i] != NULL ? held->every[i] : held->one[i];
        return NULL;
    }
    if (held->every[family] != NULL)
        return held->every[family];
    if (is_every_address(address))
        return held->one[family];
    HASH_FIND(hh, claims->by_address, address, sizeof *address, claim);
    return claim;
}

static void
hold(struct claims *claims, struct port_claim *claim)
{
    struct port_claims *held = &claims->by_port[claim->address.port];
    int family = claim->address.family == 6;

    if (claim->address.family == 0) {
        held->alone = claim;
    } else if (is_every_address(&claim->address)) {
        held->every[family] = claim;
    } else {
        if (held->one[family] == NULL)
            held->one[family] = claim;
        HASH_ADD(hh, claims->by_address, address, sizeof claim->address, claim);
    }
}

static const char *
listen_text(const struct address *address, char *text)
{
    if (address->family != 0)
        return address_format(address, text);
    snprintf(text, ADDRESS_TEXT_BYTES, "%u", address->port);
    return text;
}

/* Collisions of neighbours in a range are one message. */
struct run {
    const struct address *first;
    const struct port_claim *holder;
    unsigned line, more;
};

static void
tell_run(const struct claims *claims, const struct run *run, const struct owner *owner,
         struct problems *problems)
{
    char wanted[ADDRESS_TEXT_BYTES], held[ADDRESS_TEXT_BYTES], more[48] = "";
    const struct port_claim *holder = run->holder;

    if (holder == NULL)
        return;
    listen_text(run->first, wanted);
    listen_text(&holder->address, held);
    if (run->more > 0)
        snprintf(more, sizeof more, " (and %u more of this range)", run->more);
    if (holder->owner == owner)
        problem_tell(problems, run->line, claims->ports_key,
                     "%s%s is listed twice in this app, before as %s in line %u", wanted, more,
                     held, holder->line);
    else
        problem_tell(problems, run->line, claims->ports_key,
                     "%s%s is taken: %s%s%s listens on %s (%s:%u)", wanted, more,
                     holder->owner->name[0] != '\0' ? "app \"" : "another app",
                     holder->owner->name, holder->owner->name[0] != '\0' ? "\"" : "", held,
                     holder->owner->file, holder->line);
}

static void
claim_ports(struct claims *claims, const struct app_draft *draft, struct block *block,
            struct problems *problems)
{
    struct run run = { 0 };

    for (uint32_t i = 0; i < draft->app.port_count; i++) {
        const struct address *address = &draft->app.ports[i].address;
        struct port_claim *claim = &block->ports[i];
        struct port_claim *holder = find_collision(claims, address);

        if (holder == NULL) {
            claim->address = *address;
            claim->owner = &block->owner;
            claim->line = draft->port_lines[i];
            hold(claims, claim);
            continue;
        }
        if (run.holder != NULL && run.line == draft->port_lines[i] &&
            run.holder->owner == holder->owner && run.holder->line == holder->line &&
            run.first + run.more + 1 == address &&
            address->port == run.first->port + run.more + 1) {
            run.more++;
            continue;
        }
        tell_run(claims, &run, &block->owner, problems);
        run = (struct run){ address, holder, draft->port_lines[i], 0 };
    }
    tell_run(claims, &run, &block->owner, problems);
}

static void
claim_name(struct claims *claims, struct owner *owner, struct problems *problems)
{
    struct owner *other;

    if (owner->name[0] == '\0')
        return;
    HASH_FIND_STR(claims->names, owner->name, other);
    if (other == NULL)
        HASH_ADD_STR(claims->names, name, owner);
    else
        problem_tell(problems, owner->line, claims->name_key,
                     "\"%s\" is taken: an app of this name stands at %s:%u", owner->name,
                     other->file, other->line);
}

int
claims_add(struct claims *claims, const struct app_draft *draft, const char *file,
           enum syntax syntax, struct problems *problems)
{
    struct block *block =
        calloc(1, sizeof *block + draft->app.port_count * sizeof block->ports[0]);

    if (block == NULL)
        return -ENOMEM;
    block->next = claims->blocks;
    claims->blocks = block;
    block->owner.file = file;
    block->owner.line = draft->line;
    memcpy(block->owner.name, draft->app.name, sizeof block->owner.name);
    claims->name_key = syntax == SYNTAX_FLY ? "Name" : "name";
    claims->ports_key = syntax == SYNTAX_FLY ? "Ports" : "ports";
    claim_name(claims, &block->owner, problems);
    claim_ports(claims, draft, block, problems);
    return 0;
}
