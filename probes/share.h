/*
 * share - equal probes of several apps run once and count for all.
 *
 * Checks that would ask the same of the same address as often are members of one group. Whichever
 * is due first runs, and the others take its result as their own: one that is due meanwhile waits
 * for it, and their next probes are due an interval later as well. What they make of it (rise,
 * fall) is their own.
 *
 * The first probe of a member that is new among others is its own matter as long as it finds what
 * all know, a target that works: one app that begins with a target of 5,000 costs 5,000 nothing
 * (17 ms otherwise). Anything else is told to all.
 *
 * Equal is told by a digest of 64 bits of what is asked (share_digest()) and the address. Every
 * step is O(1) but giving a result away, which is O(members). The prober's loop only.
 */
#ifndef FPROXY_PROBES_SHARE_H
#define FPROXY_PROBES_SHARE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/address.h"
#include "probes/probe.h"

struct share_group;
struct shares;

/* A check's place in its group: zeroed by its owner, who reads only. */
struct share_member {
    TAILQ_ENTRY(share_member) link;
    struct share_group *group;      /* NULL: in none */
    bool waits;                     /* for the result of another one, which runs */
};

/* NULL without memory. */
struct shares *shares_create(void);
/* Without members. */
void shares_destroy(struct shares *shares);

/* Of what a probe of this configuration asks, and how often; never 0. Text that follows the
 * target's name (a Host header) must not be shared between targets: see PROBE_NAMES. */
uint64_t share_digest(const struct app_probe *probe);

/* `digest` for a probe that names its target. */
uint64_t share_digest_named(uint64_t digest, const char *target);

/* Without memory it stays alone. */
void share_join(struct shares *shares, struct share_member *member, uint64_t digest,
                const struct address *address);
void share_leave(struct shares *shares, struct share_member *member);

/* Its probe begins: true, and share_end() is to follow; false: it waits for another one's that
 * runs, whose result is to come, unless it is cut short. */
bool share_begin(struct share_member *member);
void share_end(struct share_member *member);
/* It has what it waited for, or begins itself. */
void share_stop_waiting(struct share_member *member);

typedef void share_wake_fn(struct share_member *member);

/* It ends without a result. If it was the one that ran, `wake` is called for all that wait, and
 * wait no more: the next that begins runs. `wake` may not leave, join or begin. */
void share_cut(struct share_member *member, share_wake_fn *wake);

typedef void share_take_fn(struct share_member *member, const struct probe_result *result,
                           uint64_t started_ms);

/* Gives the result to all others of the group; to those that wait only, if it is the member's first
 * and no news: the target works, as it did when a result was last given. `take` may not leave or
 * join. */
void share_give(struct share_member *member, const struct probe_result *result,
                uint64_t started_ms, bool first, share_take_fn *take);

#endif
