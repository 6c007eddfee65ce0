#include "probes/share.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "config/app_probe.h"
#include "config/print.h"

struct share_key {
    uint64_t digest;
    struct address address;
};

struct share_group {
    UT_hash_handle hh;
    struct share_key key;
    TAILQ_HEAD(, share_member) members;
    const struct share_member *runs;    /* one of them; NULL: none */
    uint32_t waiting;                   /* so many of them */
    bool works;                         /* says the result that was last given to all */
};

struct shares {
    struct share_group *groups;
};

struct shares *
shares_create(void)
{
    return calloc(1, sizeof(struct shares));
}

void
shares_destroy(struct shares *shares)
{
    assert(shares->groups == NULL);
    free(shares);
}

/* FNV-1a of 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/. Two configured probes of one node
 * that differ and meet by chance: one in 10^11 at ten thousand of them. */
static uint64_t
digest_text(uint64_t digest, const char *text)
{
    for (; *text != '\0'; text++)
        digest = (digest ^ (unsigned char)*text) * 0x100000001b3;
    return digest;
}

uint64_t
share_digest(const struct app_probe *probe)
{
    /* What is made of the result is each one's own; the pointers in it stay the other's. */
    struct app_probe asked = *probe;
    struct print print;
    char *text = NULL;
    uint64_t digest = 0xcbf29ce484222325;

    asked.name[0] = '\0';
    asked.role = PROBE_READINESS;
    asked.rise = asked.fall = 1;
    asked.window = asked.threshold = asked.jitter_percent = 0;
    if (print_begin(&print) == 0) {
        app_probe_print(&print, 0, &asked);
        text = print_end(&print);
    }
    if (text == NULL)
        return 0;
    digest = digest_text(digest, text);
    free(text);
    return digest != 0 ? digest : 1;
}

uint64_t
share_digest_named(uint64_t digest, const char *target)
{
    return digest == 0 ? 0 : digest_text(digest ^ 1, target);
}

static struct share_group *
group_make(struct shares *shares, const struct share_key *key)
{
    struct share_group *group;

    HASH_FIND(hh, shares->groups, key, sizeof *key, group);
    if (group != NULL)
        return group;
    group = calloc(1, sizeof *group);
    if (group == NULL)
        return NULL;
    group->key = *key;
    TAILQ_INIT(&group->members);
    HASH_ADD(hh, shares->groups, key, sizeof group->key, group);
    return group;
}

void
share_join(struct shares *shares, struct share_member *member, uint64_t digest,
           const struct address *address)
{
    struct share_key key;

    assert(member->group == NULL);
    if (digest == 0)
        return;
    memset(&key, 0, sizeof key);
    key.digest = digest;
    key.address = *address;
    member->group = group_make(shares, &key);
    if (member->group != NULL)
        TAILQ_INSERT_TAIL(&member->group->members, member, link);
}

void
share_leave(struct shares *shares, struct share_member *member)
{
    struct share_group *group = member->group;

    if (group == NULL)
        return;
    share_end(member);
    share_stop_waiting(member);
    TAILQ_REMOVE(&group->members, member, link);
    member->group = NULL;
    if (!TAILQ_EMPTY(&group->members))
        return;
    HASH_DEL(shares->groups, group);
    free(group);
}

bool
share_begin(struct share_member *member)
{
    struct share_group *group = member->group;

    share_stop_waiting(member);
    if (group == NULL)
        return true;
    if (group->runs != NULL && group->runs != member) {
        member->waits = true;
        group->waiting++;
        return false;
    }
    group->runs = member;
    return true;
}

void
share_end(struct share_member *member)
{
    if (member->group != NULL && member->group->runs == member)
        member->group->runs = NULL;
}

void
share_stop_waiting(struct share_member *member)
{
    if (!member->waits)
        return;
    member->waits = false;
    member->group->waiting--;
}

void
share_cut(struct share_member *member, share_wake_fn *wake)
{
    struct share_group *group = member->group;
    struct share_member *other;

    if (group == NULL || group->runs != member)
        return;
    share_end(member);
    if (group->waiting == 0)
        return;
    TAILQ_FOREACH (other, &group->members, link) {
        if (!other->waits)
            continue;
        share_stop_waiting(other);
        wake(other);
    }
}

static bool
says_it_works(const struct probe_result *result)
{
    return result->outcome == REASON_OK && !result->degraded && !result->warning;
}

void
share_give(struct share_member *member, const struct probe_result *result, uint64_t started_ms,
           bool first, share_take_fn *take)
{
    struct share_group *group = member->group;
    struct share_member *other;
    bool known;

    if (group == NULL)
        return;
    known = first && group->works && says_it_works(result);
    group->works = says_it_works(result);
    if (known && group->waiting == 0)
        return;
    TAILQ_FOREACH (other, &group->members, link) {
        if (other != member && (!known || other->waits))
            take(other, result, started_ms);
    }
}
