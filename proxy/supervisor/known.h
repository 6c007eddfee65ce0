/*
 * known - what the database knew at the start: last good configurations, last rollouts, and
 * what an operator decided. Kept until the first change has been applied.
 */
#ifndef FPROXY_SUPERVISOR_KNOWN_H
#define FPROXY_SUPERVISOR_KNOWN_H

#include <stdbool.h>

#include "store/store.h"

struct known {
    struct store_config *configs;       /* owned; by name, the last good one and the highest
                                         * number of each app */
    size_t config_count;
    bool configs_unknown;               /* they could not be read */
    struct store_config *groups;        /* owned: daemon, defaults */
    size_t group_count;
    struct store_rollout *rollouts;     /* owned; by name */
    size_t rollout_count;
    struct store_override *overrides;   /* owned; by name */
    size_t override_count;
    bool overrides_unknown;             /* they could not be read */
};

/* The reason of rollouts that a supervisor which was killed left open. */
extern const char known_interrupted[];

/* One that was open when the supervisor ended, of an app that does not run: it failed. */
void known_end(struct store_rollout *rollout);

/* Reads what can be read; what cannot is as if it were not there. */
void known_read(struct known *known, struct store *store);
void known_free(struct known *known);

/* The last good one; NULL: there is none. */
const struct store_config *known_good(const struct known *known, const char *app);
/* The highest number ever used; 0: none. While that cannot be read: one that is higher
 * (numbers_unknown()), so that no row that is there is overwritten. */
uint32_t known_highest(const struct known *known, const char *app);
/* No app is known that came from `config_path` or a file in it. */
bool known_is_empty(const struct known *known, const char *config_path);
const struct store_rollout *known_rollout(const struct known *known, const char *app);
/* The hash of the text that an operator went back from; NULL: none. */
const char *known_rolled_back(const struct known *known, const char *app);

#endif
