/* set_ports - apps against each other: who has a port.
 *
 * Who holds one now keeps it, else the order of files and their text decides. "Now" is what the
 * last take said, unless that failed (set_holds.c). A port is given up by an app whose new text
 * does not have it; but one that comes out broken goes on with its old text and keeps all of its
 * old ports, so that others who wanted those are broken too:
 *
 *   1  against what is held: a wanted port of an app that keeps it, or is broken, is lost;
 *      one of an app that gives it up makes the wanter wait for that one's fate
 *   2  against each other, in order
 *   3  what was lost is told; an app whose rivals lost as well has lost nothing after all
 *
 * One pass each: thousands of apps cost a millisecond or two. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/ports_told.h"
#include "config/set_priv.h"

/* `waiter` wants a port that another app gives up. */
struct wait {
    struct set_entry *waiter;
    uint32_t next;
};

struct contest {
    struct config_set *set;
    struct wait *waits; /* owned; lists are indices plus one */
    uint32_t wait_count, wait_room;
};

typedef int port_fn(struct contest *contest, struct set_entry *entry,
                    const struct address *address, const struct port_span *span);

/* Each port of `facts`; ends with the first result that is not 0. */
static int
each_port(struct contest *contest, struct set_entry *entry, const struct app_facts *facts,
          port_fn *visit)
{
    int rc = 0;

    for (uint32_t i = 0; i < facts->span_count && rc == 0; i++) {
        struct address address = facts->spans[i].address;

        for (uint32_t port = address.port; port <= facts->spans[i].last && rc == 0; port++) {
            address.port = (uint16_t)port;
            rc = visit(contest, entry, &address, &facts->spans[i]);
        }
    }
    return rc;
}

static const struct claim *
first_claim(const struct claims *claims, const struct address *address)
{
    struct claims_walk walk;

    claims_walk(&walk, claims, address);
    return claims_next(&walk);
}

/* What is held does not collide; if it does (the database says so), the first one has it. */
static int
hold_port(struct contest *contest, struct set_entry *entry, const struct address *address,
          const struct port_span *span)
{
    struct claims *held = contest->set->held;

    return first_claim(held, address) != NULL ? 0 : claims_add(held, address, span, entry);
}

static int
want_port(struct contest *contest, struct set_entry *entry, const struct address *address,
          const struct port_span *span)
{
    return claims_add(contest->set->wanted, address, span, entry);
}

static int
wait_for(struct contest *contest, struct set_entry *entry, struct set_entry *waiter)
{
    uint32_t room = contest->wait_room == 0 ? 16 : contest->wait_room * 2;
    struct wait *waits;

    if (contest->wait_count == contest->wait_room) {
        waits = reallocarray(contest->waits, room, sizeof *waits);
        if (waits == NULL)
            return -ENOMEM;
        contest->waits = waits;
        contest->wait_room = room;
    }
    contest->waits[contest->wait_count++] = (struct wait){ waiter, entry->waiters };
    entry->waiters = contest->wait_count;
    return 0;
}

/* It stays with its old text, and so do those that wanted its old ports, and so on. */
static void
lose(struct contest *contest, struct set_entry *entry)
{
    struct set_entry *todo = entry;

    entry->now = NOW_BROKEN;
    entry->lost = true;
    entry->next_lost = NULL;
    while (todo != NULL) {
        uint32_t at = todo->waiters;

        todo = todo->next_lost;
        for (; at != 0; at = contest->waits[at - 1].next) {
            struct set_entry *waiter = contest->waits[at - 1].waiter;

            if (waiter->now != NOW_VALID)
                continue;
            waiter->now = NOW_BROKEN;
            waiter->lost = true;
            waiter->next_lost = todo;
            todo = waiter;
        }
    }
}

/* Does `rival`, who holds a port that collides with `address`, keep it? */
static bool
keeps(const struct set_entry *rival, const struct address *address)
{
    return rival->now == NOW_BROKEN ||
           (rival->now == NOW_VALID &&
            spans_find(rival->app->facts->spans, rival->app->facts->span_count, address));
}

enum { LOST = 1 };

static int
judge_port(struct contest *contest, struct set_entry *entry, const struct address *address,
           const struct port_span *span)
{
    const struct claim *claim;
    struct claims_walk walk;
    int rc = 0;

    claims_walk(&walk, contest->set->held, address);
    while (rc == 0 && (claim = claims_next(&walk)) != NULL) {
        if (claim->owner == entry)
            continue;
        rc = keeps(claim->owner, address) ? LOST : wait_for(contest, claim->owner, entry);
    }
    return rc;
}

static int
is_wanted(struct contest *contest, struct set_entry *entry, const struct address *address,
          const struct port_span *span)
{
    return first_claim(contest->set->wanted, address) != NULL ? LOST : 0;
}

/* Who stands in the way of `address`, as far as is known; NULL: nobody. */
static const struct claim *
find_rival(const struct config_set *set, const struct set_entry *entry,
           const struct address *address)
{
    const struct claim *claim;
    struct claims_walk walk;

    claims_walk(&walk, set->held, address);
    while ((claim = claims_next(&walk)) != NULL)
        if (claim->owner != entry && keeps(claim->owner, address))
            return claim;
    claims_walk(&walk, set->wanted, address);
    while ((claim = claims_next(&walk)) != NULL) {
        const struct set_entry *rival = claim->owner;

        if (rival != entry && !rival->lost)
            return claim;
    }
    return NULL;
}

