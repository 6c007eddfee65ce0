/*
 * endpoint - one address of a target: its probes, its state, and what is told of both. The
 * prober's files only.
 */
#ifndef FPROXY_PROBES_ENDPOINT_H
#define FPROXY_PROBES_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "probes/endpoint_priv.h"

/* In its target's list, with a slot when one is free, its next probe scheduled: soon, unless
 * another prober or generation has told when (endpoint_origin.h). NULL without memory. An
 * address of family 0 stands for an unresolved target. */
struct endpoint *endpoint_create(struct target *target, const struct address *address,
                                 uint16_t weight, uint16_t tier);

/* `why` there is no such address any more: the database forgets it and its slot is freed. NULL:
 * the app is unloaded, its board stays as it is. */
void endpoint_destroy(struct endpoint *endpoint, const char *why);

/* Has every probe of it counted since this process began? */
bool endpoint_proven(const struct endpoint *endpoint);

/* May it get new connections? */
bool endpoint_eligible(const struct endpoint *endpoint);

/* The same when nothing of the app may: one that leaves but works, or that has yet to prove
 * itself, is better than none. */
bool endpoint_in_reserve(const struct endpoint *endpoint);

/* DNS has decided that it leaves, or that it stays after all. Recorded with `why`. */
void endpoint_set_leaving(struct endpoint *endpoint, bool leaving, const char *why);

/* The check that tells most of why it is as it is; NULL: it has none. */
const struct check *endpoint_because(const struct endpoint *endpoint);

/* Something that its state follows from changed: works it out anew; tells of it, with `detail` for
 * people, and publishes when it is another one. */
void endpoint_judge(struct endpoint *endpoint, const char *detail);

/* The same, where it is not its new state's reason that tells why it changed. */
void endpoint_judge_because(struct endpoint *endpoint, enum reason reason, const char *detail);

/* Why there is no address. */
void endpoint_set_unresolved(struct endpoint *endpoint, enum reason reason,
                             const struct resolver_answer *answer);

/* Evidence against it: its next probe starts now, unless one runs or waits already, the last
 * such was less than 250 ms ago, or its state says already that it may be dead. */
void endpoint_hurry(struct endpoint *endpoint, uint64_t now_ms);

/* It was told something by the target itself: a probe that looks at reports does so now, or within
 * 250 ms when it just has. */
void endpoint_reported(struct endpoint *endpoint, uint64_t now_ms);

/* No probes until endpoint_resume(); then it is unknown, and probed at once. */
void endpoint_pause(struct endpoint *endpoint);
void endpoint_resume(struct endpoint *endpoint);

#endif
