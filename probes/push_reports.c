#include "probes/push_reports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/control_message.h"
#include "base/names.h"

struct key {
    char app[APP_NAME_BYTES];
    char target[TARGET_NAME_BYTES];     /* all bytes behind its end are zero: it is hashed whole */
};

struct entry {
    UT_hash_handle hh;
    struct key key;
    uint64_t at_ms;
    bool failed, degraded;
    char *detail;                       /* owned; NULL: "" */
};

/* In the order of their coming: who reports again goes to the end. */
static struct entry *entries;

static void
make_key(struct key *key, const char *app, const char *target)
{
    memset(key, 0, sizeof *key);
    memcpy(key->app, app, strnlen(app, sizeof key->app - 1));
    memcpy(key->target, target, strnlen(target, sizeof key->target - 1));
}

static struct entry *
find(const char *app, const char *target)
{
    struct entry *entry;
    struct key key;

    make_key(&key, app, target);
    HASH_FIND(hh, entries, &key, sizeof key, entry);
    return entry;
}

static void
drop(struct entry *entry)
{
    HASH_DEL(entries, entry);
    free(entry->detail);
    free(entry);
}

int
push_reports_put(const struct control_target_report *report, uint64_t now_ms)
{
    struct entry *entry = calloc(1, sizeof *entry), *before;

    if (entry == NULL)
        return -ENOMEM;
    entry->detail = report->detail[0] == '\0' ? NULL : strdup(report->detail);
    if (entry->detail == NULL && report->detail[0] != '\0') {
        free(entry);
        return -ENOMEM;
    }
    make_key(&entry->key, report->app, report->target);
    entry->at_ms = now_ms;
    entry->failed = report->failed != 0;
    entry->degraded = report->degraded != 0;
    before = find(report->app, report->target);
    if (before == NULL && HASH_COUNT(entries) >= PUSH_REPORTS_MAX)
        before = entries;
    if (before != NULL)
        drop(before);
    HASH_ADD(hh, entries, key, sizeof entry->key, entry);
    return 0;
}

bool
push_reports_find(const char *app, const char *target, const struct address *address,
                  struct push_report *report)
{
    char text[ADDRESS_TEXT_BYTES];
    const struct entry *named = find(app, target);
    const struct entry *addressed = find(app, address_format(address, text));
    const struct entry *entry = named;

    if (entry == NULL || (addressed != NULL && addressed->at_ms > entry->at_ms))
        entry = addressed;
    if (entry == NULL)
        return false;
    *report = (struct push_report){ .at_ms = entry->at_ms,
                                    .failed = entry->failed,
                                    .degraded = entry->degraded,
                                    .detail = entry->detail != NULL ? entry->detail : "" };
    return true;
}

void
push_reports_forget(const char *app)
{
    struct entry *entry, *next;

    HASH_ITER (hh, entries, entry, next) {
        if (strcmp(entry->key.app, app) == 0)
            drop(entry);
    }
}
