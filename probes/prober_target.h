/*
 * prober_target - what an app's configuration names: its endpoints follow what its name
 * resolves to. The prober's files only.
 */
#ifndef FPROXY_PROBES_PROBER_TARGET_H
#define FPROXY_PROBES_PROBER_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "probes/endpoint_priv.h"

void target_init(struct target *target, struct prober_app *app, uint32_t index);

/* Gives it its first endpoints and begins to watch its name. 0 or -ENOMEM. */
int target_start(struct target *target);

/* A lookup of `source` ended: the endpoints follow, by the hold rules. */
void target_follow(struct target *target, const struct source *source, enum dns_family family,
                   const struct resolver_answer *answer);

/* Adds the addresses of an answer, or of what is remembered until there is one. */
void target_take(struct target *target, const struct source *source, enum dns_family family,
                 const struct resolver_answer *answer);

/* Something that the hold rules go by changed: they are looked at before the loop waits. */
void target_look_soon(struct target *target);

/* An endpoint of it begins to fail: DNS may know better. */
void target_doubt(struct target *target);

/* Frees its endpoints; nothing is recorded. */
void target_fini(struct target *target);

/* All its endpoints were probed once, and its name was looked up in both families, or one of
 * them works already. */
bool target_settled(const struct target *target);

#endif