/* The first pass: against what is held. */
static int
judge_all(struct contest *contest)
{
    struct config_set *set = contest->set;
    int rc = 0;

    for (size_t i = 0; i < set->order_count && rc == 0; i++) {
        struct set_entry *entry = set->order[i];

        if (entry->now != NOW_VALID)
            continue;
        rc = each_port(contest, entry, entry->app->facts, judge_port);
        if (rc == LOST) {
            lose(contest, entry);
            rc = 0;
        }
    }
    return rc;
}

/* Of an app with errors that never was valid: what it asks for waits for it, unless another one
 * has it; else it would depend on who is mended first who gets a port in the end. */
static int
reserve_port(struct contest *contest, struct set_entry *entry, const struct address *address,
             const struct port_span *span)
{
    return find_rival(contest->set, entry, address) != NULL
               ? 0
               : want_port(contest, entry, address, span);
}

/* The second pass: against each other. */
static int
want_all(struct contest *contest)
{
    struct config_set *set = contest->set;
    int rc = 0;

    for (size_t i = 0; i < set->order_count && rc == 0; i++) {
        struct set_entry *entry = set->order[i];

        if (entry->now == NOW_VALID) {
            rc = each_port(contest, entry, entry->app->facts, is_wanted);
            if (rc == 0)
                rc = each_port(contest, entry, entry->app->facts, want_port);
            else if (rc == LOST)
                lose(contest, entry);
            rc = rc == LOST ? 0 : rc;
        } else if (entry->app != NULL && !entry->lost && set_entry_holds(entry) == NULL) {
            rc = each_port(contest, entry, entry->app->facts, reserve_port);
        }
    }
    return rc;
}

static struct port_holder
holder_of(const struct claim *claim)
{
    const struct set_entry *rival = claim->owner;
    const struct port_span *span = NULL;
    struct port_holder holder = {
        .owner = rival,
        .app = rival->name,
        .address = claim->address,
        .file = rival->file != NULL ? rival->file->path : rival->source,
    };

    if (rival->app != NULL)
        span = spans_find(rival->app->facts->spans, rival->app->facts->span_count,
                          &claim->address);
    if (span != NULL)
        holder.line = span->line;
    else if (rival->app != NULL)
        holder.line = rival->app->line;
    return holder;
}

/* Tells what others have of the ports of an app; `*told` counts. */
static int
tell_ports(struct config_set *set, const struct set_entry *entry, size_t *told_count)
{
    struct error_sink sink = { .list = &set->errors,
                               .file = entry->file->path,
                               .app = entry->name };
    struct problems problems = { .report = errors_add, .context = &sink };
    const struct app_facts *facts = entry->app->facts;
    struct ports_told told;

    ports_told_begin(&told, &problems,
                     entry->file->content.syntax == SYNTAX_FLY ? "Ports" : "ports");
    for (uint32_t i = 0; i < facts->span_count; i++) {
        struct address address = facts->spans[i].address;

        for (uint32_t port = address.port; port <= facts->spans[i].last; port++) {
            const struct claim *rival;
            struct port_holder holder;

            address.port = (uint16_t)port;
            rival = find_rival(set, entry, &address);
            if (rival == NULL)
                continue;
            holder = holder_of(rival);
            ports_told_add(&told, &address, facts->spans[i].line, &holder);
        }
    }
    ports_told_end(&told);
    *told_count = problems.count;
    return sink.out_of_memory ? -ENOMEM : 0;
}

/* The reason of one that lost; it may be a valid app after all, when its rivals lost too. */
static int
settle_lost(struct contest *contest, struct set_entry *entry)
{
    struct config_set *set = contest->set;
    size_t first = set->errors.count, told;
    char *reason;
    int rc = tell_ports(set, entry, &told);

    if (rc < 0)
        return rc;
    if (told == 0) {
        entry->now = NOW_VALID;
        entry->lost = false;
        set->dirty = true; /* those who lost to it are looked at again next time */
        return each_port(contest, entry, entry->app->facts, want_port);
    }
    if (first < set->errors.count)
        return set_entry_break(entry, config_error_text(&set->errors.errors[first]));
    if (asprintf(&reason, "%s:%u: %s: has ports that are taken", entry->file->path,
                 entry->app->line, entry->name) < 0)
        reason = NULL;
    return set_entry_break(entry, reason);
}

/* In the end. One with errors of its own is told of its ports too, so that who checks the files
 * sees everything at once. */
static int
settle_broken(struct contest *contest)
{
    struct config_set *set = contest->set;
    size_t told;
    int rc = 0;

    for (size_t i = 0; i < set->order_count && rc == 0; i++)
        if (set->order[i]->lost)
            rc = settle_lost(contest, set->order[i]);
    for (size_t i = 0; i < set->order_count && rc == 0; i++) {
        struct set_entry *entry = set->order[i];

        if (entry->now == NOW_BROKEN && entry->app != NULL && !entry->lost)
            rc = tell_ports(set, entry, &told);
    }
    return rc;
}

int
set_contest_ports(struct config_set *set)
{
    struct contest contest = { .set = set };
    int rc = 0;

    for (size_t i = 0; i < set->order_count && rc == 0; i++)
        if (set_entry_holds(set->order[i]) != NULL)
            rc = each_port(&contest, set->order[i], set_entry_holds(set->order[i]), hold_port);
    if (rc == 0)
        rc = judge_all(&contest);
    if (rc == 0)
        rc = want_all(&contest);
    if (rc == 0)
        rc = settle_broken(&contest);
    claims_reset(set->held);
    claims_reset(set->wanted);
    free(contest.waits);
    return rc;
}
